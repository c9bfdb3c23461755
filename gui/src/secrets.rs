//! What is not shown before one asks: values of the environment whose names say that they are secrets, and passwords in
//! URLs. It knows texts as they stand in settings files, in differences of them, and on command lines.

/// What stands in a secret's place.
const MASK: &str = "••••••";

/// Whether a variable's name says that its value is a secret: `SECRET_KEY`, `DB_PASSWORD`, `GITHUB_TOKEN`.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let contains = ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "CREDENTIAL"];
    // The working directory is none.
    let is_directory = matches!(name.as_str(), "PWD" | "OLDPWD");
    let ends = |word: &str| word.ends_with("KEY") || word.ends_with("KEYS") || word == "PWD" || word == "PASS";
    contains.iter().any(|part| name.contains(part))
        || !is_directory && name.split(|one: char| !one.is_ascii_alphanumeric()).any(ends)
}

/// A text with its secrets masked; none where it has no secret. It has as many lines as before.
#[must_use]
pub fn masked(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut reading = Reading::default();
    for line in text.split_inclusive('\n') {
        reading.line(line, &mut out);
    }
    (out != text).then_some(out)
}

/// The text as it is shown while its secrets are not.
#[must_use]
pub fn hidden(text: &str) -> String {
    masked(text).unwrap_or_else(|| text.to_owned())
}

/// What is carried from line to line.
#[derive(Debug, Default)]
struct Reading {
    /// The three signs that end a secret text of several lines.
    until: Option<&'static str>,
}

impl Reading {
    fn line(&mut self, line: &str, out: &mut String) {
        let (body, end) = match line.strip_suffix('\n') {
            Some(body) => (body, "\n"),
            None => (line, ""),
        };
        let mut rest = body;
        if let Some(until) = self.until {
            let Some(close) = body.find(until) else {
                // The first sign of a line of a difference says whether it came or went.
                out.push_str(&body[..body.len().min(usize::from(body.starts_with(['+', '-', ' '])))]);
                out.push_str(MASK);
                out.push_str(end);
                return;
            };
            self.until = None;
            out.push_str(MASK);
            rest = &body[close..];
        }
        self.rest(rest, out);
        out.push_str(end);
    }

    /// The part of a line that is not within a secret.
    fn rest(&mut self, text: &str, out: &mut String) {
        let mut quote: Option<char> = None;
        let mut at = 0;
        while let Some(sign) = text[at..].chars().next() {
            let next = at + sign.len_utf8();
            match (quote, sign) {
                (Some('"'), '\\') => {
                    let escaped = text[next..].chars().next().map_or(0, char::len_utf8);
                    out.push_str(&text[at..next + escaped]);
                    at = next + escaped;
                    continue;
                }
                (Some(open), _) if sign == open => quote = None,
                (None, '"' | '\'') => quote = Some(sign),
                (None, '#') => {
                    out.push_str(&text[at..]);
                    return;
                }
                (_, '=') if is_secret_name(name_before(&text[..at])) => {
                    out.push_str(&text[at..next]);
                    at = self.value(text, next, quote, out);
                    continue;
                }
                (_, ':') if text[next..].starts_with("//") => {
                    out.push_str(&text[at..next + 2]);
                    at = address(text, next + 2, out);
                    continue;
                }
                _ => {}
            }
            out.push_str(&text[at..next]);
            at = next;
        }
    }

    /// Masks the value that begins at a place; answers with where it ends.
    fn value(&mut self, text: &str, from: usize, quote: Option<char>, out: &mut String) -> usize {
        let blanks = text[from..].len() - text[from..].trim_start_matches([' ', '\t']).len();
        let start = if quote.is_some() { from } else { from + blanks };
        out.push_str(&text[from..start]);
        let value = &text[start..];
        if quote.is_none() {
            for fence in ["\"\"\"", "'''"] {
                if let Some(inner) = value.strip_prefix(fence) {
                    out.push_str(fence);
                    out.push_str(MASK);
                    return match inner.find(fence) {
                        Some(close) => start + fence.len() + close,
                        None => {
                            self.until = Some(fence);
                            text.len()
                        }
                    };
                }
            }
        }
        let (start, close) = match (quote, value.chars().next()) {
            (Some(open), _) => (start, Some(open)),
            (None, Some(open @ ('"' | '\''))) => {
                out.push(open);
                (start + 1, Some(open))
            }
            // A list or a table; its texts are looked at by themselves.
            (None, Some('[' | '{')) => return start,
            (None, _) => (start, None),
        };
        let length = length(&text[start..], close);
        if length > 0 {
            out.push_str(MASK);
        }
        let end = start + length;
        // The sign that closes what was opened here is not taken for one that opens.
        if quote.is_none() && close.is_some() && end < text.len() {
            out.push_str(&text[end..=end]);
            return end + 1;
        }
        end
    }
}

/// How long a value is that ends before a sign, or with the line.
fn length(value: &str, close: Option<char>) -> usize {
    let Some(close) = close else { return value.trim_end().len() };
    let mut signs = value.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' if close == '"' => drop(signs.next()),
            sign if sign == close => return at,
            _ => {}
        }
    }
    value.len()
}

/// The name that ends a text: of a variable, or of a key that may be in quotation marks.
fn name_before(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let start = text.rfind(|one: char| !(one.is_ascii_alphanumeric() || "_-.".contains(one)));
    start.map_or(text, |start| &text[start + text[start..].chars().next().map_or(1, char::len_utf8)..])
}

/// Copies the beginning of an address that follows `://`, without the password in it; answers with where it ends.
fn address(text: &str, from: usize, out: &mut String) -> usize {
    let rest = &text[from..];
    let end = rest.find(|one: char| one.is_whitespace() || "/?#\"'`,<>".contains(one)).unwrap_or(rest.len());
    let authority = &rest[..end];
    let Some((person, _)) = authority.rsplit_once('@') else { return from };
    let Some((user, password)) = person.split_once(':').filter(|(_, password)| !password.is_empty()) else {
        return from;
    };
    out.push_str(user);
    out.push(':');
    out.push_str(MASK);
    from + user.len() + 1 + password.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_secret() {
        for name in ["SECRET_KEY", "DB_PASSWORD", "github_token", "AWS_ACCESS_KEY", "APIKEY", "DB_PWD", "SMTP_PASS"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["PWD", "PATH", "KEYBOARD", "DJANGO_SETTINGS_MODULE", "COMPASS", "keyfile", "workers"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values_are_masked_and_nothing_else() {
        for (text, shown) in [
            ("SECRET_KEY=abc def", "SECRET_KEY=••••••"),
            ("SECRET_KEY=", "SECRET_KEY="),
            ("env = [\"SECRET_KEY=a\\\"b\", \"PORT=80\"]", "env = [\"SECRET_KEY=••••••\", \"PORT=80\"]"),
            ("+env = ['DB_PASSWORD=x', 'A=b']", "+env = ['DB_PASSWORD=••••••', 'A=b']"),
            ("-API_TOKEN = \"abc\"  # old", "-API_TOKEN = \"••••••\"  # old"),
            ("\"API_TOKEN\" = 'abc'", "\"API_TOKEN\" = '••••••'"),
            ("A = \"x=y\" # TOKEN=is a word", "A = \"x=y\" # TOKEN=is a word"),
            ("DATABASE_URL=postgres://shop:p%40ss:w@db/shop", "DATABASE_URL=postgres://shop:••••••@db/shop"),
            ("url = \"https://shop.example:8443/a@b\"", "url = \"https://shop.example:8443/a@b\""),
            ("redis://:pw@cache, http://a:b@c/", "redis://:••••••@cache, http://a:••••••@c/"),
            ("workers = 4\n", "workers = 4\n"),
        ] {
            assert_eq!(hidden(text), shown);
            assert_eq!(masked(text).is_some(), text != shown);
        }
    }

    #[test]
    fn a_secret_may_have_several_lines() {
        let text = "[env]\nTLS_KEY = \"\"\"\n-----BEGIN\nabc\n-----END\"\"\"\nPORT = \"80\"\n";
        let shown = "[env]\nTLS_KEY = \"\"\"••••••\n-••••••\n••••••\n••••••\"\"\"\nPORT = \"80\"\n";
        assert_eq!(hidden(text), shown);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[A-Z_=\"'# \\\\:/@\\n+é]{0,60}|(SECRET|TOKEN)_?=[\"']{0,3}.{0,20}") {
            let shown = hidden(&text);
            proptest::prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }
}
