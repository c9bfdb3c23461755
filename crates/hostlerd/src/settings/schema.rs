//! The settings that there are, as the bus tells of them.

use hostler_bus::daemon::{Applied, Form, SettingInfo};
use hostler_settings::{Apply, Kind, SettingMeta, metas};

/// All settings, in the order of the reference.
#[must_use]
pub fn schema() -> Vec<SettingInfo> {
    metas().iter().map(info).collect()
}

fn info(meta: &SettingMeta) -> SettingInfo {
    let (item, list) = match meta.kind {
        Kind::List(item) => (*item, true),
        kind => (kind, false),
    };
    SettingInfo {
        key: meta.key.to_owned(),
        group: meta.group.to_owned(),
        doc: meta.doc.clone(),
        form: form(item),
        list,
        words: match item {
            Kind::Choice(words) => words.iter().map(|word| (*word).to_owned()).collect(),
            _ => Vec::new(),
        },
        wanted: item.wanted(),
        optional: meta.optional,
        default: meta.default.clone(),
        least: meta.range.map(|range| range.least),
        most: meta.range.map(|range| range.most),
        range: meta.range_in_words().unwrap_or_default(),
        power_of_two: meta.power_of_two,
        applied: applied(meta.apply),
        decides_code: meta.decides_code(),
    }
}

fn applied(apply: Apply) -> Applied {
    match apply {
        Apply::Live => Applied::Live,
        Apply::NextGeneration => Applied::Reload,
        Apply::Restart => Applied::Restart,
    }
}

fn form(kind: Kind) -> Form {
    match kind {
        Kind::Boolean => Form::Boolean,
        Kind::Count => Form::Count,
        Kind::CountOrAuto => Form::CountOrAuto,
        Kind::Workers => Form::Workers,
        Kind::ModuleName => Form::ModuleName,
        Kind::Bytes => Form::Bytes,
        Kind::Duration => Form::Duration,
        Kind::Text => Form::Text,
        Kind::Path => Form::Path,
        Kind::LogFile => Form::LogFile,
        Kind::Application => Form::Application,
        Kind::Mode => Form::Mode,
        Kind::Owner => Form::Owner,
        Kind::Variable => Form::Variable,
        Kind::Peers => Form::Peers,
        Kind::UrlPath => Form::UrlPath,
        Kind::RequestTarget => Form::RequestTarget,
        Kind::HeaderName => Form::HeaderName,
        Kind::Choice(_) => Form::Choice,
        // No setting is a list of lists.
        Kind::List(item) => form(*item),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_told_whole() {
        let all = schema();
        assert_eq!(all.len(), metas().len());
        for one in &all {
            assert!(one.form != Form::Unknown && one.applied != Applied::Unknown, "{}", one.key);
            assert_eq!(one.words.is_empty(), one.form != Form::Choice, "{}", one.key);
        }
        let of = |key: &str| all.iter().find(|one| one.key == key).unwrap();
        assert_eq!((of("threads").least, of("threads").most), (Some(1), Some(64)));
        assert!(of("bind").list && of("timeout").applied == Applied::Live);
        for key in
            ["app", "chdir", "pythonpath", "python", "venv", "env", "bind", "control_socket", "error_logfile", "umask"]
        {
            assert!(of(key).decides_code, "{key}");
        }
        for key in ["workers", "threads", "timeout", "log_level", "ready_path", "forwarded_allow_ips"] {
            assert!(!of(key).decides_code, "{key}");
        }
    }
}
