//! Developing: the instance reloads when files change, and shows in the browser what does not load.
//!
//! ```text
//!   a file changes ──► reload ──ready──► the router switches; pages that were shown load themselves anew
//!                        └──broken──► browsers are shown why; all else goes to what served last
//! ```
//!
//! When nothing served yet, all else is told why, too, in plain text.

use std::path::Path;
use std::time::Duration;

use hostler_channel::Loaded;
use hostler_router::{FAILURE_HEADER, Held, Router};
use hostler_settings::{ReloadEngine, Settings};
use hostler_watch::{BadPattern, Changed, Plan, Rules, Watch};
use tokio::sync::mpsc;

use super::generation::NotReady;
use super::page::failure_page;
use super::{Served, Source, traceback};

/// `graceful_timeout` is at most this: a stream that is open must not keep the person waiting who reloads, or stops the server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// How often a page asks whether its failure still stands.
const ASKED: Duration = Duration::from_millis(500);

/// The watch over the files, and what came of it.
pub(super) struct Developing {
    watch: Watch,
    changes: mpsc::Receiver<Changed>,
    follows_imports: bool,
    failures: u64,
}

/// Why files are not watched.
pub(super) enum Unwatched {
    Settings(String),
    System(String),
}

/// Which files matter.
///
/// # Errors
/// When a pattern cannot be read.
pub(super) fn rules(settings: &Settings) -> Result<Rules, BadPattern> {
    Rules::new(&settings.develop.reload_include, &settings.develop.reload_exclude)
}

impl Developing {
    /// Watches the files, if the settings say so.
    pub(super) fn begin(served: &Served, source: &Source) -> Result<Option<Self>, Unwatched> {
        let settings = &served.settings.develop;
        if !settings.reload {
            return Ok(None);
        }
        let rules = rules(&served.settings)
            .map_err(|error| Unwatched::Settings(format!("reload_include, reload_exclude: {error}")))?;
        let absolute = |path: &std::path::PathBuf| source.directory().join(path);
        let follows_imports = settings.reload_dirs.is_empty();
        let directories = if follows_imports {
            vec![served.application.directory.clone()]
        } else {
            settings.reload_dirs.iter().map(absolute).collect()
        };
        let mut files: Vec<_> = settings.reload_extra_files.iter().map(absolute).collect();
        files.extend(source.settings_file().map(Into::into));
        let plan = Plan { directories, files, rules, poll: settings.reload_engine == ReloadEngine::Poll };
        // One that waits to be read stands for all that come.
        let (tell, changes) = mpsc::channel(1);
        let told = move |changed| {
            let _waits_already = tell.try_send(changed);
        };
        let watch =
            Watch::start(plan, told).map_err(|error| Unwatched::System(format!("files cannot be watched: {error}")))?;
        Ok(Some(Self { watch, changes, follows_imports, failures: 0 }))
    }

    /// Waits for the next change, and tells of it; for ever when nothing is watched. Cancel safe.
    pub(super) async fn changed(developing: &mut Option<Self>, directory: &Path) {
        let Some(Self { changes, .. }) = developing else { return std::future::pending().await };
        match changes.recv().await {
            Some(Changed { path, files }) => {
                let path = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
                tracing::info!(path, files, "files changed");
            }
            // The watching thread has panicked, which was said.
            None => std::future::pending().await,
        }
    }

    /// A generation serves: what it was imported from is watched.
    pub(super) fn follow(&self, served: &Served, loaded: &Loaded) {
        if self.follows_imports {
            let mut paths = vec![served.application.directory.clone()];
            paths.extend(loaded.sources.iter().map(Into::into));
            self.watch.also(paths);
        }
    }

    /// A generation does not load: browsers are shown why, and so is everybody else when none serves.
    pub(super) async fn show(&mut self, router: &Router, failed: &NotReady, serving: bool) {
        let NotReady { reason, traceback, .. } = failed;
        self.failures += 1;
        let traceback = traceback.as_deref().map(traceback::told);
        if let Some(traceback) = &traceback
            && self.follows_imports
        {
            // What is broken may be something that was imported from elsewhere for the first time.
            self.watch.also(traceback::files(traceback));
        }
        let page = page(self.failures, reason, traceback.as_deref());
        let text = (!serving).then(|| format!("{reason}\n\n{}", traceback.as_deref().unwrap_or_default()));
        router.hold(Some(Held::Failed { number: self.failures, page, text })).await;
    }
}

/// The page of a failure: it loads itself anew when another one, or none, is in its place.
fn page(number: u64, reason: &str, traceback: Option<&str>) -> String {
    let mut page = failure_page("The application does not load", reason, traceback, None);
    let script = script(number);
    match page.rfind("</body>") {
        Some(end) => page.insert_str(end, &script),
        None => page.push_str(&script),
    }
    page
}

/// Asks now and then whether the failure still stands. The router answers that by itself; a server that is away for a moment is asked again. Without
/// scripts the page loads itself each time.
fn script(number: u64) -> String {
    let milliseconds = ASKED.as_millis();
    format!(
        r#"<noscript><meta http-equiv="refresh" content="2"></noscript>
<script>
const name = "{FAILURE_HEADER}", failure = "{number}";
async function ask() {{
  try {{
    const options = {{method: "HEAD", cache: "no-store", redirect: "manual", headers: {{[name]: failure}}}};
    const answer = await fetch(location.href, options);
    if (answer.headers.get(name) !== failure) return location.reload();
  }} catch {{ }}
  setTimeout(ask, {milliseconds});
}}
setTimeout(ask, {milliseconds});
</script>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_asks_about_its_own_failure() {
        let page = page(7, "no </body> here", Some("Traceback\n"));
        assert!(page.contains(r#"const name = "Hostler-Failure", failure = "7";"#), "{page}");
        assert!(page.trim_end().ends_with("</script>\n</body>\n</html>"), "{page}");
        assert!(page.contains("no &lt;/body&gt; here"));
    }
}
