//! `set`, `get`, `history`, `undo`: settings over the bus.

use hostler_bus::daemon::{Change, Error, Origin, Problem, RevisionInfo, SettingValue};
use rustix::process::geteuid;

use super::super::line::{Line, Piece, Tone, harmless};
use super::super::table::{self, Side};
use super::super::write;
use super::{Failed, Session, Undo, when};
use crate::{USAGE, say};

/// So many digits of a revision are shown.
const REVISION_DIGITS: usize = 12;

impl Session<'_> {
    pub(super) async fn set(&self, change: &Change) -> Result<(), Failed> {
        let name = &self.request.name;
        let (revision, _) = self.client.settings(name).await?.text().await?;
        let job = match self.client.begin_apply(name, revision, change).await {
            Err(Error::InvalidSettings { problems }) => {
                tell_problems(&problems.into_iter().map(|problem| without_line(problem, change)).collect::<Vec<_>>());
                say(&format!("nothing was changed in the settings of {name}"));
                return Err(Failed::Told(USAGE));
            }
            begun => begun?,
        };
        let outcome = self.finish(job).await?;
        self.outcome(&outcome)
    }

    pub(super) async fn get(&self, key: Option<&str>, all: bool) -> Result<(), Failed> {
        let (_, values) = self.client.settings(&self.request.name).await?.values().await?;
        let Some(key) = key else {
            let shown: Vec<_> = values.into_iter().filter(|value| all || value.origin != Origin::Default).collect();
            return self.print(&shown, |values| table_of(values));
        };
        let Some(value) = values.iter().find(|value| value.key == key) else {
            return Err(Failed::Usage(unknown(key, &values)));
        };
        if self.request.json {
            return self.print(value, |_| Vec::new());
        }
        write(&harmless(value.value.as_deref().unwrap_or_default()));
        Ok(())
    }

    pub(super) async fn history(&self, difference: bool) -> Result<(), Failed> {
        let revisions = self.client.settings(&self.request.name).await?.history().await?;
        self.print(&revisions, |revisions| history(revisions, difference))
    }

    pub(super) async fn undo(&self, undo: &Undo) -> Result<(), Failed> {
        let name = &self.request.name;
        let settings = self.client.settings(name).await?;
        let (current, _) = settings.text().await?;
        let job = match undo {
            Undo::Last => settings.undo(current.clone()).await?,
            Undo::To(digits) => {
                let to = named(&settings.history().await?, digits)?.revision.clone();
                settings.restore(current.clone(), to).await?
            }
            Undo::From(digits) => match before(&settings.history().await?, digits)? {
                None => settings.undo(current.clone()).await?,
                Some(to) => settings.restore(current.clone(), to).await?,
            },
        };
        let outcome = self.finish(job).await?;
        self.outcome(&outcome)?;
        if !self.request.json && outcome.revision.as_ref().is_some_and(|now| *now != current) && !current.is_empty() {
            say(&format!("`hostler undo {name} --to {}` brings back what this replaced", short(&current)));
        }
        Ok(())
    }
}

/// What is wrong with what was just typed is in no line of the file.
fn without_line(problem: Problem, change: &Change) -> Problem {
    let typed = change.set.iter().any(|(key, _)| *key == problem.key);
    Problem { line: if typed { 0 } else { problem.line }, ..problem }
}

fn short(revision: &str) -> String {
    revision.chars().take(REVISION_DIGITS).collect()
}

/// The revision that begins with these digits: as many as tell it from the others. Of several times the same text, the latest.
fn named<'a>(revisions: &'a [RevisionInfo], digits: &str) -> Result<&'a RevisionInfo, Failed> {
    let mut found = revisions.iter().filter(|one| one.revision.starts_with(digits));
    let one =
        found.next().ok_or_else(|| Failed::Usage(format!("there is no revision {digits}; see `hostler history`")))?;
    match found.all(|other| other.revision == one.revision) {
        true => Ok(one),
        false => Err(Failed::Usage(format!("several revisions begin with {digits}; give more digits"))),
    }
}

/// What comes back where a revision and all after it are taken back; none for the last change, which undoing takes back.
fn before(revisions: &[RevisionInfo], digits: &str) -> Result<Option<String>, Failed> {
    let one = named(revisions, digits)?;
    if one.current {
        return Ok(None);
    }
    // Where it was made, and not where it came back.
    let made = revisions.iter().find(|other| other.revision == one.revision && !other.again);
    let one = made.unwrap_or(one);
    let shown = short(&one.revision);
    if !one.refused.is_empty() {
        return Err(Failed::Local(format!("revision {shown} is not in force, it was not taken: nothing to undo")));
    }
    let earlier = revisions.iter().skip_while(|other| !std::ptr::eq(*other, one)).skip(1);
    let former = earlier.filter(|other| other.refused.is_empty()).find(|other| other.revision != one.revision);
    let former = former.ok_or_else(|| {
        let reason =
            format!("nothing from before revision {shown} is kept; `--to {shown}` brings that one itself back");
        Failed::Local(reason)
    })?;
    Ok(Some(former.revision.clone()))
}

pub(super) fn tell_problems(problems: &[Problem]) {
    for problem in problems {
        let place = if problem.line == 0 { String::new() } else { format!("line {}: ", problem.line) };
        say(&harmless(&format!("{place}{}", problem.message)));
    }
}

fn unknown(key: &str, values: &[SettingValue]) -> String {
    let nearest = values
        .iter()
        .map(|value| (strsim::jaro_winkler(&value.key, key), &value.key))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match nearest {
        Some((_, meant)) => format!("unknown setting `{key}`: did you mean `{meant}`?"),
        None => format!("unknown setting `{key}`; `hostler get NAME --all` lists them"),
    }
}

fn table_of(values: &[SettingValue]) -> Vec<Line> {
    if values.is_empty() {
        return vec![Line::plain("nothing is set: all settings have their defaults; see --all")];
    }
    let columns = [("KEY", Side::Left), ("VALUE", Side::Left), ("FROM", Side::Left)];
    let rows = values.iter().map(|value| {
        let from = match (value.file.as_str(), value.line) {
            ("", _) => value.origin.as_str().to_owned(),
            (file, 0) => file.to_owned(),
            (file, line) => format!("{file}:{line}"),
        };
        let tone = if value.origin == Origin::Default { Tone::Faint } else { Tone::Plain };
        vec![
            Piece::new(tone, &value.key),
            Piece::new(tone, value.value.as_deref().unwrap_or("-")),
            Piece::new(Tone::Faint, &from),
        ]
    });
    table::lines(&columns, rows.collect())
}

fn history(revisions: &[RevisionInfo], difference: bool) -> Vec<Line> {
    if revisions.is_empty() {
        return vec![Line::plain("no changes were kept")];
    }
    let columns = [("REVISION", Side::Left), ("WHEN", Side::Left), ("BY", Side::Left), ("WHAT", Side::Left)];
    let own = geteuid().as_raw();
    let rows = revisions.iter().map(|one| {
        let by = match one.user {
            Some(user) if user == own => "you".to_owned(),
            Some(0) => "root".to_owned(),
            Some(user) => format!("user {user}"),
            None => "-".to_owned(),
        };
        let tone = if one.current { Tone::Strong } else { Tone::Plain };
        vec![
            Piece::new(tone, &short(&one.revision)),
            Piece::new(Tone::Plain, &when::shown(one.at_us)),
            Piece::new(Tone::Plain, &by),
            match one.refused.as_str() {
                "" => Piece::new(Tone::Plain, &one.summary),
                refused => Piece::new(Tone::Bad, &format!("{} (not taken: {refused})", one.summary)),
            },
        ]
    });
    let mut lines = table::lines(&columns, rows.collect());
    if !difference {
        return lines;
    }
    let mut shown = vec![lines.remove(0)];
    for (line, one) in lines.into_iter().zip(revisions) {
        shown.push(line);
        shown.extend(one.difference.lines().map(changed));
        shown.push(Line::default());
    }
    shown
}

/// A line of a unified diff.
pub(super) fn changed(line: &str) -> Line {
    let tone = match line.as_bytes().first() {
        Some(b'+') => Tone::Good,
        Some(b'-') => Tone::Bad,
        Some(b'@') => Tone::Faint,
        _ => Tone::Plain,
    };
    Line::toned(tone, line)
}

#[cfg(test)]
mod tests {
    use super::super::super::line::Paint;
    use super::*;

    fn text(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| line.painted(Paint::of(|_| false, false))).collect()
    }

    #[test]
    fn values_say_where_they_come_from() {
        let value = SettingValue {
            key: "workers".to_owned(),
            value: Some("4".to_owned()),
            origin: Origin::File,
            file: "/etc/hostler/shop.toml".to_owned(),
            line: 3,
        };
        let shown = text(&table_of(std::slice::from_ref(&value)));
        assert_eq!(shown, ["KEY      VALUE  FROM", "workers  4      /etc/hostler/shop.toml:3"]);
        assert_eq!(
            unknown("worker", std::slice::from_ref(&value)),
            "unknown setting `worker`: did you mean `workers`?"
        );
        assert!(unknown("zzz", &[value]).contains("--all"));
        assert!(text(&table_of(&[]))[0].contains("defaults"));
    }

    #[test]
    fn revisions_are_named_by_digits_and_have_one_before() {
        let one = |revision: &str, refused: &str| RevisionInfo {
            revision: revision.to_owned(),
            refused: refused.to_owned(),
            ..RevisionInfo::default()
        };
        // The latest first; the second text came back.
        let mut all = [one("b2", ""), one("dd", "it does not import"), one("c3", ""), one("b2", ""), one("b1", "")];
        (all[0].current, all[0].again) = (true, true);
        assert_eq!(named(&all, "b2").unwrap().revision, "b2", "twice the same is one");
        assert!(matches!(named(&all, "b"), Err(Failed::Usage(words)) if words.contains("more digits")));
        assert!(matches!(named(&all, "ff"), Err(Failed::Usage(words)) if words.contains("no revision ff")));
        assert_eq!(before(&all, "b2").unwrap(), None);
        assert_eq!(before(&all, "c3").unwrap().as_deref(), Some("b2"));
        all[0].current = false;
        assert_eq!(before(&all, "b2").unwrap().as_deref(), Some("b1"), "from where it was made");
        assert!(matches!(before(&all, "dd"), Err(Failed::Local(words)) if words.contains("not taken")));
        assert!(matches!(before(&all, "b1"), Err(Failed::Local(words)) if words.contains("--to b1")));
    }

    #[test]
    fn history_shows_changes_where_asked() {
        let one = RevisionInfo {
            revision: "0123456789abcdef".to_owned(),
            at_us: 1,
            user: Some(0),
            summary: "set workers".to_owned(),
            difference: "-workers = 1\n+workers = 2\n".to_owned(),
            current: true,
            again: false,
            refused: String::new(),
        };
        let shown = text(&history(std::slice::from_ref(&one), false));
        assert!(shown.len() == 2 && shown[1].starts_with("0123456789ab  ") && shown[1].ends_with("set workers"));
        let shown = text(&history(&[one], true));
        assert_eq!(shown[2..4], ["-workers = 1", "+workers = 2"]);
        let refused = RevisionInfo { refused: "it does not import".to_owned(), ..RevisionInfo::default() };
        assert!(text(&history(&[refused], false))[1].ends_with("(not taken: it does not import)"));
    }
}
