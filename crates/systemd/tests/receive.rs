//! Passed descriptors in a process of their own: this test program, started again by a shell that plays systemd.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::process::Command;

use hostler_systemd::Environment;
use hostler_systemd::sockets::receive;

/// Starts [`child`] with descriptors and variables that `script` sets up, and returns what it says.
fn child_says(script: &str) -> String {
    let run = r#"exec "$0" --exact child --ignored --nocapture --test-threads=1"#;
    let output = Command::new("sh")
        .args(["-c", &format!("{script}; export LISTEN_FDS LISTEN_FDNAMES LISTEN_PID LISTEN_PIDFDID PLAYED=1; {run}")])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said.lines().find_map(|line| line.split_once("RESULT: ")).unwrap_or_else(|| panic!("{said}"));
    line.1.to_owned()
}

#[test]
#[ignore = "the other side of the tests in this file, which start it"]
fn child() {
    if std::env::var_os("PLAYED").is_none() {
        return;
    }
    let said = match receive(&Environment::of_process()) {
        Err(error) => error.to_string(),
        Ok(passed) => {
            let open = |number| std::fs::read_link(format!("/proc/self/fd/{number}"));
            let left = |number| open(number).is_ok_and(|target| target.to_string_lossy() == "/dev/null");
            let list = passed.iter().map(|one| format!("{}={}:{}", one.name, one.kind, left(one.number)));
            list.collect::<Vec<_>>().join(",")
        }
    };
    println!("\nRESULT: {said}");
}

#[test]
fn descriptors_are_taken_over_with_their_names() {
    let said = child_says("exec 3</dev/null 4</; LISTEN_FDS=2 LISTEN_FDNAMES=http:other LISTEN_PID=$$");
    assert_eq!(said, "http=a device:false,other=a directory:false");
}

#[test]
fn those_of_another_process_are_left_alone() {
    assert_eq!(child_says("exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=1"), "");
    // On kernels whose pidfds have no inode of their own, nobody sets the variable, and it says nothing.
    let said = child_says("exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_PIDFDID=1");
    assert!(said.is_empty() || said == "unknown=a device:false", "{said}");
}

#[test]
fn one_that_is_not_open_is_named() {
    let said = child_says("exec 3</dev/null 4<&- 5</dev/null; LISTEN_FDS=3 LISTEN_PID=$$");
    assert!(said.starts_with("LISTEN_FDS says that 3 descriptors were passed, but descriptor 4 is not open"), "{said}");
}
