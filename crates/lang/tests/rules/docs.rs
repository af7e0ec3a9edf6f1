//! `docs/rules.md`: every example in it is right, and it names every item and clause.

use std::collections::BTreeSet;
use std::path::Path;

use bellwether_lang::rules::{Lint, SourceFile, check, format, from_rules_json, overview, render};

fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    std::fs::read_to_string(path).unwrap()
}

/// The code blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    let blocks = text.split(open.as_str()).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_example_is_right_and_in_canonical_form() {
    let text = reference();
    // Together they are one folder.
    let files: Vec<SourceFile> = blocks(&text, "rules")
        .into_iter()
        .enumerate()
        .map(|(i, text)| SourceFile {
            path: format!("example-{i}.rules"),
            text,
        })
        .collect();
    assert!(files.len() >= 5);
    let checked = check(&files);
    assert_eq!(render(&checked.diagnostics, &files, false), "");
    for file in &files {
        assert_eq!(format(file).unwrap(), file.text);
    }
    for json in blocks(&text, "json") {
        let rules = SourceFile {
            path: "json.rules".into(),
            text: from_rules_json(&json).unwrap(),
        };
        let checked = check(std::slice::from_ref(&rules));
        assert_eq!(render(&checked.diagnostics, &[rules], false), "");
    }
}

/// The words of the overview: an item, or an item and a clause of it; those of later versions are left out.
fn table() -> Vec<(String, Option<String>)> {
    let mut words = Vec::new();
    let mut item = String::new();
    for row in overview().lines().skip(2) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let word = |cell: &str| {
            let code = cell.trim_matches(['|', ' ', '`']);
            code.split(' ').next().unwrap().to_owned()
        };
        if row.starts_with("| `") {
            item = word(cells[0]);
            if !row.ends_with("| 0.3 |") {
                words.push((item.clone(), None));
            }
        } else {
            words.push((item.clone(), Some(word(cells[1]))));
        }
    }
    words
}

#[test]
fn every_item_and_clause_has_an_example() {
    let mut shown = BTreeSet::new();
    for block in blocks(&reference(), "rules") {
        let mut item = String::new();
        for line in block.lines() {
            let word = line
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
            if line.starts_with(' ') {
                shown.insert((item.clone(), Some(word)));
            } else {
                item.clone_from(&word);
                shown.insert((item.clone(), None));
            }
        }
    }
    let table = table();
    assert!(table.len() > 85, "{}", table.len());
    let missing: Vec<_> = table
        .into_iter()
        .filter(|word| !shown.contains(word))
        .collect();
    assert_eq!(missing, []);
}

#[test]
fn the_reference_explains_every_warning() {
    let text = reference();
    let (_, section) = text.split_once("\n## Warnings\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<&str> = rows.map(|row| row.split('`').next().unwrap()).collect();
    assert_eq!(named, Lint::ALL.map(Lint::name));
}

/// `UPDATE_EXPECT=1` writes the table anew.
#[test]
fn the_reference_names_every_item_and_clause() {
    let text = reference();
    let begin = "## Every item and clause\n\n";
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once("\n\n## ").unwrap();
    let expected = format!("{before}{begin}{}\n\n## {after}", overview().trim_end());
    expect_test::expect_file!["../../../../docs/rules.md"].assert_eq(&expected);
}
