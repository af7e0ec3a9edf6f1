//! Rule files of other projects: every valid one becomes rules that check, every other one is refused at its place.

use bellwether_import::{Format, Imported, Options, Source, import};
use bellwether_lang::rules;

use crate::shared;

/// Imports files of the corpus by their names in it.
fn files(format: Format, folder: &std::path::Path, names: &[&str]) -> Imported {
    let sources: Vec<Source> = names
        .iter()
        .map(|name| Source {
            path: (*name).to_owned(),
            bytes: std::fs::read(folder.join(name)).expect("a file of the corpus"),
        })
        .collect();
    import(format, &sources, &Options::default())
}

/// What is wrong with the outcome, if something is.
fn judge(imported: &Imported, accept: bool) -> Option<String> {
    let findings: Vec<String> = imported
        .findings
        .iter()
        .filter(|f| f.kind == bellwether_import::Kind::Refused)
        .map(ToString::to_string)
        .collect();
    if !accept {
        let placed = imported.findings.iter().all(|f| f.line > 0 && f.column > 0);
        return (!imported.refused() || !placed).then(|| "accepted".to_owned());
    }
    if imported.refused() {
        return Some(findings.join("\n  "));
    }
    let checked = rules::check(&imported.files);
    checked
        .has_errors()
        .then(|| rules::render(&checked.diagnostics, &imported.files, false))
}

fn check(kinds: &[&str], format: Format) {
    let Some(folder) = shared::conformance("rules-yaml") else {
        return;
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in shared::rows(&folder) {
        if !kinds.contains(&row[1].as_str()) {
            continue;
        }
        count += 1;
        let imported = files(format, &folder, &[&row[0]]);
        if let Some(why) = judge(&imported, !row[2].starts_with("reject")) {
            wrong.push(format!("{} ({}): {why}", row[0], row[2]));
        }
    }
    assert!(count > 0, "no file of the kinds {kinds:?}");
    assert!(
        wrong.is_empty(),
        "{} of {count} files:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn rule_files() {
    check(
        &[
            "prometheus rules",
            "PrometheusRule manifest",
            "vmalert rules",
        ],
        Format::Prometheus,
    );
}
