use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;
use crate::testing::rules;

const RULES: &str = "\
channel chat
  webhook https://example.com/chat
channel pager
  webhook https://example.com/pager
route all
  to chat
  then after 10m to pager
record x:double
  expr x * 2
  every 1m
alert High
  expr x:double
  every 1m
  warning > 10 for 2m
  critical > 100
  missing keep 5m
  summary \"{i}: {value}\"
";

/// Runs the tests in `text` against [`RULES`] and shows what came of them.
fn run(text: &str) -> String {
    let trials = Trials::new(Arc::new(rules(&format!("{RULES}{text}")))).unwrap();
    let mut coverage = Coverage::default();
    let mut said = Vec::new();
    for test in &trials.rules().tests {
        let outcome = trials.run(test, &mut coverage);
        let verdict = if outcome.failures.is_empty() {
            "ok"
        } else {
            "failed"
        };
        said.push(format!("{}: {verdict}", test.name));
        for failure in &outcome.failures {
            said.push(format!("{}", failure.place.line));
            for line in failure.lines.iter().chain(&failure.background) {
                said.push(format!("  {line}"));
            }
        }
        for not_run in &outcome.not_run {
            said.push(format!("{} {}", not_run.place.line, not_run.why));
        }
    }
    let set = trials.rules();
    for (what, share) in [
        ("rules", coverage.rules(set)),
        ("levels", coverage.levels(set)),
        ("missing", coverage.missing(set)),
    ] {
        said.push(format!(
            "{what} {} of {} {:?}",
            share.covered, share.of, share.open
        ));
    }
    said.join("\n") + "\n"
}

fn check(text: &str, want: Expect) {
    want.assert_eq(&run(text));
}

#[test]
fn a_test_that_passes_says_nothing() {
    check(
        "test \"rises\"
  load 1m
    x{i=\"a\"} 1 6 6 6 60 1
  eval 3m x:double
    x:double{i=\"a\"} 12
  at 0m
    none
  at 2m
    pending High{i=\"a\"}
  at 3m
    warning High{i=\"a\"} \"a: 12\"
  notify 3m chat High{i=\"a\"}
  at 4m
    critical High
  notify 4m chat High{i=\"a\", severity=\"critical\"}
  notify 5m chat resolved High{i=\"a\"}
  silent 9m chat
  at 9m
    none
",
        expect![[r#"
            rises: ok
            rules 2 of 2 []
            levels 2 of 2 []
            missing 0 of 1 ["High"]
        "#]],
    );
}

#[test]
fn a_metrics_name_need_not_be_written_where_one_series_is_meant() {
    check(
        "test \"named\"
  load 1m
    x{i=\"a\"} 6x9
    y{i=\"a\"} 7x9
    y{i=\"b\"} 8x9
  eval 1m {__name__=~\"x|y\", i=\"b\"}
    {i=\"b\"} 8
  eval 2m {__name__=~\"x|y\"}
    {i=\"b\"} 8
    x{i=\"a\"} 6
    {i=\"a\"} 7
  eval 3m {__name__=~\"x|y\", i=\"a\"}
    {i=\"a\"} 6
    y{i=\"a\"} 7
  eval 4m {__name__=~\"x|y\", i=\"a\"}
    {i=\"a\"} 6
    {i=\"a\", j=\"b\"} 7
",
        expect![[r#"
            named: failed
            32
              expected, but not there: {i="a"} 6
              expected, but not there: {i="a", j="b"} 7
              there, but not expected: x{i="a"} 6
              there, but not expected: y{i="a"} 7
            rules 2 of 2 []
            levels 1 of 2 ["High critical"]
            missing 0 of 1 ["High"]
        "#]],
    );
}

#[test]
fn a_failure_shows_course_and_values() {
    check(
        "test \"wrong\"
  load 1m
    x{i=\"a\"} 6x9
    x{i=\"b\"} 6 6 6 6 stale
  eval 1m sum(x:double)
    {} 25
    {i=\"c\"} 1
  at 4m
    critical High{i=\"a\"}
    pending High{i=\"c\"}
  notify 4m chat resolved High{i=\"a\"}
  silent 5m chat
  silent 5m pager
  ack 5m High{i=\"a\"}
",
        expect![[r#"
            wrong: failed
            22
              expected {} 25, got 24
              expected, but not there: {i="c"} 1
            25
              expected critical High{i="a"}, but it is warning
              expected, but not there: pending High{i="c"}
              there, but not expected: warning High{i="b"}
              High{i="a"}
                      0s  pending (warning)
                      2m  warning
              High{i="b"}
                      0s  pending (warning)
                      2m  warning
                      4m  warning, missing
              values of High around that time
                         2m  3m  4m  5m  6m
                {i="a"}  12  12  12  12  12
                {i="b"}  12  12   -   -   -
            28
              nothing told chat of resolved High{i="a"}
              told at 2m: fire {alertname="High", i="a", severity="warning"}
              told at 2m: fire {alertname="High", i="b", severity="warning"}
              High{i="a"}
                      0s  pending (warning)
                      2m  warning
              High{i="b"}
                      0s  pending (warning)
                      2m  warning
                      4m  warning, missing
              values of High around that time
                         2m  3m  4m  5m  6m
                {i="a"}  12  12  12  12  12
                {i="b"}  12  12   -   -   -
            30 escalation (`then`) is not run yet
            31 acknowledging is not run yet
            rules 2 of 2 []
            levels 1 of 2 ["High critical"]
            missing 1 of 1 []
        "#]],
    );
}

#[test]
fn alerts_of_objectives_are_tested_like_others() {
    let text = r#"
sla checkout
  objective 99% over 30d
  bad       errors_total
  total     requests_total
  by        (route)
  burn      2% in 1h critical
  breach    warning for 5m
  every     1m
test "a burning route"
  load 1m
    requests_total{route="a"} 0+100x100
    errors_total{route="a"} 0x20 0+50x80
    requests_total{route="b"} 0+100x100
    errors_total{route="b"} 0x100
  at 20m
    none
  at 24m
    pending checkout:breach{route="a"}
  eval 24m sla:burn:ratio{window="1h"}
    {__name__="sla:burn:ratio", sla="checkout", period="30d", route="b", window="1h"} 0
    {__name__="sla:burn:ratio", sla="checkout", period="30d", route="a", window="1h"} 6.25
  at 40m
    critical checkout:burn{route="a", period="30d"} "checkout{route=\"a\"}: the error budget of 30d burns at 23.75x over 1h and 50x over 5m (limit 14.4x); the budget is spent 23.75 times over"
    warning  checkout:breach{route="a"}
"#;
    expect![[r#"
        a burning route: ok
        rules 2 of 4 ["High", "x:double"]
        levels 2 of 4 ["High warning", "High critical"]
        missing 0 of 1 ["High"]
    "#]]
    .assert_eq(&run(text));
}

const MUTED: &str = "\
window night
  every mon-sun 00:00-00:04
mute at-night
  match {i=\"a\"}
  during night
  reason \"nobody is there\"
mute caused
  match {i=\"b\"}
  while {i=\"a\"}
  reason \"one of them is enough\"
";

#[test]
fn what_a_mute_holds_back_is_told_at_its_end() {
    check(
        &format!(
            "{MUTED}test \"muted\"
  load 1m
    x{{i=\"a\"}} 6 6 6 6 6 6 1
  silent 3m chat
  notify 5m chat High{{i=\"a\"}}
  notify 6m chat resolved High{{i=\"a\"}}
test \"ends while muted\"
  load 1m
    x{{i=\"a\"}} 6 6 6 1 1 1 1
  silent 6m chat
"
        ),
        expect![[r#"
            muted: ok
            ends while muted: ok
            rules 2 of 2 []
            levels 1 of 2 ["High critical"]
            missing 0 of 1 ["High"]
        "#]],
    );
}

#[test]
fn what_a_mute_that_is_not_run_could_hold_back_is_not_judged() {
    check(
        &format!(
            "{MUTED}test \"while\"
  load 1m
    x{{i=\"b\"}} 6x9
  silent 3m chat
  notify 8m chat High{{i=\"b\"}}
"
        ),
        expect![[r#"
            while: ok
            31 mutes with `while` are not run yet
            32 mutes with `while` are not run yet
            rules 2 of 2 []
            levels 1 of 2 ["High critical"]
            missing 0 of 1 ["High"]
        "#]],
    );
}

#[test]
fn an_alert_with_max_is_tested_like_any_other() {
    check(
        "alert Few
  expr x
  every 1m
  critical > 5
  max 1
test \"more than max\"
  load 1m
    x{i=\"a\"} 6x3
    x{i=\"b\"} 6x3
  at 1m
    critical Few{i=\"a\"}
    pending High{i=\"a\"}
    pending High{i=\"b\"}
  at 1m
    critical Few{i=\"a\"}
    pending High{i=\"a\"}
    pending High{i=\"b\"}
    warning AlertsWithheld{rule=\"Few\"}
  notify 1m chat AlertsWithheld{rule=\"Few\"}
",
        expect![[r#"
            more than max: ok
            rules 3 of 3 []
            levels 1 of 3 ["High warning", "High critical"]
            missing 0 of 2 ["High", "Few"]
        "#]],
    );
}

#[test]
fn an_evaluation_that_fails_is_told_with_what_it_spoils() {
    check(
        "record one:x
  expr x
  every 1m
  label i = \"one\"
alert Read
  expr one:x
  every 1m
  warning > 3
  missing clear
test \"two become one\"
  load 1m
    x{i=\"a\"} 4x6
    x{i=\"b\"} _ _ _ 4x3
  at 7m
    warning Read
  at 8m
    warning Read
",
        expect![[r#"
            two become one: failed
            31
              expected, but not there: warning Read
              Read{i="one"}
                      0s  warning
                      7m  inactive
              values of Read around that time
                           5m  6m  7m  8m  9m
                {i="one"}   4   4   -   -   -
              one:x could not be evaluated at 3m: two results become one:x{i="one"}: x{i="a"} and x{i="b"}
            33
              expected, but not there: warning Read
              Read{i="one"}
                      0s  warning
                      7m  inactive
              values of Read around that time
                           6m  7m  8m  9m  10m
                {i="one"}   4   -   -   -    -
              one:x could not be evaluated at 3m: two results become one:x{i="one"}: x{i="a"} and x{i="b"}
            rules 3 of 4 ["High"]
            levels 1 of 3 ["High warning", "High critical"]
            missing 1 of 2 ["High"]
        "#]],
    );
}

#[test]
fn a_notice_answers_one_step_and_the_line_that_says_more_chooses_first() {
    check(
        "test \"two of one kind\"
  load 1m
    x{i=\"a\"} 6x6
    x{i=\"b\"} 6x6
  at 3m
    warning High
    warning High{i=\"a\"}
  notify 4m pager2 High{i=\"a\"}
  notify 4m pager2 High{i=\"a\"}
channel pager2
  webhook https://example.com/pager2
route more in all
  match {alertname=\"High\"}
  to pager2
",
        expect![[r#"
            two of one kind: failed
            26
              nothing told pager2 of High{i="a"}
              told at 2m: fire {alertname="High", i="a", severity="warning"}, which a step before has named
              told at 2m: fire {alertname="High", i="b", severity="warning"}
              High{i="a"}
                      0s  pending (warning)
                      2m  warning
              High{i="b"}
                      0s  pending (warning)
                      2m  warning
              values of High around that time
                         2m  3m  4m  5m  6m
                {i="a"}  12  12  12  12  12
                {i="b"}  12  12  12  12  12
            rules 2 of 2 []
            levels 1 of 2 ["High critical"]
            missing 0 of 1 ["High"]
        "#]],
    );
}
