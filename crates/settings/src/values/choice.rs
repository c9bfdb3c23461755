//! Settings that take one of a few words.

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// Declares an enum whose variants are words of a setting. Capital letters make no difference, as with gunicorn.
macro_rules! choice {
    ($(#[$attribute:meta])* $Name:ident { $($(#[$doc:meta])+ $Variant:ident = $word:literal $(| $other:literal)*),+ $(,)? }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name { $($(#[$doc])+ $Variant),+ }

        impl $Name {
            /// All of them, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),+];

            /// The word of the setting.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$Variant => $word),+ }
            }
        }

        impl Value for $Name {
            const KIND: Kind = Kind::Choice(&[$($word),+]);

            fn from_input(input: &Input) -> Result<Self, String> {
                match input.text().map(str::to_ascii_lowercase).as_deref() {
                    $(Some($word $(| $other)*) => Ok(Self::$Variant),)+
                    _ => Err(wrong(&Self::KIND, input)),
                }
            }

            fn render(&self) -> Option<String> {
                Some(format!("{:?}", self.word()))
            }
        }
    };
}

choice! {
    /// The interface that an application speaks.
    Interface {
        /// Told by looking at the application.
        Auto = "auto",
        /// WSGI, PEP 3333.
        Wsgi = "wsgi",
        /// ASGI 3.
        Asgi = "asgi",
    }
}

choice! {
    /// The event loop of an ASGI application.
    EventLoop {
        /// uvloop where the application's environment has it, else Python's own.
        Auto = "auto",
        /// Python's own.
        Asyncio = "asyncio",
        /// uvloop and no other.
        Uvloop = "uvloop",
    }
}

choice! {
    /// Whether ASGI's lifespan protocol is spoken.
    Lifespan {
        /// If the application takes it.
        Auto = "auto",
        /// The application must take it.
        On = "on",
        /// Never.
        Off = "off",
    }
}

choice! {
    /// What is done with header fields whose name has an underscore: in `environ` they look like their namesakes with
    /// a hyphen, so that a client could pass for a proxy (CVE-2024-1135 and its kin).
    HeaderMap {
        /// They are left out.
        Drop = "drop",
        /// The request is answered with 400.
        Refuse = "refuse",
        /// They are passed on.
        Dangerous = "dangerous",
    }
}

choice! {
    /// A header field in which proxies tell about the client that they forward for.
    ForwardedHeader {
        /// Its address.
        For = "x-forwarded-for",
        /// The scheme that it used.
        Proto = "x-forwarded-proto",
        /// The host that it asked for.
        Host = "x-forwarded-host",
        /// The port that it connected to.
        Port = "x-forwarded-port",
        /// All of these (RFC 7239).
        Standard = "forwarded",
    }
}

choice! {
    /// The least severity that goes to the error log.
    LogLevel {
        /// All that helps in finding a mistake of the server.
        Debug = "debug",
        /// What an operator wants to know.
        Info = "info",
        /// What was amiss and has been put right.
        Warning = "warning" | "warn",
        /// What lost a request or data. gunicorn's `critical` is read as this.
        Error = "error" | "critical",
    }
}

choice! {
    /// The format of the access log.
    AccessLogFormat {
        /// The combined format of Apache and nginx.
        Combined = "combined",
        /// One JSON object a line.
        Json = "json",
    }
}

choice! {
    /// How much of the system is kept from an instance.
    Profile {
        /// All that can be.
        Strict = "strict",
        /// What the templates of its units say.
        Standard = "standard",
        /// Less than that, for applications that it breaks.
        Compat = "compat",
    }
}

choice! {
    /// How changes of files are seen.
    ReloadEngine {
        /// The system tells; where it cannot, they are looked at.
        Auto = "auto" | "inotify",
        /// They are looked at every now and then.
        Poll = "poll",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case() {
        assert_eq!(LogLevel::from_input(&Input::Word("INFO".into())), Ok(LogLevel::Info));
        assert_eq!(LogLevel::from_input(&Input::Text("critical".into())), Ok(LogLevel::Error));
    }

    #[test]
    fn another_word_is_answered_with_the_list() {
        let message = HeaderMap::from_input(&Input::Text("keep".into())).unwrap_err();
        assert_eq!(message, r#"wants one of "drop", "refuse", "dangerous", found the text "keep""#);
    }
}
