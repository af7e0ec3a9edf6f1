//! `POST /-/reload` with a real folder: what runs, or every mistake with its place, and never a 500.

use std::path::Path;

use crate::harness::Server;

#[expect(clippy::disallowed_methods, reason = "the test plays the editor")]
fn write(folder: &Path, name: &str, content: &str) {
    let rules = folder.join("rules");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join(name), content).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test plays the editor")]
fn remove(folder: &Path, name: &str) {
    std::fs::remove_file(folder.join("rules").join(name)).unwrap();
}

const GOOD: &str = "alert Up\n  expr  up\n  error  == 0\n";

/// Reloads; the status, the error's kind and its text.
fn refused(server: &Server) -> (u16, String, String) {
    let got = server.post("/-/reload", "");
    let body: serde_json::Value = serde_json::from_str(&got.body).expect("a refusal is JSON");
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    assert_eq!(text("status"), "error");
    assert_eq!(server.get("/-/healthy").status, 200);
    (got.status, text("errorType"), text("error"))
}

#[test]
fn row_28_mistakes_are_named_and_the_rules_from_before_go_on() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "good.rules", GOOD);
    let server = Server::start(folder.path());
    let reloaded = "1 file: 1 alert, 0 recording rules\n";
    let got = server.post("/-/reload", "");
    assert_eq!((got.status, got.body.as_str()), (200, reloaded));

    write(
        folder.path(),
        "bad.rules",
        "alert Down\n  expr  upp(\n  error  == 0\n\nalert Up\n  expr  up\n  error  = 0\n",
    );
    let (status, kind, error) = refused(&server);
    assert_eq!((status, kind.as_str()), (400, "bad_data"));
    for place in ["bad.rules:2:", "bad.rules:7:"] {
        assert!(error.contains(place), "{place} is not in {error}");
    }
    assert!(
        server.get("/api/v1/rules").body.contains("\"name\":\"Up\""),
        "those from before"
    );

    write(folder.path(), "bad.rules", "route\n  to  nobody\n");
    let (status, _, error) = refused(&server);
    assert_eq!(status, 400);
    assert!(
        error.contains("bad.rules:2:7: no channel is named `nobody`"),
        "{error}"
    );

    let comment = format!("# {}\n", "x".repeat(1 << 20));
    write(folder.path(), "bad.rules", &comment);
    let (status, _, error) = refused(&server);
    assert_eq!(status, 413);
    assert!(
        error.contains(
            "bad.rules:1:1: the file is larger than the 1048576 bytes that rules.file allows"
        ),
        "{error}"
    );

    remove(folder.path(), "bad.rules");
    let got = server.post("/-/reload", "");
    assert_eq!((got.status, got.body.as_str()), (200, reloaded));
}
