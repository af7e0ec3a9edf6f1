//! Sample values: the special NaNs, and floats as the text that Prometheus' clients expect.

use crate::time::TimestampMs;

/// One measurement: a time and a value.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When.
    pub t: TimestampMs,
    /// How much. Any bit pattern is legal and comes back unchanged.
    pub v: f64,
}

/// What a sample of any kind holds, as protocols carry them.
///
/// Columns, segments and the evaluator are made for numbers. Histograms are named here, so that whoever reads a protocol has
/// something to hand over, and the store can refuse it by name instead of half understanding it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SampleValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Box<NativeHistogram>),
}

/// A native histogram of Prometheus: exponential buckets, as remote write carries them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NativeHistogram {
    /// Bucket `i` ends at `2^(i * 2^-schema)`.
    pub schema: i8,
    /// How many observations.
    pub count: f64,
    /// The sum of all observations.
    pub sum: f64,
    /// Observations no further from zero than this are in the zero bucket.
    pub zero_threshold: f64,
    /// How many observations are in the zero bucket.
    pub zero_count: f64,
    /// Observations above zero, by index of the bucket.
    pub positive: Vec<(i32, f64)>,
    /// Observations below zero, by index of the bucket.
    pub negative: Vec<(i32, f64)>,
}

/// The NaN that ends a series (a staleness marker). Only its bits tell it from other NaNs.
pub const STALE_NAN: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// The NaN that any NaN from a text format becomes, so that nobody can forge a staleness marker.
pub const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// True for exactly the staleness marker.
pub fn is_stale(v: f64) -> bool {
    v.to_bits() == STALE_NAN.to_bits()
}

/// A value as Prometheus' JSON writes it: shortest text that reads back the same, `+Inf`, `-Inf`,
/// `NaN`, exponent form below 1e-6 and from 1e21 on.
pub fn format_value(v: f64) -> String {
    let mut out = String::with_capacity(24);
    push_value(&mut out, v);
    out
}

/// Appends what [`format_value`] returns.
pub fn push_value(out: &mut String, v: f64) {
    use std::fmt::Write as _;
    let magnitude = v.abs();
    if magnitude < 9e15 && (v as i64 as f64).to_bits() == v.to_bits() {
        // Whole numbers, as counters and counts have them; minus zero is not one of them.
        out.push_str(itoa::Buffer::new().format(v as i64));
    } else if (1e-5..9e15).contains(&magnitude) {
        // Where no exponent is written, by the fastest algorithm there is: answers are mostly such numbers.
        out.push_str(zmij::Buffer::new().format_finite(v));
    } else if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if v != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        push_exponent(out, v);
    } else {
        // Writing to a String cannot fail; Rust's Display is a shortest text that reads back.
        let _ = write!(out, "{v}");
    }
}

/// Go's `%e` with the shortest mantissa, as alerts carry it in `/api/v1/alerts`: `1.5e+01`.
pub fn format_exponent(v: f64) -> String {
    let mut out = String::with_capacity(24);
    if v.is_finite() {
        push_exponent(&mut out, v);
    } else {
        push_value(&mut out, v);
    }
    out
}

fn push_exponent(out: &mut String, v: f64) {
    use std::fmt::Write as _;
    let text = format!("{v:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
}

/// Reads a float as Go's `strconv.ParseFloat` does for what PromQL and the text formats allow:
/// decimal, exponent, hexadecimal integers, `Inf` and `NaN` in any case, with an optional sign.
pub fn parse_value(text: &str) -> Option<f64> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        f64::INFINITY
    } else if body.eq_ignore_ascii_case("nan") {
        return Some(NORMAL_NAN);
    } else if let Some(hex) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(hex, 16).ok()? as f64
    } else {
        if !body
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_digit() || b == b'.')
        {
            return None; // Rust would also read a second sign here.
        }
        body.parse().ok()?
    };
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        for (v, want) in [
            (1.0, "1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-07"),
            (-1234.0, "-1234"),
            (8_999_999_999_999_999.0, "8999999999999999"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (f64::INFINITY, "+Inf"),
            (STALE_NAN, "NaN"),
            (-0.0, "-0"),
            // In the middle between two texts of the same length, the even one is taken, as Go does.
            (1_064_672_692_435.781_2, "1064672692435.7812"),
        ] {
            assert_eq!(format_value(v), want);
        }
        // Around the ends of the ranges that are written in different ways.
        for v in [
            1e-6, 9.999e-6, 1e-5, 1.000_1e-5, 8.999e15, 9e15, 9.1e15, 1e16, 1.5e16,
        ] {
            assert_eq!(format_value(v), format!("{v}"));
            assert_eq!(format_value(-v), format!("{}", -v));
        }
        assert_eq!(format_exponent(15.0), "1.5e+01");
        assert_eq!(format_exponent(1.0), "1e+00");
        assert_eq!(format_exponent(0.0), "0e+00");
    }

    #[test]
    fn every_way_of_writing_gives_the_shortest_text() {
        let mut state = 1_u64;
        for _ in 0..100_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Exponents of 1e-6 to 1e17, every fifth with few digits.
            let exponent = 1023 - 20 + (state >> 58);
            let mut v = f64::from_bits(state >> 12 | exponent << 52);
            if state.is_multiple_of(5) {
                v = (v * 1000.0).round() / 1000.0;
            }
            let text = format_value(v);
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(v.to_bits()));
            if v >= 1e-6 {
                assert_eq!(text.len(), format!("{v}").len(), "{text}");
            }
        }
    }

    #[test]
    fn values_are_read_as_go_reads_them() {
        assert_eq!(parse_value("0x1F"), Some(31.0));
        assert_eq!(parse_value("-Inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_value(".5"), Some(0.5));
        assert_eq!(parse_value("5."), Some(5.0));
        assert!(parse_value("nan").is_some_and(|v| v.is_nan() && !is_stale(v)));
        for bad in ["", "-", "--1", "+-1", "0x", "1e", "abc", "infin"] {
            assert_eq!(parse_value(bad), None, "{bad}");
        }
    }
}
