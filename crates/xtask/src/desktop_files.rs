//! What a desktop reads of us: the desktop file, the metainfo, the icons. Each is looked through by the tool that
//! distributions do it with, and they agree with each other and with the program. It is here and not beside the program,
//! whose dependencies would be built once more for what draws the icons.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;

use crate::workspace;

/// The id of the application, by which all its files are called.
const ID: &str = "org.hostler.Manager";

/// The side of the icon that the window has, in pixels.
const SIDE: u32 = 256;

fn data(name: &str) -> PathBuf {
    workspace::root().join("gui/data").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(data(name)).unwrap()
}

/// Runs a tool on a file; whether it was content, and what it said on both its outputs.
fn validated(words: &[&str], package: &str, file: &Path) -> (bool, String) {
    let output = Command::new(words[0])
        .args(&words[1..])
        .arg(file)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; install Debian's package {package}", words[0]));
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), said)
}

/// The value of a key in the first group of the desktop file.
fn entry(key: &str) -> String {
    let text = read(&format!("{ID}.desktop"));
    let group = text.split("\n[").next().unwrap();
    let prefix = format!("{key}=");
    group.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {key}")).to_owned()
}

#[test]
fn the_desktop_file_is_valid() {
    let (fine, said) = validated(&["desktop-file-validate"], "desktop-file-utils", &data(&format!("{ID}.desktop")));
    assert!(fine && said.is_empty(), "{said}");
}

#[test]
fn the_metainfo_is_valid() {
    let file = data(&format!("{ID}.metainfo.xml"));
    let (fine, said) =
        validated(&["appstreamcli", "validate", "--pedantic", "--no-net", "--no-color"], "appstream", &file);
    assert!(fine, "{said}");
    // Names on D-Bus have capital letters as a rule; `developer` is of AppStream 1.0 and unknown before it.
    let known = ["cid-contains-uppercase-letter", "unknown-tag developer"];
    let remarks = said.lines().filter(|line| line.as_bytes().get(1) == Some(&b':') || line.contains("  • "));
    let others: Vec<&str> = remarks.filter(|line| !known.iter().any(|known| line.contains(known))).collect();
    assert!(others.is_empty(), "{said}");
}

#[test]
fn desktop_file_metainfo_and_program_agree() {
    let text = read(&format!("{ID}.metainfo.xml"));
    let document = roxmltree::Document::parse(&text).unwrap();
    let texts = |name: &str| -> Vec<String> {
        let elements = document.descendants().filter(|node| node.has_tag_name(name));
        elements.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(texts("id"), [ID]);
    assert_eq!(texts("launchable"), [format!("{ID}.desktop")]);
    assert_eq!(texts("dbus"), [ID]);
    assert_eq!(texts("name")[0], entry("Name"));
    let program = fs::read_to_string(workspace::root().join("gui/src/app.rs")).unwrap();
    for (name, value) in [("ID", ID.to_owned()), ("TITLE", entry("Name"))] {
        assert!(program.contains(&format!("pub const {name}: &str = {value:?};")), "{name} is not {value}");
    }
    assert_eq!(entry("Icon"), ID);
    assert_eq!(entry("StartupWMClass"), ID);
    assert_eq!(texts("icon"), [ID]);
    assert_eq!(format!("{};", texts("mediatype").join(";")), entry("MimeType"));
    assert_eq!(format!("{};", texts("category").join(";")), entry("Categories"));
    let release = document.descendants().find(|node| node.has_tag_name("release")).unwrap();
    assert_eq!(release.attribute("version"), Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_icon_of_the_window_is_drawn_from_the_scalable_one() {
    let tree = usvg::Tree::from_str(&read(&format!("icons/{ID}.svg")), &usvg::Options::default()).unwrap();
    let scale = SIDE as f32 / tree.size().width();
    let mut drawn = Pixmap::new(SIDE, SIDE).unwrap();
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut drawn.as_mut());
    let path = data(&format!("icons/{ID}.png"));
    if std::env::var_os("HOSTLER_UPDATE").is_some() {
        drawn.save_png(&path).unwrap();
    }
    let stored = Pixmap::load_png(&path).unwrap();
    let furthest = stored.data().iter().zip(drawn.data()).map(|(one, other)| one.abs_diff(*other)).max();
    // Processors round differently: a step or two of 255 is no other picture.
    assert!(
        (stored.width(), stored.height()) == (SIDE, SIDE) && furthest <= Some(2),
        "{} is out of date: run HOSTLER_UPDATE=1 cargo test -p xtask",
        path.display()
    );
}

#[test]
fn the_symbolic_icon_is_one_colour_on_a_grid_of_16() {
    let text = read(&format!("icons/{ID}-symbolic.svg"));
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!((root.attribute("width"), root.attribute("height")), (Some("16"), Some("16")));
    // Toolkits replace the fill of all shapes, and of nothing else.
    for shape in root.children().filter(|node| node.is_element() && !node.has_tag_name("title")) {
        assert!(shape.has_tag_name("path") && shape.attribute("stroke").is_none(), "{shape:?}");
    }
    let tree = usvg::Tree::from_str(&text, &usvg::Options::default()).unwrap();
    let mut drawn = Pixmap::new(16, 16).unwrap();
    resvg::render(&tree, Transform::identity(), &mut drawn.as_mut());
    let full = drawn.pixels().iter().filter(|pixel| pixel.alpha() > 200).count();
    let empty = drawn.pixels().iter().filter(|pixel| pixel.alpha() < 50).count();
    assert!(full > 50 && empty > 100, "{full} of 256 pixels are covered, {empty} are clear");
}
