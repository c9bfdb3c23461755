//! The words of the interfaces: closed sets that may grow. They travel as texts; a word of a newer version is
//! `Unknown` here.

macro_rules! words {
    ($($(#[doc = $about:literal])+ $Name:ident { $($(#[doc = $doc:literal])+ $Word:ident = $text:literal,)+ })+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
            #[serde(from = "String", into = "String")]
            pub enum $Name {
                /// A word that this version does not know.
                #[default]
                Unknown,
                $($(#[doc = $doc])+ $Word,)+
            }

            impl $Name {
                /// All that are known.
                pub const ALL: &'static [Self] = &[$(Self::$Word),+];

                /// The word as it travels and as it is shown.
                #[must_use]
                pub const fn as_str(self) -> &'static str {
                    match self {
                        Self::Unknown => "unknown",
                        $(Self::$Word => $text,)+
                    }
                }
            }

            impl From<&str> for $Name {
                fn from(text: &str) -> Self {
                    match text {
                        $($text => Self::$Word,)+
                        _ => Self::Unknown,
                    }
                }
            }

            impl From<String> for $Name {
                fn from(text: String) -> Self {
                    Self::from(text.as_str())
                }
            }

            impl From<$Name> for String {
                fn from(word: $Name) -> Self {
                    word.as_str().to_owned()
                }
            }

            impl std::fmt::Display for $Name {
                fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    to.pad(self.as_str())
                }
            }

            impl zbus::zvariant::Type for $Name {
                const SIGNATURE: &'static zbus::zvariant::Signature = &zbus::zvariant::Signature::Str;
            }
        )+
    };
}

pub(crate) use words;

words! {
    /// What an instance is doing.
    State {
        /// No generation has served yet.
        Starting = "starting",
        /// Requests are answered.
        Serving = "serving",
        /// No worker runs; the next request starts them.
        Asleep = "asleep",
        /// No worker can be had; requests are answered with 503.
        Broken = "broken",
        /// Requests are answered, and the next generation is being made.
        Reloading = "reloading",
        /// It was told to stop and finishes what it runs.
        Stopping = "stopping",
    }

    /// What happened to an instance.
    EventKind {
        /// Its server process began to serve.
        Started = "started",
        /// Another server process took over from the one before.
        Upgraded = "upgraded",
        /// Another generation serves.
        Reloaded = "reloaded",
        /// A generation was made and thrown away; the one before goes on.
        ReloadFailed = "reload-failed",
        /// The previous good generation serves again.
        RolledBack = "rolled-back",
        /// Settings took effect in the generation that serves.
        Applied = "applied",
        /// A worker ended unasked.
        WorkerDied = "worker-died",
        /// Workers were replaced, for one of their limits or by hand.
        Recycled = "recycled",
        /// No worker can be had; requests are answered with 503.
        Broken = "broken",
        /// A worker serves again after that.
        Healed = "healed",
        /// All workers were let go, as nobody asked anything, or the server process left, as nobody was connected.
        Asleep = "asleep",
        /// A worker serves again after that.
        Awake = "awake",
        /// Its server process was killed or crashed.
        Crashed = "crashed",
    }

    /// Why the server process of an instance did not run for a while.
    Absence {
        /// It had left, as nobody was connected; systemd started it again when it was needed.
        Asleep = "asleep",
        /// It was stopped and started anew.
        Restarted = "restarted",
        /// It was killed or crashed, and was started anew.
        Crashed = "crashed",
    }

    /// What a worker is doing.
    WorkerState {
        /// Its process was started and is not ready.
        Starting = "starting",
        /// It is ready and runs nothing.
        Idle = "idle",
        /// It runs at least one request.
        Busy = "busy",
        /// It takes no new request, finishes what it runs, and exits.
        Retiring = "retiring",
        /// It was told to exit.
        Stopping = "stopping",
        /// It died, and is started again after a pause.
        Waiting = "waiting",
    }

    /// How far a request is.
    Phase {
        /// It waits for a worker.
        Queued = "queued",
        /// A worker runs it, and nothing of the answer is there.
        Running = "running",
        /// The answer has begun.
        Answering = "answering",
        /// Its client is gone or was answered, and its worker has not finished.
        Abandoned = "abandoned",
    }

    /// The least severity that goes to the error log.
    LogLevel {
        /// Everything that helps to understand one worker.
        Debug = "debug",
        /// What an operator wants to know.
        Info = "info",
        /// What went wrong and was mended.
        Warning = "warning",
        /// What was lost.
        Error = "error",
    }
}
