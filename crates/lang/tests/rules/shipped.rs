//! The packs in `rules/`: nothing wrong with them, and every alert says what it means and what to do.

use std::path::Path;

use bellwether_lang::rules::{check, render};

use super::{read_case, rule_files};

#[test]
fn the_shipped_rules_are_right_and_explain_themselves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let files: Vec<_> = rule_files(&folder)
        .iter()
        .flat_map(|path| read_case(path))
        .collect();
    let checked = check(&files);
    assert_eq!(render(&checked.diagnostics, &files, false), "");
    assert!(checked.rules.alerts.len() >= 15);
    for alert in &checked.rules.alerts {
        assert!(
            alert.summary.is_some() && alert.description.is_some(),
            "{}",
            alert.name
        );
    }
}
