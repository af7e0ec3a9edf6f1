//! Random samples: counters with resets, gauges, buckets, sparse series, gaps, NaN, infinities, staleness markers,
//! and metrics whose series differ in nothing but the name.
//!
//! Values are quarters of whole numbers, so that sums and differences are exact: what differs is wrong.

use std::collections::BTreeMap;
use std::fmt::Write;

use bellwether_model::{Labels, STALE_NAN, is_stale};
use bellwether_query::source::memory::MemorySource;

use crate::random::Random;

/// The names of the labels and their values, `__name__` among them.
pub(crate) type LabelMap = BTreeMap<String, String>;

/// Series sorted by labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    pub(crate) series: Vec<Series>,
}

/// One series: times strictly ascending.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: LabelMap,
    pub(crate) points: Vec<(i64, f64)>,
}

/// How samples lie in time, and what they may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The time of the first scrape, milliseconds.
    pub(crate) start: i64,
    /// Added to every time. 0 puts samples onto the edges of windows.
    pub(crate) shift: i64,
}

impl Shape {
    /// Samples often lie exactly on the edges of windows.
    pub(crate) const EDGES: Shape = Shape { start: 0, shift: 0 };
}

/// Times are multiples of this, and so are ranges, offsets and steps.
const TICK: i64 = 5_000;

/// From the first to the last scrape.
pub(crate) const SPAN: i64 = 1_200_000;

/// What a series' values look like.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    /// A gauge of few different values: ties.
    Level,
    Sparse,
    /// A gauge with what is not a number.
    Odd,
    /// Unix seconds.
    Date,
    One,
}

impl Data {
    /// The data of a seed.
    pub(crate) fn random(seed: u64, shape: Shape) -> Data {
        let mut rng = Random::new(seed ^ 0xda7a);
        let mut data = Data::default();
        for (name, kind, percent) in [
            ("c_total", Kind::Counter, 85),
            ("d_total", Kind::Counter, 60),
            ("g", Kind::Gauge, 85),
            ("h", Kind::Gauge, 80),
            ("level", Kind::Level, 60),
            ("sparse", Kind::Sparse, 60),
            ("odd", Kind::Odd, 50),
            ("date", Kind::Date, 30),
        ] {
            for job in ["a", "b"] {
                for instance in ["0", "1", "10"] {
                    if rng.chance(percent) {
                        let mut labels = vec![("__name__", name), ("job", job)];
                        labels.push(("instance", instance));
                        if rng.chance(30) {
                            labels.push(("zone", rng.pick(&["z1", "z2"])));
                        }
                        data.push(&labels, values(&mut rng, kind, shape));
                    }
                }
            }
        }
        data.push(&[("__name__", "one")], values(&mut rng, Kind::One, shape));
        for job in ["a", "b"] {
            data.push_buckets(&mut rng, job, shape);
        }
        data.push_info(&mut rng, shape);
        data.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        data.series.dedup_by(|a, b| a.labels == b.labels);
        data
    }

    fn push(&mut self, labels: &[(&str, &str)], points: Vec<(i64, f64)>) {
        let labels = labels.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        self.series.push(Series {
            labels: labels.collect(),
            points,
        });
    }

    /// Buckets of one histogram; now and then one is missing, falls back, or has a bound that is none.
    fn push_buckets(&mut self, rng: &mut Random, job: &str, shape: Shape) {
        let bounds = ["-1", "0.5", "1", "2.5", "1e1", "+Inf"];
        let times = times(rng, 80, shape);
        let mut totals = vec![0.0; bounds.len()];
        let mut points = vec![Vec::new(); bounds.len()];
        let skip_negative = rng.chance(70);
        for t in times {
            let mut sum = 0.0;
            for (bound, total) in totals.iter_mut().enumerate() {
                *total += rng.below(9) as f64;
                sum += *total;
                let torn = rng.chance(2);
                points[bound].push((t, if torn { sum / 2.0 } else { sum }));
            }
        }
        for (bound, points) in bounds.iter().zip(points) {
            if (*bound == "-1" && skip_negative) || rng.chance(4) {
                continue;
            }
            let labels = [("__name__", "b_bucket"), ("job", job), ("le", bound)];
            self.push(&labels, points);
        }
        if rng.chance(10) {
            let labels = [("__name__", "b_bucket"), ("job", job), ("le", "many")];
            self.push(&labels, values(rng, Kind::Counter, shape));
        }
    }

    /// Info series; a new version takes over from the old one.
    fn push_info(&mut self, rng: &mut Random, shape: Shape) {
        for (job, instance) in [("a", "0"), ("a", "1"), ("b", "0")] {
            let all = values(rng, Kind::One, shape);
            let cut = rng.below(all.len() as u64 + 1) as usize;
            for (version, points) in [("1", &all[..cut]), ("2", &all[cut..])] {
                let labels = [
                    ("__name__", "target_info"),
                    ("job", job),
                    ("instance", instance),
                    ("version", version),
                ];
                self.push(&labels, points.to_vec());
            }
        }
    }

    /// The same samples for the evaluator under test.
    pub(crate) fn source(&self) -> MemorySource {
        let mut source = MemorySource::new();
        for series in &self.series {
            let labels = Labels::from_pairs(series.labels.iter());
            for (t, v) in &series.points {
                source.push(&labels, *t, *v);
            }
        }
        source
    }

    /// As a script of promqltest: what a failure prints. Times must be multiples of the tick.
    pub(crate) fn script(&self) -> String {
        let mut out = format!("load {}s\n", TICK / 1000);
        for series in &self.series {
            let labels = Labels::from_pairs(series.labels.iter());
            let _ = write!(out, "  {labels}");
            let mut next = 0;
            for (t, v) in &series.points {
                let gap = t / TICK - next;
                if gap > 0 {
                    let _ = write!(out, " _x{gap}");
                }
                if is_stale(*v) {
                    out.push_str(" stale");
                } else {
                    let _ = write!(out, " {v}");
                }
                next = t / TICK + 1;
            }
            out.push('\n');
        }
        out
    }
}

/// Scrape times with a missed scrape now and then; `percent` of the data's time is covered.
fn times(rng: &mut Random, percent: u64, shape: Shape) -> Vec<i64> {
    let interval = rng.pick(&[2, 3, 4, 6]) * TICK;
    let mut t = if rng.chance(percent) {
        0
    } else {
        rng.below((SPAN / TICK) as u64 / 2) as i64 * TICK
    };
    let end = if rng.chance(percent) {
        SPAN
    } else {
        SPAN / 2 + rng.below((SPAN / TICK) as u64 / 2) as i64 * TICK
    };
    let mut out = Vec::new();
    while t <= end {
        if !rng.chance(5) {
            out.push(shape.start + t + shape.shift);
        }
        t += interval;
        if rng.chance(8) {
            t += TICK;
        }
        if rng.chance(1) {
            t += 60 * TICK; // Longer than the lookback.
        }
    }
    out
}

fn values(rng: &mut Random, kind: Kind, shape: Shape) -> Vec<(i64, f64)> {
    let times = times(rng, 70, shape);
    let mut out = Vec::with_capacity(times.len());
    let mut v = rng.below(400) as f64 / 4.0;
    if matches!(kind, Kind::Counter) && rng.chance(40) {
        v = 0.0;
    }
    for t in times {
        let value = match kind {
            Kind::Counter => {
                v += if rng.chance(15) {
                    0.0
                } else {
                    rng.below(80) as f64 / 4.0
                };
                if rng.chance(4) {
                    v = rng.below(40) as f64 / 4.0;
                }
                v
            }
            Kind::Gauge => {
                v += rng.below(81) as f64 / 4.0 - 10.0;
                v
            }
            Kind::Level => rng.below(4) as f64 - 1.0,
            Kind::Sparse => {
                if !rng.chance(8) {
                    continue;
                }
                rng.below(100) as f64
            }
            Kind::Odd => match rng.below(20) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                3 => STALE_NAN,
                _ => rng.below(100) as f64 / 4.0,
            },
            Kind::Date => 1_000_000_000.0 + rng.below(1_000_000_000) as f64,
            Kind::One => 1.0,
        };
        let ends = !matches!(kind, Kind::One) && rng.chance(1);
        out.push((t, if ends { STALE_NAN } else { value }));
    }
    out
}
