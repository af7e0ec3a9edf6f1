//! What every system test needs: the binary, a client, a receiver of webhooks, patience.

pub(crate) mod binary;
pub(crate) mod http;
pub(crate) mod receiver;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
        .into()
}

/// The folder of cases and data written by others, when it is at hand.
pub(crate) fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("BELLWETHER_SHARED")
        .map_or_else(|| workspace().join("../shared"), PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Polls until `check` gives a value; panics with `what` after `limit`.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Milliseconds since the epoch, now.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("the clock is past 1970").as_millis() as i64
}
