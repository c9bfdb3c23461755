//! A process that is killed while it replaces a settings file leaves the former or the new one, whole.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use hostlerd::settings::{read, replace};

/// Set for the process that writes: the file.
const VARIABLE: &str = "HOSTLERD_TEST_REPLACES";

fn text(word: &str) -> String {
    // Large enough that a write is not one step.
    format!("# {word}\n").repeat(30_000)
}

/// Not a test of its own: the process that is killed. It replaces the file until then, and says so each time.
#[test]
fn replaces_until_it_is_killed() {
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    loop {
        for word in ["former", "other"] {
            replace(Path::new(&path), &text(word)).unwrap();
            // Whoever reads this kills us at some instruction after it.
            eprintln!("replaced");
        }
    }
}

#[test]
fn killed_in_the_middle() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.toml");
    let (former, other) = (text("former"), text("other"));
    replace(&path, &former).unwrap();
    let mut left = 0;
    for round in 0..40 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "replaces_until_it_is_killed", "--nocapture"])
            .env(VARIABLE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed after another number of replacements each time.
        let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
        for _ in 0..=round % 5 {
            lines.next().unwrap().unwrap();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let found = read(&path).unwrap().unwrap().text;
        assert!(found == former || found == other, "round {round}: {} bytes, neither text", found.len());
        left += usize::from(directory.path().join(".shop.toml.new").exists());
    }
    println!("{left} of 40 were killed with a temporary file open");
    // And what they left is in nobody's way.
    replace(&path, "workers = 1\n").unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
