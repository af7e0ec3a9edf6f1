//! The eight files the language was designed with: nothing is wrong with them, and they mean what they say.

use bellwether_lang::rules::{check, render};
use bellwether_model::Labels;

use super::{folder, read_case, rule_files};

#[test]
fn the_eight_files_are_read() {
    let files: Vec<_> = rule_files(&folder("design"))
        .iter()
        .flat_map(|path| read_case(path))
        .collect();
    assert_eq!(files.len(), 8);
    let checked = check(&files);
    // The detection functions are not there yet: an alert that uses one says so at its name.
    let mut unexpected = checked.diagnostics.clone();
    unexpected.retain(|d| {
        !["zscore", "trend", "seasonal", "time_to"]
            .iter()
            .any(|f| d.message.contains(f))
    });
    assert_eq!(render(&unexpected, &files, false), "");
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
    let rules = &checked.rules;
    let counts = [
        rules.records.len(),
        rules.slas.len(),
        rules.windows.len(),
        rules.mutes.len(),
        rules.channels.len(),
        rules.routes.len(),
        rules.tests.len(),
    ];
    assert_eq!(counts, [1, 3, 2, 4, 4, 3, 5]);
}

#[test]
fn routes_are_the_tree_of_alertmanager() {
    let files = read_case(&folder("design/routing.rules"));
    let routes = check(&files).rules.routes;
    let told = |labels: &[(&str, &str)]| {
        let labels = Labels::from_pairs(labels.iter().copied());
        let names: Vec<&str> = routes
            .matching(&labels)
            .iter()
            .map(|r| r.name.as_str())
            .collect();
        names.join(" ")
    };
    assert_eq!(told(&[("severity", "warning")]), "everything");
    assert_eq!(
        told(&[("severity", "critical"), ("team", "db")]),
        "critical"
    );
    assert_eq!(
        told(&[("severity", "warning"), ("team", "db")]),
        "databases"
    );
    let critical = routes.get("critical").unwrap();
    // Its own, and what it has from above: group, batch, limit.
    assert_eq!(
        critical.to_string(),
        "route critical in everything\n  match {severity=\"critical\"}\n  to team-chat, pager-primary\n  \
         then after 10m to pager-secondary\n  then after 30m to ops-mail\n  group by (alertname, job)\n  \
         wait 10s\n  batch 5m\n  repeat 1h\n  limit 20 per 1h\n"
    );
}
