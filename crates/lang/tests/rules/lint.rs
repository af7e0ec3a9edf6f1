//! Rules against what a store knows, and comments that switch warnings off.

use std::collections::BTreeSet;

use bellwether_lang::rules::{
    Lint, MetricFacts, MetricKind, RawFile, StoreFacts, check_raw_against, render,
};
use expect_test::{Expect, expect};

/// Samples 15 s apart.
fn metric(name: &str, labels: &[&str], series: usize, values: &[f64]) -> (String, MetricFacts) {
    let labels: BTreeSet<String> = labels.iter().map(|l| (*l).to_owned()).collect();
    let times: Vec<i64> = (0..values.len()).map(|i| i as i64 * 15_000).collect();
    let facts = MetricFacts::new(name, labels, series, &times, values);
    (name.to_owned(), facts)
}

fn facts() -> StoreFacts {
    let metrics = [
        metric(
            "http_requests_total",
            &["job", "code"],
            20,
            &[1.0, 5.0, 9.0, 0.0, 2.0],
        ),
        metric("queue_depth", &["queue"], 3, &[5.0, 9.0, 8.0, 2.0]),
        metric("task_seconds", &["task"], 5000, &[1.0, 1.0]),
        metric("seen_once", &[], 1, &[1.0]),
    ];
    StoreFacts {
        metrics: metrics.into_iter().collect(),
    }
}

fn check(text: &str, expected: Expect) {
    let files = [RawFile {
        path: "a.rules".into(),
        bytes: Some(text.into()),
    }];
    let (texts, checked) = check_raw_against(&files, &facts());
    expected.assert_eq(&render(&checked.diagnostics, &texts, false));
}

#[test]
fn kinds_and_intervals_are_read_from_samples() {
    let facts = facts();
    let kinds = facts
        .metrics
        .values()
        .map(|m| (m.kind, m.interval.map(|i| i.0)));
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [
            (MetricKind::Counter, Some(15_000)),
            (MetricKind::Gauge, Some(15_000)),
            (MetricKind::Unknown, None),
            (MetricKind::Unknown, Some(15_000)),
        ]
    );
}

#[test]
fn what_the_store_has_never_seen_is_told_with_the_nearest_name() {
    check(
        "record job:x\n  expr sum(rate(http_request_total[5m]))\nalert A\n  expr job:x + sum(queue_depth{qeue=\"a\"}) + sum(other)\n  warning > 5\n",
        expect![[r#"
            a.rules:2:17: warning: the store has never seen `http_request_total`
               |
             2 |   expr sum(rate(http_request_total[5m]))
               |                 ^^^^^^^^^^^^^^^^^^ did you mean `http_requests_total`?
               = help: to switch it off here: `# lint: off unknown-metric REASON`

            a.rules:4:32: warning: `queue_depth` has never had the label `qeue`
               |
             4 |   expr job:x + sum(queue_depth{qeue="a"}) + sum(other)
               |                                ^^^^ did you mean `queue`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:4:49: warning: the store has never seen `other`
               |
             4 |   expr job:x + sum(queue_depth{qeue="a"}) + sum(other)
               |                                                 ^^^^^ nothing near it is there either
               = help: to switch it off here: `# lint: off unknown-metric REASON`
        "#]],
    );
}

#[test]
fn windows_and_functions_that_do_not_fit_are_told() {
    check(
        "let short = rate(http_requests_total[20s])\nalert A\n  expr sum($short) + sum(rate(http_requests_total[20s])) + sum(rate(http_requests_total[30s]))\n  warning > 5\nalert B\n  expr sum(increase(queue_depth[5m]))\n  warning > 5\nalert C\n  expr rate(seen_once[1s])\n  warning > 5\n",
        expect![[r"
            a.rules:3:31: warning: `rate` over 20s sees fewer than two samples
               |
             3 |   expr sum($short) + sum(rate(http_requests_total[20s])) + sum(rate(http_requests_total[30s]))
               |                               ^^^^^^^^^^^^^^^^^^^ `http_requests_total` has one every 15s
               = help: write `[1m]` or longer
               = help: to switch it off here: `# lint: off short-window REASON`

            a.rules:6:21: warning: `increase` of something that goes down, too
               |
             6 |   expr sum(increase(queue_depth[5m]))
               |                     ^^^^^^^^^^^ every fall of `queue_depth` counts as a restart from zero
               = help: its slope is `deriv(queue_depth[10m])`, its change `delta(queue_depth[1h])`
               = help: to switch it off here: `# lint: off gauge-with-rate REASON`
        "]],
    );
}

#[test]
fn a_result_of_very_many_series_is_told() {
    check(
        "alert A\n  expr task_seconds\n  warning > 5\nalert B\n  expr sum by (task) (task_seconds)\n  warning > 5\nalert C\n  expr task_seconds{task=\"a\"}\n  warning > 5\nalert D\n  expr task_seconds > 5\n  warning\n",
        expect![[r"
            a.rules:2:8: warning: the result may have 5000 series
               |
             2 |   expr task_seconds
               |        ^^^^^^^^^^^^ `task_seconds` has so many; more than 1000 (lint.series)
               = help: aggregate: `sum by (job) (...)`
               = help: to switch it off here: `# lint: off high-cardinality REASON`
        "]],
    );
}

#[test]
fn comments_switch_warnings_off_where_they_stand() {
    let alert = |name: &str| format!("alert {name}\n  expr absent(queue_depth)\n  critical\n");
    check(
        &format!(
            "# lint: off absent-without-for it is pushed every second\n{}{}  # lint: off absent-without-for the same\n{}",
            alert("A"),
            alert("B"),
            alert("C")
        ),
        expect![[r"
            a.rules:11:3: warning: `absent()` without `for`
               |
            11 |   critical
               |   ^^^^^^^^ fires at the first evaluation after a restart or a short gap
               = help: give it time: `critical for 5m`
               = help: to switch it off here: `# lint: off absent-without-for REASON`
        "]],
    );
}

#[test]
fn every_lint_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = Lint::ALL.iter().map(|lint| lint.name()).collect();
    assert_eq!(names.len(), Lint::ALL.len());
    for lint in Lint::ALL {
        assert_eq!(Lint::from_name(lint.name()), Some(lint));
    }
}
