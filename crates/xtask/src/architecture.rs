//! What ARCHITECTURE.md says of the crates, compared with what cargo knows of them.

use std::fs;

use serde_json::Value;

use crate::workspace;

/// The crates of the table, from the top.
fn told() -> Vec<String> {
    let text = fs::read_to_string(workspace::root().join("ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("| crate | owns |").expect("the table of crates is gone");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap_or_else(|| panic!("no crate is named in {row}")).to_owned()).collect()
}

/// The crates of the workspace by their directories, each with those that it depends on when it is built.
fn known() -> Vec<(String, Vec<String>)> {
    let output =
        workspace::cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let directory = |path: &Value| path.as_str()?.trim_end_matches("/Cargo.toml").rsplit('/').next().map(str::to_owned);
    let packages = metadata["packages"].as_array().unwrap();
    let below = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| directory(&dependency["path"]))
            .collect()
    };
    packages.iter().map(|package| (directory(&package["manifest_path"]).unwrap(), below(package))).collect()
}

#[test]
fn dependencies_point_downwards() {
    let (told, known) = (told(), known());
    let mut names: Vec<&String> = known.iter().map(|(name, _)| name).collect();
    let mut sorted: Vec<&String> = told.iter().collect();
    names.sort();
    sorted.sort();
    assert_eq!(sorted, names, "the table has each crate once");
    let place = |name: &String| told.iter().position(|other| other == name);
    for (name, dependencies) in &known {
        for dependency in dependencies {
            assert!(place(name) < place(dependency), "{name} depends on {dependency}, which stands above it");
        }
    }
}
