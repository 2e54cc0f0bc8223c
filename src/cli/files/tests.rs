//! Files that get their names, and that do not.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("siptrace-files-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_has_no_name_until_it_is_whole() {
    let scratch = Scratch::new("whole");
    let wanted = Wanted::new(&scratch.path("report"), false);
    let mut draft = Draft::create(&wanted).expect("begun");
    draft.write_all(b"half").and_then(|()| draft.flush()).expect("written");
    let beside = format!("report.{}.part", std::process::id());
    assert_eq!(scratch.names(), [beside.as_str()]);
    drop(draft);
    assert_eq!(scratch.names(), [""; 0]);
    let mut files = Files::default();
    files.write(&wanted, b"whole").expect("written");
    assert_eq!(scratch.names(), [beside.as_str()]);
    files.put_in_place().expect("in place");
    assert_eq!(scratch.names(), ["report"]);
    assert_eq!(fs::read(scratch.path("report")).expect("there"), b"whole");
}

#[test]
fn what_came_meanwhile_stays_and_the_others_lose_their_names() {
    let scratch = Scratch::new("meanwhile");
    let mut files = Files::default();
    files.folder(&scratch.path("new/inner")).expect("made");
    for name in ["a", "b", "new/inner/c"] {
        files.write(&Wanted::new(&scratch.path(name), false), b"ours").expect("written");
    }
    fs::write(scratch.path("b"), b"theirs").expect("written");
    let error = files.put_in_place().expect_err("somebody was faster");
    assert_eq!(
        error.to_string(),
        format!("could not write {}: it exists", quoted(&scratch.path("b")))
    );
    assert_eq!(scratch.names(), ["b"]);
    assert_eq!(fs::read(scratch.path("b")).expect("there"), b"theirs");
}

#[test]
fn a_name_is_taken_once_without_links_as_well() {
    let scratch = Scratch::new("links");
    fs::write(scratch.path("beside"), b"ours").expect("written");
    take_without_links(&scratch.path("beside"), &scratch.path("target")).expect("in place");
    assert_eq!(scratch.names(), ["target"]);
    assert_eq!(fs::read(scratch.path("target")).expect("there"), b"ours");
    let error = take_without_links(&scratch.path("beside"), &scratch.path("target"));
    assert_eq!(error.expect_err("taken").kind(), ErrorKind::AlreadyExists);
    let error = take_without_links(&scratch.path("beside"), &scratch.path("other"));
    assert_eq!(error.expect_err("nothing beside").kind(), ErrorKind::NotFound);
    assert_eq!(scratch.names(), ["target"], "an empty file takes no name");
}

#[test]
fn nothing_planted_beside_is_written_through() {
    let scratch = Scratch::new("planted");
    let (victim, target) = (scratch.path("victim"), scratch.path("report"));
    fs::write(&victim, b"theirs").expect("written");
    for number in 1..NAMES_MAX {
        let planted = scratch.path(&name_beside(&target, number).to_string_lossy());
        std::os::unix::fs::symlink(&victim, planted).expect("a link");
    }
    let mut files = Files::default();
    files.write(&Wanted::new(&target, false), b"ours").expect("the last name is free");
    files.put_in_place().expect("in place");
    assert_eq!(fs::read(&victim).expect("there"), b"theirs");
    let last = scratch.path(&name_beside(&target, NAMES_MAX).to_string_lossy());
    std::os::unix::fs::symlink(&victim, last).expect("a link");
    let error = Draft::create(&Wanted::new(&scratch.path("report"), true)).expect_err("no name");
    assert!(matches!(error, WriteError::Failed { .. }), "{error}");
    assert_eq!(fs::read(&victim).expect("there"), b"theirs");
}

#[test]
fn a_file_is_read_by_whom_it_should_be() {
    let scratch = Scratch::new("modes");
    let mode =
        |name: &str| fs::metadata(scratch.path(name)).expect("there").permissions().mode() & 0o7777;
    let beside = |name: &str| format!("{name}.{}.part", std::process::id());
    let path = scratch.path("map");
    let private = Wanted { is_private: true, ..Wanted::new(&path, false) };
    let draft = Draft::create(&private).expect("begun");
    assert_eq!(mode(&beside("map")), 0o600, "from the start");
    drop(draft);
    fs::write(scratch.path("old"), b"").expect("written");
    fs::set_permissions(scratch.path("old"), fs::Permissions::from_mode(0o640)).expect("set");
    let draft = Draft::create(&Wanted::new(&scratch.path("old"), true)).expect("begun");
    assert_eq!(mode(&beside("old")), 0o640, "as the one it replaces");
    drop(draft);
    let private = Wanted { path: scratch.path("old"), ..private };
    let private = Wanted { replaces: true, ..private };
    let draft = Draft::create(&private).expect("begun");
    assert_eq!(mode(&beside("old")), 0o600);
    drop(draft);
}

#[test]
fn a_link_stays_a_link() {
    let scratch = Scratch::new("link");
    fs::write(scratch.path("file"), b"old").expect("written");
    std::os::unix::fs::symlink(scratch.path("file"), scratch.path("link")).expect("a link");
    std::os::unix::fs::symlink(scratch.path("nothing"), scratch.path("lost")).expect("a link");
    for name in ["file", "link", "lost"] {
        let error = Draft::create(&Wanted::new(&scratch.path(name), false)).expect_err(name);
        assert!(matches!(error, WriteError::Exists { .. }), "{error}");
    }
    let mut files = Files::default();
    files.write(&Wanted::new(&scratch.path("link"), true), b"new").expect("written");
    files.put_in_place().expect("in place");
    assert!(fs::symlink_metadata(scratch.path("link")).expect("there").is_symlink());
    assert_eq!(fs::read(scratch.path("file")).expect("there"), b"new");
}

#[test]
fn a_long_name_is_no_reason_to_fail() {
    let scratch = Scratch::new("long");
    let name = "n".repeat(255);
    let mut files = Files::default();
    files.write(&Wanted::new(&scratch.path(&name), false), b"ours").expect("written");
    files.put_in_place().expect("in place");
    assert_eq!(scratch.names(), [name]);
}
