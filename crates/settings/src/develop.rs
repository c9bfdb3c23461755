//! The settings for developing: reloading as files change. Declarations only.

use std::path::PathBuf;

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::choice::ReloadEngine;

settings! {
    /// Reloading by itself while the application is written.
    Develop, "Developing";

    /// Reload when a file of the application changes; for developing only.
    /// Watched are the Python files of the directory that is served from, and of the modules that the application imported from elsewhere, but
    /// for the standard library and what is installed; and the file of settings. Hidden files and directories, caches, virtual environments
    /// and `node_modules` are left out. While the code is broken, what served last goes on, and browsers are shown the traceback until it is
    /// mended. `graceful_timeout` is at most one second then.
    reload: bool = false, apply(Apply::Restart);

    /// How changes are seen: `auto` asks the system (inotify), `poll` looks at all files every now and then.
    /// Directories that come over a network, or from outside a virtual machine, are ones that the system tells nothing of.
    reload_engine: ReloadEngine = ReloadEngine::Auto, apply(Apply::Restart);

    /// The directories that are watched, in place of the one that is served from and those that modules were imported from.
    reload_dirs: Vec<PathBuf> = Vec::new(), option("reload-dir") apply(Apply::Restart);

    /// More files that are watched, whatever they are called.
    reload_extra_files: Vec<PathBuf> = Vec::new(), option("reload-extra-file") apply(Apply::Restart);

    /// Patterns of files that matter beside Python's, as `*.html`.
    /// A pattern without a slash is matched against the names of files and directories, one with a slash against the path within the
    /// watched directory, or the whole path if it begins with a slash. `*` matches no slash, `**` does.
    reload_include: Vec<String> = Vec::new(), apply(Apply::Restart);

    /// Patterns of files and directories that are left out, as `tests` or `build/*.py`; written as those of `reload_include`.
    reload_exclude: Vec<String> = Vec::new(), apply(Apply::Restart);
}
