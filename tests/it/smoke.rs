//! What fuzzing has found worth keeping: the inputs in `fuzz/seeds`, each through its target.

use std::fs;
use std::path::Path;

use crate::targets;

/// Bytes of all inputs together; a corpus grows without end unless somebody minds.
const BYTES_MAX: u64 = 300 << 10;

#[test]
fn kept_inputs_of_fuzzing_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut bytes_kept = 0;
    for entry in fs::read_dir(folder).expect("fuzz/seeds").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = targets::ALL.iter().find(|(own, _)| *own == name);
        let (_, target) = target.unwrap_or_else(|| panic!("no target is called {name}"));
        let inputs = fs::read_dir(entry.path()).expect("inputs").flatten();
        let mut paths: Vec<_> = inputs.map(|input| input.path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "nothing is kept for {name}");
        for path in paths {
            let bytes = fs::read(&path).expect("an input");
            bytes_kept += bytes.len() as u64;
            target(&bytes);
        }
    }
    assert!(bytes_kept <= BYTES_MAX, "{bytes_kept} bytes; `cargo fuzz cmin` makes them fewer");
}

#[test]
fn every_target_has_a_program_and_kept_inputs() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).expect("the manifest of fuzzing");
    for (name, _) in targets::ALL {
        assert!(fuzz.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is not built");
        assert!(fuzz.join("seeds").join(name).is_dir(), "no inputs are kept for {name}");
    }
}
