//! `hostler logs`: the daemon's stream as lines; page by page where no descriptor passes.

use std::io::Write;
use std::time::Duration;

use hostler_bus::daemon::{LogFilter, LogLine};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::super::line::{Line, Paint, Tone, harmless};
use super::{Failed, Session, when};

/// How often a log that does not stream is asked for more.
const POLL_PERIOD: Duration = Duration::from_secs(1);

/// A frame of the stream: a line, or why it ended early.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Frame {
    Error { error: String },
    Line(Box<LogLine>),
}

impl Session<'_> {
    pub(super) async fn logs(&self, filter: LogFilter) -> Result<(), Failed> {
        if self.client.is_remote() {
            return self.pages(filter).await;
        }
        let stream = self.client.log_stream(&self.request.name, filter).await?;
        let mut frames = BufReader::new(stream).lines();
        loop {
            let frame = frames.next_line().await;
            let frame = frame.map_err(|error| Failed::Local(format!("the log ended early: {error}")))?;
            let Some(frame) = frame else { return Ok(()) };
            match serde_json::from_str(&frame)? {
                Frame::Error { error } => return Err(Failed::Local(format!("the log ended early: {error}"))),
                Frame::Line(line) => {
                    if !self.show(&line)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The same without a stream.
    async fn pages(&self, mut filter: LogFilter) -> Result<(), Failed> {
        let instance = self.client.instance(&self.request.name).await?;
        loop {
            let page = instance.read_logs(filter.clone()).await?;
            for line in &page.lines {
                if !self.show(line)? {
                    return Ok(());
                }
            }
            if !filter.follow {
                return Ok(());
            }
            if !page.cursor.is_empty() {
                filter.cursor = page.cursor;
                // How many lines are shown first does not bound those that follow.
                filter.lines = None;
            }
            tokio::time::sleep(POLL_PERIOD).await;
        }
    }

    /// Whether somebody still reads.
    fn show(&self, line: &LogLine) -> Result<bool, Failed> {
        let text = if self.request.json { serde_json::to_string(line)? } else { shown(line, self.paint) };
        let mut out = std::io::stdout().lock();
        Ok(writeln!(out, "{text}").and_then(|()| out.flush()).is_ok())
    }
}

/// `2026-03-01 14:00:00 hostler[12] the message`.
fn shown(line: &LogLine, paint: Paint) -> String {
    let tone = match line.priority {
        0..=3 => Tone::Bad,
        4 => Tone::Wary,
        7 => Tone::Faint,
        _ => Tone::Plain,
    };
    let mut who = line.identifier.clone();
    if line.pid != 0 {
        who.push_str(&format!("[{}]", line.pid));
    }
    let mut text =
        Line::toned(Tone::Faint, &when::shown(line.time_us)).and(Tone::Faint, &format!(" {who} ")).painted(paint);
    for (index, part) in harmless(&line.message).lines().enumerate() {
        text.push_str(if index == 0 { " " } else { "\n    " });
        text.push_str(&Line::toned(tone, part).painted(paint));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_harmless() {
        let line = LogLine {
            priority: 3,
            message: "it failed\nTraceback \u{1b}[2J".to_owned(),
            pid: 7,
            identifier: "python".to_owned(),
            ..LogLine::default()
        };
        let text = shown(&line, Paint::of(|_| false, false));
        assert!(text.contains(" python[7] it failed\n    Traceback "), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(shown(&line, Paint::of(|_| false, true)).contains("\u{1b}[31mit failed"));
    }

    #[test]
    fn frames() {
        let frame = |text| serde_json::from_str::<Frame>(text).unwrap();
        assert!(matches!(frame(r#"{"error":"gone"}"#), Frame::Error { error } if error == "gone"));
        assert!(matches!(frame(r#"{"message":"x","priority":6}"#), Frame::Line(line) if line.message == "x"));
    }
}
