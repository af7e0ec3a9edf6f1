//! Rule files of other projects: every valid one becomes rules that check, every other one is refused at its place.

use std::sync::Arc;

use bellwether_engine::trial::{Coverage, Trials};
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
    if checked.has_errors() {
        return Some(rules::render(&checked.diagnostics, &imported.files, false));
    }
    // The engine takes them too: no rules read each other in a circle.
    let circle = bellwether_engine::check(&checked.rules).err();
    circle.map(|circle| circle.to_string())
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

#[test]
fn objectives() {
    check(
        &[
            "OpenSLO",
            "Pyrra SLO",
            "slo-generator SLO",
            "sloth alert windows",
            "sloth spec",
        ],
        Format::Objectives,
    );
}

/// Burn lines of a file of windows reach the objectives that are imported with it.
#[test]
fn alert_windows_go_with_their_objectives() {
    let Some(folder) = shared::conformance("rules-yaml") else {
        return;
    };
    let names = [
        "sloth/kubernetes-apiserver.yml",
        "sloth-windows/custom-30d.yaml",
    ];
    let imported = files(Format::Objectives, &folder, &names);
    assert_eq!(judge(&imported, true), None);
    let text = &imported.files[0].text;
    for line in [
        "burn 1% in 30m critical",
        "burn 2% in 3h critical",
        "burn 5% in 12h warning",
    ] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words.matches(line).count(), 2, "{line}\n{text}");
    }
}

/// Unit tests import together with the rule files they name, where these are there.
#[test]
fn unit_tests() {
    let Some(folder) = shared::conformance("rules-yaml") else {
        return;
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in shared::rows(&folder) {
        if row[1] != "promtool unit test" {
            continue;
        }
        count += 1;
        let names = with_rules(&folder, &row[0]);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let imported = files(Format::Prometheus, &folder, &names);
        if let Some(why) = judge(&imported, !row[2].starts_with("reject")) {
            wrong.push(format!("{} ({}): {why}", row[0], row[2]));
        }
    }
    assert!(count > 5, "only {count} files of tests");
    assert!(
        wrong.is_empty(),
        "{} of {count} files:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A file of tests and the rule files beside it that it names.
fn with_rules(folder: &std::path::Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(name)).expect("a file of the corpus");
    let beside = name.rsplit_once('/').map_or("", |(beside, _)| beside);
    let listed = text
        .lines()
        .skip_while(|line| !line.starts_with("rule_files:"))
        .skip(1);
    let listed = listed.map_while(|line| line.trim().strip_prefix("- "));
    let rules = listed.map(|file| format!("{beside}/{}", file.trim()));
    let there = rules.filter(|path| folder.join(path).is_file());
    there.chain([name.to_owned()]).collect()
}

/// How the tests of a file end here: the names of those that fail, with the first thing that is wrong.
fn run_tests(imported: &Imported) -> Vec<String> {
    let checked = rules::check(&imported.files);
    assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
    let trials = Trials::new(Arc::new(checked.rules)).expect("no circles");
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    for test in &trials.rules().tests {
        let outcome = trials.run(test, &mut coverage);
        assert!(outcome.not_run.is_empty(), "{:?}", outcome.not_run);
        if let Some(failure) = outcome.failures.first() {
            failed.push(format!("{}: {}", test.name, failure.lines.join("; ")));
        }
    }
    failed
}

/// What promtool says of its tests, the engine says of what they became.
#[test]
fn unit_tests_end_as_they_do_there() {
    let Some(folder) = shared::conformance("rules-yaml") else {
        return;
    };
    for row in shared::rows(&folder) {
        let (name, expect) = (row[0].as_str(), row[2].as_str());
        // The rules that some test are not in the corpus; one says only that a rule fails to evaluate.
        let runs = row[1] == "promtool unit test"
            && !expect.starts_with("reject")
            && !expect.starts_with("accept");
        if !runs || name == "promtool/bad-rules-error-test.yml" {
            continue;
        }
        let names = with_rules(&folder, name);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let failed = run_tests(&files(Format::Prometheus, &folder, &names));
        let shown = format!("{name} ({expect}):\n{}", failed.join("\n"));
        match name {
            // Differences in the sixteenth digit, which are equal here: the import says so.
            "promtool/rules_run_fuzzy.yml" | "promtool/rules_run_no_fuzzy.yml" => {
                assert!(failed.is_empty(), "{shown}");
            }
            "promtool/rules_run.yml" => {
                assert!(
                    failed.len() == 1 && failed[0].contains("wrong test"),
                    "{shown}"
                );
            }
            "promtool/failing.yml" => assert_eq!(failed.len(), 2, "{shown}"),
            _ => assert!(failed.is_empty(), "{shown}"),
        }
    }
}
