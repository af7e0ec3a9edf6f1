//! `bellwether import lp`.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use expect_test::{Expect, expect};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::run::{Ran, World};

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// `count` good lines, a second apart, the last one now.
fn lines(count: u64) -> String {
    let first = now_s() - count;
    let lines: Vec<String> = (1..=count)
        .map(|i| format!("job,name=etl rows={i}i {}\n", first + i))
        .collect();
    lines.concat()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn import(world: &World, file: &str) -> Ran {
    world.run(&["import", "lp", file, "--precision", "s", "--data", "data"])
}

fn check(ran: &Ran, expect: Expect) {
    expect.assert_eq(&ran.to_string());
}

/// How many samples of `job_rows` the folder holds.
fn stored(world: &World) -> String {
    let args = [
        "query",
        "sum(count_over_time(job_rows[7d]))",
        "--data",
        "data",
        "-o",
        "csv",
    ];
    let ran = world.run(&args);
    let row = ran.out.lines().nth(1).unwrap_or("").to_owned();
    row.rsplit(',').next().unwrap().to_owned()
}

#[test]
fn plain_gzip_and_standard_input_are_the_same() {
    let text = lines(3);
    let world = World::new();
    world.write("plain.lp", &text);
    check(
        &import(&world, "plain.lp"),
        expect![[r"
        exit 0
        ! 3 samples in 3 lines stored in data; 0 lines refused, 0 text fields left out
    "]],
    );
    assert_eq!(stored(&world), "3");

    let world = World::new();
    world.write("packed.lp.gz", gzip(&text));
    check(
        &import(&world, "packed.lp.gz"),
        expect![[r"
        exit 0
        ! 3 samples in 3 lines stored in data; 0 lines refused, 0 text fields left out
    "]],
    );
    assert_eq!(stored(&world), "3");

    let args = ["import", "lp", "-", "--precision", "s", "--data", "data"];
    for input in [text.clone().into_bytes(), gzip(&text)] {
        let world = World::new();
        let ran = world.run_with(&args, &input);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(stored(&world), "3");
    }
}

#[test]
fn a_last_line_without_an_end_counts() {
    let world = World::new();
    world.write("a.lp", lines(2).trim_end());
    import(&world, "a.lp");
    assert_eq!(stored(&world), "2");
}

#[test]
fn bad_lines_are_told_with_their_place_and_the_others_stored() {
    let world = World::new();
    let far = now_s() + 10_000;
    let text = format!(
        "# a comment\nm,t= f=1\n\n{}m f=4x\nm f=5 1\nm f=6 {far}\n",
        lines(1)
    );
    world.write("bad.lp", text);
    check(
        &import(&world, "bad.lp"),
        expect![[r"
        exit 1
        ! bad.lp:2:5: unable to parse 'm,t= f=1': missing tag value
        ! bad.lp:5:5: unable to parse 'm f=4x': invalid number: 4x
        ! bad.lp:6: beyond_retention: points beyond retention policy (retention.raw)
        ! bad.lp:7: future_timestamp: more than 10m ahead of this server's clock (time.future_max)
        ! 1 sample in 1 line stored in data; 4 lines refused, 0 text fields left out
    "]],
    );
    assert_eq!(stored(&world), "1");
}

/// Pieces of the file are read one after the other; lines are counted through.
#[test]
fn lines_far_into_a_file_have_their_own_numbers() {
    let world = World::new();
    let blank = " ".repeat(60_000) + "\n";
    let text = blank.repeat(150) + "m f=4x\n" + &lines(1);
    assert!(text.len() > 8 << 20);
    world.write("long.lp", text);
    check(
        &import(&world, "long.lp"),
        expect![[r"
        exit 1
        ! long.lp:151:5: unable to parse 'm f=4x': invalid number: 4x
        ! 1 sample in 1 line stored in data; 1 line refused, 0 text fields left out
    "]],
    );
}

#[test]
fn many_bad_lines_are_counted() {
    let world = World::new();
    world.write("bad.lp", "m f=4x\n".repeat(50));
    let ran = import(&world, "bad.lp");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.lines().count() < 30, "{ran}");
    assert!(
        ran.err.contains("50 lines refused (10 of them shown)"),
        "{ran}"
    );
}

#[test]
fn a_truncated_file_gives_what_it_has() {
    let world = World::new();
    let packed = gzip(&lines(200_000));
    world.write("cut.lp.gz", &packed[..packed.len() / 2]);
    let ran = import(&world, "cut.lp.gz");
    let stored = stored(&world);
    let samples: u64 = stored.parse().unwrap();
    assert!(samples > 10_000 && samples < 200_000, "{ran}");
    assert_eq!(ran.code, Some(1), "{ran}");
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), 2, "{ran}");
    let (begin, end) = (
        format!("cut.lp.gz: damaged after line {samples}: "),
        format!("; {samples} samples stored"),
    );
    assert!(
        said[0].starts_with(&begin) && said[0].ends_with(&end),
        "{ran}"
    );
    let totals = format!("{samples} samples in {samples} lines stored in data; 0 lines refused");
    assert!(said[1].starts_with(&totals), "{ran}");
}

#[test]
fn a_wrong_checksum_is_damage_too() {
    let world = World::new();
    let mut packed = gzip(&lines(3));
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    world.write("torn.lp.gz", packed);
    check(
        &import(&world, "torn.lp.gz"),
        expect![[r"
        exit 1
        ! torn.lp.gz: damaged after line 3: corrupt gzip stream does not have a matching checksum; 3 samples stored
        ! 3 samples in 3 lines stored in data; 0 lines refused, 0 text fields left out
    "]],
    );
    assert_eq!(stored(&world), "3");
}

#[test]
fn what_cannot_be_done_is_trouble() {
    let world = World::new();
    check(
        &import(&world, "nowhere.lp"),
        expect![[r"
        exit 2
        ! bellwether: opening nowhere.lp: No such file or directory (os error 2)
    "]],
    );
    let args = ["import", "lp", "nowhere.lp", "--precision", "days"];
    check(
        &world.run(&args),
        expect![[r"
        exit 2
        ! bellwether: --precision days: not one of ns, us, ms, s, m, h
    "]],
    );
}
