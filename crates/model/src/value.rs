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
    if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if v != 0.0 && v.trunc() == v && v.abs() < 9e15 {
        // Whole numbers, as counters and counts have them: several times faster than the general case.
        let _ = write!(out, "{}", v as i64);
    } else if v != 0.0 && (v.abs() < 1e-6 || v.abs() >= 1e21) {
        push_exponent(out, v);
    } else {
        // Writing to a String cannot fail; Rust's Display is the shortest text that reads back.
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
        ] {
            assert_eq!(format_value(v), want);
        }
        assert_eq!(format_exponent(15.0), "1.5e+01");
        assert_eq!(format_exponent(1.0), "1e+00");
        assert_eq!(format_exponent(0.0), "0e+00");
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
