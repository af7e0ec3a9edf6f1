//! Fuzz targets: any bytes in, an oracle inside.

use bellwether_lang::promql::parse;
use bellwether_model::{DurationMs, Labels, STALE_NAN, TimestampMs};

use crate::source::memory::MemorySource;
use crate::{Control, Options, QueryError, Steps, Value, instant, range, write_json};

/// A query over a fixed set of samples: it ends with a value or an error, the number of threads changes neither, and
/// a range agrees with its instants.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(expr) = parse(text) else {
        return;
    };
    let source = samples();
    let ask = |threads, steps: Option<Steps>| {
        // Small limits: a fuzzer finds huge subqueries fast, and each would take its time.
        let options = Options {
            threads,
            memory_max: 4 << 20,
            samples_max: 200_000,
            ..Options::default()
        };
        let control = Control::new();
        match steps {
            None => instant(&expr, &source, AT, &options, &control),
            Some(steps) => range(&expr, &source, steps, &options, &control),
        }
    };
    let one = ask(1, None);
    assert_eq!(shown(&one), shown(&ask(3, None)), "{text}");
    let steps = Steps {
        start: AT,
        end: AT,
        step: DurationMs(1000),
    };
    let ranged = ask(2, Some(steps));
    // Queries that ask for the step may differ, and sorting is for instants alone.
    let differs = ["step", "range", "start", "end", "sort"];
    let lower = text.to_ascii_lowercase();
    if let (Ok(one), Ok(ranged)) = (&one, &ranged)
        && !differs.iter().any(|word| lower.contains(word))
        && let (Value::Vector(samples), Value::Matrix(matrix)) = (&one.value, &ranged.value)
    {
        let mut want: Vec<_> = samples.iter().map(|(l, s)| (l, s.v.to_bits())).collect();
        want.sort();
        let first = |i| matrix.columns(i).values.first().map_or(0, |v| v.to_bits());
        let got: Vec<_> = (0..matrix.len())
            .map(|i| (matrix.labels(i), first(i)))
            .collect();
        assert_eq!(want, got, "{text}");
    }
}

const AT: TimestampMs = TimestampMs(300_000);

fn samples() -> MemorySource {
    let mut source = MemorySource::new();
    for series in 0..6_i64 {
        let labels = Labels::from_pairs([
            (
                "__name__",
                if series % 2 == 0 { "a" } else { "b_total" }.to_string(),
            ),
            ("x", (series / 2).to_string()),
            ("le", ["0.1", "1", "+Inf"][series as usize / 2].to_string()),
        ]);
        for i in 0..40 {
            let value = match (i + series) % 11 {
                7 => f64::NAN,
                9 if series == 2 => STALE_NAN,
                other => (other * i) as f64 / 4.0,
            };
            source.push(&labels, i * 10_000, value);
        }
    }
    source
}

fn shown(answer: &Result<crate::Answer, QueryError>) -> String {
    match answer {
        Ok(answer) => {
            let mut out = String::new();
            match write_json(answer, usize::MAX, &Control::new(), &mut out) {
                Ok(()) => out,
                Err(error) => error.to_string(),
            }
        }
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: [&str; 14] = [
        "sum by (x) (rate(b_total[1m]))",
        "a / on (x) group_left b_total",
        "topk(2, a) or b_total @ 100",
        "max_over_time(rate(b_total[30s])[2m:10s])",
        "histogram_quantile(0.9, a)",
        "label_replace(a, \"y\", \"$1\", \"x\", \"(.*)\")",
        "count_values(\"v\", a) unless b_total",
        "a offset -1m > bool 3 + scalar(b_total{x=\"1\"})",
        "quantile_over_time(0.5, a[5m]) ^ 2 % 3",
        "a - ignoring (le) fill (0) b_total",
        "predict_linear(a[2m], 60) and avg(a)",
        "increase(b_total[1m] smoothed) + limitk(2, a)",
        "info(a) or absent_over_time(b_total[1s])",
        "stddev_over_time(a[3m] offset 20s) * vector(time())",
    ];

    /// Splices, cuts and changes the seeds, always in the same way.
    #[test]
    fn mutated_queries_keep_the_oracle() {
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below.max(1)
        };
        for _ in 0..3000 {
            let (a, b) = (SEEDS[next(SEEDS.len())], SEEDS[next(SEEDS.len())]);
            let mut bytes = a.as_bytes().to_vec();
            match next(4) {
                0 => {
                    let (from, to) = (next(bytes.len()), next(bytes.len()));
                    bytes.drain(from.min(to)..from.max(to));
                }
                1 => {
                    let at = next(bytes.len());
                    bytes[at] = b"0123456789.()[]{}:,+-*/ abx"[next(27)];
                }
                2 => {
                    let op = ["+", "/", "and", "or", "unless", "> bool", "=="][next(7)];
                    bytes = format!("({a}) {op} ({b})").into_bytes();
                }
                _ => {
                    let call = ["sum", "abs", "sort", "count", "absent", "scalar", "-"][next(7)];
                    bytes = format!("{call}({a})").into_bytes();
                }
            }
            query(&bytes);
        }
    }
}
