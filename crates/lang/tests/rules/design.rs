//! The eight files the language was designed with: what this version has is read, what a later one is to bring
//! says so, and nothing else is wrong with them.

use std::collections::BTreeSet;

use bellwether_lang::rules::{check, render};

use super::{folder, read_case, rule_files};

#[test]
fn the_eight_files_are_read() {
    let files: Vec<_> = rule_files(&folder("design"))
        .iter()
        .flat_map(|path| read_case(path))
        .collect();
    assert_eq!(files.len(), 8);
    let checked = check(&files);
    let mut unexpected = checked.diagnostics.clone();
    unexpected.retain(|d| !d.message.contains("comes with version 0."));
    // The detection functions are not there yet: an alert that uses one says so at its name.
    unexpected.retain(|d| {
        !["zscore", "trend", "seasonal", "time_to"]
            .iter()
            .any(|f| d.message.contains(f))
    });
    assert_eq!(render(&unexpected, &files, false), "");
    let later: BTreeSet<&str> = checked
        .diagnostics
        .iter()
        .filter_map(|d| d.message.strip_suffix(" comes with version 0.2"))
        .collect();
    let expected = [
        "`batch`",
        "`continue`",
        "`email`",
        "`group`",
        "`in`",
        "`limit`",
        "`mute`",
        "`repeat`",
        "`sla`",
        "`slack`",
        "`test`",
        "`then`",
        "`wait`",
        "`window`",
    ];
    assert_eq!(later, BTreeSet::from(expected));
    let alerts: Vec<&str> = checked
        .rules
        .alerts
        .iter()
        .map(|a| a.name.as_str())
        .collect();
    assert_eq!(
        alerts,
        [
            "DiskFullSoon",
            "DiskFullSoonPlain",
            "HighErrorRatio",
            "BudgetNearlySpent",
            "DiskFilling",
            "InstanceDown"
        ]
    );
    let channels: Vec<&str> = checked
        .rules
        .channels
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(channels, ["pager-primary", "pager-secondary"]);
}
