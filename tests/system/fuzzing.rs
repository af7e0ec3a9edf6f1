//! Every function of a `fuzzing` module is a target of the fuzzer, and has its entry in `fuzz/Cargo.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::workspace;

/// Every `pub fn` of the `fuzzing` modules of all crates: its name, and its path from outside.
fn functions() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let crates = std::fs::read_dir(workspace().join("crates")).expect("crates/ is there");
    for entry in crates {
        let folder = entry.expect("a folder").path();
        let name = folder.file_name().expect("a name").to_string_lossy();
        let root = format!("bellwether_{name}");
        collect(&folder.join("src"), &root, &mut found);
    }
    found
}

/// Looks through a folder of source, whose module is `module`.
fn collect(folder: &Path, module: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the tree") {
        let path = entry.expect("a file of the tree").path();
        if path.is_dir() {
            let name = path.file_name().expect("a name").to_string_lossy();
            collect(&path, &format!("{module}::{name}"), found);
            continue;
        }
        let read = || std::fs::read_to_string(&path).expect("source is UTF-8");
        let functions = match path.file_name().and_then(|name| name.to_str()) {
            Some("fuzzing.rs") => read(),
            // In line, the module stands last in its file.
            Some("lib.rs") => read()
                .split_once("pub mod fuzzing {")
                .map_or_else(String::new, |(_, rest)| rest.to_owned()),
            _ => continue,
        };
        let names = functions.split("pub fn ").skip(1);
        for name in names.filter_map(|head| head.split_once('(').map(|(name, _)| name)) {
            found.insert(name.to_owned(), format!("{module}::fuzzing::{name}"));
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
    assert_eq!(
        targets.keys().collect::<Vec<_>>(),
        functions.keys().collect::<Vec<_>>()
    );
    for (name, path) in functions {
        let call = format!("|data: &[u8]| {path}(data)");
        assert!(targets[&name].contains(&call), "{name} does not say {call}");
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
