//! Who may import whom, and how long a file may be. The rules are those of docs/ARCHITECTURE.md.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[path = "layers/imports.rs"]
mod imports;

/// What each layer may name with `crate::`. A layer may always name itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("array", &["base"]),
    ("tree", &["base", "array"]),
    ("io", &["base", "array", "tree"]),
    ("input", &["base", "array", "tree", "io"]),
    ("anndata", &["base", "array", "tree"]),
    ("concat", &["base", "array", "tree", "io", "anndata"]),
    ("h5ad", &["base", "array", "tree"]),
    ("face", &["base", "array", "tree", "h5ad"]),
    ("fuse", &["base", "array", "tree", "face"]),
    ("materialize", &["base", "array", "tree", "h5ad", "face"]),
    ("matrix", &["base", "array", "tree", "anndata"]),
    ("recipe", &["base", "tree", "io", "input", "anndata", "concat", "face", "matrix"]),
];

/// The rooms of a folder (and the files on its floor), from the bottom up: each may import those
/// before it. Everything in the folder is named, but `mod` and tests.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "concat",
        &[
            "numpy", "kept", "awkward", "sparse", "options", "names", "texts", "told", "input",
            "planner", "arrays", "frames", "merging", "join", "mapping", "unique", "plan",
            "compile",
        ],
    ),
    (
        "io",
        &[
            "sync", "blocks", "clock", "files", "identity", "spill", "standing", "source",
            "context", "local",
        ],
    ),
    ("input", &["meant", "opened", "group", "inflate", "hdf5", "zarr"]),
    (
        "input/hdf5",
        &[
            "cursor", "elements", "datatype", "others", "file", "library", "headers", "chunks",
            "values", "metadata", "serve", "fuzzing",
        ],
    ),
    ("input/zarr", &["store", "encoding", "values"]),
    (
        "recipe",
        &[
            "error",
            "fingerprint",
            "identity",
            "place",
            "relocate",
            "what",
            "document",
            "plan_file",
            "notices",
            "open",
        ],
    ),
    ("concat/sparse", &["planned", "stored", "served", "prepared", "merge"]),
];

/// Files that import each other because what they describe contains itself. Each says so in its
/// `mod.rs`.
const RECURSIONS: &[&[&str]] = &[&[
    "anndata/awkward",
    "anndata/categorical",
    "anndata/element",
    "anndata/frame",
    "anndata/nullable",
]];

/// Crates that only some places may name.
const CONFINED: &[(&str, &[&str])] = &[
    ("hdf5", &["input/hdf5", "h5ad"]),
    ("hdf5_sys", &["input/hdf5", "h5ad"]),
    ("fuser", &["fuse"]),
    ("zarrs", &["input/zarr"]),
    // Every error has a kind, so none is of any kind.
    ("anyhow", &[]),
    ("clap", &["cli", "main"]),
    ("indicatif", &["cli", "main"]),
    ("shlex", &["cli"]),
];

/// Lines that no file may exceed.
const MAX_LINES: usize = 800;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// All source files: path below `src` without `.rs`, and text.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    rust_files(&src(), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(src()).unwrap().with_extension("");
            (name.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Code lines: without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
        .filter(|(_, line)| !line.trim().is_empty())
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests") || name.contains("/tests/") || name.contains("testing")
}

/// The names that follow `prefix` in a line, as whole words.
fn names_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).map(move |(at, _)| {
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// Who imports whom, but for tests.
fn imports_of_src() -> &'static BTreeMap<String, BTreeSet<String>> {
    static IMPORTS: OnceLock<BTreeMap<String, BTreeSet<String>>> = OnceLock::new();
    IMPORTS.get_or_init(|| {
        let is_code = |(name, _): &(String, String)| name != "main" && !is_test(name);
        imports::imports(sources().into_iter().filter(is_code).collect())
    })
}

/// What of a path lies directly in `folder`: `names` for `concat/names/axis` in `concat`.
fn room_of<'a>(name: &'a str, folder: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(folder)?.strip_prefix('/')?;
    rest.split('/').next().filter(|room| *room != "mod")
}

#[test]
fn rooms_only_look_down() {
    let imports = imports_of_src();
    let mut wrong = Vec::new();
    for (folder, order) in ROOMS {
        let height = |room: &str| order.iter().position(|known| *known == room);
        for (name, targets) in imports {
            let Some(room) = room_of(name, folder) else { continue };
            let Some(own) = height(room) else {
                wrong.push(format!("src/{name}.rs: {room} is no room of src/{folder}"));
                continue;
            };
            for target in targets {
                if target == &format!("{folder}/mod") {
                    wrong.push(format!("src/{name}.rs imports src/{target}.rs, which is above it"));
                }
                if room_of(target, folder).and_then(height).is_some_and(|other| other > own) {
                    wrong.push(format!("src/{name}.rs imports src/{target}.rs, a room above it"));
                }
            }
        }
        for room in *order {
            let is_there = imports.keys().any(|name| room_of(name, folder) == Some(room));
            assert!(is_there, "src/{folder} has no {room}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other() {
    let circles = imports::circles(imports_of_src());
    let known: Vec<BTreeSet<String>> = RECURSIONS
        .iter()
        .map(|files| files.iter().map(|file| (*file).to_owned()).collect())
        .collect();
    let new: Vec<_> = circles.iter().filter(|circle| !known.contains(circle)).collect();
    assert!(new.is_empty(), "these import each other: {new:#?}");
    for circle in &known {
        assert!(circles.contains(circle), "these import each other no more: {circle:#?}");
    }
}

/// Code before the unit tests of a file: those may look anywhere.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

#[test]
fn layers_only_look_down() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let layer = name.split('/').next().unwrap();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(l, _)| *l == layer) else { continue };
        if is_test(&name) {
            continue;
        }
        for (at, line) in code_lines(without_tests(&text)) {
            // Grouped, a name would escape this look.
            if line.contains("crate::{") {
                wrong.push(format!("src/{name}.rs:{at}: one `use` a layer"));
            }
            for import in names_after(line, "crate::") {
                if import != layer && !import.is_empty() && !allowed.contains(&import) {
                    wrong.push(format!("src/{name}.rs:{at}: {layer} may not import {import}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_layer_has_a_rule() {
    for entry in fs::read_dir(src()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = MAY_IMPORT.iter().any(|(layer, _)| *layer == name)
            || ["lib", "main", "cli"].contains(&name.as_str());
        assert!(known, "src/{name} is in no rule of tests/layers.rs");
    }
}

#[test]
fn crates_stay_where_they_belong() {
    let mut wrong = Vec::new();
    // Tests may read back with another implementation what ours has written.
    for (name, text) in sources().into_iter().filter(|(name, _)| !is_test(name)) {
        for (at, line) in code_lines(&text) {
            for (krate, places) in CONFINED {
                let prefix = format!("{krate}::");
                let named = line.match_indices(&prefix).any(|(i, _)| {
                    let before = line[..i].chars().next_back();
                    // `crate::input::hdf5::open` is our own module of that name.
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                        && !line.contains("super::")
                });
                let home = places.iter().any(|p| name == *p || name.starts_with(&format!("{p}/")));
                // `mod.rs` of the parent names its child `hdf5`, not the crate.
                let parent = name == "input/mod" && *krate == "hdf5";
                if named && !home && !parent {
                    wrong.push(format!("src/{name}.rs:{at}: {krate} belongs in {places:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_of_readable_length() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(name, text)| (text.lines().count(), name))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, name)| format!("src/{name}.rs: {lines} lines, at most {MAX_LINES}"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(name, text)| !is_test(name) && !text.starts_with("//!"))
        .map(|(name, _)| format!("src/{name}.rs does not open with //!"))
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn nothing_is_left_to_do() {
    let mark = ["TO", "DO"].concat();
    let left: Vec<_> = sources()
        .into_iter()
        .flat_map(|(name, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| line.contains(&mark) && !line.contains("TODO("))
                .map(|(at, _)| format!("src/{name}.rs:{}", at + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(left.is_empty(), "{}", left.join("\n"));
}
