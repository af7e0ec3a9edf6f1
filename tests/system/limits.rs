//! `docs/limits.md` is the table of `model::limits`, row by row, and every limit in it limits something.

use std::fmt::Write as _;
use std::path::Path;

use bellwether_model::limits::{ALL, Limit, Unit};

use crate::support::workspace;

#[test]
fn the_docs_show_every_limit_with_its_default() {
    let page = std::fs::read_to_string(workspace().join("docs/limits.md"))
        .expect("docs/limits.md is there");
    let table: String =
        page.lines()
            .filter(|l| l.starts_with("| `"))
            .fold(String::new(), |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            });
    let mut want = String::new();
    for limit in ALL {
        let _ = writeln!(
            want,
            "| `{}` | {} | {} |",
            limit.name,
            default(limit),
            limit.beyond
        );
    }
    assert!(
        table == want,
        "docs/limits.md is out of date; its table should be:\n{want}"
    );
}

#[test]
fn every_limit_is_used() {
    let table = workspace().join("crates/model/src/limits.rs");
    let text = std::fs::read_to_string(&table).expect("the table is there");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().split_once(" = \""))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names.len(),
        ALL.len(),
        "rows are found by how they are written"
    );
    let mut source = String::new();
    collect(&workspace().join("crates"), &table, &mut source);
    let words: std::collections::BTreeSet<&str> = source
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let unused: Vec<&&str> = names
        .iter()
        .filter(|name| !words.contains(**name))
        .collect();
    assert!(unused.is_empty(), "promised and not kept: {unused:?}");
}

/// The code of the crates without comments, tests folders and the table itself.
fn collect(folder: &Path, table: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder)
        .expect("crates can be read")
        .flatten()
    {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "tests" && name != "examples" {
                collect(&path, table, out);
            }
        } else if path != table && name != "tests.rs" && path.extension().is_some_and(|e| e == "rs")
        {
            let text = std::fs::read_to_string(&path).expect("source is text");
            let code = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default();
            for line in code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
}

fn default(limit: &Limit) -> String {
    let value = limit.value;
    match limit.unit {
        Unit::Count => value.to_string(),
        Unit::Bytes if value.is_multiple_of(1 << 20) => format!("{} MiB", value >> 20),
        Unit::Bytes if value.is_multiple_of(1 << 10) => format!("{} KiB", value >> 10),
        Unit::Bytes => format!("{value} B"),
        Unit::Millis => bellwether_model::DurationMs(value as i64).to_string(),
    }
}
