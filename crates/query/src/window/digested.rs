//! One window whose samples are partly known by their digests only.
//!
//! The answer is the one that the samples would give, to the last bit, or there is none: sums are exact or not
//! taken, and where a zero may be negative, which of two is the smaller depends on the order.

use bellwether_model::TimeRange;
use bellwether_model::whole::is_exact;

use super::Samples;
use super::totals::{exact_total, is_reset};
use crate::source::{Course, Digest, Need};

/// A window, partly digested.
#[derive(Clone, Copy)]
pub(crate) struct Digested<'a> {
    /// The samples that are not digested, without staleness markers.
    pub(crate) samples: Samples<'a>,
    /// The other stretches, the oldest first: at least one.
    pub(crate) digests: &'a [Digest],
    /// The closed end of the window.
    pub(crate) end: i64,
    /// Its length.
    pub(crate) range: i64,
}

/// The value of such a window; `None` when all samples have to be seen.
pub(crate) type Kernel = fn(Digested<'_>) -> Option<f64>;

/// How a function does without samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromDigests {
    /// What it has to know of the samples that it does not see.
    pub(crate) need: Need,
    pub(crate) kernel: Kernel,
}

/// `avg_over_time`
pub(crate) fn mean(window: Digested<'_>) -> Option<f64> {
    Some(sum(window)? / window.count())
}

/// `min_over_time`
pub(crate) fn minimum(window: Digested<'_>) -> Option<f64> {
    extreme(window, |digest| Some(digest.totals?.min), |a, b| a < b)
}

/// `max_over_time`
pub(crate) fn maximum(window: Digested<'_>) -> Option<f64> {
    extreme(window, |digest| Some(digest.totals?.max), |a, b| a > b)
}

/// `sum_over_time`
pub(crate) fn sum(window: Digested<'_>) -> Option<f64> {
    window.exact()
}

/// `first_over_time`
pub(crate) fn first(window: Digested<'_>) -> Option<f64> {
    Some(Way::of(window)?.first.1)
}

/// `last_over_time`
pub(crate) fn last(window: Digested<'_>) -> Option<f64> {
    Some(Way::of(window)?.last.1)
}

/// `ts_of_first_over_time`
pub(crate) fn first_time(window: Digested<'_>) -> Option<f64> {
    Some(Way::of(window)?.first.0 as f64 / 1000.0)
}

/// `ts_of_last_over_time`
pub(crate) fn last_time(window: Digested<'_>) -> Option<f64> {
    Some(Way::of(window)?.last.0 as f64 / 1000.0)
}

/// `resets`
pub(crate) fn resets(window: Digested<'_>) -> Option<f64> {
    Some(Way::of(window)?.falls as f64)
}

impl Digested<'_> {
    /// How many samples there are.
    pub(crate) fn count(self) -> f64 {
        let digested: f64 = self.digests.iter().map(|d| d.count as f64).sum();
        self.samples.values.len() as f64 + digested
    }

    /// The sum of all samples, if all sums of some of them are exact.
    fn exact(self) -> Option<f64> {
        let rest = exact_total(self.samples.values)?;
        let (mut sum, mut magnitude) = (rest.total, rest.magnitude);
        for digest in self.digests {
            let totals = digest.totals?;
            sum += totals.sum;
            magnitude += totals.magnitude(digest.count);
        }
        is_exact(magnitude).then_some(sum)
    }
}

/// Numbers win over NaN, of which digests have none.
fn extreme(
    window: Digested<'_>,
    of: impl Fn(&Digest) -> Option<f64>,
    is_better: impl Fn(f64, f64) -> bool,
) -> Option<f64> {
    let values = window.samples.values;
    let is_negative_zero = |v: &f64| *v == 0.0 && v.is_sign_negative();
    if values.iter().any(is_negative_zero) {
        return None;
    }
    let better = |best: f64, v: f64| if is_better(v, best) { v } else { best };
    let mut all = window.digests.iter().map(of);
    let digested = all.next()??;
    let digested = all.try_fold(digested, |best, v| Some(better(best, v?)))?;
    Some(values.iter().copied().fold(digested, better))
}

/// One sample as a stretch.
fn sample(t: i64, value: f64) -> Course {
    Course {
        times: TimeRange::new(t, t),
        first: value,
        last: value,
        falls: 0,
        lost: 0.0,
    }
}

/// How the samples of a window went from its first to its last.
pub(super) struct Way {
    /// Time and value.
    pub(super) first: (i64, f64),
    pub(super) last: (i64, f64),
    falls: u64,
    lost: f64,
}

impl Way {
    /// Goes along samples and digests in the order of time.
    pub(super) fn of(window: Digested<'_>) -> Option<Way> {
        let Samples { times, values, .. } = window.samples;
        let mut way = None;
        let mut at = 0;
        for digest in window.digests {
            let course = digest.course?;
            let before = at + times[at..].partition_point(|t| *t < course.times.from.0);
            for i in at..before {
                Way::go(&mut way, sample(times[i], values[i]));
            }
            Way::go(&mut way, course);
            at = before;
        }
        for i in at..times.len() {
            Way::go(&mut way, sample(times[i], values[i]));
        }
        way
    }

    /// The way on over one more stretch.
    fn go(way: &mut Option<Way>, next: Course) {
        let first = (next.times.from.0, next.first);
        let way = way.get_or_insert(Way {
            first,
            last: first,
            falls: 0,
            lost: 0.0,
        });
        if is_reset(way.last.1, next.first) {
            way.falls += 1;
            way.lost += way.last.1;
        }
        way.falls += next.falls;
        way.lost += next.lost;
        way.last = (next.times.to.0, next.last);
    }

    /// From the first value to the last, with what a counter lost where it began anew. `None` where that depends on the order of
    /// additions.
    pub(super) fn increase(&self, window: Digested<'_>) -> Option<f64> {
        let between = self.between();
        match self.falls {
            0 => Some(between),
            _ => window.exact().map(|_| between + self.lost),
        }
    }

    /// From the first value to the last.
    pub(super) fn between(&self) -> f64 {
        self.last.1 - self.first.1
    }
}
