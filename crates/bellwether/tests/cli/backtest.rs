//! `bellwether backtest` over a data folder.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use expect_test::{Expect, expect};

use crate::run::World;

const RULES: &str = "alert High\n  expr x_value\n  every 1m\n  warning > 5 for 2m\n  critical > 10\n  emergency > 90\n";

/// An hour of samples, one a minute: quiet, a spike too short for `for`, and a stretch that gets worse.
fn world() -> World {
    let world = World::new();
    let mut lines = Vec::new();
    for minute in 0..60_u64 {
        let value = match minute {
            10 => 7,
            30..40 => 8,
            40..50 => 20,
            _ => 1,
        };
        let seconds = 1_700_000_000 + minute * 60;
        lines.push(format!("x,i=a value={value} {seconds}\n"));
    }
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
    let ran = world.run_with(&args, lines.concat().as_bytes());
    assert_eq!(ran.code, Some(0), "{ran}");
    world.write("rules/high.rules", RULES);
    world.write("tuned/high.rules", RULES.replace("2m", "0s"));
    world
}

const TIMES: [&str; 6] = ["--data", "data", "--since", "1h", "--until", "1700003600"];

fn check(world: &World, args: &[&str], want: Expect) {
    let ran = world.run(&[&["backtest"], args, &TIMES].concat());
    want.assert_eq(&ran.to_string());
}

#[test]
fn a_backtest_shows_strips_sums_and_near_misses() {
    let world = world();
    check(
        &world,
        &["rules"],
        expect![[r#"
            exit 0
            2023-11-14T22:13:20.000Z to 2023-11-14T23:13:20.000Z: 180 ticks, 3 transitions, 3 notices (log 3)

            rule  fired  median  longest  info  warning  error  critical  emergency  flapping
            High  1      18m     18m            8m              10m                  0

            High{i="a"} |................................wwwwwwwwccccccccccc.........|
            a cell is 1m: i info, w warning, e error, c critical, E emergency

            never reached  level      nearest value  threshold  at
            High{i="a"}    emergency  20             90         2023-11-14T22:53:21.000Z

            ended before it fired  level    longest  needed  at                        times (rule)
            High{i="a"}            warning  0s       2m      2023-11-14T22:23:21.000Z  1
        "#]],
    );
    check(
        &world,
        &["tuned", "--against", "rules"],
        expect![[r#"
        exit 1
        2023-11-14T22:13:20.000Z to 2023-11-14T23:13:20.000Z: 180 ticks, 5 transitions, 5 notices (log 5)

        rule  fired  median  longest  info  warning  error  critical  emergency  flapping
        High  2      1m      20m            11m             10m                  0

        High{i="a"} |..........ww..................wwwwwwwwwwccccccccccc.........|
        a cell is 1m: i info, w warning, e error, c critical, E emergency

        never reached  level      nearest value  threshold  at
        High{i="a"}    emergency  20             90         2023-11-14T22:53:21.000Z

        1 alert differs (- compared with, + these rules)
        High{i="a"}
          - |................................wwwwwwwwccccccccccc.........| 18m in 2 intervals
          + |..........ww..................wwwwwwwwwwccccccccccc.........| 21m in 3 intervals
    "#]],
    );
    let json = world.run(&[&["backtest", "rules", "-o", "json"], &TIMES[..]].concat());
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["data"]["alerts"][0]["firing"][1]["level"], "critical");
}

#[test]
fn what_was_not_tested_is_said() {
    let world = world();
    world.write(
        "typo/x.rules",
        "alert Typo\n  expr x_valeu\n  every 1m\n  warning > 5\n",
    );
    check(
        &world,
        &["rules", "typo"],
        expect![[r#"
            exit 0
            2023-11-14T22:13:20.000Z to 2023-11-14T23:13:20.000Z: 240 ticks, 3 transitions, 3 notices (log 3)
            never had a value: Typo

            rule  fired  median  longest  info  warning  error  critical  emergency  flapping
            High  1      18m     18m            8m              10m                  0

            High{i="a"} |................................wwwwwwwwccccccccccc.........|
            a cell is 1m: i info, w warning, e error, c critical, E emergency

            never reached  level      nearest value  threshold  at
            High{i="a"}    emergency  20             90         2023-11-14T22:53:21.000Z

            ended before it fired  level    longest  needed  at                        times (rule)
            High{i="a"}            warning  0s       2m      2023-11-14T22:23:21.000Z  1
        "#]],
    );
    let early = [
        "backtest",
        "rules",
        "--data",
        "data",
        "--since",
        "1h",
        "--until",
        "1600000000",
    ];
    expect![[r"
        exit 0
        2020-09-13T11:26:40.000Z to 2020-09-13T12:26:40.000Z: 180 ticks, 0 transitions, 0 notices
        no samples are stored in this time: nothing was tested
    "]]
    .assert_eq(&world.run(&early).to_string());
}

#[test]
fn evaluations_that_failed_are_shown() {
    let world = world();
    // Over the quiet minutes there is one result, over the others there are two of one identity.
    let rule = "alert Same\n  expr x_value or label_replace(x_value > 5, \"i\", \"b\", \"\", \"\")\n  every 1m\n  warning > 90\n  label i = \"any\"\n";
    world.write("same/x.rules", rule);
    check(
        &world,
        &["same"],
        expect![[r#"
        exit 0
        2023-11-14T22:13:20.000Z to 2023-11-14T23:13:20.000Z: 180 ticks, 2 transitions, 2 notices (log 2)

        failed  times  first at                  error then
        Same    21     2023-11-14T22:24:07.000Z  two results become {alertname="Same", i="any"}: x_value{i="a"} and x_value{i="b"}

        rule         fired  median  longest  info  warning  error  critical  emergency  flapping
        RuleFailing  1      19m     19m                     19m                         0

        RuleFailing{rule="Same"} |...............................eeeeeeeeeeeeeeeeeeee.........|
        a cell is 1m: i info, w warning, e error, c critical, E emergency
    "#]],
    );
}

#[test]
fn mistakes_are_shown_before_anything_is_replayed() {
    let world = world();
    world.write("bad/x.rules", "alert A\n  expr x +\n  warning > 5\n");
    let ran = world.run(&[&["backtest", "bad"], &TIMES[..]].concat());
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.err.contains("x.rules:2"), "{ran}");
}

/// A server over the folder `data`, until it is dropped.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(world: &World) -> Serving {
        let args = "serve --data data --rules rules --listen 127.0.0.1:0 --no-host-metrics --retention 9000d";
        let mut command = world.command(&args.split(' ').collect::<Vec<_>>());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let mut first = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        out.read_line(&mut first).expect("it says where it is");
        let url = first
            .split(' ')
            .next_back()
            .expect("a word")
            .trim()
            .to_owned();
        Serving { child, url }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_has_the_folder_open_is_asked_instead_and_says_the_same() {
    let world = world();
    // Defaults are those of one file, so files must not be joined on the way.
    world.write("rules/defaults.rules", "defaults\n  every 1m\n  label team = \"a\"\n\nalert Low\n  expr x_value\n  info < 2 for 1m\n");
    world.write(
        "rules/more.rules",
        "defaults\n  every 1m\n  label team = \"b\"\n",
    );
    let args = ["backtest", "tuned", "--against", "rules"];
    let by_folder = world.run(&[&args[..], &TIMES].concat());
    let serving = Serving::start(&world);
    let locked = world.run(&[&args[..], &TIMES].concat());
    assert_eq!(locked.code, Some(2), "{locked}");
    assert!(
        locked
            .err
            .contains("is asked with --url, such as --url http://127.0.0.1:9090"),
        "{locked}"
    );
    let by_url = [&args[..], &["--url", &serving.url], &TIMES[2..]].concat();
    let by_url = world.run(&by_url);
    assert_eq!(by_url.to_string(), by_folder.to_string());
    assert!(by_url.out.contains("Low{i=\"a\", team=\"a\"}"), "{by_url}");
    let nobody = world.run(&["backtest", "tuned", "--url", "http://127.0.0.1:1"]);
    assert_eq!(nobody.code, Some(2), "{nobody}");
    assert!(
        nobody.err.contains("no answer from http://127.0.0.1:1"),
        "{nobody}"
    );
}

/// Our own server stands for any that answers remote read.
#[test]
fn samples_of_another_server_are_replayed_and_queried_here() {
    let world = world();
    world.write("rules/low.rules", "alert Low\n  expr x_value\n  info < 2 for 1m\nalert Alerted\n  expr count(ALERTS)\n  info > 0\n");
    let args = ["backtest", "tuned", "--against", "rules"];
    let query = [
        "query",
        "avg_over_time(x_value[5m])",
        "--time",
        "1700002400",
    ];
    let by_folder = world.run(&[&args[..], &TIMES].concat());
    let queried = world.run(&[&query[..], &["--data", "data"]].concat());
    assert_eq!(
        (by_folder.code, queried.code),
        (Some(1), Some(0)),
        "{by_folder}"
    );
    let serving = Serving::start(&world);
    let remote = ["--remote-read", &serving.url];
    let replayed = world.run(&[&args[..], &remote, &TIMES[2..]].concat());
    assert_eq!(replayed.to_string(), by_folder.to_string());
    let asked = world.run(&[&query[..], &remote].concat());
    assert_eq!(asked.to_string(), queried.to_string());
    // A hole in the samples must not pass for a quiet hour.
    let nobody = ["--remote-read", "http://127.0.0.1:1"];
    for args in [&args[..], &query] {
        let ran = world.run(&[args, &nobody].concat());
        let said = "exit 2\n! bellwether: http://127.0.0.1:1/api/v1/read: no connection: Connection refused (os error 111)\n";
        assert_eq!(ran.to_string(), said);
    }
}
