//! The one definition of every setting of Hostler: names, types, defaults, ranges and documentation.
//!
//! Each setting is declared once, in the file of its group (`app.rs`, `bind.rs`, `pool.rs`, `life.rs`, `asgi.rs`, `http.rs`,
//! `limits.rs`, `log.rs`, `develop.rs`, `service.rs`). From the declarations come the [`Settings`] struct, the keys of files, the options of the command line,
//! the reference and [`SettingMeta`] for whoever draws a form. This crate reads no file and no environment itself, and
//! does not know what a setting is used for.

mod app;
mod asgi;
mod bind;
pub mod command_line;
mod declare;
mod develop;
mod difference;
mod file;
mod http;
mod input;
mod kind;
mod life;
mod limits;
mod log;
mod meta;
mod mistake;
mod pool;
mod reading;
pub mod reference;
mod service;
mod value;
mod values;

pub use app::App;
pub use asgi::Asgi;
pub use bind::Bind;
pub use develop::Develop;
pub use http::Http;
pub use input::Input;
pub use kind::Kind;
pub use life::Life;
pub use limits::Limits;
pub use log::Log;
pub use meta::{Apply, Range, SettingMeta};
pub use mistake::{Mistake, Mistakes, Place, Wrong};
pub use pool::Pool;
pub use reading::{Explained, Reading, metas};
pub use service::Service;
pub use value::Value;
pub use values::application::Application;
pub use values::choice::{
    AccessLogFormat, EventLoop, ForwardedHeader, HeaderMap, Interface, Lifespan, LogLevel, Profile, ReloadEngine,
};
pub use values::count::CountOrAuto;
pub use values::log_file::LogFile;
pub use values::mode::{Mode, Owner};
pub use values::name::{HeaderName, ModuleName, RequestTarget, UrlPath, Variable};
pub use values::peers::Peers;
pub use values::workers::Workers;

/// All settings, with their types and within their ranges. The defaults are those of a file that says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The application and its surroundings.
    pub app: App,
    /// The sockets.
    pub bind: Bind,
    /// Workers, threads and what waits for them.
    pub pool: Pool,
    /// When workers are replaced, and what a reload waits for.
    pub life: Life,
    /// What concerns ASGI applications only.
    pub asgi: Asgi,
    /// Connections.
    pub http: Http,
    /// Limits on what clients send.
    pub limits: Limits,
    /// Logs.
    pub log: Log,
    /// Reloading as files change.
    pub develop: Develop,
    /// How systemd runs it.
    pub service: Service,
    /// Whether `bind` was given, be it with the value of the default. Where sockets are passed, that makes the difference.
    pub is_bind_given: bool,
}
