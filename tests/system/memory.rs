//! What the server asks of the system's memory.
#![cfg(target_os = "linux")]

use crate::support::binary::Server;

#[test]
fn the_server_does_without_huge_pages() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--no-host-metrics"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    match status.lines().find_map(|l| l.strip_prefix("THP_enabled:")) {
        Some(enabled) => assert_eq!(enabled.trim(), "0"),
        None => eprintln!("SKIP: this kernel does not tell"),
    }
    server.stop();
}
