//! What a stretch of samples amounts to, for those who do not need the samples.

use crate::segment::{ChunkMeta, Zone};
use bellwether_model::TimeRange;

/// A stretch of samples of one series, known without decoding it: neighbours, none of them a staleness marker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Digest {
    /// How many samples, at least one.
    pub count: u64,
    /// Known where the samples are whole numbers, none of them -0.0, and small enough for every sum of some of them to be exact.
    pub totals: Option<Totals>,
    /// Known of chunks of segments without NaN.
    pub course: Option<Course>,
}

/// What samples add up to. Sums are exact, so it does not matter where a stretch is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// The sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// How samples went, as far as that matters to a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// The first and the last time.
    pub times: TimeRange,
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// How many are less than the one before them.
    pub falls: u64,
    /// The sum of the values just before each fall: exact where the totals are known, else rounded.
    pub lost: f64,
}

/// What has to be known of a stretch for its samples not to be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// How many there are.
    Count,
    /// [`Digest::totals`]
    Totals,
    /// [`Digest::course`], but for what was lost.
    Course,
    /// All of [`Digest::course`], and exactly.
    Increase,
}

/// What is needed, and the stretches found that meet it, the oldest first.
#[derive(Clone, Debug)]
pub struct Digests {
    /// What is needed of each stretch.
    pub need: Need,
    /// Those of which it is known.
    pub found: Vec<Digest>,
}

impl Need {
    /// Whether only chunks of segments know it, whole ones.
    pub(crate) fn is_of_chunks(self) -> bool {
        matches!(self, Need::Course | Need::Increase)
    }
}

impl Digests {
    /// None yet.
    pub fn new(need: Need) -> Digests {
        Digests {
            need,
            found: Vec::new(),
        }
    }

    /// Takes a stretch if it is there and enough is known of it, which is what this tells.
    pub(crate) fn take(&mut self, digest: Option<Digest>) -> bool {
        let digest = digest.filter(|digest| digest.meets(self.need));
        self.found.extend(digest);
        digest.is_some()
    }
}

impl Digest {
    /// What `zone` says about its chunk; `None` when there are staleness markers.
    pub(crate) fn of(zone: &Zone, chunk: &ChunkMeta) -> Option<Digest> {
        let totals = Totals {
            sum: zone.sum,
            min: zone.min,
            max: zone.max,
        };
        let course = Course {
            times: TimeRange::new(chunk.t_first, chunk.t_last),
            first: zone.first,
            last: zone.last,
            falls: u64::from(zone.resets),
            lost: zone.reset_sum,
        };
        (!zone.has_stale).then_some(Digest {
            count: u64::from(chunk.n),
            totals: zone.is_exact.then_some(totals),
            course: (!zone.has_nan).then_some(course),
        })
    }

    /// Whether it can stand for its samples.
    fn meets(&self, need: Need) -> bool {
        let is_exact = self.totals.is_some();
        match need {
            Need::Count => true,
            Need::Totals => is_exact,
            Need::Course => self.course.is_some(),
            Need::Increase => self.course.is_some_and(|c| c.falls == 0 || is_exact),
        }
    }
}

impl Totals {
    /// No less than what the magnitudes of `count` samples add up to.
    pub fn magnitude(&self, count: u64) -> f64 {
        count as f64 * self.min.abs().max(self.max.abs())
    }
}
