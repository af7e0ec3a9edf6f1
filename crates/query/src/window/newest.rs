//! Instant selectors: the newest sample inside the lookback, at every step.
//!
//! The lookback is left-open: a sample exactly `lookback` old is too old. A staleness marker hides what came before it.

use bellwether_model::is_stale;

use super::{Row, Samples};
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
    row.each(|w| {
        let newest = w.hi - 1;
        if is_stale(values[newest]) {
            return None;
        }
        Some(match wanted {
            Wanted::Value => values[newest],
            Wanted::Time => times[newest] as f64 / 1000.0,
        })
    })
}
