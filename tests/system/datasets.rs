//! Real series written by others, replayed as if they happened until just now.

use std::fmt::Write as _;

use crate::support::{now_ms, shared};

/// One series of the NAB collection as line protocol, its last sample at the present time.
/// `None`, said on stderr, when the collection is not at hand.
pub(crate) fn nab(file: &str, measurement: &str, step_ms: i64) -> Option<(String, usize)> {
    let Some(shared) = shared() else {
        eprintln!("SKIP: no shared data sets (BELLWETHER_SHARED); using a made-up series instead");
        return None;
    };
    let path = shared.join("datasets/nab/data").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let values: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|l| l.split(',').nth(1))
        .collect();
    Some((lines(&values, measurement, step_ms), values.len()))
}

/// A made-up series of `count` values with the same shape: a daily wave with noise of its own making.
pub(crate) fn made_up(count: usize, measurement: &str, step_ms: i64) -> (String, usize) {
    let values: Vec<String> = (0..count)
        .map(|i| {
            let noise = (i * 2_654_435_761 % 1000) as f64 / 100.0;
            format!("{:.3}", 50.0 + 20.0 * (i as f64 / 40.0).sin() + noise)
        })
        .collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    (lines(&values, measurement, step_ms), count)
}

fn lines(values: &[&str], measurement: &str, step_ms: i64) -> String {
    let end = now_ms();
    let mut body = String::new();
    for (i, value) in values.iter().enumerate() {
        let t = end - (values.len() - 1 - i) as i64 * step_ms;
        let _ = writeln!(body, "{measurement},source=nab value={value} {t}");
    }
    body
}
