//! `bellwether check`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use expect_test::{Expect, expect};

use crate::run::World;

const GOOD: &str = "alert Down\n  expr   up\n  error  == 0\n";

/// A folder with one mistake of each kind, each in a file of its own.
fn wrong() -> World {
    let world = World::new();
    world.write("rules/a.rules", GOOD);
    world.write("rules/b.rules", b"# caf\xe9\n");
    world.write("rules/c.rules", "#".repeat(1 << 20 | 1));
    world.write("rules/d.rules", "alert Slow\n  exrp  up\n  error  > 1\n");
    world
}

fn check(world: &World, args: &[&str], expect: Expect) {
    let ran = world.run(&[&["check"], args].concat());
    expect.assert_eq(&ran.to_string());
}

#[test]
fn good_rules_are_counted() {
    let world = World::new();
    world.write("rules/a.rules", GOOD);
    world.write("rules/notes.txt", "not a rule");
    check(
        &world,
        &[],
        expect![[r"
        exit 0
        1 file with 1 alert: no errors, 0 warnings
    "]],
    );
    // A file that is named twice is one file.
    check(
        &world,
        &["rules", "./rules/a.rules"],
        expect![[r"
        exit 0
        1 file with 1 alert: no errors, 0 warnings
    "]],
    );
    check(
        &world,
        &["--format", "json"],
        expect![[r"
        exit 0
        []
    "]],
    );
    check(
        &world,
        &["--format", "github"],
        expect![[r"
        exit 0
    "]],
    );
}

#[test]
fn a_file_that_is_not_text_hides_no_other_mistake() {
    check(
        &wrong(),
        &[],
        expect![[r#"
        exit 1
        rules/b.rules:1:6: the file is not UTF-8
           |
         1 | # caf�
           |      ^ byte 0xe9 begins no character
           = help: save it as UTF-8 (an editor's "save with encoding"), or `iconv -f latin1 -t utf-8`

        rules/c.rules:1:1: the file is larger than the 1048576 bytes that rules.file allows
           = help: split it: names resolve across all files of the folder

        rules/d.rules:2:3: `alert` has no clause `exrp`
           |
         2 |   exrp  up
           |   ^^^^ did you mean `expr`?

        3 errors, 0 warnings in 4 files
    "#]],
    );
}

#[test]
fn every_format_has_every_mistake() {
    let world = wrong();
    check(
        &world,
        &["--format", "json"],
        expect![[r#"
            exit 1
            [{"severity":"error","lint":null,"file":"rules/b.rules","line":1,"column":6,"start":5,"end":5,"message":"the file is not UTF-8","label":"byte 0xe9 begins no character","help":["save it as UTF-8 (an editor's \"save with encoding\"), or `iconv -f latin1 -t utf-8`"]},
             {"severity":"error","lint":null,"file":"rules/c.rules","line":1,"column":1,"start":0,"end":0,"message":"the file is larger than the 1048576 bytes that rules.file allows","label":"","help":["split it: names resolve across all files of the folder"]},
             {"severity":"error","lint":null,"file":"rules/d.rules","line":2,"column":3,"start":13,"end":17,"message":"`alert` has no clause `exrp`","label":"did you mean `expr`?","help":[]}]
        "#]],
    );
    check(
        &world,
        &["--format", "github"],
        expect![[r#"
        exit 1
        ::error file=rules/b.rules,line=1,col=6::the file is not UTF-8%0Abyte 0xe9 begins no character%0Asave it as UTF-8 (an editor's "save with encoding"), or `iconv -f latin1 -t utf-8`
        ::error file=rules/c.rules,line=1,col=1::the file is larger than the 1048576 bytes that rules.file allows%0Asplit it: names resolve across all files of the folder
        ::error file=rules/d.rules,line=2,col=3::`alert` has no clause `exrp`%0Adid you mean `expr`?
    "#]],
    );
}

#[test]
fn what_is_not_there_is_trouble_and_the_rest_is_checked() {
    let world = wrong();
    check(
        &world,
        &["nowhere.rules", "rules/d.rules"],
        expect![[r"
        exit 2
        rules/d.rules:2:3: `alert` has no clause `exrp`
           |
         2 |   exrp  up
           |   ^^^^ did you mean `expr`?

        1 error, 0 warnings in 1 file
        ! bellwether: nowhere.rules: No such file or directory (os error 2)
    "]],
    );
    check(
        &world,
        &["nowhere"],
        expect![[r"
        exit 2
        ! bellwether: nowhere: No such file or directory (os error 2)
    "]],
    );
    world.write("empty/notes.txt", "");
    check(
        &world,
        &["empty"],
        expect![[r"
        exit 2
        ! bellwether: no *.rules files in empty
    "]],
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let world = World::new();
    // More than a pipe holds.
    let mistakes: Vec<String> = (0..900)
        .map(|i| format!("alert A{i}\n  exrp  up\n  error  > 1\n"))
        .collect();
    world.write("rules/a.rules", mistakes.concat());
    let mut command = world.command(&["check"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert!(first.starts_with("rules/a.rules:2:3: "), "{first}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_shipped_rules_are_good() {
    let world = World::new();
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules");
    let ran = world.run(&["check", rules]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.out.ends_with("no errors, 0 warnings\n"), "{ran}");
}

#[test]
fn a_data_folder_knows_which_metrics_there_are() {
    let world = World::new();
    let sample = |i: i64| {
        let (time, used) = (1_700_000_000 + 60 * i, 0.2 * i as f64);
        format!("up,job=etl value=1 {time}\ndisk,path=a used_ratio={used} {time}")
    };
    let samples: Vec<String> = (0..5).map(sample).collect();
    world.write("up.lp", samples.join("\n"));
    let import = "import lp up.lp --precision s --data data --retention 100y";
    let ran = world.run(&import.split(' ').collect::<Vec<_>>());
    assert_eq!(ran.code, Some(0), "{ran}");
    world.write(
        "rules/a.rules",
        "alert Down\n  expr   upp_value{job=\"a\"}\n  error  == 0\n\nalert Slow\n  expr   deriv(up_value{jbo=\"a\"}[1m])\n  error  > 0\n\nalert Full\n  expr   disk_used_ratio\n  error  > 90\n\nalert Refused\n  expr   rate(bellwether_samples_rejected_total[5m])\n  error  > 0\n",
    );
    check(
        &world,
        &["--data", "data"],
        expect![[r#"
            exit 0
            rules/a.rules:2:10: warning: the store has never seen `upp_value`
               |
             2 |   expr   upp_value{job="a"}
               |          ^^^^^^^^^ did you mean `up_value`?
               = help: to switch it off here: `# lint: off unknown-metric REASON`

            rules/a.rules:6:16: warning: `deriv` over 1m sees fewer than two samples
               |
             6 |   expr   deriv(up_value{jbo="a"}[1m])
               |                ^^^^^^^^ `up_value` has one every 1m
               = help: write `[4m]` or longer
               = help: to switch it off here: `# lint: off short-window REASON`

            rules/a.rules:6:25: warning: `up_value` has never had the label `jbo`
               |
             6 |   expr   deriv(up_value{jbo="a"}[1m])
               |                         ^^^ did you mean `job`?
               = help: to switch it off here: `# lint: off unknown-label REASON`

            rules/a.rules:11:10: warning: `error > 90` is out of reach
               |
            11 |   error  > 90
               |          ^^^^ all values of `disk_used_ratio` in the store lie between 0 and 0.8
               = help: in a share of one, 90 of a hundred is `90%`
               = help: to switch it off here: `# lint: off unreachable-level REASON`

            1 file with 4 alerts: no errors, 4 warnings
        "#]],
    );
    check(
        &world,
        &["--data", "nowhere"],
        expect![[r"
        exit 2
        ! bellwether: opening nowhere: nowhere is not a bellwether data folder
    "]],
    );
}
