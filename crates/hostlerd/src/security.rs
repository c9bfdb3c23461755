//! How much of the system is kept from a service: systemd-analyze(1) judges it, once for each state of its unit files.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hostler_bus::daemon::Security;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::scope::Kind;
use crate::units::service_of;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long an answer waits for it; a later one has it.
const PATIENCE: Duration = Duration::from_secs(3);
/// The drop-in that `hostler new` makes: a link to a profile.
const PROFILE: &str = "10-profile.conf";

/// One judgement, that all who ask for it wait for. `None` where systemd-analyze does not tell.
type Judgement = Arc<OnceCell<Option<Judged>>>;

#[derive(Clone, Debug, PartialEq)]
struct Judged {
    exposure: f64,
    rating: String,
}

/// What was judged, until unit files change.
#[derive(Clone, Default)]
pub(crate) struct Judgements {
    made: Arc<Mutex<HashMap<String, Made>>>,
}

/// One that was made of a service with these drop-ins.
struct Made {
    drop_ins: Vec<String>,
    judgement: Judgement,
}

impl Judgements {
    /// Unit files have changed, or were read anew.
    pub(crate) fn forget(&self) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The judgement that was made of a service; `None` while there is none.
    pub(crate) fn known(&self, name: &str) -> Option<Security> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let Made { drop_ins, judgement } = made.get(name)?;
        let Judged { exposure, rating } = judgement.get()?.clone()?;
        Some(Security { exposure, rating, profile: profile(name, drop_ins) })
    }

    /// The judgement on a service with these drop-ins; `None` where there is none, or none yet.
    pub(crate) async fn of(&self, kind: Kind, name: &str, drop_ins: &[String]) -> Option<Security> {
        let judgement = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            let known = made.get(name).filter(|known| known.drop_ins == drop_ins);
            let known = known.map(|known| Arc::clone(&known.judgement));
            known.unwrap_or_else(|| {
                let judgement = Judgement::default();
                let new = Made { drop_ins: drop_ins.to_vec(), judgement: Arc::clone(&judgement) };
                made.insert(name.to_owned(), new);
                judgement
            })
        };
        let judged = if let Some(judged) = judgement.get() {
            judged.clone()
        } else {
            let instance = name.to_owned();
            // A task of its own: it goes on when nobody waits any more.
            let judging = tokio::spawn(async move { judgement.get_or_init(|| judge(kind, instance)).await.clone() });
            tokio::time::timeout(PATIENCE, judging).await.ok()?.ok()?
        };
        let Judged { exposure, rating } = judged?;
        Some(Security { exposure, rating, profile: profile(name, drop_ins) })
    }
}

async fn judge(kind: Kind, name: String) -> Option<Judged> {
    let mut command = Command::new("systemd-analyze");
    if kind == Kind::User {
        command.arg("--user");
    }
    command.args(["security", "--no-pager", &service_of(&name)]);
    command.env("SYSTEMD_COLORS", "0").env("LC_ALL", "C").env("SYSTEMD_EMOJI", "0");
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.ok()?.ok()?;
    let judged = parse(&String::from_utf8_lossy(&output.stdout));
    if judged.is_none() {
        tracing::debug!(name, status = %output.status, "systemd-analyze does not judge a service");
    }
    judged
}

/// From the last line, as `-> Overall exposure level for hostler@shop.service: 1.9 OK :-)`. Its JSON has only what that is made of.
fn parse(text: &str) -> Option<Judged> {
    let line = text.lines().rev().find(|line| line.contains("Overall exposure level"))?;
    let mut words = line.rsplit_once(": ")?.1.split_whitespace();
    let exposure: f64 = words.next()?.parse().ok()?;
    (0.0..=10.0).contains(&exposure).then(|| Judged { exposure, rating: words.next().unwrap_or_default().to_owned() })
}

/// The profile that a service's drop-ins make.
fn profile(name: &str, drop_ins: &[String]) -> String {
    let directory = format!("{}.d", service_of(name));
    let own = |path: &&Path| path.ends_with(Path::new(&directory).join(PROFILE));
    let Some(drop_in) = drop_ins.iter().map(Path::new).find(own) else { return "standard".to_owned() };
    let target = drop_in.read_link().ok();
    let stem = target
        .as_deref()
        .filter(|target| target.parent().is_some_and(|parent| parent.ends_with("hostler/profiles")))
        .and_then(|target| target.file_stem()?.to_str());
    stem.unwrap_or("changed").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_judgement() {
        let text = "  NAME DESCRIPTION EXPOSURE\n- PrivateNetwork= x: y 0.5\n\n-> Overall exposure level for hostler@a:b.service: 1.9 OK :-)\n";
        assert_eq!(parse(text), Some(Judged { exposure: 1.9, rating: "OK".to_owned() }));
        assert_eq!(parse("→ Overall exposure level for x.service: 9.6 UNSAFE 😨").map(|one| one.exposure), Some(9.6));
        for text in ["", "Unit x.service could not be found.", "-> Overall exposure level for x: much OK"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_profile_is_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let units = directory.path().join("hostler@shop.service.d");
        std::fs::create_dir(&units).unwrap();
        let drop_in = units.join(PROFILE);
        let drop_ins = ["/etc/systemd/system/hostler@.service.d/x.conf".to_owned(), drop_in.display().to_string()];
        assert_eq!(profile("blog", &drop_ins), "standard");
        std::os::unix::fs::symlink("/usr/lib/hostler/profiles/strict.conf", &drop_in).unwrap();
        assert_eq!(profile("shop", &drop_ins), "strict");
        std::fs::remove_file(&drop_in).unwrap();
        std::fs::write(&drop_in, "[Service]\n").unwrap();
        assert_eq!(profile("shop", &drop_ins), "changed");
    }
}
