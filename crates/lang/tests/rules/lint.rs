//! Rules against what a store knows, and comments that switch warnings off.

use std::collections::BTreeSet;

use bellwether_lang::rules::{
    Lint, MetricFacts, MetricKind, RawFile, StoreFacts, check_raw_against, render,
};
use bellwether_model::TimestampMs;
use expect_test::{Expect, expect};

/// Samples 15 s apart.
fn metric(name: &str, labels: &[&str], series: usize, values: &[f64]) -> (String, MetricFacts) {
    let labels: BTreeSet<String> = labels.iter().map(|l| (*l).to_owned()).collect();
    let times: Vec<i64> = (0..values.len()).map(|i| i as i64 * 15_000).collect();
    let mut facts = MetricFacts::new(name, labels, series, &times, values);
    let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
    facts.values = Some(values.iter().fold((low, high), |(low, high), value| {
        (value.min(low), value.max(high))
    }));
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
        metric("share_used", &["disk"], 3, &[0.25, 0.5, 0.75]),
    ];
    StoreFacts {
        metrics: metrics.into_iter().collect(),
        now: TimestampMs::parse("2026-06-01T00:00:00Z"),
    }
}

fn check(text: &str, expected: Expect) {
    check_with(&facts(), text, expected);
}

fn check_with(facts: &StoreFacts, text: &str, expected: Expect) {
    let files = [RawFile {
        path: "a.rules".into(),
        bytes: Some(text.into()),
    }];
    let (texts, checked) = check_raw_against(&files, facts);
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
fn a_file_that_the_store_knows_nothing_of_has_one_warning() {
    let airflow = "record dag:failures\n  expr sum by (dag_id) (rate(airflow_failures_total[5m]))\n\
        alert A\n  expr dag:failures\n  warning > 1\n\
        sla s\n  objective 99% over 30d\n  bad airflow_failures_total\n  total airflow_runs_total\n  burn none\n";
    let raw = |path: &str, text: &str| RawFile {
        path: path.into(),
        bytes: Some(text.into()),
    };
    let other = "alert B\n  expr queue_dept > 1\n  warning\nalert C\n  expr nowhere_to_be_found\n  warning > 1\n";
    let drawn = |airflow: &str| {
        let files = [raw("airflow.rules", airflow), raw("other.rules", other)];
        let (texts, checked) = check_raw_against(&files, &facts());
        render(&checked.diagnostics, &texts, false)
    };
    expect![[r"
        airflow.rules:2:30: warning: the store has seen none of the 2 metrics that this file reads
           |
         2 |   expr sum by (dag_id) (rate(airflow_failures_total[5m]))
           |                              ^^^^^^^^^^^^^^^^^^^^^^ the first of them
           = help: they are `airflow_failures_total`, `airflow_runs_total`
           = help: nothing sends them yet, or they are called otherwise here
           = help: to switch it off here: `# lint: off unknown-metric REASON`

        other.rules:2:8: warning: the store has never seen `queue_dept`
           |
         2 |   expr queue_dept > 1
           |        ^^^^^^^^^^ did you mean `queue_depth`?
           = help: to switch it off here: `# lint: off unknown-metric REASON`

        other.rules:5:8: warning: the store has never seen `nowhere_to_be_found`
           |
         5 |   expr nowhere_to_be_found
           |        ^^^^^^^^^^^^^^^^^^^ nothing near it is there either
           = help: to switch it off here: `# lint: off unknown-metric REASON`
    "]]
    .assert_eq(&drawn(airflow));
    // Who looks at the first has looked at all of them.
    let silenced = format!("# lint: off unknown-metric airflow comes in May\n{airflow}");
    expect![[r"
        other.rules:2:8: warning: the store has never seen `queue_dept`
           |
         2 |   expr queue_dept > 1
           |        ^^^^^^^^^^ did you mean `queue_depth`?
           = help: to switch it off here: `# lint: off unknown-metric REASON`

        other.rules:5:8: warning: the store has never seen `nowhere_to_be_found`
           |
         5 |   expr nowhere_to_be_found
           |        ^^^^^^^^^^^^^^^^^^^ nothing near it is there either
           = help: to switch it off here: `# lint: off unknown-metric REASON`
    "]]
    .assert_eq(&drawn(&silenced));
    // With one that is there, each of the others is worth a look.
    let mixed = format!("{airflow}alert D\n  expr queue_depth\n  warning > 1\n");
    assert_eq!(drawn(&mixed).matches("has never seen").count(), 5);
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
fn counters_that_only_a_store_knows_are_told() {
    let mut facts = facts();
    for name in ["wait_seconds_count", "wait_seconds_sum", "user_count"] {
        facts
            .metrics
            .extend([metric(name, &["job"], 2, &[1.0, 2.0])]);
    }
    let text = "alert A\n  expr sum by (job) (wait_seconds_count)\n  warning > 5\n\
        alert B\n  expr user_count\n  warning > 5\n\
        alert C\n  expr rate(wait_seconds_sum[5m]) / rate(wait_seconds_count[5m])\n  warning > 5\n";
    check_with(
        &facts,
        text,
        expect![[r"
        a.rules:2:3: warning: `wait_seconds_count` is a counter: it only grows
           |
         2 |   expr sum by (job) (wait_seconds_count)
           |   ^^^^ compared as it is, it fires once and for ever
           = help: compare its speed: `rate(wait_seconds_count[5m])`, or `increase(wait_seconds_count[1h])`
           = help: to switch it off here: `# lint: off counter-without-rate REASON`
    "]],
    );
}

#[test]
fn absent_that_does_not_wait_is_told_however_it_is_compared() {
    check(
        "alert A\n  expr absent(queue_depth) == 1\n  critical\n\
         alert B\n  expr absent(queue_depth) or queue_depth > 5\n  critical for 5m\n  error\n\
         alert C\n  expr absent(queue_depth)\n  critical == 1\n\
         alert D\n  expr queue_depth > 5 unless absent(queue_depth)\n  critical\n",
        expect![[r"
            a.rules:3:3: warning: `absent()` without `for`
               |
             3 |   critical
               |   ^^^^^^^^ fires at the first evaluation after a restart or a short gap
               = help: give it time: `critical for 5m`
               = help: to switch it off here: `# lint: off absent-without-for REASON`

            a.rules:7:3: warning: `absent()` without `for`
               |
             7 |   error
               |   ^^^^^ fires at the first evaluation after a restart or a short gap
               = help: give it time: `error for 5m`
               = help: to switch it off here: `# lint: off absent-without-for REASON`

            a.rules:10:3: warning: `absent()` without `for`
               |
            10 |   critical == 1
               |   ^^^^^^^^ fires at the first evaluation after a restart or a short gap
               = help: give it time: `critical for 5m`
               = help: to switch it off here: `# lint: off absent-without-for REASON`
        "]],
    );
}

#[test]
fn the_counters_of_an_objective_are_looked_up() {
    check(
        "sla s\n  objective 99% over 30d\n  bad http_requests_totl{code=~\"5..\"}\n  total http_requests_total{cod=\"5\"}\n    + http_requests_total - queue_depth\n  burn none\nalert A\n  expr sla:budget_remaining:ratio\n  warning < 5%\n",
        expect![[r#"
            a.rules:3:7: warning: the store has never seen `http_requests_totl`
               |
             3 |   bad http_requests_totl{code=~"5.."}
               |       ^^^^^^^^^^^^^^^^^^ did you mean `http_requests_total`?
               = help: to switch it off here: `# lint: off unknown-metric REASON`

            a.rules:4:29: warning: `http_requests_total` has never had the label `cod`
               |
             4 |   total http_requests_total{cod="5"}
               |                             ^^^ did you mean `code`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:5:29: warning: `queue_depth` is no counter: it goes down, too
               |
             5 |     + http_requests_total - queue_depth
               |                             ^^^^^^^^^^^ every fall counts as a restart from zero
               = help: to switch it off here: `# lint: off gauge-with-rate REASON`
        "#]],
    );
}

#[test]
fn labels_that_the_store_has_never_seen_are_told_wherever_they_are_named() {
    check(
        r#"record queue:deep
  expr max by (queu, queue) (queue_depth)
record queue:all
  expr queue_depth
  label origin = "{queeu}"
alert A
  expr sum by (job, cdoe) (rate(http_requests_total[5m])) / on (job, regoin) group_left sum by (job) (http_requests_total)
  warning > 5 where {cdoe="500"}
  summary "{job} {cdoe} {origin} {severity} {alertname}"
  label origin = "here"
alert B
  expr queue_depth
  warning > 5 where {queeu="a"}
  summary "{queue} {quue} {host}"
sla s
  objective 99% over 30d
  bad http_requests_total{code=~"5.."}
  total http_requests_total
  by (job, zone)
  burn none
  breach warning
channel c
  log
route r
  match {queu="a", origin="here", alertname="B"}
  to c
  group by (alertname, queue, quue)
mute m
  match {alertname=~"C|D", sla="s", zoen="x", job=""}
  while {alertname="A", cdoe!=""} same (jbo, job)
  until 2026-05-31T00:00:00Z
  reason "a mute of last month"
mute n
  match {alertname="s:breach"}
  until 2026-06-02T00:00:00Z
  reason "one of tomorrow"
mute o
  match {alertname="RuleFailing", rule="A"}
  until 2026-06-02T00:00:00Z
  reason "one of the engine's"
"#,
        expect![[r#"
            a.rules:2:16: warning: what `by` groups has never had the label `queu`
               |
             2 |   expr max by (queu, queue) (queue_depth)
               |                ^^^^ did you mean `queue`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:5:20: warning: the expression has never had the label `queeu`
               |
             5 |   label origin = "{queeu}"
               |                    ^^^^^ did you mean `queue`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:7:21: warning: what `by` groups has never had the label `cdoe`
               |
             7 |   expr sum by (job, cdoe) (rate(http_requests_total[5m])) / on (job, regoin) group_left sum by (job) (http_requests_total)
               |                     ^^^^ did you mean `code`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:7:70: warning: what `on` matches has never had the label `regoin`
               |
             7 |   expr sum by (job, cdoe) (rate(http_requests_total[5m])) / on (job, regoin) group_left sum by (job) (http_requests_total)
               |                                                                      ^^^^^^ it has job
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:8:22: warning: the expression has never had the label `cdoe`
               |
             8 |   warning > 5 where {cdoe="500"}
               |                      ^^^^ it has job
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:9:19: warning: the expression has never had the label `cdoe`
               |
             9 |   summary "{job} {cdoe} {origin} {severity} {alertname}"
               |                   ^^^^ it has job
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:13:22: warning: the expression has never had the label `queeu`
               |
            13 |   warning > 5 where {queeu="a"}
               |                      ^^^^^ did you mean `queue`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:14:21: warning: the expression has never had the label `quue`
               |
            14 |   summary "{queue} {quue} {host}"
               |                     ^^^^ did you mean `queue`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:14:28: warning: the expression has never had the label `host`
               |
            14 |   summary "{queue} {quue} {host}"
               |                            ^^^^ it has queue
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:19:12: warning: what is measured has never had the label `zone`
               |
            19 |   by (job, zone)
               |            ^^^^ it has code, job
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:25:10: warning: no alert of this folder has had the label `queu`
               |
            25 |   match {queu="a", origin="here", alertname="B"}
               |          ^^^^ did you mean `queue`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:27:31: warning: no alert of this folder has had the label `quue`
               |
            27 |   group by (alertname, queue, quue)
               |                               ^^^^ did you mean `queue`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:29:10: warning: no alert is named `C|D`
               |
            29 |   match {alertname=~"C|D", sla="s", zoen="x", job=""}
               |          ^^^^^^^^^ neither in this folder nor of the engine's own
               = help: to switch it off here: `# lint: off unknown-alert REASON`

            a.rules:29:37: warning: no alert of this folder has had the label `zoen`
               |
            29 |   match {alertname=~"C|D", sla="s", zoen="x", job=""}
               |                                     ^^^^ did you mean `zone`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:30:25: warning: no alert of this folder has had the label `cdoe`
               |
            30 |   while {alertname="A", cdoe!=""} same (jbo, job)
               |                         ^^^^ no series that its alerts look at has had it
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:30:41: warning: no alert of this folder has had the label `jbo`
               |
            30 |   while {alertname="A", cdoe!=""} same (jbo, job)
               |                                         ^^^ did you mean `job`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            a.rules:31:3: warning: this mute is over
               |
            31 |   until 2026-05-31T00:00:00Z
               |   ^^^^^ its time is past: it mutes nothing
               = help: delete it, or give it a later end
               = help: to switch it off here: `# lint: off mute-over REASON`
        "#]],
    );
}

#[test]
fn labels_that_rules_make_themselves_count_as_seen() {
    check(
        r#"record queue:labelled
  expr label_replace(queue_depth, "short", "$1", "queue", "(.).*")
  label made = "here"
record queue:again
  expr sum by (short, made) (queue:labelled)
alert A
  expr max by (short, made) (queue:again) and on (short) queue:labelled
  warning > 5 where {made="here"}
  summary "{short} {made} {team}"
  label team = "infra"
alert B
  expr count_values("depth", queue_depth)
  warning > 5
  summary "{depth}"
alert C
  expr ALERTS{alertname="A", short="q"} + on (made) group_left sla:ratio{period="30d", sla="s"}
  warning > 5
  summary "{short} {made} {sla}"
alert D
  expr absent(queue_depth{dc="x"}) or sum without (anything) (queue_depth)
  warning > 5 for 5m
  summary "{dc} {queue}"
channel c
  log
route r
  match {short="q", team="infra", depth="1", severity="warning"}
  to c
  group by (made, short, team, depth)
mute m
  match {team!="x"}
  while {short="q"} same (made, team)
  reason "all of them are there"
"#,
        expect![[r#"
            a.rules:20:27: warning: `queue_depth` has never had the label `dc`
               |
            20 |   expr absent(queue_depth{dc="x"}) or sum without (anything) (queue_depth)
               |                           ^^ it has queue
               = help: to switch it off here: `# lint: off unknown-label REASON`
        "#]],
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
fn levels_that_no_value_of_the_store_can_reach_are_told() {
    check(
        "alert A\n  expr share_used\n  warning > 0.9\n  critical > 95\n\
         alert B\n  expr max by (disk) (100 * share_used)\n  warning > 90 clear < -1\n  critical > 1e3\n\
         alert C\n  expr queue_depth\n  warning < 0 for 5m\n  # lint: off unreachable-level it may come back\n  \n\
         alert D\n  expr share_used > 80\n  warning\n\
         alert Fine\n  expr queue_depth\n  warning > 1000\n\
         alert State\n  expr share_used\n  warning == 7\n",
        expect![[r"
            a.rules:4:12: warning: `critical > 95` is out of reach
               |
             4 |   critical > 95
               |            ^^^^ all values of `share_used` in the store lie between 0.25 and 0.75
               = help: in a share of one, 95 of a hundred is `95%`
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            a.rules:7:22: warning: `clear < -1` is out of reach: what fires never ends
               |
             7 |   warning > 90 clear < -1
               |                      ^^^^ all values of `share_used` in the store lie between 0.25 and 0.75
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            a.rules:8:12: warning: `critical > 1000` is out of reach
               |
             8 |   critical > 1e3
               |            ^^^^^ all values of `share_used` in the store lie between 0.25 and 0.75
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            a.rules:15:3: warning: `> 80` in the expression is out of reach
               |
            15 |   expr share_used > 80
               |   ^^^^ all values of `share_used` in the store lie between 0.25 and 0.75
               = help: in a share of one, 80 of a hundred is `80%`
               = help: the result is always empty
               = help: to switch it off here: `# lint: off unreachable-level REASON`
        "]],
    );
}

#[test]
fn levels_that_the_expression_puts_out_of_reach_are_told_without_a_store() {
    check(
        "alert A\n  expr count(share_used)\n  warning == 0\n\
         alert B\n  expr count(share_used > bool 0.5) == 0\n  warning\n\
         alert C\n  expr up\n  critical > 1 for 5m\n  \n\
         alert D\n  expr rate(http_requests_total[5m])\n  critical < 0\n\
         alert Fine\n  expr absent(up)\n  critical == 1 for 5m\n",
        expect![[r"
            a.rules:3:11: warning: `warning == 0` is out of reach
               |
             3 |   warning == 0
               |           ^^^^ the values of this expression are never below 1
               = help: nothing is counted as nothing, not as 0: `... or vector(0)`, or `absent(...)`
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            a.rules:5:3: warning: `== 0` in the expression is out of reach
               |
             5 |   expr count(share_used > bool 0.5) == 0
               |   ^^^^ the values of this expression are never below 1
               = help: nothing is counted as nothing, not as 0: `... or vector(0)`, or `absent(...)`
               = help: the result is always empty
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            a.rules:8:8: warning: the store has never seen `up`
               |
             8 |   expr up
               |        ^^ nothing near it is there either
               = help: to switch it off here: `# lint: off unknown-metric REASON`

            a.rules:9:12: warning: `critical > 1` is out of reach
               |
             9 |   critical > 1 for 5m
               |            ^^^ the values of this expression lie between 0 and 1
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            a.rules:13:12: warning: `critical < 0` is out of reach
               |
            13 |   critical < 0
               |            ^^^ the values of this expression are never below 0
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            a.rules:15:15: warning: the store has never seen `up`
               |
            15 |   expr absent(up)
               |               ^^ nothing near it is there either
               = help: to switch it off here: `# lint: off unknown-metric REASON`
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
