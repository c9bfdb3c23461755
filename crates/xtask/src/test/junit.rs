//! Reads which tests pytest skipped from the report that it writes. Knows just as much XML as pytest writes there.

/// The skipped tests of a JUnit report, as `class.name: reason`.
pub(super) fn skipped(report: &str) -> Vec<String> {
    let cases = report.split("<testcase ").skip(1);
    cases.filter_map(|case| case.split_once("<skipped").map(|(case, reason)| describe(case, reason))).collect()
}

fn describe(case: &str, reason: &str) -> String {
    let value = |text, name| attribute(text, name).unwrap_or_default();
    format!("{}.{}: {}", value(case, "classname"), value(case, "name"), value(reason, "message"))
}

fn attribute(element: &str, name: &str) -> Option<String> {
    // The blank keeps `name` from matching within `classname`.
    let element = format!(" {element}");
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let plain = value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&#10;", " ");
    Some(plain.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_skipped_tests_with_their_reasons() {
        let report = r#"<testsuite tests="2" skipped="1"><testcase classname="test_http" name="test_head" time="0.1" />
            <testcase classname="test_disk" name="test_full[1]" time="0.0"><skipped type="pytest.skip" message="needs &lt;root&gt;">x.py:3</skipped></testcase></testsuite>"#;
        assert_eq!(skipped(report), ["test_disk.test_full[1]: needs <root>"]);
    }
}
