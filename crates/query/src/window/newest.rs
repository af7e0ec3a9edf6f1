//! Instant selectors: the newest sample inside the lookback, at every step.
//!
//! The lookback is left-open: a sample exactly `lookback` old is too old. A staleness marker hides what came before it.

use bellwether_model::is_stale;

use super::{Cursor, LOT, Row, Samples};
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
    match wanted {
        Wanted::Value => each(row, |_, value| value),
        Wanted::Time => each(row, |time, _| time as f64 / 1000.0),
    }
}

/// Writes `shown` of the time and the value of each step's newest sample.
#[inline(always)]
fn each(row: &mut Row<'_>, shown: impl Fn(i64, f64) -> f64) -> Result<(), QueryError> {
    let (Samples { times, values, .. }, windows) = (row.samples, row.windows);
    let mut newest = Cursor::default();
    let (mut ends, mut found) = ([0; LOT], [0; LOT]);
    let lots = row.out.values.chunks_mut(LOT).zip(&mut row.out.mask);
    for (lot, (out, mask)) in lots.enumerate() {
        let before = newest.at;
        let ends = &mut ends[..out.len()];
        windows.ends(lot * LOT, ends);
        newest.lot(times, ends, |end| end, &mut found);
        let mut seen = 0;
        for (i, (out, end)) in out.iter_mut().zip(&*ends).enumerate() {
            let Some(newest) = found[i].checked_sub(1) else {
                continue;
            };
            let (time, value) = (times[newest], values[newest]);
            *out = shown(time, value);
            let is_seen = (time > end.saturating_sub(windows.range)) & !is_stale(value);
            seen |= u64::from(is_seen) << i;
        }
        *mask = seen;
        row.pace.spend(out.len() + newest.at - before)?;
    }
    Ok(())
}
