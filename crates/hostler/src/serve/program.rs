//! Where the program of this process stands, so that another can be started from there later: the path that it was started by, not the file that this
//! path led to. A package, or `alternatives`, may turn a link to another version meanwhile.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use hostler_project::Surroundings;

/// The path of the program, by what it was told to be called (`argv[0]`) and what it was started with. systemd gives the path of `ExecStart=` as it
/// stands there.
pub(super) fn path(called: Option<&OsStr>, surroundings: &Surroundings) -> PathBuf {
    let Surroundings { directory, executable, .. } = surroundings;
    let Some(called) = called.map(Path::new) else { return executable.clone() };
    if called.is_absolute() && called.exists() {
        return called.to_owned();
    }
    let found = if called.components().nth(1).is_some() {
        Some(directory.join(called))
    } else {
        let places = surroundings.variable("PATH").into_iter().flat_map(std::env::split_paths);
        places.map(|place| directory.join(place).join(called)).find(|path| path.is_file())
    };
    // What is not absolute is the caller's word, whose PATH may have been another: it has to lead here.
    found.filter(|path| path.canonicalize().is_ok_and(|file| file == *executable)).unwrap_or_else(|| executable.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_path_that_was_given_and_not_where_that_leads() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().canonicalize().unwrap().join("hostler-1.2");
        std::fs::write(&own, "").unwrap();
        let (link, other) = (directory.path().join("hostler"), directory.path().join("other"));
        std::os::unix::fs::symlink(&own, &link).unwrap();
        std::fs::write(&other, "").unwrap();
        let nowhere = directory.path().join("nowhere");
        let search = std::env::join_paths([nowhere.as_path(), directory.path()]).unwrap();
        let surroundings = Surroundings {
            variables: [("PATH".into(), search)].into(),
            directory: directory.path().to_owned(),
            executable: own.clone(),
        };
        let cases: [(&str, &Path); 7] = [
            (link.to_str().unwrap(), &link),
            // Turned since the start, it is what is wanted.
            (other.to_str().unwrap(), &other),
            (nowhere.to_str().unwrap(), &own),
            ("hostler", &link),
            // What only has its name.
            ("other", &own),
            ("./hostler", &directory.path().join("./hostler")),
            ("./other", &own),
        ];
        for (called, expected) in cases {
            let found = path(Some(OsStr::new(called)), &surroundings);
            assert_eq!(found, expected, "{called}");
        }
        assert_eq!(path(None, &surroundings), own);
    }
}
