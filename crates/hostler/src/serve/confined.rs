//! Whether the service keeps from this process what its settings say. The drop-ins that do so tell it by variables; a file and a service that
//! contradict each other are told of, as with sockets, and nothing is served with less protection than somebody counts on.

use std::ffi::OsStr;

use hostler_settings::Service;
use hostler_systemd::Environment;

/// Which profile the service has; the templates and `systemd/profiles` set it.
const PROFILE: &str = "HOSTLER_PROFILE";
/// `no` where the service reaches no network.
const NETWORK: &str = "HOSTLER_NETWORK";

/// Compares the settings of the instance `name` with what the service has. The error is for people, a line each.
pub(super) fn check(settings: &Service, environment: &Environment, name: &str) -> Result<(), String> {
    let Service { profile, network } = settings;
    if environment.get("NOTIFY_SOCKET").is_none() {
        if profile.is_some() || !network {
            tracing::warn!("profile and network have no effect: it is a service of systemd that they are about");
        }
        return Ok(());
    }
    let mut wrong = Vec::new();
    let found = environment.get(PROFILE).and_then(OsStr::to_str);
    if let Some(profile) = profile.map(hostler_settings::Profile::word).filter(|wanted| found != Some(*wanted)) {
        let has = found.map_or_else(|| "none of Hostler's".to_owned(), |found| format!("{found:?}"));
        wrong.push(format!(
            "the settings say profile = {profile:?}, and the service runs with {has}: {}",
            remedy(name, &format!("profile={profile}"))
        ));
    }
    if !network && environment.get(NETWORK) != Some(OsStr::new("no")) {
        wrong.push(format!(
            "the settings say network = false, and the service has one: {}",
            remedy(name, "network=false")
        ));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn remedy(name: &str, setting: &str) -> String {
    format!("`hostler set {name} {setting}` writes the drop-in for it, which a restart puts in force")
}

#[cfg(test)]
mod tests {
    use hostler_settings::Profile;

    use super::*;

    fn told(profile: Option<Profile>, network: bool, variables: &[(&str, &str)]) -> Result<(), String> {
        let notified = [("NOTIFY_SOCKET", "/run/systemd/notify")];
        let environment: Environment = notified.iter().chain(variables).copied().collect();
        check(&Service { profile, network }, &environment, "shop")
    }

    #[test]
    fn a_service_that_fits_or_of_which_nothing_is_said_is_right() {
        let strict = [(PROFILE, "strict"), (NETWORK, "no")];
        assert_eq!(told(Some(Profile::Strict), false, &strict), Ok(()));
        assert_eq!(told(None, true, &strict), Ok(()), "a person linked it");
        assert_eq!(told(None, true, &[]), Ok(()));
    }

    #[test]
    fn a_service_that_does_not_fit_is_told_of_with_what_to_do() {
        let wrong = told(Some(Profile::Strict), false, &[(PROFILE, "standard")]).unwrap_err();
        assert_eq!(
            wrong,
            "the settings say profile = \"strict\", and the service runs with \"standard\": `hostler set shop profile=strict` \
             writes the drop-in for it, which a restart puts in force\n\
             the settings say network = false, and the service has one: `hostler set shop network=false` writes the drop-in \
             for it, which a restart puts in force"
        );
        assert!(told(Some(Profile::Standard), true, &[(PROFILE, "compat")]).is_err(), "the other way round, too");
        assert!(told(Some(Profile::Standard), true, &[]).unwrap_err().contains("none of Hostler's"));
    }
}
