//! Starts that find something broken: what fires goes on firing, or it is said that it does not.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::support::binary::Server;
use crate::support::receiver::{Manner, Notice, Receiver};
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_secs(30);

fn write_rules(folder: &Path, url: &str) {
    std::fs::create_dir(folder.join("rules")).unwrap();
    let rules = format!(
        "alert Burning\n  expr  vector(1)\n  critical > 0\n  every 1s\n\n\
         channel ops\n  webhook {url}\n\nroute all\n  to ops\n"
    );
    std::fs::write(folder.join("rules/fire.rules"), rules).unwrap();
}

/// The key of a notice, and what it says.
fn said(notice: Notice) -> (String, String) {
    let what = format!("{} {}", notice.status(), notice.alert());
    (notice.key, what)
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

fn wait_for_page(receiver: &Receiver, alert: &str) {
    wait_for(alert, PATIENCE, || {
        (!receiver.about(alert).is_empty()).then_some(())
    });
}

#[test]
fn a_folder_broken_while_the_server_was_down_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Manner::Takes);
    write_rules(folder.path(), &receiver.url);
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    wait_for_page(&receiver, "Burning");
    server.kill();

    std::fs::write(
        folder.path().join("rules/fire.rules"),
        "alert Burning\n  expr  (\n",
    )
    .unwrap();
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    wait_for_page(&receiver, "RulesNotLoaded");
    assert_eq!(server.alert_states("Burning"), ["firing"]);
    let evaluations = server.metric("bellwether_rule_ticks_total");
    wait_for("another evaluation", PATIENCE, || {
        (server.metric("bellwether_rule_ticks_total") > evaluations).then_some(())
    });
    assert_eq!(server.alert_states("Burning"), ["firing"]);
    let log = server.stop();
    assert!(log.contains("the last rules that loaded, of "), "{log}");
    // Killed before it noted that the page had arrived, the server sends it once more, with the same key.
    let told: BTreeSet<_> = receiver.notices().into_iter().map(said).collect();
    let told: Vec<String> = told.into_iter().map(|(_, what)| what).collect();
    assert_eq!(
        sorted(told),
        ["firing Burning", "firing RulesNotLoaded"],
        "one page each"
    );
}

#[test]
fn a_damaged_ledger_is_set_aside_and_the_server_starts() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Manner::Takes);
    write_rules(folder.path(), &receiver.url);
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    wait_for_page(&receiver, "Burning");
    server.stop();

    let ledger = folder.path().join("data/ledger.redb");
    let mut bytes = std::fs::read(&ledger).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&ledger, &bytes).unwrap();
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    wait_for_page(&receiver, "StateLost");
    wait_for("the alert", PATIENCE, || {
        (server.alert_states("Burning") == ["firing"]).then_some(())
    });
    let log = server.stop();
    assert!(log.contains("it was moved to "), "{log}");
    let aside = folder.path().join("data/quarantine/ledger.redb");
    assert_eq!(std::fs::read(&aside).unwrap(), bytes);
    let report = std::fs::read_to_string(aside.with_extension("redb.json")).unwrap();
    assert!(report.contains("the ledger is damaged"), "{report}");
}
