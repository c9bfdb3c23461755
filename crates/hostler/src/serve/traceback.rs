//! Reading a traceback as Python prints it: where in the application's own code the mistake is, and which files it names.

use std::path::PathBuf;

/// Files of a traceback that are watched, at most.
const MOST_FILES: usize = 64;

/// A frame's first line: `  File "/p/app.py", line 3, in <module>`.
struct Frame<'a> {
    file: &'a str,
    line: &'a str,
}

/// As it is told to people: without the machinery of imports, and at its end the place in the application's own code.
pub(super) fn told(text: &str) -> String {
    let mut told = without_importing(text);
    if let Some(place) = own_place(text) {
        told.push_str(&format!("at {place}\n"));
    }
    told
}

/// The traceback without the frames of the machinery of imports, which stand between all others and say nothing.
fn without_importing(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut left_out = false;
    for line in text.lines() {
        if let Some(frame) = frame(line) {
            left_out = frame.file.starts_with("<frozen importlib") || frame.file.ends_with("/importlib/__init__.py");
        } else if !line.starts_with("    ") {
            left_out = false;
        }
        if !left_out {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The last place of the application's own code, as `path:line`, which terminals and editors open.
fn own_place(text: &str) -> Option<String> {
    let frame = text.lines().filter_map(frame).rfind(|frame| !is_library(frame.file))?;
    Some(format!("{}:{}", frame.file, frame.line))
}

/// The files that it names: one of them must change for it to be another.
pub(super) fn files(text: &str) -> Vec<PathBuf> {
    let named = text.lines().filter_map(frame).map(|frame| PathBuf::from(frame.file));
    let mut files: Vec<PathBuf> = named.filter(|path| path.is_absolute()).collect();
    files.sort();
    files.dedup();
    files.truncate(MOST_FILES);
    files
}

fn frame(line: &str) -> Option<Frame<'_>> {
    // In a group of exceptions a margin of `|` stands before it.
    let rest = line.trim_start_matches([' ', '|']).strip_prefix("File \"")?;
    let (file, rest) = rest.split_once("\", line ")?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    Some(Frame { file, line: &rest[..end] })
}

fn is_library(file: &str) -> bool {
    file.starts_with('<')
        || ["/site-packages/", "/dist-packages/", "/lib/python3", "/lib64/python3"]
            .iter()
            .any(|part| file.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DJANGO: &str = r#"Traceback (most recent call last):
  File "/p/site/wsgi.py", line 7, in <module>
    application = get_wsgi_application()
  File "/v/lib/python3.11/site-packages/django/core/wsgi.py", line 12, in get_wsgi_application
    django.setup(set_prefix=False)
  File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "<frozen importlib._bootstrap>", line 1204, in _gcd_import
  File "/p/shop/models.py", line 3, in <module>
    clas = 1 +
              ^
SyntaxError: invalid syntax
"#;

    #[test]
    fn the_place_is_the_last_of_ones_own() {
        assert_eq!(own_place(DJANGO).as_deref(), Some("/p/shop/models.py:3"));
        assert_eq!(own_place("ValueError: 1"), None);
        let syntax = "  File \"/p/app.py\", line 12\n    def (:\nSyntaxError: invalid syntax";
        assert_eq!(own_place(syntax).as_deref(), Some("/p/app.py:12"));
        assert_eq!(own_place("  |   File \"/p/a b.py\", line 2, in <module>").as_deref(), Some("/p/a b.py:2"));
    }

    #[test]
    fn the_place_comes_last() {
        assert!(told(DJANGO).ends_with("SyntaxError: invalid syntax\nat /p/shop/models.py:3\n"));
        assert_eq!(told("ValueError: 1"), "ValueError: 1\n");
    }

    #[test]
    fn the_machinery_of_imports_is_left_out() {
        let kept = without_importing(DJANGO);
        assert!(!kept.contains("importlib") && !kept.contains("_gcd_import"), "{kept}");
        assert!(
            kept.contains("django.setup")
                && kept.contains("clas = 1 +")
                && kept.ends_with("SyntaxError: invalid syntax\n")
        );
    }

    #[test]
    fn files_that_could_mend_it() {
        let files = files(DJANGO);
        assert!(files.contains(&PathBuf::from("/p/shop/models.py")) && files.len() == 4, "{files:?}");
    }
}
