//! Plans against a directory that stands for `/`.

use super::*;
use crate::{Account, Entry};
use tempfile::TempDir;

fn with_profile(word: &str) -> Vec<Entry> {
    vec![Entry::new("app", "shop:app"), Entry::new("workers", 2), Entry::new("profile", word)]
}

struct World {
    root: TempDir,
    places: Places,
    instance: Instance,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system(root.path(), Path::new("/usr"));
        let instance = Instance {
            name: "shop".parse().unwrap(),
            settings: with_profile("strict"),
            addresses: vec!["127.0.0.1:8000".into(), "unix:/run/x".into()],
            account: Account { user: Some("deploy".into()), ..Account::default() },
        };
        for profile in ["strict", "compat", "no-network"] {
            let file = root.path().join(format!("usr/lib/hostler/profiles/{profile}.conf"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "[Service]\n").unwrap();
        }
        Self { root, places, instance }
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path)).unwrap()
    }

    fn compare(&self, force: bool) -> Vec<Step> {
        Plan::of(&self.instance, &self.places).unwrap().compare(&self.places, force).unwrap()
    }

    fn changes(&self, force: bool) -> Vec<Change> {
        self.compare(force).into_iter().map(|step| step.change).collect()
    }

    fn write(&self, force: bool) -> Vec<PathBuf> {
        self.compare(force).iter().filter_map(|step| step.take(&self.places).unwrap()).collect()
    }

    fn remove(&self, force: bool) -> Vec<Change> {
        let steps = Plan::nothing(&self.instance.name, &self.places).compare(&self.places, force).unwrap();
        for step in &steps {
            step.take(&self.places).unwrap();
        }
        steps.into_iter().map(|step| step.change).collect()
    }

    fn files(&self) -> Vec<String> {
        fn below(directory: &Path, all: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { below(&path, all) } else { all.push(path) }
            }
        }
        let mut all = Vec::new();
        below(self.root.path(), &mut all);
        let mut names: Vec<String> =
            all.iter().map(|path| path.strip_prefix(self.root.path()).unwrap().display().to_string()).collect();
        names.retain(|name| !name.starts_with("usr/"));
        names.sort();
        names
    }
}

const SETTINGS: &str = "etc/hostler/shop.toml";
const SOCKET: &str = "etc/systemd/system/hostler@shop.socket.d/10-address.conf";
const LINK: &str = "etc/systemd/system/hostler@shop.service.d/10-profile.conf";
const NETWORK: &str = "etc/systemd/system/hostler@shop.service.d/20-no-network.conf";
const ACCOUNT: &str = "etc/systemd/system/hostler@shop.service.d/20-account.conf";

#[test]
fn all_is_written_once_and_taken_away_again() {
    let world = World::new();
    assert_eq!(world.changes(false), vec![Change::Create; 4]);
    assert_eq!(world.write(false), Vec::<PathBuf>::new());
    assert_eq!(world.files(), [SETTINGS, LINK, ACCOUNT, SOCKET]);
    let settings = world.read(SETTINGS);
    assert!(
        settings.contains("It listens where hostler@shop.socket says.") && !settings.contains("bind ="),
        "{settings}"
    );
    assert_eq!(world.root.path().join(SETTINGS).metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(world.root.path().join(LINK).read_link().unwrap(), Path::new("/usr/lib/hostler/profiles/strict.conf"));
    assert_eq!(world.changes(false), vec![Change::Same; 4], "the second run");
    assert_eq!(world.remove(false), vec![Change::Remove; 4]);
    assert_eq!(world.files(), [""; 0]);
    assert!(!world.root.path().join("etc/systemd/system/hostler@shop.service.d").exists());
    assert_eq!(world.remove(false), vec![], "the second removal");
}

#[test]
fn what_is_ours_follows_what_is_asked() {
    let mut world = World::new();
    world.write(false);
    world.instance.addresses.clear();
    world.instance.account = Account::default();
    world.instance.settings = with_profile("compat");
    assert_eq!(world.changes(false), [Change::Update, Change::Remove, Change::Update, Change::Remove]);
    world.write(false);
    assert_eq!(world.files(), [SETTINGS, LINK]);
    world.instance.settings = with_profile("standard");
    world.write(false);
    assert_eq!(world.files(), [SETTINGS]);
}

#[test]
fn what_confines_it_follows_the_settings_alone() {
    let world = World::new();
    let confine = |service: &Service| {
        let plan = Plan::confinement(&world.instance.name, service, &world.places).unwrap();
        let steps = plan.compare(&world.places, false).unwrap();
        steps.iter().for_each(|step| drop(step.take(&world.places).unwrap()));
        world.files()
    };
    assert_eq!(confine(&Service::default()), [""; 0]);
    let strict = Service { profile: Some(Profile::Strict), network: false };
    assert_eq!(confine(&strict), [LINK, NETWORK]);
    let link = world.root.path().join(NETWORK).read_link().unwrap();
    assert_eq!(link, Path::new("/usr/lib/hostler/profiles/no-network.conf"));
    assert_eq!(confine(&Service { profile: Some(Profile::Standard), ..strict }), [NETWORK]);
    assert_eq!(confine(&Service::default()), [""; 0]);
}

#[test]
fn what_cannot_be_kept_from_it_is_no_plan() {
    let world = World::new();
    let name = &world.instance.name;
    let told = |service: &Service, places: &Places| Plan::confinement(name, service, places).unwrap_err().to_string();
    let (profile, network) =
        (Service { profile: Some(Profile::Compat), network: true }, Service { profile: None, network: false });
    let own =
        Places::user(world.root.path(), Path::new("/usr"), Path::new("/home/ada/.config"), Path::new("/run/user/1"));
    assert!(told(&profile, &own).starts_with("profile = \"compat\": profiles are for instances of the system"));
    assert!(told(&network, &own).starts_with("network = false: profiles are for"));
    let elsewhere = Places::system(world.root.path(), Path::new("/opt"));
    let told = told(&network, &elsewhere);
    assert!(told.contains("opt/lib/hostler/profiles/no-network.conf is not there. Is Hostler's package"), "{told}");
}

#[test]
fn who_was_kept_out_of_the_settings_stays_out() {
    let mut world = World::new();
    world.write(false);
    let path = world.root.path().join(SETTINGS);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let is_root = std::os::unix::fs::chown(&path, None, Some(12345)).is_ok();
    let group = || path.metadata().map(|data| std::os::unix::fs::MetadataExt::gid(&data)).unwrap();
    // Written anew, and over what a person changed, whose copy is as closed.
    world.instance.settings = vec![Entry::new("app", "shop:app"), Entry::new("workers", 3)];
    assert_eq!(world.changes(false)[0], Change::Update);
    world.write(false);
    assert_eq!((mode(&path), is_root.then(group)), (0o640, is_root.then_some(12345)));
    fs::write(&path, "env = [\"SECRET=x\"]\n").unwrap();
    let copies = world.write(true);
    assert_eq!((mode(&path), mode(&copies[0])), (0o640, 0o640));
    // Removed in part, and had back: another path cannot be removed.
    let before = world.read(SETTINGS);
    let mut steps = Plan::nothing(&world.instance.name, &world.places).compare(&world.places, true).unwrap();
    steps.push(Step { path: "/etc/absent".into(), goal: Goal::Nothing, change: Change::Remove });
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let same = inode(&path);
    take_all(&steps, &world.places).unwrap_err();
    assert_eq!((world.read(SETTINGS), mode(&path), inode(&path)), (before, 0o640, same));
    steps.pop();
    take_all(&steps, &world.places).unwrap();
    assert_eq!(world.files(), ["etc/hostler/shop.toml.old"]);
}

#[test]
fn what_a_person_changed_is_refused_kept_or_copied() {
    let mut world = World::new();
    world.write(false);
    let path = world.root.path().join(SETTINGS);
    let theirs = world.read(SETTINGS).replace("workers = 2", "workers = 7");
    fs::write(&path, &theirs).unwrap();
    let Change::Refused(difference) = &world.changes(false)[0] else { panic!("it is refused") };
    assert!(difference.contains("-workers = 7\n") && difference.contains("+workers = 2\n"), "{difference}");
    assert_eq!(world.remove(false)[0], Change::Kept);
    assert_eq!(world.read(SETTINGS), theirs);

    assert_eq!(world.write(true), [path.with_file_name("shop.toml.old")]);
    assert_eq!(world.read("etc/hostler/shop.toml.old"), theirs);
    fs::write(&path, "x").unwrap();
    assert_eq!(world.write(true), [path.with_file_name("shop.toml.old2")], "no copy is written over");

    fs::write(world.root.path().join(ACCOUNT), "[Service]\nUser=me\n").unwrap();
    world.instance.account = Account::default();
    assert_eq!(world.changes(false).last(), Some(&Change::Kept), "it was not written here");
    assert!(world.remove(true).contains(&Change::Remove));
    assert_eq!(world.files(), ["etc/hostler/shop.toml.old", "etc/hostler/shop.toml.old2"]);
}

#[test]
fn other_things_in_the_way_are_not_written_over() {
    let world = World::new();
    let (path, link) = (world.root.path().join(SETTINGS), world.root.path().join(LINK));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink("/elsewhere", &path).unwrap();
    symlink("/my/own.conf", &link).unwrap();
    let changes = world.changes(false);
    assert!(matches!(&changes[0], Change::Refused(told) if told.contains("-(a link to /elsewhere)")), "{changes:?}");
    assert!(matches!(&changes[2], Change::Refused(_)));
    world.write(true);
    assert!(!path.is_symlink() && path.with_file_name("shop.toml.old").is_symlink());
}

#[test]
fn what_hostler_or_systemd_would_not_take_is_no_plan() {
    let mut world = World::new();
    world.instance.settings.push(Entry::new("threads", 0));
    let told = Plan::of(&world.instance, &world.places).unwrap_err().to_string();
    assert!(told.starts_with("/etc/hostler/shop.toml:") && told.contains("`threads` wants between"), "{told}");
    world.instance.settings.pop();
    world.instance.addresses.push("example.org:80".into());
    assert!(Plan::of(&world.instance, &world.places).is_err());
    world.instance.addresses.clear();
    world.instance.account.environment_files = vec!["/x\nExecStart=/bin/true".into()];
    let told = Plan::of(&world.instance, &world.places).unwrap_err().to_string();
    assert_eq!(told, "\"/x\\nExecStart=/bin/true\" has a line break in it, which no unit takes");
}
