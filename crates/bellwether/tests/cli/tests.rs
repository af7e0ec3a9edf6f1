//! `bellwether test` on rule files.

use expect_test::{Expect, expect};

use crate::run::World;

const RULES: &str = "\
alert Down
  expr up
  every 1m
  critical == 0 for 2m
  missing error after 5m
  summary \"{job} does not answer\"

test \"down <for> two minutes\"
  load 1m
    up{job=\"a&b\"} 1 0 0 0 1
  at 2m
    pending Down{job=\"a&b\"}
  at 3m
    critical Down{job=\"a&b\"} \"a&b does not answer\"
  notify 3m log Down
  at 4m
    none
";

fn check(world: &World, args: &[&str], want: Expect) {
    want.assert_eq(&world.run(&[&["test"], args].concat()).to_string());
}

#[test]
fn tests_that_pass_leave_what_no_test_covers() {
    let world = World::new();
    world.write("rules/down.rules", RULES);
    check(
        &world,
        &[],
        expect![[r"
        exit 0
        1 test: 1 passed, 0 failed
        covered: rules 1 of 1, levels 1 of 1, missing 0 of 1
    "]],
    );
    check(
        &world,
        &["-v", "--filter", "other"],
        expect![[r"
        exit 0
        0 tests: 0 passed, 0 failed
        covered: rules 0 of 1, levels 0 of 1, missing 0 of 1
          no test covers rules: Down
          no test covers levels: Down critical
          no test covers missing: Down
    "]],
    );
}

#[test]
fn a_failure_is_shown_with_course_and_values_and_in_junit() {
    let world = World::new();
    world.write(
        "down.rules",
        RULES.replace("  at 4m\n    none", "  at 4m\n    warning Down"),
    );
    check(
        &world,
        &["down.rules", "--junit", "out.xml"],
        expect![[r#"
            exit 1
            FAILED down.rules:8:6: "down <for> two minutes"
              down.rules:16:3
                expected, but not there: warning Down
                Down{job="a&b"}
                        1m  pending (critical)
                        3m  critical
                        4m  inactive
                values of Down around that time
                               2m  3m  4m  5m  6m
                  {job="a&b"}   0   0   1   1   1

            1 test: 0 passed, 1 failed
            covered: rules 1 of 1, levels 1 of 1, missing 0 of 1
        "#]],
    );
    let xml = std::fs::read_to_string(world.path().join("out.xml")).unwrap();
    // Every suite and every case has its time.
    let mut parts = xml.split(" time=\"");
    let mut xml = parts.next().unwrap().to_owned();
    for part in parts {
        let (time, rest) = part.split_once('"').unwrap();
        assert!(time.parse::<f64>().unwrap() >= 0.0, "{time}");
        xml.push_str(" time=\"-\"");
        xml.push_str(rest);
    }
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="bellwether test" tests="1" failures="1" errors="0" skipped="0" time="-">
          <testsuite name="down.rules" tests="1" failures="1" errors="0" skipped="0" time="-">
            <testcase name="down &lt;for&gt; two minutes" classname="down.rules" file="down.rules" line="8" time="-">
              <failure type="unexpected" message="expected, but not there: warning Down">down.rules:16:3
        expected, but not there: warning Down
        Down{job=&quot;a&amp;b&quot;}
                1m  pending (critical)
                3m  critical
                4m  inactive
        values of Down around that time
                       2m  3m  4m  5m  6m
          {job=&quot;a&amp;b&quot;}   0   0   1   1   1</failure>
            </testcase>
          </testsuite>
        </testsuites>
    "#]].assert_eq(&xml);
    let json = world.run(&["test", "down.rules", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["failed"], &json["coverage"]["levels"]["of"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn a_test_of_which_nothing_is_run_is_skipped() {
    let world = World::new();
    let ack = RULES.replace("<for>", "acked");
    let (head, _) = ack.split_once("  at 2m").unwrap();
    world.write("down.rules", format!("{head}  ack 3m Down\n"));
    check(
        &world,
        &["down.rules", "--junit", "out.xml"],
        expect![[r#"
        exit 0
        skipped down.rules:8:6: "down acked two minutes"
        not run down.rules:11:3: acknowledging is not run yet

        1 test: 0 passed, 0 failed, 1 skipped; 1 step not run
        covered: rules 1 of 1, levels 1 of 1, missing 0 of 1
    "#]],
    );
    let xml = std::fs::read_to_string(world.path().join("out.xml")).unwrap();
    assert!(
        xml.contains("tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"1\""),
        "{xml}"
    );
    assert!(
        xml.contains("<skipped message=\"none of its steps is run yet\"/>"),
        "{xml}"
    );
    let json = world.run(&["test", "down.rules", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (
            &json["passed"],
            &json["skipped"],
            &json["tests"][0]["passed"]
        ),
        (&0.into(), &1.into(), &false.into())
    );
}

#[test]
fn mistakes_are_shown_and_nothing_is_run() {
    let world = World::new();
    world.write("bad.rules", "test \"x\"\n  at 1m\n    critical Nobody\n");
    let ran = world.run(&["test", "bad.rules"]);
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.err.contains("bad.rules:3"), "{ran}");
}
