//! The words of the daemon's interfaces.

use crate::words::words;

words! {
    /// What an instance does, as systemd and the instance itself say.
    InstanceState {
        /// Nothing of it is there but its settings file: it was never enabled or started.
        Configured = "configured",
        /// Neither its socket nor its service is active.
        Stopped = "stopped",
        /// It is on its way to serve.
        Starting = "starting",
        /// Requests are answered.
        Serving = "serving",
        /// Its socket listens, and nothing else runs; the next request starts it.
        Asleep = "asleep",
        /// It runs, and has no worker to answer requests with.
        Broken = "broken",
        /// Requests are answered, and the next generation is being made.
        Reloading = "reloading",
        /// It was told to stop and finishes what it runs.
        Stopping = "stopping",
        /// Its service or its socket failed, and systemd does not start it any more.
        Failed = "failed",
    }

    /// What a job does.
    JobKind {
        /// Starts socket and service.
        Start = "start",
        /// Stops socket and service.
        Stop = "stop",
        /// Stops and starts the service.
        Restart = "restart",
        /// Makes the next generation.
        Reload = "reload",
        /// Brings the previous generation back.
        Rollback = "rollback",
        /// Leaves the sockets to a new server process.
        Upgrade = "upgrade",
        /// Starts the service of an instance that sleeps.
        Wake = "wake",
        /// Stops the service; the socket listens on.
        Sleep = "sleep",
        /// Changes settings.
        Apply = "apply",
        /// Brings former settings back.
        Undo = "undo",
        /// Writes a new instance.
        Create = "create",
        /// Takes an instance away.
        Remove = "remove",
    }

    /// How far a job is.
    JobState {
        /// It is under way.
        Running = "running",
        /// It did what it was to do.
        Done = "done",
        /// It did not.
        Failed = "failed",
        /// It was cancelled before it was done.
        Cancelled = "cancelled",
    }

    /// Where the value of a setting comes from.
    Origin {
        /// Nobody set it.
        Default = "default",
        /// The settings file.
        File = "file",
        /// The environment or the command line of the service's unit file.
        Unit = "unit",
        /// A drop-in of the service's unit.
        DropIn = "drop-in",
    }

    /// When a changed setting takes effect.
    Applied {
        /// At once.
        Live = "live",
        /// With the next generation of workers: a reload.
        Reload = "reload",
        /// After a restart.
        Restart = "restart",
    }

    /// What is wrong with settings.
    ProblemKind {
        /// The file is not TOML.
        NotToml = "not-toml",
        /// There is no such setting.
        UnknownKey = "unknown-key",
        /// The setting does not take this value.
        WrongValue = "wrong-value",
    }

    /// The shape of a setting's value.
    Form {
        /// `true` or `false`.
        Boolean = "boolean",
        /// A whole number.
        Count = "count",
        /// A whole number, or `auto`.
        CountOrAuto = "count-or-auto",
        /// A whole number, two bounds as `1..8`, or `auto`.
        Workers = "workers",
        /// The name of a Python module.
        ModuleName = "module-name",
        /// A size in bytes.
        Bytes = "bytes",
        /// A length of time; in seconds, with a fraction or a unit.
        Duration = "duration",
        /// Any text.
        Text = "text",
        /// The path of a file or directory.
        Path = "path",
        /// The path of a log file, or `-`.
        LogFile = "log-file",
        /// `package.module:attribute`.
        Application = "application",
        /// Permission bits, in octal.
        Mode = "mode",
        /// `user`, `user:group` or `:group`.
        Owner = "owner",
        /// `NAME=VALUE`.
        Variable = "variable",
        /// An address, a network, or `*`.
        Peers = "peers",
        /// The path of a URL.
        UrlPath = "url-path",
        /// A path as it stands in a request, with a query if there is one.
        RequestTarget = "request-target",
        /// The name of an HTTP header field.
        HeaderName = "header-name",
        /// One of the setting's words.
        Choice = "choice",
    }
}
