//! Tests of drafts: what is a change, and what becomes of it when somebody else changes the file.

use super::*;

fn info(key: &str, form: Form, default: Option<&str>) -> SettingInfo {
    SettingInfo {
        key: key.to_owned(),
        form,
        default: default.map(str::to_owned),
        optional: default.is_none(),
        applied: if key == "bind" { Applied::Restart } else { Applied::Reload },
        ..SettingInfo::default()
    }
}

fn schema() -> Vec<SettingInfo> {
    vec![
        info("app", Form::Application, None),
        SettingInfo { list: true, ..info("bind", Form::Text, Some("[\"127.0.0.1:8000\"]")) },
        info("threads", Form::Count, Some("1")),
        info("timeout", Form::Duration, Some("30")),
    ]
}

fn of(schema: &[SettingInfo], key: &str) -> SettingInfo {
    schema.iter().find(|info| info.key == key).unwrap().clone()
}

fn settings(revision: &str, file: &[(&str, &str)]) -> Settings {
    let value = |info: &SettingInfo| {
        let own = file.iter().find(|(key, _)| *key == info.key).map(|(_, value)| (*value).to_owned());
        let origin = if own.is_some() { Origin::File } else { Origin::Default };
        SettingValue { key: info.key.clone(), value: own.or(info.default.clone()), origin, ..SettingValue::default() }
    };
    Settings { revision: revision.to_owned(), values: schema().iter().map(value).collect(), text: String::new() }
}

fn typed(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn draft(file: &[(&str, &str)]) -> (Draft, Vec<SettingInfo>) {
    let (mut draft, schema) = (Draft::default(), schema());
    draft.follow(&settings("r1", file), &schema);
    (draft, schema)
}

fn keys(draft: &Draft, schema: &[SettingInfo]) -> Vec<String> {
    draft.changes(schema).into_iter().map(|changed| changed.key).collect()
}

#[test]
fn what_differs_is_a_change() {
    let (mut draft, schema) = draft(&[("threads", "4")]);
    assert_eq!(draft.words(&of(&schema, "threads")), ["4"]);
    assert_eq!(draft.words(&of(&schema, "timeout")), ["30"]);
    draft.set(&of(&schema, "threads"), typed(&["8"]));
    draft.set(&of(&schema, "bind"), typed(&[":80", "unix:/run/x.sock", "", ""]));
    draft.set(&of(&schema, "timeout"), typed(&["30s"]));
    assert_eq!(keys(&draft, &schema), ["bind", "threads"], "30s is what it was");
    let change = draft.change(&schema);
    let bind = ("bind".to_owned(), typed(&[":80", "unix:/run/x.sock"]));
    assert_eq!(change.set, [bind, ("threads".to_owned(), typed(&["8"]))]);
    let shown = draft.changes(&schema);
    assert_eq!((shown[0].before.as_deref(), shown[0].applied), (None, Applied::Restart));
    assert_eq!((shown[1].before.as_deref(), shown[1].after.as_deref()), (Some("4"), Some("8")));
    draft.set(&of(&schema, "threads"), typed(&["4"]));
    assert!(!draft.is_edited("threads"), "typed back to what it was");
}

#[test]
fn what_is_in_the_file_can_leave_it() {
    let (mut draft, schema) = draft(&[("threads", "4"), ("app", "\"shop:app\"")]);
    draft.unset(&of(&schema, "threads"));
    assert_eq!(draft.words(&of(&schema, "threads")), ["1"], "the default is shown");
    draft.unset(&of(&schema, "timeout"));
    assert!(!draft.is_edited("timeout"), "it is not in the file");
    draft.set(&of(&schema, "app"), typed(&[""]));
    let change = draft.change(&schema);
    assert_eq!((change.set.len(), change.unset), (0, typed(&["app", "threads"])), "an empty text unsets");
    // One that is set to its default leaves the file all the same.
    let (mut same, schema) = self::draft(&[("threads", "1")]);
    same.unset(&of(&schema, "threads"));
    assert_eq!(same.change(&schema).unset, ["threads"]);
}

#[test]
fn each_change_has_a_number() {
    let (mut draft, schema) = draft(&[]);
    let mut last = draft.number();
    let steps: [fn(&mut Draft, &[SettingInfo]); 4] = [
        |draft, schema| draft.set(&of(schema, "threads"), typed(&["8"])),
        |draft, _| draft.revert("threads"),
        |draft, schema| draft.set(&of(schema, "threads"), typed(&["9"])),
        |draft, _| draft.discard(),
    ];
    for step in steps {
        step(&mut draft, &schema);
        assert!(draft.number() > last);
        last = draft.number();
    }
    draft.follow(&settings("r1", &[]), &schema);
    assert_eq!(draft.number(), last, "the same settings change nothing");
}

#[test]
fn where_both_changed_a_key_the_person_decides() {
    let (mut draft, schema) = draft(&[("threads", "4")]);
    draft.set(&of(&schema, "threads"), typed(&["8"]));
    draft.set(&of(&schema, "timeout"), typed(&["60"]));
    draft.follow(&settings("r2", &[("threads", "6"), ("app", "\"new:app\"")]), &schema);
    assert_eq!(draft.revision(), "r2");
    assert_eq!(draft.words(&of(&schema, "app")), ["new:app"], "what only they changed is taken");
    assert_eq!(keys(&draft, &schema), ["threads", "timeout"], "what only I changed stays");
    let clash = Clash { before: Some("4".to_owned()), theirs: Some("6".to_owned()) };
    assert_eq!((draft.clash("threads"), draft.clash("timeout"), draft.clashes()), (Some(&clash), None, 1));
    let mut theirs = draft.clone();
    theirs.take_theirs("threads");
    assert_eq!((theirs.words(&of(&schema, "threads")), theirs.clashes()), (typed(&["6"]), 0));
    draft.keep_mine("threads");
    assert_eq!((draft.words(&of(&schema, "threads")), draft.clashes()), (typed(&["8"]), 0));
    // They change it once more, to what I want.
    draft.follow(&settings("r3", &[("threads", "8")]), &schema);
    assert_eq!((keys(&draft, &schema), draft.clashes()), (typed(&["timeout"]), 0));
}

#[test]
fn what_was_applied_is_no_change_any_more() {
    let (mut draft, schema) = draft(&[]);
    draft.set(&of(&schema, "threads"), typed(&["8"]));
    draft.set(&of(&schema, "app"), typed(&["shop:app"]));
    draft.sent();
    draft.set(&of(&schema, "timeout"), typed(&["60"]));
    // The settings come before the answer: they are no one else's.
    let after = settings("r2", &[("threads", "8"), ("app", "\"shop:app\"")]);
    draft.follow(&after, &schema);
    assert!(draft.is_sent() && draft.clashes() == 0);
    draft.answered(true);
    draft.follow(&after, &schema);
    assert_eq!(
        (keys(&draft, &schema), draft.revision()),
        (typed(&["timeout"]), "r2"),
        "what was typed meanwhile stays"
    );
}

#[test]
fn what_was_refused_stays() {
    let (mut draft, schema) = draft(&[]);
    draft.set(&of(&schema, "threads"), typed(&["8"]));
    draft.sent();
    draft.answered(false);
    draft.follow(&settings("r1", &[]), &schema);
    assert_eq!(keys(&draft, &schema), ["threads"]);
}
