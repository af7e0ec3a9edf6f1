//! `bellwether query`, of a data folder; `tests/system` asks a server.

use bellwether::disk::RealDisk;
use bellwether::{Config, Store, TimestampMs};
use expect_test::{Expect, expect};

use crate::run::World;

/// A folder with two series of two samples each, at times the tests choose.
fn folder() -> World {
    let world = World::new();
    let text = "up,job=etl value=1 1700000000\nup,job=etl value=0 1700000060\n\
                up,job=web,zone=a\\,b value=1.5 1700000000\nup,job=web,zone=a\\,b value=2 1700000060\n";
    world.write("up.lp", text);
    let args = [
        "import",
        "lp",
        "up.lp",
        "--precision",
        "s",
        "--data",
        "data",
        "--retention",
        "100y",
    ];
    let ran = world.run(&args);
    assert_eq!(ran.code, Some(0), "{ran}");
    world
}

fn check(world: &World, args: &[&str], expect: Expect) {
    let ran = world.run(&[&["query", "--data", "data"], args].concat());
    expect.assert_eq(&ran.to_string());
}

#[test]
fn an_instant_in_every_form() {
    let world = folder();
    let at = ["up_value", "--time", "1700000060"];
    check(
        &world,
        &at,
        expect![[r"
        exit 0
        metric    job  zone  time                      value
        up_value  etl        2023-11-14T22:14:20.000Z      0
        up_value  web  a,b   2023-11-14T22:14:20.000Z      2
    "]],
    );
    check(
        &world,
        &[&at[..], &["-o", "csv"]].concat(),
        expect![[r#"
        exit 0
        __name__,job,zone,time,value
        up_value,etl,,2023-11-14T22:14:20.000Z,0
        up_value,web,"a,b",2023-11-14T22:14:20.000Z,2
    "#]],
    );
    check(
        &world,
        &[&at[..], &["-o", "json"]].concat(),
        expect![[r#"
        exit 0
        {"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up_value","job":"etl"},"value":[1700000060,"0"]},{"metric":{"__name__":"up_value","job":"web","zone":"a,b"},"value":[1700000060,"2"]}]}}
    "#]],
    );
    check(
        &world,
        &["nothing", "--time", "1700000060"],
        expect![[r"
        exit 0
        no series
    "]],
    );
    check(
        &world,
        &["nothing", "--time", "1700000060", "-o", "csv"],
        expect![[r"
            exit 0
            time,value
            ! no series
        "]],
    );
    check(
        &world,
        &["nothing", "--time", "1700000060", "-o", "json"],
        expect![[r#"
            exit 0
            {"status":"success","data":{"resultType":"vector","result":[]}}
        "#]],
    );
}

#[test]
fn a_range() {
    let range = [
        "--start",
        "2023-11-14T22:13:20Z",
        "--end",
        "1700000060",
        "--step",
        "30s",
    ];
    let world = folder();
    check(
        &world,
        &[&["sum(up_value)", "-o", "csv"], &range[..]].concat(),
        expect![[r"
            exit 0
            time,value
            2023-11-14T22:13:20.000Z,2.5
            2023-11-14T22:13:50.000Z,2.5
            2023-11-14T22:14:20.000Z,2
        "]],
    );
    check(
        &world,
        &[&["sum(up_value)", "-o", "json"], &range[..]].concat(),
        expect![[r#"
            exit 0
            {"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1700000000,"2.5"],[1700000030,"2.5"],[1700000060,"2"]]}]}}
        "#]],
    );
}

#[test]
fn a_plot_needs_a_range() {
    let world = folder();
    let range = ["--start", "1700000000", "--end", "1700000060", "-o", "plot"];
    let plot = [&["up_value", "--width", "40"], &range[..]].concat();
    check(
        &world,
        &plot,
        expect![[r#"
        exit 0
        2.0 ┤                                ⢸ b
            │                                ⡎
            │                                ⡇
            │                               ⢰⠁
        1.5 ┤⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
            │
            │
        1.0 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
            │                               ⢸
            │                               ⠸⡀
            │                                ⡇
        0.5 ┤                                ⡇
            │                                ⡇
            │                                ⢇
            │                                ⢸
          0 ┤                                ⢸ a
            └┬───────────────────────────────┬
             22:13:20                 22:14:20
             2023-11-14 UTC
        a  up_value{job="etl"}
           min 0  max 1  last 0
        b  up_value{job="web", zone="a,b"}
           min 1.5  max 2  last 2
    "#]],
    );
    check(
        &world,
        &["up_value", "--time", "1700000060", "-o", "plot"],
        expect![[r"
            exit 2
            ! bellwether: a plot shows how values go on: give a range with --start, or a range vector such as x[1h]
        "]],
    );
}

/// Times differ from run to run, so only the first column is compared.
#[test]
fn a_query_is_explained() {
    let world = folder();
    let asked = [
        "query",
        "--data",
        "data",
        "sum by (job) (up_value) > 1",
        "--time",
        "1700000060",
        "--explain",
    ];
    let ran = world.run(&asked);
    let first = |line: &str| line.split("  ").next().unwrap_or_default().to_owned();
    let columns: Vec<String> = ran.out.lines().map(first).collect();
    let (totals, columns) = columns.split_last().unwrap();
    expect![[r"
        plan
        > 1
        └─ sum by (job)


        read
        #0
    "]]
    .assert_eq(&columns.join("\n"));
    assert!(totals.starts_with("2 series, 2 samples read, "), "{ran}");
    let json = world.run(&[&asked[..], &["-o", "json"]].concat());
    let answer: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(answer["data"]["reads"][0]["samples"], 2);
    let plot = world.run(&[&asked[..], &["-o", "plot"]].concat());
    assert_eq!(plot.code, Some(2), "{plot}");
}

#[test]
fn infos_go_beside_the_data() {
    check(
        &folder(),
        &["rate(up_value[5m])", "--time", "1700000060", "-o", "csv"],
        expect![[r#"
            exit 0
            job,zone,time,value
            etl,,2023-11-14T22:14:20.000Z,0
            web,"a,b",2023-11-14T22:14:20.000Z,0.0025
            ! PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "up_value" (1:6)
        "#]],
    );
}

#[test]
fn lookback_limit_and_timeout_are_those_asked_for() {
    let world = folder();
    let at = |seconds| ["up_value", "--time", seconds, "-o", "csv"];
    check(
        &world,
        &[&at("1700000090")[..], &["--lookback", "30s"]].concat(),
        expect![[r"
            exit 0
            time,value
            ! no series
        "]],
    );
    check(
        &world,
        &[
            &at("1700000090")[..],
            &["--lookback", "31s", "--limit", "1"],
        ]
        .concat(),
        expect![[r"
            exit 0
            __name__,job,time,value
            up_value,etl,2023-11-14T22:14:50.000Z,0
            ! results truncated due to limit
        "]],
    );
    // Nobody takes the connection up, so there is no answer however long one waits.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ran = world.run(&["query", "up", "--remote-read", &url, "--timeout", "20ms"]);
    let said = format!("exit 2\n! bellwether: {url}/api/v1/read: no answer within 20ms\n");
    assert_eq!(ran.to_string(), said);
}

#[test]
fn addresses_of_servers_are_checked_where_they_are_typed() {
    let world = World::new();
    for (url, said) in [
        (
            "localhost:9090",
            "an address begins with http:// or https://, such as http://localhost:9090",
        ),
        ("unix://x", "`unix` is not spoken, only http and https"),
        (
            "http://h:77777",
            "invalid port number, such as http://127.0.0.1:9090 is needed",
        ),
        (
            "http://h/api/v1/query",
            "`/api/v1/query` is added here, so leave it out: http://h",
        ),
    ] {
        for command in [
            &["query", "up"][..],
            &["alerts"],
            &["sla", "report"],
            &["backtest"],
        ] {
            let ran = world.run(&[command, &["--url", url]].concat());
            assert_eq!(ran.code, Some(2), "{ran}");
            let want = format!("invalid value '{url}' for '--url <URL>': {said}\n");
            assert!(ran.err.contains(&want), "{ran}");
        }
    }
}

/// An answer that is no JSON, as a proxy or another server gives it.
#[test]
fn what_answers_otherwise_is_shown() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:secret@{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        let _ = stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n404 page\x1b[31m not found\nmore",
        );
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let world = World::new();
    let ran = world.run(&["query", "up", "--explain", "--url", &url]);
    let said = "/api/bw/v1/explain is no answer of Bellwether's: 404 page\\x1b[31m not found\n";
    assert!(ran.err.ends_with(said), "{ran}");
    assert!(!ran.err.contains("secret"), "{ran}");
    assert_eq!(ran.code, Some(2));
    let request = serving.join().unwrap().to_lowercase();
    assert!(request.contains("authorization: basic "), "{request}");
}

#[test]
fn a_mistake_has_its_caret() {
    let world = World::new();
    check(
        &world,
        &["sum("],
        expect![[r"
        exit 2
        ! query:1:5: expected an expression, found end of input
        !    |
        !  1 | sum(
        !    |     ^
    "]],
    );
    check(
        &world,
        &["sum by (job) (raet(up[5m]))"],
        expect![[r"
        exit 2
        ! query:1:15: unknown function `raet`
        !    |
        !  1 | sum by (job) (raet(up[5m]))
        !    |               ^^^^ did you mean `rate`?
    "]],
    );
}

#[test]
fn times_that_are_none_are_refused() {
    let world = folder();
    check(
        &world,
        &["up", "--time", "yesterday"],
        expect![[r"
        exit 2
        ! bellwether: yesterday: not a time (RFC 3339, Unix seconds, now, or -1h)
    "]],
    );
    check(
        &world,
        &["up", "--start", "now", "--end", "-1h"],
        expect![[r"
            exit 2
            ! bellwether: --end lies before --start
        "]],
    );
    check(
        &world,
        &["up", "--start", "-1h", "--step", "0s"],
        expect![[r"
            exit 2
            ! bellwether: --step must be a millisecond or more
        "]],
    );
}

#[test]
fn a_folder_that_is_in_use_is_asked_through_its_server() {
    let world = World::new();
    let folder = world.path().join("data");
    let now = TimestampMs(1_700_000_000_000);
    let opened = Store::open(RealDisk::shared(), &folder, Config::default(), now);
    let (_store, _) = opened.unwrap();
    let ran = world.run(&["query", "up", "--data", "data"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("data is in use"), "{ran}");
    assert!(
        ran.err
            .ends_with("; a server that runs is asked without --data\n"),
        "{ran}"
    );
}

/// The folder may be anything: a home folder that was named by mistake must not become a store.
#[test]
fn a_folder_without_a_store_stays_as_it_is() {
    let world = World::new();
    world.write("home/letter.txt", "Dear");
    for data in ["home", "nowhere", "home/letter.txt"] {
        for command in [&["query", "up"][..], &["verify"]] {
            let ran = world.run(&[command, &["--data", data]].concat());
            let said = format!("exit 2\n! bellwether: {data} is not a bellwether data folder\n");
            assert_eq!(ran.to_string(), said);
        }
    }
    let kept: Vec<_> = std::fs::read_dir(world.path().join("home"))
        .unwrap()
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(!world.path().join("nowhere").exists());
}

#[test]
fn no_command_shows_the_password_in_an_address() {
    let world = World::new();
    for args in [
        &["query", "up", "--url"][..],
        &["query", "up", "--remote-read"],
        &["alerts", "--url"],
        &["alerts", "--history", "--url"],
        &["sla", "report", "--url"],
    ] {
        let ran = world.run(&[args, &["http://me:secret@127.0.0.1:1"]].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {ran}");
        let said = ran.to_string();
        assert!(said.contains("http://127.0.0.1:1"), "{args:?}: {ran}");
        assert!(!said.contains("secret"), "{args:?}: {ran}");
    }
}
