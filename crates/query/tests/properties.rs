//! Properties that hold for any samples: windows agree with a naive reading of their definitions,
//! a range is its instants, and neither splitting nor threads change a bit.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bellwether_lang::promql::parse;
use bellwether_model::{DurationMs, Labels, STALE_NAN, TimestampMs, is_stale};
use bellwether_query::source::memory::MemorySource;
use bellwether_query::{Control, Matrix, Options, Steps, Value, instant, range};
use proptest::prelude::*;

/// Gaps and values of one series.
fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let value = prop_oneof![
        8 => (-50..50_i32).prop_map(|v| f64::from(v) / 4.0),
        3 => (0..1000_i32).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(STALE_NAN),
        1 => Just(1e100),
    ];
    prop::collection::vec((1..12_000_i64, value), 0..250).prop_map(|steps| {
        let mut t = 0;
        let at = |(gap, v)| {
            t += gap;
            (t, v)
        };
        steps.into_iter().map(at).collect()
    })
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", "x_total".to_string()),
        ("group", format!("g{}", series % 3)),
        ("series", format!("s{series:03}")),
    ])
}

fn source(series: &[Vec<(i64, f64)>]) -> MemorySource {
    let mut source = MemorySource::new();
    for (i, samples) in series.iter().enumerate() {
        for (t, v) in samples {
            source.push(&labels(i), *t, *v);
        }
    }
    source
}

fn matrix(
    query: &str,
    source: &MemorySource,
    steps: Steps,
    threads: usize,
) -> Vec<(Labels, Vec<(i64, u64)>)> {
    let options = Options {
        threads,
        ..Options::default()
    };
    let answer = range(
        &parse(query).unwrap(),
        source,
        steps,
        &options,
        &Control::new(),
    )
    .unwrap();
    let Value::Matrix(matrix) = answer.value else {
        panic!("a range query answers with a matrix");
    };
    rows(&matrix)
}

/// Values as bits: equal means equal to the last one.
fn rows(matrix: &Matrix) -> Vec<(Labels, Vec<(i64, u64)>)> {
    (0..matrix.len())
        .map(|i| {
            let columns = matrix.columns(i);
            let bits = columns.values.iter().map(|v| v.to_bits());
            (
                matrix.labels(i).clone(),
                columns.times.iter().copied().zip(bits).collect(),
            )
        })
        .collect()
}

fn steps(start: i64, end: i64, step: i64) -> Steps {
    Steps {
        start: TimestampMs(start),
        end: TimestampMs(end),
        step: DurationMs(step),
    }
}

/// What a window function gives for the samples inside a window, straight from its definition.
fn naive(function: &str, window: &[(i64, f64)], start: i64, end: i64) -> Option<f64> {
    let values: Vec<f64> = window.iter().map(|(_, v)| *v).collect();
    let n = values.len() as f64;
    let numbers = || values.iter().copied().filter(|v| !v.is_nan());
    if values.is_empty() {
        return None;
    }
    let pairs = || values.windows(2).map(|p| (p[0], p[1]));
    match function {
        "count_over_time" => Some(n),
        "min_over_time" => Some(numbers().reduce(f64::min).unwrap_or(f64::NAN)),
        "max_over_time" => Some(numbers().reduce(f64::max).unwrap_or(f64::NAN)),
        "last_over_time" => values.last().copied(),
        "first_over_time" => values.first().copied(),
        "sum_over_time" => Some(values.iter().sum()),
        "avg_over_time" => Some(values.iter().sum::<f64>() / n),
        "stdvar_over_time" => {
            let mean = values.iter().sum::<f64>() / n;
            Some(values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n)
        }
        "quantile_over_time" => Some(naive_quantile(0.9, &values)),
        "mad_over_time" if numbers().count() < values.len() => Some(f64::NAN),
        "mad_over_time" => {
            let median = naive_quantile(0.5, &values);
            let deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
            Some(naive_quantile(0.5, &deviations))
        }
        "deriv" | "predict_linear" if values.len() < 2 => None,
        "deriv" => Some(naive_line(window, end).0),
        "predict_linear" => {
            let (slope, now) = naive_line(window, end);
            Some(now + slope * 60.0)
        }
        "changes" => {
            let changed = |(a, b): &(f64, f64)| a != b && !(a.is_nan() && b.is_nan());
            Some(pairs().filter(changed).count() as f64)
        }
        "resets" => Some(pairs().filter(|(a, b)| b < a).count() as f64),
        "rate" => {
            let (first, last) = (window[0], window[window.len() - 1]);
            if window.len() < 2 {
                return None;
            }
            let drops: f64 = pairs().filter(|(a, b)| b < a).map(|(a, _)| a).sum();
            let change = last.1 - first.1 + drops;
            let seconds = |ms: i64| ms as f64 / 1000.0;
            let sampled = seconds(last.0 - first.0);
            let average = sampled / (n - 1.0);
            let extend = |gap: f64| {
                if gap < average * 1.1 {
                    gap
                } else {
                    average / 2.0
                }
            };
            let mut before = extend(seconds(first.0 - start));
            if change > 0.0 && first.1 >= 0.0 {
                before = before.min(sampled * first.1 / change);
            }
            let covered = sampled + before + extend(seconds(end - last.0));
            Some(change * covered / sampled / seconds(end - start))
        }
        other => panic!("no reference for {other}"),
    }
}

fn naive_quantile(q: f64, values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| {
        let nan_first = b.is_nan().cmp(&a.is_nan());
        nan_first.then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let rank = q * (sorted.len() - 1) as f64;
    let (below, share) = (rank as usize, rank.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] * (1.0 - share) + sorted[above] * share
}

/// Slope, and value at `end`, of the least-squares line.
fn naive_line(window: &[(i64, f64)], end: i64) -> (f64, f64) {
    let n = window.len() as f64;
    let x = |t: i64| (t - end) as f64 / 1000.0;
    let mean_x = window.iter().map(|s| x(s.0)).sum::<f64>() / n;
    let mean_y = window.iter().map(|s| s.1).sum::<f64>() / n;
    let products = window.iter().map(|s| (x(s.0) - mean_x) * (s.1 - mean_y));
    let squares = window.iter().map(|s| (x(s.0) - mean_x).powi(2));
    let slope = products.sum::<f64>() / squares.sum::<f64>();
    (slope, mean_y - slope * mean_x)
}

/// The absolute part is for lines that are flat but for rounding.
fn close(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * (a.abs() + b.abs()) + 1e-10
}

/// Huge values next to small ones: compensated and naive sums differ by design.
const CANCELLING: [&str; 6] = [
    "sum_over_time",
    "avg_over_time",
    "stdvar_over_time",
    "deriv",
    "predict_linear",
    "rate",
];

const WINDOW_FUNCTIONS: [&str; 15] = [
    "avg_over_time",
    "stdvar_over_time",
    "quantile_over_time",
    "mad_over_time",
    "deriv",
    "predict_linear",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "first_over_time",
    "sum_over_time",
    "changes",
    "resets",
    "rate",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn windows_are_what_their_definitions_say(samples in samples(), range_s in 1..600_i64, step_s in 1..120_i64) {
        let source = source(std::slice::from_ref(&samples));
        let end = samples.last().map_or(0, |s| s.0) + 60_000;
        let fresh: Vec<(i64, f64)> = samples.iter().copied().filter(|s| !is_stale(s.1)).collect();
        for function in WINDOW_FUNCTIONS {
            if CANCELLING.contains(&function) && fresh.iter().any(|s| s.1 == 1e100) {
                continue;
            }
            let query = match function {
                "quantile_over_time" => format!("quantile_over_time(0.9, x_total[{range_s}s])"),
                "predict_linear" => format!("predict_linear(x_total[{range_s}s], 60)"),
                _ => format!("{function}(x_total[{range_s}s])"),
            };
            let got = matrix(&query, &source, steps(0, end, step_s * 1000).capped(), 1);
            let got = got.into_iter().next().map(|(_, row)| row).unwrap_or_default();
            let mut want = Vec::new();
            let mut t = 0;
            while t <= steps(0, end, step_s * 1000).capped().end.0 {
                let start = t - range_s * 1000;
                let window: Vec<_> = fresh.iter().copied().filter(|s| start < s.0 && s.0 <= t).collect();
                want.extend(naive(function, &window, start, t).map(|v| (t, v)));
                t += step_s * 1000;
            }
            prop_assert_eq!(want.len(), got.len(), "{}", query);
            for ((t, want), (at, bits)) in want.into_iter().zip(got) {
                prop_assert_eq!(t, at);
                let got = f64::from_bits(bits);
                prop_assert!(close(want, got), "{query} at {t}: want {want}, got {got}");
            }
        }
    }

    #[test]
    fn a_range_is_its_instants_and_can_be_split(series in prop::collection::vec(samples(), 1..5), step_s in 1..90_i64) {
        let source = source(&series);
        let whole = steps(30_000, 30_000 + 40 * step_s * 1000, step_s * 1000);
        for query in QUERIES {
            let expr = parse(query).unwrap();
            let all = matrix(query, &source, whole, 1);
            let middle = 30_000 + 20 * step_s * 1000;
            let mut parts = matrix(query, &source, Steps { end: TimestampMs(middle), ..whole }, 1);
            let second = Steps { start: TimestampMs(middle + step_s * 1000), ..whole };
            for (labels, row) in matrix(query, &source, second, 1) {
                match parts.iter_mut().find(|(l, _)| *l == labels) {
                    Some((_, first)) => first.extend(row),
                    None => parts.push((labels, row)),
                }
            }
            parts.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(&all, &parts, "{}", query);
            for step in [0, 7, 40] {
                let t = 30_000 + step * step_s * 1000;
                let at = |(labels, row): &(Labels, Vec<(i64, u64)>)| {
                    let point = row.iter().find(|(at, _)| *at == t)?;
                    Some((labels.clone(), point.1))
                };
                let want: Vec<_> = all.iter().filter_map(at).collect();
                let answer = instant(&expr, &source, TimestampMs(t), &Options::default(), &Control::new()).unwrap();
                let Value::Vector(samples) = answer.value else { panic!("not a vector") };
                let mut got: Vec<_> = samples.into_iter().map(|(l, s)| (l, s.v.to_bits())).collect();
                got.sort();
                prop_assert_eq!(want, got, "{} at {}", query, t);
            }
        }
    }
}

const QUERIES: [&str; 17] = [
    "increase(x_total[20m])",
    "stddev_over_time(x_total[15m])",
    "quantile_over_time(0.3, x_total[10m])",
    "mad_over_time(x_total[10m])",
    "deriv(x_total[20m])",
    "predict_linear(x_total[20m], 60)",
    "rate(x_total[5m] smoothed)",
    "increase(x_total[20m] anchored)",
    "x_total",
    "rate(x_total[2m])",
    "sum by (group) (rate(x_total[90s]))",
    "avg_over_time(x_total[10m])",
    "sum(sum_over_time(x_total[20m]))",
    "max by (group) (x_total) - on (group) min by (group) (x_total)",
    "topk by (group) (1, x_total)",
    "max_over_time(rate(x_total[1m])[3m:20s])",
    "stddev(x_total) or vector(time())",
];

trait Capped {
    /// No more than 11,000 steps.
    fn capped(self) -> Self;
}

impl Capped for Steps {
    fn capped(mut self) -> Steps {
        self.end = self.end.min(TimestampMs(self.start.0 + 5000 * self.step.0));
        self
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let series: Vec<Vec<(i64, f64)>> = (0..700_i64)
        .map(|s| {
            (0..60)
                .map(|i| {
                    (
                        i * 15_000 + s % 13,
                        ((s * 31 + i * i * 7) % 101) as f64 / 7.0,
                    )
                })
                .collect()
        })
        .collect();
    let source = source(&series);
    for query in QUERIES
        .iter()
        .copied()
        .chain(["avg(x_total)", "stdvar by (group) (x_total)"])
    {
        let steps = steps(60_000, 900_000, 30_000);
        let one = matrix(query, &source, steps, 1);
        for threads in [2, 3, 8] {
            assert_eq!(one, matrix(query, &source, steps, threads), "{query}");
        }
    }
}
