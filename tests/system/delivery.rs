//! The durable outbox, from outside: whatever the receiver does and whenever the server dies, one notice under one key.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::support::binary::Server;
use crate::support::receiver::{Manner, Notice, Receiver};
use crate::support::wait_for;

/// Long enough for an attempt to run into its time limit and for the waits between attempts.
const PATIENCE: Duration = Duration::from_mins(1);

/// An alert that fires at once, told to `url`.
fn write_rules(folder: &Path, url: &str) {
    std::fs::create_dir(folder.join("rules")).unwrap();
    let rules = format!(
        "alert Burning\n  expr  vector(1)\n  critical > 0\n  every 1s\n\n\
         channel ops\n  webhook {url}\n\nroute all\n  match {{alertname=\"Burning\"}}\n  to ops\n"
    );
    std::fs::write(folder.join("rules/fire.rules"), rules).unwrap();
}

fn keys(notices: &[Notice]) -> BTreeSet<&str> {
    notices.iter().map(|n| n.key.as_str()).collect()
}

fn taken(receiver: &Receiver) -> usize {
    let notices = receiver.about("Burning");
    notices
        .iter()
        .filter(|n| n.answered == Manner::Takes)
        .count()
}

/// Waits until nothing waits to be delivered.
fn wait_for_empty_outbox(server: &Server) {
    wait_for("an empty outbox", PATIENCE, || {
        (server.metric("bellwether_notify_outbox_open") == Some(0.0)).then_some(())
    });
}

#[test]
fn a_receiver_that_refuses_and_hangs_gets_the_notice_when_it_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Manner::Refuses);
    write_rules(folder.path(), &receiver.url);
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    let wait_for_attempt = |manner: Manner| {
        wait_for("an attempt", PATIENCE, || {
            let notices = receiver.about("Burning");
            notices.iter().any(|n| n.answered == manner).then_some(())
        });
    };
    wait_for_attempt(Manner::Refuses);
    receiver.turns(Manner::Hangs);
    wait_for_attempt(Manner::Hangs);
    receiver.turns(Manner::Takes);
    wait_for_attempt(Manner::Takes);
    wait_for_empty_outbox(&server);
    let told = receiver.about("Burning");
    assert_eq!(keys(&told).len(), 1, "{told:?}");
    assert_eq!(taken(&receiver), 1, "{told:?}");
    let bodies: BTreeSet<String> = told.iter().map(|n| n.body.to_string()).collect();
    assert_eq!(bodies.len(), 1, "every attempt says the same");
    server.stop();
}

#[test]
fn a_notice_committed_before_a_kill_is_delivered_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Manner::Away);
    write_rules(folder.path(), &receiver.url);
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    wait_for("an attempt that fails", PATIENCE, || {
        server.log().contains("channel ops: ").then_some(())
    });
    server.kill();

    // Nobody was there to hear it; now somebody is.
    receiver.turns(Manner::Takes);
    for _ in 0..2 {
        let server = Server::start(folder.path(), &["--no-host-metrics"]);
        wait_for_empty_outbox(&server);
        let told = receiver.about("Burning");
        assert_eq!((told.len(), keys(&told).len()), (1, 1), "{told:?}");
        assert_eq!(server.alert_states("Burning"), ["firing"]);
        server.kill();
    }
}
