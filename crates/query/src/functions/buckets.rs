//! Classic histograms: `histogram_quantile`, `histogram_quantiles`, `histogram_fraction` over `le` buckets.
//!
//! Bucket counts are cumulative. For quantiles, counts that fall where they must not (scrapes that raced) are lifted to the
//! count before, and an info says so; tiny differences, as float sums leave them, are lifted silently.

use bellwether_lang::promql::ast::Span;
use bellwether_model::labels::Quoted;
use bellwether_model::{HashMap, Labels, value::parse_value};

use crate::budget::Pace;
use crate::error::QueryError;
use crate::notes::{Lifted, Notes, is_quantile, with_metric};
use crate::vector::{RowName, Vector};

/// The label that holds a bucket's upper bound.
const BOUND: &str = "le";

/// One bucket: observations up to and including `upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// The bucket series of one histogram.
pub(crate) struct Histogram {
    /// The series without their bound.
    pub(crate) name: RowName,
    /// Rows of the vector and their bounds, sorted by bound.
    rows: Vec<(f64, usize)>,
}

/// Gathers the histograms of `vector`; series without a readable bound are left out with a warning.
pub(crate) fn histograms(vector: &Vector, notes: &Notes, span: Span) -> Vec<Histogram> {
    let mut of: HashMap<Labels, usize> = HashMap::default();
    let mut found: Vec<Histogram> = Vec::new();
    for row in 0..vector.len() {
        let name = vector.name(row);
        let text = name.labels.get(BOUND).unwrap_or("");
        let Some(upper) = parse_bound(text) else {
            let text = Quoted(text);
            let message =
                format!("bucket label \"le\" is missing or has a malformed value of {text}");
            notes.warn(span, with_metric(&message, &name.labels));
            continue;
        };
        let labels = name.labels.without(&[BOUND]);
        let at = *of.entry(labels.clone()).or_insert_with(|| {
            found.push(Histogram {
                name: RowName {
                    labels,
                    drop_name: true,
                },
                rows: Vec::new(),
            });
            found.len() - 1
        });
        found[at].rows.push((upper, row));
    }
    for histogram in &mut found {
        histogram.rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    found
}

/// Reads a bound as Go's `strconv.ParseFloat` does: of [`parse_value`]'s forms all but hexadecimal integers, NaN with a sign, and
/// numbers too large, and hexadecimal floats.
fn parse_bound(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(hex) = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
        let upper = hexadecimal(hex)?;
        return Some(if text.starts_with('-') { -upper } else { upper });
    }
    let upper = parse_value(text)?;
    let is_word = unsigned.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_read = if upper.is_nan() {
        unsigned.len() == text.len()
    } else {
        upper.is_finite() || is_word
    };
    is_read.then_some(upper)
}

/// The number of `1.8p-3`, which is 1.5 / 8: digits in base 16 and, always, an exponent in base 2. `None` when that is too large.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + part.len() == 0 {
        return None;
    }
    let mut mantissa: u64 = 0;
    // One beyond any exponent that matters, so that sums of these do not overflow.
    let mut scale = exponent.parse::<i64>().ok()?.clamp(-1 << 20, 1 << 20);
    scale -= 4 * part.len() as i64;
    for digit in whole.chars().chain(part.chars()) {
        let digit = u64::from(digit.to_digit(16)?);
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
        } else {
            // There are bits to spare: of what is cut off only matters whether it is nothing.
            mantissa |= u64::from(digit > 0);
            scale += 4;
        }
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    // In halves, because two to the power of it may be out of range where the product is not.
    let half = i32::try_from(scale / 2).ok()?;
    let rest = i32::try_from(scale - scale / 2).ok()?;
    let number = mantissa as f64 * 2f64.powi(half) * 2f64.powi(rest);
    number.is_finite().then_some(number)
}

/// What a function makes of the buckets of one histogram.
pub(crate) struct Answer {
    pub(crate) value: f64,
    /// Counts that fell and had to be lifted.
    pub(crate) lifted: Option<Lifted>,
}

/// Evaluates `f` on the buckets of each histogram at each step. `row` finds or makes the row of `out` for the histogram at an index
/// and a step.
pub(crate) fn evaluate(
    vector: &Vector,
    histograms: &[Histogram],
    notes: &Notes,
    span: Span,
    out: &mut Vector,
    mut row: impl FnMut(&mut Vector, usize, usize) -> Result<usize, QueryError>,
    f: impl Fn(usize, &mut [Bucket]) -> Answer,
) -> Result<(), QueryError> {
    let mut buckets = Vec::new();
    let pace = Pace::new(vector.budget());
    for (index, histogram) in histograms.iter().enumerate() {
        let mut lifted: Option<Lifted> = None;
        for step in 0..vector.steps() {
            pace.spend(1 + histogram.rows.len())?;
            buckets.clear();
            buckets.extend(histogram.rows.iter().filter_map(|(upper, row)| {
                let count = vector.get(*row, step)?;
                Some(Bucket {
                    upper: *upper,
                    count,
                })
            }));
            if buckets.is_empty() {
                continue;
            }
            coalesce(&mut buckets);
            let answer = f(step, &mut buckets);
            match (&mut lifted, answer.lifted) {
                (Some(all), Some(more)) => all.merge(more),
                (none, more) => *none = more.or(*none),
            }
            let at = row(out, index, step)?;
            out.put(at, step, answer.value);
        }
        if let Some(lifted) = lifted {
            notes.info_lifted(&histogram.name.labels, lifted, span);
        }
    }
    Ok(())
}

/// Adds up buckets with the same bound.
fn coalesce(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Lifts counts that fall below the one before; tells of those that fell by more than rounding explains.
fn make_monotonic(buckets: &mut [Bucket], time: i64) -> Option<Lifted> {
    let mut lifted: Option<Lifted> = None;
    for i in 1..buckets.len() {
        let (before, count) = (buckets[i - 1].count, buckets[i].count);
        if almost_equal(before, count) {
            buckets[i].count = before;
        } else if count < before {
            buckets[i].count = before;
            let upper = buckets[i].upper;
            let (by, bounds) = match lifted {
                Some(all) => (all.by.max(before - count), (all.bounds.0, upper)),
                None => (before - count, (upper, upper)),
            };
            lifted = Some(Lifted {
                bounds,
                by,
                samples: 1,
                times: (time, time),
            });
        }
    }
    lifted
}

fn almost_equal(a: f64, b: f64) -> bool {
    const TOLERANCE: f64 = 1e-12;
    if a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// The `q`-quantile at `time` of buckets whose counts may fall.
pub(crate) fn lifted_quantile(q: f64, buckets: &mut [Bucket], time: i64) -> Answer {
    let is_asked = is_quantile(q) && buckets.last().is_some_and(|b| b.upper == f64::INFINITY);
    let lifted = if is_asked {
        make_monotonic(buckets, time)
    } else {
        None
    };
    Answer {
        value: quantile(q, buckets),
        lifted,
    }
}

/// The `q`-quantile, interpolated inside its bucket. `buckets` are sorted and monotonic; without a `+Inf` bucket, or
/// with nothing but it, NaN. The first bucket starts at 0 unless its bound is not positive.
pub(crate) fn quantile(q: f64, buckets: &[Bucket]) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let Some((infinite, finite)) = buckets.split_last() else {
        return f64::NAN;
    };
    let total = infinite.count;
    if infinite.upper != f64::INFINITY || finite.is_empty() || total == 0.0 || total.is_nan() {
        return f64::NAN;
    }
    let mut rank = q * total;
    let at = finite.partition_point(|b| !is_at_least(b.count, rank));
    let Some(bucket) = finite.get(at) else {
        return finite[finite.len() - 1].upper;
    };
    if at == 0 && bucket.upper <= 0.0 {
        return bucket.upper;
    }
    let (mut start, mut count) = (0.0, bucket.count);
    if at > 0 {
        start = finite[at - 1].upper;
        count -= finite[at - 1].count;
        rank -= finite[at - 1].count;
    }
    start + (bucket.upper - start) * (rank / count)
}

/// False for NaN: the search for a rank passes over such a bucket.
fn is_at_least(count: f64, rank: f64) -> bool {
    count >= rank
}

/// The share of observations between `lower` and `upper`, interpolated inside finite buckets. NaN without observations.
/// Counts that fall are taken as they are: no quantile has to be searched for.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &[Bucket]) -> f64 {
    let Some(infinite) = buckets.last() else {
        return f64::NAN;
    };
    let total = infinite.count;
    let known = infinite.upper == f64::INFINITY && total != 0.0 && !total.is_nan();
    if !known || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (below(upper, buckets).min(total) - below(lower, buckets).min(total)) / total
}

/// How many observations lie below `value`.
fn below(value: f64, buckets: &[Bucket]) -> f64 {
    let mut rank = 0.0;
    let mut start = match buckets.first() {
        Some(first) if first.upper > 0.0 => 0.0,
        _ => f64::NEG_INFINITY,
    };
    for bucket in buckets {
        if value <= start {
            return rank;
        }
        if value < bucket.upper {
            // Nothing is known about where observations lie in a bucket without an end.
            return if start == f64::NEG_INFINITY {
                bucket.count
            } else if bucket.upper == f64::INFINITY {
                rank
            } else {
                rank + (bucket.count - rank) * (value - start) / (bucket.upper - start)
            };
        }
        rank = bucket.count;
        start = bucket.upper;
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs
            .iter()
            .map(|(upper, count)| Bucket {
                upper: *upper,
                count: *count,
            })
            .collect()
    }

    #[test]
    fn quantiles_are_interpolated_inside_their_bucket() {
        let buckets = of(&[(1.0, 1.0), (2.0, 3.0), (f64::INFINITY, 4.0)]);
        assert_eq!(quantile(0.5, &buckets), 1.5);
        assert_eq!(quantile(1.0, &buckets), 2.0);
        assert_eq!(quantile(0.125, &buckets), 0.5);
        assert!(quantile(0.5, &buckets[..2]).is_nan());
        assert!(quantile(0.5, &[]).is_nan());
    }

    #[test]
    fn a_bucket_whose_count_is_nan_is_passed_over() {
        let buckets = of(&[(1.0, f64::NAN), (2.0, 4.0), (f64::INFINITY, 4.0)]);
        assert!(quantile(0.5, &buckets).is_nan());
        let buckets = of(&[(1.0, 1.0), (2.0, f64::NAN), (f64::INFINITY, 4.0)]);
        assert_eq!(quantile(0.75, &buckets), 2.0);
    }

    #[test]
    fn bounds_are_read_as_go_reads_floats() {
        for (text, want) in [
            ("1e3", 1000.0),
            (".5", 0.5),
            ("+Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("0x1p-2", 0.25),
            ("-0X.8P+1", -1.0),
            ("0x1.fffffffffffff8p0", 2.0),
            (
                "0x1fffffffffffff.4000000000000000000000001p0",
                9_007_199_254_740_991.0,
            ),
            ("0x1fffffffffffff8000000000000001p-52", 2f64.powi(65)),
            ("0x1p-1074", 5e-324),
            ("0x0p999999999", 0.0),
        ] {
            assert_eq!(parse_bound(text), Some(want), "{text}");
        }
        assert!(parse_bound("NaN").is_some_and(f64::is_nan));
        for text in [
            "", "0x10", "-0X1", "0xp1", "0x.p1", "0x1p", "0xgp1", "0x1p1024", "+-0x1p1", "+NaN",
            "1e400", "1 ", "x",
        ] {
            assert_eq!(parse_bound(text), None, "{text}");
        }
    }

    #[test]
    fn counts_that_fall_are_lifted() {
        let mut buckets = of(&[(1.0, 2.0), (2.0, 1.0), (3.0, 5.0)]);
        let lifted = make_monotonic(&mut buckets, 7).unwrap();
        assert_eq!((lifted.bounds, lifted.by), ((2.0, 2.0), 1.0));
        assert_eq!(buckets, of(&[(1.0, 2.0), (2.0, 2.0), (3.0, 5.0)]));
        let mut rounding = of(&[(1.0, 2.0), (2.0, 2.0 - 1e-15)]);
        assert!(make_monotonic(&mut rounding, 7).is_none());
        assert_eq!(rounding[1].count, 2.0);
    }
}
