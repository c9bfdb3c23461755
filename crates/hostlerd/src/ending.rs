//! Why a service does not run, in one sentence: from systemd's words for its end, and from what the service said of itself before it.

/// How a service ended, as systemd has it (org.freedesktop.systemd1(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Its Result, as `exit-code`.
    pub(crate) result: String,
    /// ExecMainStatus: its exit code, or the signal that ended it.
    pub(crate) exit_status: i32,
    /// StatusText: the last that it said of itself.
    pub(crate) status_text: String,
    /// User=, Group= and WorkingDirectory= of its unit.
    pub(crate) user: String,
    pub(crate) group: String,
    pub(crate) directory: String,
}

/// Those exit codes of Hostler's own after which it has said why (`systemctl status`); what it is called that happened then.
const SAID: [(i32, &str); 5] = [
    (64, "its settings cannot be used"),
    (65, "its application does not import"),
    (69, "its workers die before they are ready"),
    (70, "Hostler itself failed"),
    (71, "it could not have what it needs of the system"),
];

impl Ending {
    /// The sentence, without a full stop, and what to do where that follows from it. `service` is the unit, `user` says that it is a user's.
    pub(crate) fn sentence(&self, service: &str, user: bool) -> String {
        let scope = if user { " --user" } else { "" };
        let mend = |what: &str| format!("{what} (`systemctl{scope} edit {service}`), then start it");
        let status = self.exit_status;
        match self.result.as_str() {
            "exit-code" => match SAID.iter().find(|(code, _)| *code == status) {
                Some((_, what)) if self.status_text.is_empty() => format!("{what}; its log says more"),
                Some((_, what)) => format!("{what}: {}", self.status_text),
                None => self
                    .before_the_start(mend)
                    .unwrap_or_else(|| format!("its main process ended with exit status {status}; its log says why")),
            },
            "signal" => format!("its main process was ended by {}", signal(status)),
            "core-dump" => format!("its main process crashed, by {}; `coredumpctl info` shows where", signal(status)),
            "watchdog" => "it gave no sign of life in time, and systemd ended it".to_owned(),
            "timeout" => {
                "it took longer to start or to stop than systemd allows; its log says what it did last".to_owned()
            }
            "oom-kill" => {
                "the kernel killed it for want of memory: fewer workers, or more memory (MemoryMax=)".to_owned()
            }
            "start-limit-hit" => {
                format!(
                    "it was started too often in too short a time: mend the cause, then `systemctl{scope} reset-failed {service}`"
                )
            }
            "resources" => format!(
                "systemd could not have what it takes to start it; `systemctl{scope} status {service}` says what"
            ),
            "protocol" => "it ended before it had said that it serves; its log says why".to_owned(),
            "" | "success" => "its service failed; its log says why".to_owned(),
            other => format!("its service failed ({other}); its log says why"),
        }
    }

    /// What systemd did not get done before it started the program (systemd.exec(5), "Process Exit Codes").
    fn before_the_start(&self, mend: impl Fn(&str) -> String) -> Option<String> {
        let Self { user, group, directory, .. } = self;
        Some(match self.exit_status {
            200 => mend(&format!(
                "its unit's WorkingDirectory={directory} cannot be entered: create it, or let its user in, or name another"
            )),
            203 => mend(
                "the program of its unit (ExecStart=) is not there or cannot be executed: install hostler, or name it rightly",
            ),
            216 if !group.is_empty() => {
                mend(&format!("its unit says Group={group}, and there is no such group: create it, or name another"))
            }
            217 if !user.is_empty() => {
                mend(&format!("its unit says User={user}, and there is no such user: create it, or name another"))
            }
            216 | 217 => mend("its unit's User= or Group= cannot be had: name one that exists"),
            226 => mend(
                "systemd could not set up its sandbox: a path of its unit is not there, or this machine does not allow it",
            ),
            233 | 238..=241 => mend(
                "systemd could not make a directory of its unit (RuntimeDirectory=, StateDirectory= and the like): see who owns it",
            ),
            243 => mend("a credential of its unit (LoadCredential=) is not there or cannot be read"),
            _ => return None,
        })
    }
}

fn signal(number: i32) -> String {
    match number {
        6 => "SIGABRT".to_owned(),
        7 => "SIGBUS".to_owned(),
        9 => "SIGKILL".to_owned(),
        11 => "SIGSEGV".to_owned(),
        15 => "SIGTERM".to_owned(),
        31 => "SIGSYS, as its sandbox forbids a call of the kernel that it made".to_owned(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_a_sentence_that_says_what_and_what_next() {
        let ended = |result: &str, exit_status, status_text: &str| {
            let ending = Ending {
                result: result.to_owned(),
                exit_status,
                status_text: status_text.to_owned(),
                user: "shopkeeper".to_owned(),
                directory: "/srv/absent".to_owned(),
                ..Ending::default()
            };
            ending.sentence("hostler@shop.service", false)
        };
        let line = "/etc/hostler/shop.toml:3: unknown key `worker`: did you mean `workers`?";
        assert_eq!(ended("exit-code", 64, line), format!("its settings cannot be used: {line}"));
        assert_eq!(ended("exit-code", 64, ""), "its settings cannot be used; its log says more");
        assert_eq!(
            ended("exit-code", 217, "generation 3: 4 of 4 workers"),
            "its unit says User=shopkeeper, and there is no such user: create it, or name another \
             (`systemctl edit hostler@shop.service`), then start it"
        );
        assert!(ended("exit-code", 200, "").contains("WorkingDirectory=/srv/absent"));
        assert_eq!(ended("exit-code", 3, "serving"), "its main process ended with exit status 3; its log says why");
        assert_eq!(ended("signal", 9, "generation 3"), "its main process was ended by SIGKILL");
        for result in
            ["core-dump", "watchdog", "timeout", "oom-kill", "start-limit-hit", "resources", "protocol", "", "odd"]
        {
            assert!(ended(result, 6, "generation 3: 4 of 4 workers").len() > 20);
            assert!(
                !ended(result, 6, "generation 3").contains("generation"),
                "what it said when it was well is no reason"
            );
        }
        for code in [203, 216, 226, 233, 238, 243] {
            assert!(ended("exit-code", code, "").ends_with("then start it"), "{code}");
        }
        let user = Ending { result: "start-limit-hit".to_owned(), ..Ending::default() };
        assert!(
            user.sentence("hostler@x.service", true).ends_with("`systemctl --user reset-failed hostler@x.service`")
        );
    }
}
