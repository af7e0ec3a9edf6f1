//! The main job, end to end: samples in, rules over them, a page out, and out again when it is over.

use std::time::Duration;

use crate::datasets;
use crate::support::binary::Server;
use crate::support::http;
use crate::support::receiver::{Manner, Receiver};
use crate::support::{now_ms, wait_for};

#[test]
fn samples_in_alert_out_resolved_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Manner::Takes);
    let hung = Receiver::start(Manner::Hangs);
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rules = format!(
        r#"record job:cpu:avg
  expr  avg by (source) (avg_over_time(nab_cpu_value[1h]))
  every 1s

alert QueueLong
  expr     queue_length
  warning  > 10   clear < 5
  critical > 100
  every    1s
  summary  "{{queue}}: {{value}} waiting"

channel stuck
  webhook {}

channel ops
  webhook {}

route everything
  to  stuck, ops
"#,
        hung.url, receiver.url
    );
    std::fs::write(folder.path().join("rules/main.rules"), rules).unwrap();
    let server = Server::start(folder.path(), &[]);

    // Real history, ending now, in one body.
    let (body, count) = datasets::nab(
        "realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv",
        "nab_cpu",
        1000,
    )
    .unwrap_or_else(|| datasets::made_up(4000, "nab_cpu", 1000));
    let answer = http::post(&server.address, "/write?precision=ms", body.as_bytes()).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.body);
    let stored = server
        .number("count_over_time(nab_cpu_value[1d])")
        .expect("the history is there");
    assert_eq!(stored as usize, count);

    // Recorded by a rule, and the host watched by itself.
    wait_for("the recorded series", Duration::from_secs(10), || {
        server.number("job:cpu:avg")
    });
    wait_for("the host's memory", Duration::from_secs(15), || {
        server.number("host_memory_total_bytes")
    });

    let write = |value: u32| {
        let line = format!("queue,queue=mail length={value} {}", now_ms());
        assert_eq!(
            http::post(&server.address, "/write?precision=ms", line.as_bytes())
                .unwrap()
                .status,
            204
        );
    };
    let expect = |what: &str, count: usize| {
        wait_for(what, Duration::from_secs(10), || {
            let notices = receiver.about("QueueLong");
            (notices.len() >= count).then_some(notices)
        })
    };
    write(20);
    let fired = expect("the page", 1);
    let alert = &fired[0].body["alerts"][0];
    assert_eq!(fired[0].status(), "firing");
    assert_eq!(alert["labels"]["severity"], "warning");
    assert_eq!(alert["labels"]["queue"], "mail");
    assert_eq!(alert["annotations"]["summary"], "mail: 20 waiting");
    assert_eq!(fired[0].body["version"], "4");

    write(500);
    let risen = expect("the rise", 2);
    assert_eq!(risen[1].body["alerts"][0]["labels"]["severity"], "critical");
    assert_ne!(risen[0].key, risen[1].key);

    write(1);
    let over = expect("the resolution", 3);
    assert_eq!(over.last().unwrap().status(), "resolved");
    wait_for("no alert", Duration::from_secs(5), || {
        server.alert_states("QueueLong").is_empty().then_some(())
    });

    let log = server.stop();
    assert!(!log.contains("panic"), "{log}");
}

/// A series that vanishes is not well again: the end of its alert says so.
#[test]
fn a_series_that_vanishes_is_told_as_gone() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Manner::Takes);
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rules = format!(
        "alert Beating\n  expr  last_over_time(beat_rate[3s])\n  warning > 100\n  missing clear\n  every 1s\n\n\
         channel ops\n  webhook {}\n\nroute all\n  to ops\n",
        receiver.url
    );
    std::fs::write(folder.path().join("rules/beat.rules"), rules).unwrap();
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    let line = format!("beat rate=180 {}", now_ms());
    let written = http::post(&server.address, "/write?precision=ms", line.as_bytes()).unwrap();
    assert_eq!(written.status, 204);
    let told = wait_for("the page and its end", Duration::from_secs(20), || {
        let notices = receiver.about("Beating");
        (notices.len() >= 2).then_some(notices)
    });
    assert_eq!(told[0].status(), "firing");
    assert_eq!(told[1].status(), "resolved");
    let annotations = &told[1].body["alerts"][0]["annotations"];
    assert_eq!(
        annotations["reason"],
        "gone, not recovered: the series vanished"
    );
    assert_eq!(annotations["value"], "180");
    server.stop();
}

#[test]
fn a_broken_rule_folder_keeps_the_running_rules_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let good = "alert Always\n  expr  vector(1)\n  info  > 0\n  every 1s\n";
    std::fs::write(rules.join("a.rules"), good).unwrap();
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    let firing = || {
        server
            .alert_states("Always")
            .contains(&"firing".to_owned())
            .then_some(())
    };
    wait_for("the alert", Duration::from_secs(10), firing);

    std::fs::write(
        rules.join("b.rules"),
        "alert Broken\n  expr  up\n  warning  < for 10m\n",
    )
    .unwrap();
    server.signal("HUP");
    wait_for("the place in the log", Duration::from_secs(10), || {
        server.log().contains("b.rules:3:").then_some(())
    });
    wait_for("the engine's own alert", Duration::from_secs(10), || {
        (!server.alert_states("RulesNotLoaded").is_empty()).then_some(())
    });
    firing().expect("the running rules go on");
    let listed = server.json("/api/v1/rules").to_string();
    assert!(listed.contains("b.rules:3:"), "{listed}");

    // Mended without a signal: the folder is watched.
    std::fs::remove_file(rules.join("b.rules")).unwrap();
    wait_for("the own alert to end", Duration::from_secs(15), || {
        server
            .alert_states("RulesNotLoaded")
            .is_empty()
            .then_some(())
    });
    firing().expect("nothing else changed");
    server.stop();
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    let second = std::process::Command::new(crate::support::binary::path())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use") || said.contains("locked"), "{said}");
    server.stop();
}
