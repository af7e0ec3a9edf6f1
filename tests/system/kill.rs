//! `kill -9` in the middle of ingest and of a firing alert: nothing acknowledged is lost, nobody is
//! paged twice, and what fired still fires.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::support::binary::Server;
use crate::support::http;
use crate::support::receiver::{Manner, Receiver};
use crate::support::{now_ms, wait_for};

/// Rounds of kill and restart.
const ROUNDS: u64 = 20;
/// The rounds that end with a clean stop, which flushes the head: the kills after it find samples in a segment and in
/// the log.
const FLUSHED: [u64; 4] = [3, 7, 11, 16];
/// The round in which the page has arrived and its receipt is durable.
const SETTLED: u64 = 10;
/// Concurrent writers, each with a series of its own.
const WRITERS: usize = 4;

#[test]
fn twenty_kills_lose_nothing_and_page_once() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Manner::Refuses);
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rules = format!(
        "alert Burning\n  expr  fire_level\n  critical > 0\n  missing keep 1h\n  every 1s\n\nchannel ops\n  webhook {}\n\nroute all\n  to ops\n",
        receiver.url
    );
    std::fs::write(folder.path().join("rules/fire.rules"), rules).unwrap();

    // The number of samples of each writer that were acknowledged.
    let acknowledged: Vec<AtomicI64> = (0..WRITERS).map(|_| AtomicI64::new(0)).collect();
    let base = now_ms() - 3_600_000;
    let mut settled = 0;
    for round in 0..ROUNDS {
        let server = Server::start(folder.path(), &["--no-host-metrics"]);
        for (writer, acked) in acknowledged.iter().enumerate() {
            let (acked, expr) = (
                acked.load(Ordering::Relaxed),
                format!("count_over_time(seq_n{{w=\"{writer}\"}}[1d])"),
            );
            let stored = server.number(&expr).unwrap_or(0.0) as i64;
            // One batch may have been stored without its answer arriving.
            assert!(
                stored >= acked,
                "round {round}: writer {writer}: {stored} stored, {acked} acknowledged"
            );
        }
        let line = format!("fire,where=barn level=1 {}", now_ms());
        assert_eq!(
            http::post(&server.address, "/write?precision=ms", line.as_bytes())
                .unwrap()
                .status,
            204
        );
        // Kills fall before the first attempt and between attempts, then between an attempt and its receipt.
        receiver.turns(match round {
            0..2 => Manner::Refuses,
            2..8 => Manner::Dawdles,
            _ => Manner::Takes,
        });
        if round == SETTLED {
            wait_for("an empty outbox", Duration::from_secs(30), || {
                (server.metric("bellwether_notify_outbox_open") == Some(0.0)).then_some(())
            });
            settled = receiver.about("Burning").len();
        }
        wait_for("still firing", Duration::from_secs(10), || {
            (server.alert_states("Burning") == ["firing"]).then_some(())
        });

        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (writer, acked) in acknowledged.iter().enumerate() {
                let (stop, address) = (&stop, server.address.clone());
                scope.spawn(move || ingest(&address, writer, base, acked, stop));
            }
            // Never the same moment twice, from the middle of the first writes on.
            std::thread::sleep(Duration::from_millis(30 + round * 37 % 250));
            if !FLUSHED.contains(&round) {
                server.signal("KILL");
            }
            stop.store(true, Ordering::Relaxed);
        });
        if FLUSHED.contains(&round) {
            server.stop();
        } else {
            server.kill(); // It is dead; what is left is to bury it.
        }
    }

    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    for (writer, acked) in acknowledged.iter().enumerate() {
        let acked = acked.load(Ordering::Relaxed);
        assert!(acked > 0, "writer {writer} never got through");
        let stored = server
            .number(&format!("count_over_time(seq_n{{w=\"{writer}\"}}[1d])"))
            .unwrap_or(0.0);
        assert!(
            stored as i64 >= acked,
            "writer {writer}: {stored} stored, {acked} acknowledged"
        );
        // The sum of 0..n proves that it is these samples, each once and with its own value.
        let sum = server
            .number(&format!("sum_over_time(seq_n{{w=\"{writer}\"}}[1d])"))
            .unwrap();
        assert_eq!(sum, stored * (stored - 1.0) / 2.0, "writer {writer}");
    }
    assert_eq!(server.alert_states("Burning"), ["firing"]);
    let keys: BTreeSet<String> = receiver
        .about("Burning")
        .into_iter()
        .map(|n| n.key)
        .collect();
    assert_eq!(keys.len(), 1, "one page, whatever was killed: {keys:?}");
    assert_eq!(
        receiver.about("Burning").len(),
        settled,
        "and never again once it had been received"
    );
    server.stop();
}

/// Writes batches of ten samples until told to stop or the server is gone; retries what was not
/// acknowledged, as a client does.
fn ingest(address: &str, writer: usize, base: i64, acknowledged: &AtomicI64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let next = acknowledged.load(Ordering::Relaxed);
        let lines: Vec<String> = (next..next + 10)
            .map(|n| format!("seq,w={writer} n={n} {}", base + n))
            .collect();
        match http::post(address, "/write?precision=ms", lines.join("\n").as_bytes()) {
            Ok(answer) if answer.status == 204 => {
                acknowledged.store(next + 10, Ordering::Relaxed);
            }
            Ok(answer) => panic!("{}: {}", answer.status, answer.body),
            Err(_) => return,
        }
    }
}
