//! Instant selectors: the newest sample inside the lookback, at every step.
//!
//! The lookback is left-open: a sample exactly `lookback` old is too old. A staleness marker hides what came before it.

use bellwether_model::is_stale;

use super::{Cursor, Row, Samples};
use crate::error::QueryError;

/// What of the newest sample is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its value.
    Value,
    /// Its time, Unix seconds: `timestamp(x)`.
    Time,
}

/// Writes the newest sample of each step. The samples still have their staleness markers, the windows' range is the lookback.
pub(crate) fn run(row: &mut Row<'_>, wanted: Wanted) -> Result<(), QueryError> {
    let Samples { times, values } = row.samples;
    let mut newest = Cursor::default();
    // 64 steps share a word of the mask.
    let lots = row.out.values.chunks_mut(64).zip(&mut row.out.mask);
    for (lot, (out, mask)) in lots.enumerate() {
        let before = newest.at;
        for (bit, out) in out.iter_mut().enumerate() {
            let end = row
                .windows
                .shift
                .apply(row.windows.grid.time(lot * 64 + bit));
            let Some(newest) = newest.after(times, end).checked_sub(1) else {
                continue;
            };
            let (time, value) = (times[newest], values[newest]);
            *out = match wanted {
                Wanted::Value => value,
                Wanted::Time => time as f64 / 1000.0,
            };
            let is_seen = time > end.saturating_sub(row.windows.range) && !is_stale(value);
            *mask |= u64::from(is_seen) << bit;
        }
        row.pace.spend(out.len() + newest.at - before)?;
    }
    Ok(())
}
