//! Instant selectors: the newest sample inside the lookback, at every step.
//!
//! The lookback is left-open: a sample exactly `lookback` old is too old. A staleness marker hides what came before it.

use bellwether_model::is_stale;

use super::{Samples, Windows};
use crate::vector::RowBuffer;

/// What of the newest sample is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its value.
    Value,
    /// Its time, Unix seconds: `timestamp(x)`.
    Time,
}

/// Writes the newest sample of each step to `out`. `samples` still has its staleness markers, `windows.range` is the lookback.
pub(crate) fn run(samples: Samples<'_>, windows: Windows, wanted: Wanted, out: &mut RowBuffer) {
    let Samples { times, values } = samples;
    windows.each(times, |w| {
        if w.lo == w.hi || is_stale(values[w.hi - 1]) {
            return;
        }
        let value = match wanted {
            Wanted::Value => values[w.hi - 1],
            Wanted::Time => times[w.hi - 1] as f64 / 1000.0,
        };
        out.put(w.step, value);
    });
}
