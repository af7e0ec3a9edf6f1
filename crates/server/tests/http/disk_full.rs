//! A disk that runs full under a whole server, and has room again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_disk::SimDisk;

use crate::harness::{Got, Server};

/// Asks until the answer is as wanted: the store looks at its disk once a second.
fn until(what: &str, ask: impl Fn() -> Got, wanted: impl Fn(&Got) -> bool) -> Got {
    #[expect(clippy::disallowed_methods, reason = "a test that hangs has to fail")]
    let begun = Instant::now();
    loop {
        let got = ask();
        if wanted(&got) {
            return got;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{what}: {}",
            got.body
        );
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn row_31_a_full_disk_refuses_writes_and_answers_questions_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(SimDisk::new());
    let server = Server::with(folder.path(), |config| {
        config.data = Path::new("/data").into();
        config.disk = Arc::<SimDisk>::clone(&disk);
    });
    let write = || server.post("/write", "m f=1");
    assert_eq!(write().status, 204);

    disk.set_free_space(Some(1 << 20));
    let got = until("full", write, |got| got.status != 204);
    assert_eq!(got.status, 503, "{}", got.body);
    assert!(got.body.contains("disk_full"), "{}", got.body);
    assert!(got.head.contains("retry-after: 30"), "{}", got.head);
    let got = server.post("/api/v2/write", "m f=1");
    assert!(
        got.status == 503 && got.body.contains("\"code\":\"unavailable\""),
        "{}",
        got.body
    );
    assert_eq!(server.get("/-/ready").status, 503);
    assert_eq!(server.get("/health").status, 503);
    assert_eq!(server.get("/-/healthy").status, 200);
    assert_eq!(server.query("m_f"), "{\"__name__\":\"m_f\"} 1");

    disk.set_free_space(None);
    until("room again", write, |got| got.status == 204);
    assert_eq!(server.get("/-/ready").status, 200);
}
