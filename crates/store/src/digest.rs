//! What a stretch of samples amounts to, for those who do not need the samples.

use crate::segment::Zone;

/// A stretch of samples of one series, known without decoding it: whole numbers, without staleness markers, NaN
/// or -0.0, small enough for every sum of some of them to be exact. So it does not matter where a stretch is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Digest {
    /// How many samples, at least one.
    pub count: u64,
    /// Their sum, exact.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Digest {
    /// What `zone` says about `count` samples, if that is enough.
    pub(crate) fn of(zone: &Zone, count: u32) -> Option<Digest> {
        zone.is_exact.then_some(Digest {
            count: u64::from(count),
            sum: zone.sum,
            min: zone.min,
            max: zone.max,
        })
    }

    /// No less than what the magnitudes of the samples add up to.
    pub fn magnitude(&self) -> f64 {
        self.count as f64 * self.min.abs().max(self.max.abs())
    }
}
