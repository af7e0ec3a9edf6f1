//! `bellwether sla report` over a data folder.

use expect_test::{Expect, expect};

use crate::run::World;

/// The classic definition, as the design writes it.
const RULES: &str = "sla avg-task-duration\n  objective 99% over 7d\n  ok avg_over_time(task_duration_seconds[10m]) <= 300\n  slice 5m\n  missing ok\n  breach warning\n";

/// An hour of tasks, one a minute; for ten minutes they are too slow.
fn world() -> World {
    let world = World::new();
    let line = |minute: u64| {
        let value = if (20..30).contains(&minute) { 900 } else { 100 };
        format!(
            "task duration_seconds={value} {}\n",
            1_700_000_000 + minute * 60
        )
    };
    let lines: String = (0..60).map(line).collect();
    let args = [
        "import",
        "lp",
        "-",
        "--precision",
        "s",
        "--data",
        "data",
        "--retention",
        "9000d",
    ];
    let ran = world.run_with(&args, lines.as_bytes());
    assert_eq!(ran.code, Some(0), "{ran}");
    world.write("rules/tasks.rules", RULES);
    world
}

fn check(world: &World, args: &[&str], want: Expect) {
    let time = ["sla", "report", "--data", "data", "--time", "1700003600"];
    want.assert_eq(&world.run(&[&time[..], args].concat()).to_string());
}

#[test]
fn a_report_in_every_form() {
    let world = world();
    check(
        &world,
        &[],
        expect![[r"
        exit 1
        objective          period  target           compliance  budget left  bad      breaches  now
        avg-task-duration  1w      99%     NOT MET  75%         -2400%       3 of 12  1         100, has to be <= 300
    "]],
    );
    check(
        &world,
        &["-o", "csv"],
        expect![[r"
            exit 1
            sla,labels,period,from,to,objective,met,ratio,budget_remaining,bad,total,breaches,state,over
            avg-task-duration,{},1w,2023-11-07T23:13:20.000Z,2023-11-14T23:13:20.000Z,0.99,false,0.75,-23.99999999999998,3,12,1,not_met,true
        "]],
    );
    check(
        &world,
        &["--period", "2023-10"],
        expect![[r"
            exit 0
            objective          period   target           compliance  budget left  bad     breaches  now
            avg-task-duration  2023-10  99%     no data  -           100%         0 of 0  0         no data, has to be <= 300
        "]],
    );
    let page = world.run(&[
        "sla",
        "report",
        "--data",
        "data",
        "--time",
        "1700003600",
        "-o",
        "html",
    ]);
    assert!(
        page.out
            .contains("<h2>avg-task-duration, 99% over 1w: when it was bad</h2>"),
        "{page}"
    );
    assert!(!page.out.contains("<script"), "{page}");
    check(
        &world,
        &["--period", "Oct"],
        expect![[r"
        exit 2
        ! bellwether: --period Oct: not a period such as 2026-10, 2026-Q4, 2026-W43 or 2026
    "]],
    );
}

#[test]
fn a_period_that_has_not_begun_or_goes_on_is_not_met_for_good() {
    let world = world();
    check(
        &world,
        &["--period", "2023-12", "-o", "csv"],
        expect![[r"
        exit 0
        sla,labels,period,from,to,objective,met,ratio,budget_remaining,bad,total,breaches,state,over
        avg-task-duration,{},2023-12,2023-12-01T00:00:00.000Z,2024-01-01T00:00:00.000Z,0.99,,,1,0,0,0,not_begun,false
    "]],
    );
    world.write("rules/tasks.rules", RULES.replace("over 7d", "over month"));
    check(
        &world,
        &[],
        expect![[r"
        exit 1
        objective          period  target                  compliance  budget left  bad      breaches  now
        avg-task-duration  month   99%     NOT MET so far  75%         -2400%       3 of 12  1         100, has to be <= 300
    "]],
    );
    let page = world.run(&[
        "sla",
        "report",
        "--data",
        "data",
        "--time",
        "1700003600",
        "--period",
        "2024-01",
        "-o",
        "html",
    ]);
    assert!(
        page.out.contains("<td class=\"not_begun\">not begun<"),
        "{page}"
    );
}
