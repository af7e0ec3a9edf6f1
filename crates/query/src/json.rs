//! The `data` object of `/api/v1/query` and `/api/v1/query_range`, written straight from the columns.
//!
//! Sample values are strings, times are seconds with up to three decimals.

use std::fmt::Write as _;

use bellwether_model::json::{push_json_pairs, push_json_string};
use bellwether_model::{Labels, TimestampMs, limits, value::push_value};

use crate::aggregate::spread::plain;
use crate::answer::{Answer, Matrix, Value};
use crate::budget::LOOK_EVERY;
use crate::control::Control;
use crate::error::QueryError;

/// About what a point of a range takes: `[1700000000,"0.123456789"],`.
const POINT_BYTES: usize = 30;
/// About what a series takes beside its points.
const SERIES_BYTES: usize = 128;

/// Appends `{"resultType":..,"result":..}` to `out`, at most `rows_max` series of it.
///
/// Errors when the text becomes longer than `query.response_bytes`, or `control` is set meanwhile; then `out` ends anywhere.
pub fn write_json(
    answer: &Answer,
    rows_max: usize,
    control: &Control,
    out: &mut String,
) -> Result<(), QueryError> {
    let bounds = Bounds {
        len_max: out.len().saturating_add(limits::QUERY_RESPONSE_MAX.usize()),
        control,
    };
    match &answer.value {
        Value::Scalar(sample) => {
            out.push_str("{\"resultType\":\"scalar\",\"result\":[");
            push_time(out, sample.t);
            out.push_str(",\"");
            // Other than in vectors, upstream writes no exponents here.
            out.push_str(&plain(sample.v));
            out.push_str("\"]");
        }
        Value::String(t, text) => {
            out.push_str("{\"resultType\":\"string\",\"result\":[");
            push_time(out, *t);
            out.push(',');
            push_json_string(out, text);
            out.push(']');
        }
        Value::Vector(rows) => {
            out.push_str("{\"resultType\":\"vector\",\"result\":[");
            for (i, (labels, sample)) in rows.iter().take(rows_max).enumerate() {
                begin_row(out, i, labels);
                out.push_str(",\"value\":");
                push_sample(out, sample.t, sample.v);
                out.push('}');
                bounds.check(out)?;
            }
            out.push(']');
        }
        Value::Matrix(matrix) => {
            out.push_str("{\"resultType\":\"matrix\",\"result\":[");
            push_matrix(out, matrix, rows_max, &bounds)?;
            out.push(']');
        }
    }
    out.push('}');
    Ok(())
}

/// What a text may grow to, and while what.
struct Bounds<'a> {
    len_max: usize,
    control: &'a Control,
}

impl Bounds<'_> {
    fn check(&self, out: &str) -> Result<(), QueryError> {
        if out.len() > self.len_max {
            let max = limits::QUERY_RESPONSE_MAX.usize();
            return Err(QueryError::ResponseLimit { max });
        }
        self.control.check()
    }
}

fn push_matrix(
    out: &mut String,
    matrix: &Matrix,
    rows_max: usize,
    bounds: &Bounds<'_>,
) -> Result<(), QueryError> {
    let rows = matrix.len().min(rows_max);
    let times = Times::of(matrix);
    if rows == matrix.len() {
        // Growing step by step would copy the text again and again, into fresh memory each time.
        let expected = matrix.points() * POINT_BYTES + rows * SERIES_BYTES;
        out.reserve(expected.min(limits::QUERY_RESPONSE_MAX.usize()));
    }
    for index in 0..rows {
        begin_row(out, index, matrix.labels(index));
        out.push_str(",\"values\":[");
        let mut first = true;
        if let Some(times) = &times {
            matrix.for_each_step(index, |step, v| {
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                out.push_str(times.text(step));
                push_value(out, v);
                out.push_str("\"]");
            });
        } else {
            // Nothing limits the samples of one series but the memory of the query.
            let (mut done, mut checked) = (0_usize, Ok(()));
            matrix.for_each(index, |t, v| {
                if done.is_multiple_of(LOOK_EVERY) && checked.is_ok() {
                    checked = bounds.check(out);
                }
                done += 1;
                if checked.is_err() {
                    return;
                }
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                push_sample(out, t, v);
            });
            checked?;
        }
        out.push_str("]}");
        bounds.check(out)?;
    }
    Ok(())
}

/// The beginning of a series, its labels.
fn begin_row(out: &mut String, index: usize, labels: &Labels) {
    out.push_str(if index == 0 {
        "{\"metric\":"
    } else {
        ",{\"metric\":"
    });
    push_json_pairs(out, labels);
}

/// The times of all series of a range query are the same: written once, copied for each.
struct Times {
    text: String,
    /// Where the text of each step ends.
    ends: Vec<usize>,
}

impl Times {
    /// Fewer series than this come off better when each writes its own.
    const SERIES_MIN: usize = 4;

    fn of(matrix: &Matrix) -> Option<Times> {
        if matrix.len() < Times::SERIES_MIN {
            return None;
        }
        let (mut text, mut ends) = (String::new(), Vec::new());
        for t in matrix.times()? {
            text.push('[');
            push_time(&mut text, t);
            text.push_str(",\"");
            ends.push(text.len());
        }
        Some(Times { text, ends })
    }

    /// How the sample of a step begins.
    fn text(&self, step: usize) -> &str {
        let start = step.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[step]]
    }
}

fn push_sample(out: &mut String, t: TimestampMs, v: f64) {
    out.push('[');
    push_time(out, t);
    out.push_str(",\"");
    push_value(out, v);
    out.push_str("\"]");
}

pub(crate) fn push_time(out: &mut String, t: TimestampMs) {
    let (seconds, millis) = (t.0.unsigned_abs() / 1000, t.0.unsigned_abs() % 1000);
    if t.0 < 0 {
        out.push('-');
    }
    out.push_str(itoa::Buffer::new().format(seconds));
    if millis != 0 {
        // Writing to a String cannot fail.
        let _ = write!(out, ".{millis:03}");
        while out.ends_with('0') {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_model::Sample;

    use super::*;

    fn answer(value: Value) -> Answer {
        Answer {
            value,
            warnings: Vec::new(),
            infos: Vec::new(),
            stats: crate::Stats::default(),
        }
    }

    #[test]
    fn a_text_longer_than_answers_may_be_is_refused() {
        let labels = Labels::from_pairs([("l", "x".repeat(4096))]);
        let sample = Sample {
            t: TimestampMs(0),
            v: 1.0,
        };
        let long = answer(Value::Vector(vec![(labels, sample); 20_000]));
        let write = |rows| write_json(&long, rows, &Control::new(), &mut String::new());
        write(10_000).unwrap();
        let error = write(usize::MAX).unwrap_err();
        assert_eq!(error.limit(), Some("query.response_bytes"), "{error}");
        assert!(
            error.to_string().contains("query.response_bytes"),
            "{error}"
        );
    }

    #[test]
    fn only_scalars_have_no_exponents() {
        let sample = |v| Sample {
            t: TimestampMs(1500),
            v,
        };
        let write = |value| {
            let mut out = String::new();
            write_json(&answer(value), 1, &Control::new(), &mut out).unwrap();
            out
        };
        for (v, scalar, vector) in [
            (1e21, "1000000000000000000000", "1e+21"),
            (-2.5e-7, "-0.00000025", "-2.5e-07"),
            (-0.0, "-0", "-0"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NAN, "NaN", "NaN"),
        ] {
            let want = format!("{{\"resultType\":\"scalar\",\"result\":[1.5,\"{scalar}\"]}}");
            assert_eq!(write(Value::Scalar(sample(v))), want);
            let rows = write(Value::Vector(vec![(Labels::default(), sample(v))]));
            assert!(rows.contains(&format!("[1.5,\"{vector}\"]")), "{rows}");
        }
    }

    #[test]
    fn times_have_up_to_three_decimals() {
        for (ms, want) in [
            (0, "0"),
            (1500, "1.5"),
            (-1, "-0.001"),
            (1_435_781_430_781, "1435781430.781"),
        ] {
            let mut out = String::new();
            push_time(&mut out, TimestampMs(ms));
            assert_eq!(out, want);
        }
    }
}
