//! What is answered while an application does not work: a page that needs nothing beside itself, and the same for programs.

use std::fmt::Write;
use std::time::Duration;

use hostler_router::Held;
use hostler_supervisor::Failure;

/// When who was answered with 503 may come again. It is tried again at least twice a minute, and at once after a reload.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How soon the page asks again by itself, for who waits for it.
const REFRESH: Duration = Duration::from_secs(3);

/// Plain on purpose: it is shown when nothing else works. Light or dark, as the reader's system is.
const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#fbfbfa;--sheet:#fff;--ink:#1c1d1f;--faint:#63666b;--line:#dedfe1;--mark:#b3261e}\
@media(prefers-color-scheme:dark){:root{--ground:#17181a;--sheet:#1f2124;--ink:#e6e7e9;--faint:#9a9da3;--line:#34373b;--mark:#ff8a80}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{max-width:64rem;margin:0 auto;padding:3rem 1.25rem}\
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}\
.reason{margin:0 0 1.5rem;padding-left:.9rem;border-left:3px solid var(--mark);overflow-wrap:anywhere;white-space:pre-wrap}\
pre{margin:0 0 1.5rem;padding:1rem;overflow-x:auto;background:var(--sheet);border:1px solid var(--line);border-radius:6px;\
font:13px/1.55 ui-monospace,Menlo,Consolas,monospace;tab-size:4}\
.note{margin:0;color:var(--faint);font-size:.875rem}";

/// An HTML document with `title`, `reason` and, if there is one, Python's `traceback`. All three are escaped here. With `refresh` the browser asks
/// again after that time, rounded up to whole seconds, at least one.
pub(super) fn failure_page(title: &str, reason: &str, traceback: Option<&str>, refresh: Option<Duration>) -> String {
    let mut page = String::with_capacity(STYLE.len() + 512 + reason.len() + traceback.map_or(0, str::len));
    page.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<meta name=\"robots\" content=\"noindex\">\n");
    let seconds = refresh.map(|time| time.as_millis().div_ceil(1000).max(1));
    if let Some(seconds) = seconds {
        // A String takes whatever is written to it.
        let _ = writeln!(page, "<meta http-equiv=\"refresh\" content=\"{seconds}\">");
    }
    page.push_str("<title>");
    escape(title, &mut page);
    page.push_str("</title>\n<style>");
    page.push_str(STYLE);
    page.push_str("</style>\n</head>\n<body>\n<main>\n<h1>");
    escape(title, &mut page);
    page.push_str("</h1>\n<p class=\"reason\">");
    escape(reason, &mut page);
    page.push_str("</p>\n");
    if let Some(traceback) = traceback {
        // Scrolls within itself, so the keyboard has to reach it.
        page.push_str("<pre tabindex=\"0\" aria-label=\"Traceback\">");
        escape(traceback.trim_end(), &mut page);
        page.push_str("</pre>\n");
    }
    if seconds.is_some() {
        page.push_str("<p class=\"note\">This page asks again by itself.</p>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// What all requests are answered while no worker can be had. Why that is, is for those who develop: `debug`.
pub(super) fn held(failure: &Failure, debug: bool) -> Held {
    match failure {
        _ if !debug => unusable(),
        Failure::Import { message, traceback } => broken(message, traceback.as_deref(), Some(REFRESH)),
        Failure::DiedAtBoot { detail } => broken(detail, None, Some(REFRESH)),
        Failure::KilledAtBoot { .. } => broken(&failure.to_string(), None, Some(REFRESH)),
    }
}

/// The same, without the reason.
pub(super) fn unusable() -> Held {
    broken("It is tried again all the while. Please come back in a moment.", None, None)
}

fn broken(reason: &str, traceback: Option<&str>, refresh: Option<Duration>) -> Held {
    let title = "The application cannot be started";
    let mut json = serde_json::json!({ "error": "unavailable", "title": title, "reason": reason });
    let mut text = format!("{title}. {reason}\n");
    if let Some(traceback) = traceback {
        json["traceback"] = traceback.into();
        let _ = write!(text, "\n{}\n", traceback.trim_end());
    }
    Held::Broken {
        retry_after_s: RETRY_AFTER.as_secs() as u32,
        page: failure_page(title, reason, traceback, refresh),
        json: format!("{json}\n"),
        text,
    }
}

/// Appends `text` so that it stays text in an element or a quoted attribute. Control characters that HTML does not allow become U+FFFD: a terminal's
/// colours mean nothing to a browser.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            _ if character.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_quoted_becomes_markup() {
        let evil = "</pre><script>alert(\"1\")</script>&'\u{1b}[31m\0";
        let page = failure_page(evil, evil, Some(evil), None);
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("</pre>").count(), 1);
        let escaped = "&lt;/pre&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\u{fffd}[31m\u{fffd}";
        // The title twice, the reason, the traceback.
        assert_eq!(page.matches(escaped).count(), 4);
    }

    #[test]
    fn only_who_develops_is_told_why() {
        let failure =
            Failure::Import { message: "no \"module\"".to_owned(), traceback: Some("File secret.py".to_owned()) };
        let Held::Broken { page, json, text, .. } = held(&failure, false) else { panic!() };
        for answer in [&page, &json, &text] {
            assert!(!answer.contains("module") && !answer.contains("secret"), "{answer}");
        }
        let Held::Broken { page, json, text, .. } = held(&failure, true) else { panic!() };
        assert!(page.contains("no &quot;module&quot;") && page.contains("secret.py") && page.contains("refresh"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["reason"], &json["traceback"]), (&"no \"module\"".into(), &"File secret.py".into()));
        assert_eq!(text, "The application cannot be started. no \"module\"\n\nFile secret.py\n");
    }

    #[test]
    fn it_needs_nothing_beside_itself_and_suits_light_and_dark() {
        let page = failure_page("Broken", "why", Some("Traceback"), Some(Duration::from_secs(2)));
        for outside in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn it_refreshes_only_when_asked_and_never_at_once() {
        let refresh = |time| failure_page("t", "r", None, time);
        assert!(!refresh(None).contains("http-equiv"));
        assert!(refresh(Some(Duration::ZERO)).contains("content=\"1\""));
        assert!(refresh(Some(Duration::from_millis(1200))).contains("content=\"2\""));
        assert!(!refresh(None).contains("<pre"));
    }
}
