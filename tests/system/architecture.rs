//! `ARCHITECTURE.md` is true: every path and type it names exists, and the crates depend on each
//! other along the drawn arrows only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::workspace;

/// The floors of the design, lowest first: an arrow goes down, or to a crate named for an exception.
const FLOORS: [&[&str]; 6] = [
    &["model"],
    &["disk", "lang", "wire"],
    &["store", "query"],
    &["engine", "ledger", "notify", "import"],
    &["server"],
    &["bellwether"],
];

/// Arrows inside one floor, each a decision that the map explains.
const SAME_FLOOR: [(&str, &str); 1] = [("query", "store")];

fn map() -> String {
    std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the map is there")
}

/// Every `code span` of the map outside fenced blocks.
fn code_spans(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_path_it_names_exists() {
    let text = map();
    let paths: Vec<&str> = code_spans(&text)
        .into_iter()
        .filter(|s| {
            s.contains('/') && !s.contains([' ', '*', '<', '{', ':']) && !s.starts_with('/')
        })
        .collect();
    assert!(paths.len() > 20, "the map names only {} paths", paths.len());
    let missing: Vec<&&str> = paths
        .iter()
        .filter(|p| !workspace().join(p).exists())
        .collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names what is not there: {missing:?}"
    );
}

#[test]
fn every_type_it_names_exists() {
    let mut source = String::new();
    collect_source(&workspace().join("crates"), &mut source);
    let text = map();
    let is_type = |s: &&str| {
        s.starts_with(|c: char| c.is_ascii_uppercase())
            && s.chars().any(|c| c.is_ascii_lowercase())
            && s.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let types: BTreeSet<&str> = code_spans(&text).into_iter().filter(is_type).collect();
    assert!(types.len() > 10, "the map names only {} types", types.len());
    let declared = |name: &str| {
        ["struct", "enum", "trait", "type"].iter().any(|kind| {
            source
                .match_indices(&format!("{kind} {name}"))
                .any(|(at, found)| {
                    let after = source[at + found.len()..].chars().next();
                    !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
        })
    };
    let missing: Vec<&&str> = types.iter().filter(|t| !declared(t)).collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names types that are not there: {missing:?}"
    );
}

fn collect_source(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of the tree") {
        let path = entry.expect("a file of the tree").path();
        if path.is_dir() {
            collect_source(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push_str(&std::fs::read_to_string(&path).expect("source is UTF-8"));
        }
    }
}

/// Crate to the crates of ours that it needs to run (not those its tests need).
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(workspace().join("crates")).expect("crates/ is there") {
        let folder = entry.expect("a folder").path();
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = text.parse().expect("a manifest is TOML");
        let needs = manifest["dependencies"].as_table().expect("a table");
        let ours = needs
            .keys()
            .filter_map(|n| n.strip_prefix("bellwether-").map(str::to_owned));
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        all.insert(name, ours.collect());
    }
    all
}

#[test]
fn arrows_point_down() {
    let floor = |name: &str| FLOORS.iter().position(|f| f.contains(&name));
    for (from, needs) in arrows() {
        let height = floor(&from).unwrap_or_else(|| panic!("crates/{from} has no floor: draw it"));
        for to in &needs {
            let exception = SAME_FLOOR.contains(&(from.as_str(), to.as_str()));
            assert!(
                floor(to).is_some_and(|f| f < height) || exception,
                "{from} may not depend on {to}: arrows point down the floor plan"
            );
        }
    }
}

#[test]
fn arrows_are_the_drawn_ones() {
    let text = map();
    let fenced: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
    let drawn: BTreeSet<(String, String)> = fenced
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.trim().split_once(" -> "))
        .flat_map(|(from, to)| {
            to.split(' ')
                .filter(|t| !t.is_empty())
                .map(|t| (from.trim().to_owned(), t.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect();
    let real: BTreeSet<(String, String)> = arrows()
        .into_iter()
        .flat_map(|(from, needs)| needs.into_iter().map(move |to| (from.clone(), to)))
        .collect();
    let undrawn: Vec<_> = real.difference(&drawn).collect();
    let gone: Vec<_> = drawn.difference(&real).collect();
    assert!(
        undrawn.is_empty() && gone.is_empty(),
        "not drawn: {undrawn:?}; drawn but gone: {gone:?}"
    );
}

#[test]
fn only_server_and_the_binary_are_async() {
    for name in [
        "model", "disk", "store", "lang", "query", "engine", "ledger", "wire", "notify",
    ] {
        let mut source = String::new();
        collect_source(&workspace().join("crates").join(name), &mut source);
        for word in ["async fn", ".await", "tokio::"] {
            assert!(
                !source.contains(word),
                "crates/{name} has `{word}`: the core knows no runtime"
            );
        }
    }
}
