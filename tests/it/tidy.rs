//! What the compiler does not check: the order of the layers, the shape of files and functions,
//! licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Columns of a line.
const COLUMNS_MAX: usize = 100;

/// Lines of a function, its signature included.
const FUNCTION_LINES_MAX: usize = 70;

/// Licences that a dependency may have; one of the alternatives of an `OR` is enough.
const LICENCES: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Crates that name their licence by a file only, and what the file begins with.
const NAMED_BY_FILE: [(&str, &str); 2] = [("rsip", "MIT License"), ("rsip-derives", "MIT License")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn all_sources() -> impl Iterator<Item = (PathBuf, String)> {
    ["src", "tests", "lake/src", "lake/tests"].into_iter().flat_map(sources)
}

/// The layers, lowest first, as ARCHITECTURE.md has them.
fn layers() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let block = text.split("```layers\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("a block of layers").split_whitespace().map(str::to_owned).collect()
}

/// The part of a source that is not tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn a_module_uses_only_modules_before_it() {
    let layers = layers();
    let place = |name: &str| layers.iter().position(|layer| layer == name);
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let inside = path.strip_prefix(root().join("src")).expect("below src");
        let own = inside.iter().next().expect("a name").to_string_lossy().replace(".rs", "");
        // The crate's root and the program stand above all layers.
        if own == "lib" || own == "main" {
            continue;
        }
        let own_place = place(&own).unwrap_or_else(|| panic!("{own} is no layer"));
        let is_test = inside.to_string_lossy().contains("tests");
        for (number, line) in without_tests(&text).lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if is_test || is_comment {
                continue;
            }
            for used in line.split("crate::").skip(1) {
                let name: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if place(&name).is_some_and(|used| used > own_place) {
                    wrong.push(format!("{}:{}: {own} uses {name}", inside.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_layer_is_a_module_in_its_order() {
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let modules: Vec<_> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(modules, layers());
}

#[test]
fn files_open_with_their_purpose_and_keep_to_the_width() {
    let mut wrong = Vec::new();
    for (path, text) in all_sources() {
        if !text.starts_with("//!") && !text.starts_with("#![doc") {
            wrong.push(format!("{} does not say what it is for", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > COLUMNS_MAX {
                wrong.push(format!("{}:{} is too wide", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_fit_on_a_screen() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("lake/src")) {
        let lines: Vec<&str> = without_tests(&text).lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function = line
                .trim_start()
                .trim_start_matches("pub")
                .trim_start_matches("(crate)")
                .trim_start_matches("(super)")
                .trim_start()
                .trim_start_matches("const ")
                .starts_with("fn ");
            if !is_function {
                continue;
            }
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines.iter().skip(start).position(|line| *line == end);
            if length.is_some_and(|length| length >= FUNCTION_LINES_MAX) {
                wrong.push(format!("{}:{} is too long", path.display(), start + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"];
    let mut wrong = Vec::new();
    for (path, text) in all_sources() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dependencies_have_licences_that_fit() {
    let about = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let about = String::from_utf8_lossy(&about.stdout).into_owned();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    // Of this package alone: what the other ones of the workspace need may not be here.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", env!("CARGO_PKG_NAME")])
        .args(["--edges", "normal,build,dev", "--target", host, "--all-features"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    let packages: BTreeSet<(&str, &str)> =
        lines.lines().filter_map(|line| line.split_once('|')).collect();
    assert!(packages.len() > 20);
    let mut wrong = BTreeMap::new();
    for (package, licence) in packages {
        let (name, rest) = package.split_once(" v").unwrap_or((package, ""));
        let version = rest.split(' ').next().unwrap_or_default();
        let is_fitting = match NAMED_BY_FILE.iter().find(|(known, _)| *known == name) {
            Some((_, title)) => licence_files(name, version).any(|text| text.contains(title)),
            None => fits(licence),
        };
        if !is_fitting {
            wrong.insert(package.to_owned(), licence.to_owned());
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The file LICENSE of a package, in the folders where cargo keeps sources.
fn licence_files(name: &str, version: &str) -> impl Iterator<Item = String> {
    let own = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = own.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registries = home.into_iter().flat_map(|home| fs::read_dir(home.join("registry/src")));
    let folders = registries.flatten().flatten().map(|folder| folder.path());
    let package = format!("{name}-{version}");
    folders.filter_map(move |folder| fs::read_to_string(folder.join(&package).join("LICENSE")).ok())
}

/// One of the alternatives is made of fitting licences only.
fn fits(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" OR ").any(|alternative| {
        alternative.split(" AND ").all(|licence| LICENCES.contains(&licence.trim()))
    })
}

/// Where docs/fault-model.md says a test is: `path/of/file.rs::function`, or a program.
fn named_tests(text: &str) -> impl Iterator<Item = &str> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter(|span| span.contains(".rs::") || span.ends_with(".py"))
}

#[test]
fn every_fault_has_its_test_and_every_bound_its_place() {
    let model = fs::read_to_string(root().join("docs/fault-model.md")).expect("the fault model");
    let mut wrong = Vec::new();
    for test in named_tests(&model) {
        let (file, function) = test.split_once("::").unwrap_or((test, ""));
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        if !text.contains(&format!("fn {function}")) && !file.ends_with(".py") || text.is_empty() {
            wrong.push(format!("there is no {test}"));
        }
    }
    let is_head = |row: &str| row.starts_with("| fault") || row.starts_with("| bound");
    for row in model.lines().filter(|line| line.starts_with("| ") && !is_head(line)) {
        if named_tests(row).next().is_none() {
            wrong.push(format!("without a test: {row}"));
        }
    }
    let limits = fs::read_to_string(root().join("src/limits.rs")).expect("the bounds");
    for line in limits.lines().filter_map(|line| line.strip_prefix("pub const ")) {
        let name = line.split(':').next().unwrap_or_default();
        if !model.contains(&format!("`{name}`")) {
            wrong.push(format!("{name} is not in the fault model"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
