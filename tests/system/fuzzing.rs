//! Every function of a `fuzzing` module is a target of the fuzzer, and has its entry in `fuzz/Cargo.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::workspace;

/// The names behind `pub fn` in the `fuzzing` modules of all crates.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(&workspace().join("crates"), &mut found);
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the tree") {
        let path = entry.expect("a file of the tree").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("source is UTF-8");
            let module = if path.ends_with("fuzzing.rs") {
                Some(text.as_str())
            } else {
                // In line, it stands last in its file.
                text.split_once("pub mod fuzzing {").map(|(_, rest)| rest)
            };
            let heads = module.into_iter().flat_map(|m| m.split("pub fn ").skip(1));
            found.extend(heads.filter_map(|head| head.split_once('(').map(|(n, _)| n.to_owned())));
        }
    }
}

/// Each target's name with its source.
fn targets() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(workspace().join("fuzz/targets")).expect("it is there");
    files
        .map(|file| {
            let path = file.expect("a file of the tree").path();
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path).expect("source is UTF-8");
            (name, text)
        })
        .collect()
}

#[test]
fn every_fuzzing_function_is_a_target() {
    let functions = functions();
    assert!(functions.len() > 10, "found only {functions:?}");
    let targets = targets();
    let named: BTreeSet<String> = targets.keys().cloned().collect();
    assert_eq!(named, functions);
    for (name, text) in targets {
        assert!(text.contains(&format!("::fuzzing::{name}(data)")), "{name}");
    }
}

#[test]
fn every_target_has_its_entry() {
    let text = std::fs::read_to_string(workspace().join("fuzz/Cargo.toml"));
    let manifest: toml::Table = text.expect("it is there").parse().expect("TOML");
    let entries = manifest["bin"].as_array().expect("an array of targets");
    let text_of = |entry: &toml::Value, key: &str| entry[key].as_str().unwrap_or("").to_owned();
    let entered: BTreeMap<String, String> = entries
        .iter()
        .map(|entry| (text_of(entry, "name"), text_of(entry, "path")))
        .collect();
    let wanted = targets()
        .into_keys()
        .map(|name| (name.clone(), format!("targets/{name}.rs")));
    assert_eq!(entered, wanted.collect::<BTreeMap<_, _>>());
}
