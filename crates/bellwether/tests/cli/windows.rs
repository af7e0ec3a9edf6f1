//! `bellwether windows`: what windows and mutes mean in time.

use expect_test::{Expect, expect};

use crate::run::World;

const RULES: &str = "\
window patching
  every sun 01:30-04:00 in \"Europe/Berlin\"

window small-hours
  every sat-sun 02:00-03:00 in \"Europe/Berlin\"

window both-offices
  every mon-fri 09:00-17:00 in \"America/New_York\"
  every mon-fri 09:00-17:00 in \"Europe/Berlin\"

window always
  every day

window move
  on 2020-01-01 10:00 to 2020-01-02 10:00

mute nights
  match   {env=\"staging\", severity!=\"critical\"}
  outside both-offices
  until   2027-03-30T00:00:00Z
  reason  \"nobody looks\"

mute explained
  match  {instance=~\".+\"}
  while  {alertname=\"Down\"} same (instance)
  reason \"one page a machine\"
";

fn check(args: &[&str], want: Expect) {
    let world = World::new();
    world.write("rules/quiet.rules", RULES);
    let at = ["--at", "2027-03-26T12:00:00Z", "-n", "3"];
    want.assert_eq(&world.run(&[&["windows"], args, &at].concat()).to_string());
}

#[test]
fn openings_have_zones_lengths_and_changes_of_the_clocks() {
    check(
        &[],
        expect![[r#"
        exit 0
        window always (UTC)
          from                               to               length
          open, Fri 2027-03-26 12:00 +00:00  no end in sight

        window both-offices (in UTC; its lines are in America/New_York, Europe/Berlin)
          from                               to                           length
          open, Fri 2027-03-26 12:00 +00:00  Fri 2027-03-26 21:00 +00:00  9h
          Mon 2027-03-29 07:00 +00:00        Mon 2027-03-29 21:00 +00:00  14h
          Tue 2027-03-30 07:00 +00:00        Tue 2027-03-30 21:00 +00:00  14h

        window move (UTC)
          never again

        window patching (Europe/Berlin)
          from                         to                           length
          Sun 2027-03-28 01:30 +01:00  Sun 2027-03-28 04:00 +02:00  1h30m   the clocks go forward 1h
          Sun 2027-04-04 01:30 +02:00  Sun 2027-04-04 04:00 +02:00  2h30m
          Sun 2027-04-11 01:30 +02:00  Sun 2027-04-11 04:00 +02:00  2h30m

        window small-hours (Europe/Berlin)
          from                         to                           length
          Sat 2027-03-27 02:00 +01:00  Sat 2027-03-27 03:00 +01:00  1h
          Sat 2027-04-03 02:00 +02:00  Sat 2027-04-03 03:00 +02:00  1h
          Sun 2027-04-04 02:00 +02:00  Sun 2027-04-04 03:00 +02:00  1h
          not on 2027-03-28: the clocks skip that time

        mute nights (in UTC; its lines are in America/New_York, Europe/Berlin): {env="staging", severity!="critical"} outside both-offices until 2027-03-30T00:00:00.000Z
          from                         to                           length
          Fri 2027-03-26 21:00 +00:00  Mon 2027-03-29 07:00 +00:00  2d10h   the clocks go forward 1h
          Mon 2027-03-29 21:00 +00:00  Tue 2027-03-30 00:00 +00:00  3h
    "#]],
    );
    check(
        &["--name", "patching", "-o", "json"],
        expect![[r#"
        exit 0
        {"at":"2027-03-26T12:00:00.000Z","mutes":[],"windows":[{"name":"patching","open":false,"openings":[{"clockChanges":[{"at":"2027-03-28T01:00:00.000Z","forwardSeconds":3600}],"from":"2027-03-28T00:30:00.000Z","seconds":5400,"shownFrom":"Sun 2027-03-28 01:30 +01:00","shownTo":"Sun 2027-03-28 04:00 +02:00","to":"2027-03-28T02:00:00.000Z"},{"clockChanges":[],"from":"2027-04-03T23:30:00.000Z","seconds":9000,"shownFrom":"Sun 2027-04-04 01:30 +02:00","shownTo":"Sun 2027-04-04 04:00 +02:00","to":"2027-04-04T02:00:00.000Z"},{"clockChanges":[],"from":"2027-04-10T23:30:00.000Z","seconds":9000,"shownFrom":"Sun 2027-04-11 01:30 +02:00","shownTo":"Sun 2027-04-11 04:00 +02:00","to":"2027-04-11T02:00:00.000Z"}],"skippedDays":[],"zones":["Europe/Berlin"]}]}
    "#]],
    );
}

#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    check(
        &["--name", "nobody"],
        expect![[r"
        exit 2
        ! bellwether: no window and no mute by time is named nobody; there are: always, both-offices, move, patching, small-hours, nights
    "]],
    );
    let world = World::new();
    world.write("rules/day.rules", "window day\n  every day\n");
    let now = world.run(&["windows", "--at", "2027-03-26T12:00:00.999Z"]);
    assert!(
        now.out.contains("open, Fri 2027-03-26 12:00 +00:00 "),
        "{now}"
    );
    let world = World::new();
    world.write("rules/none.rules", "let a = up\n");
    assert_eq!(
        world.run(&["windows"]).to_string(),
        "exit 0\nno windows, and no mutes by time\n"
    );
    let unknown = world.run(&["windows", "--name", "nobody"]);
    assert!(
        unknown.err.ends_with("nobody; there are none\n"),
        "{unknown}"
    );
}
