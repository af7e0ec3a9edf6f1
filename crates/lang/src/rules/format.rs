//! How numbers look in texts: plain, percent, bytes, duration, printf.
//!
//! Made for people: a handful of digits, units that fit the size. Whoever wants every digit writes `%.17g`.

use std::fmt;
use std::fmt::Write as _;

use bellwether_model::value::push_value;

/// Most digits a printf format may ask for: more than any float has, few enough to stay short.
const PRECISION_MAX: u8 = 20;
/// Widest field of a printf format.
const WIDTH_MAX: u8 = 64;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A ratio as percent, four digits: 0.1428 is `14.28%`.
    Percent,
    /// Bytes in binary units, four digits: `1.5GiB`.
    Bytes,
    /// Seconds as a duration, its two largest units: `3h25m`.
    Duration,
    /// As C writes it.
    Printf(Printf),
}

/// `%[+][0][width][.precision](e|f|g)`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Printf {
    plus: bool,
    zeros: bool,
    width: u8,
    /// `None` is 6, as in C.
    precision: Option<u8>,
    verb: Verb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Fixed,
    Exponent,
    General,
}

impl Format {
    /// The named formats; beside them stands printf.
    pub(super) const NAMES: [&str; 3] = ["percent", "bytes", "duration"];

    /// What stands after `|`; `None` when it is no format.
    pub(super) fn parse(text: &str) -> Option<Format> {
        match text {
            "percent" => Some(Format::Percent),
            "bytes" => Some(Format::Bytes),
            "duration" => Some(Format::Duration),
            _ => Printf::parse(text).map(Format::Printf),
        }
    }

    /// Appends `value` in this format, or plain: six digits, whole numbers whole.
    pub(super) fn push(format: Option<Format>, value: f64, out: &mut String) {
        match format {
            Some(format) => format.render(value, out),
            None if value.fract() == 0.0 && value.abs() < 1e15 => push_value(out, value),
            None => push_digits(value, 6, out),
        }
    }

    /// Appends `value` in this format. NaN and the infinities are words in every format.
    pub(super) fn render(self, value: f64, out: &mut String) {
        if !value.is_finite() {
            return push_value(out, value);
        }
        match self {
            Format::Percent => {
                push_digits(value * 100.0, 4, out);
                out.push('%');
            }
            Format::Bytes => push_bytes(value, out),
            Format::Duration => push_duration(value, out),
            Format::Printf(printf) => printf.render(value, out),
        }
    }
}

/// As a rule file writes it.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Format::Percent => f.write_str("percent"),
            Format::Bytes => f.write_str("bytes"),
            Format::Duration => f.write_str("duration"),
            Format::Printf(printf) => printf.fmt(f),
        }
    }
}

impl Printf {
    fn parse(text: &str) -> Option<Printf> {
        let mut rest = text.strip_prefix('%')?;
        let mut plus = false;
        let mut zeros = false;
        loop {
            match rest.as_bytes().first()? {
                b'+' => plus = true,
                b'0' => zeros = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let width = take_number(&mut rest)?;
        let precision = match rest.strip_prefix('.') {
            Some(after) => {
                rest = after;
                // `%.f` is no digits, as in C.
                Some(take_number(&mut rest)?)
            }
            None => None,
        };
        let verb = match rest {
            "f" => Verb::Fixed,
            "e" => Verb::Exponent,
            "g" => Verb::General,
            _ => return None,
        };
        let fits = width <= WIDTH_MAX && precision.is_none_or(|p| p <= PRECISION_MAX);
        fits.then_some(Printf {
            plus,
            zeros,
            width,
            precision,
            verb,
        })
    }

    fn render(self, value: f64, out: &mut String) {
        let precision = usize::from(self.precision.unwrap_or(6));
        let size = value.abs();
        let digits = match self.verb {
            Verb::Fixed => format!("{size:.precision$}"),
            Verb::Exponent => exponent(size, precision),
            Verb::General => general(size, precision),
        };
        let sign = match (value.is_sign_negative(), self.plus) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let padding = usize::from(self.width).saturating_sub(sign.len() + digits.len());
        if self.zeros {
            out.push_str(sign);
            out.extend(std::iter::repeat_n('0', padding));
        } else {
            out.extend(std::iter::repeat_n(' ', padding));
            out.push_str(sign);
        }
        out.push_str(&digits);
    }
}

impl fmt::Display for Printf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("%")?;
        if self.plus {
            f.write_str("+")?;
        }
        if self.zeros {
            f.write_str("0")?;
        }
        if self.width > 0 {
            write!(f, "{}", self.width)?;
        }
        if let Some(precision) = self.precision {
            write!(f, ".{precision}")?;
        }
        f.write_str(match self.verb {
            Verb::Fixed => "f",
            Verb::Exponent => "e",
            Verb::General => "g",
        })
    }
}

/// Takes the number at the start of `rest`, 0 when there is none; `None` when it is too large.
fn take_number(rest: &mut &str) -> Option<u8> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    if number.is_empty() {
        return Some(0);
    }
    number.parse().ok()
}

/// `%.{precision}e` of a value that is finite and not negative: two digits of exponent at least.
fn exponent(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%.{digits}g` of a value that is finite and not negative: significant digits, no trailing zeros.
fn general(size: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let scientific = exponent(size, digits - 1);
    let power: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    if power < -4 || power >= digits as i32 {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{exponent}", without_zeros(mantissa));
    }
    let decimals = (digits as i32 - 1 - power).max(0) as usize;
    without_zeros(&format!("{size:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// A number of `digits` significant digits without trailing zeros, in the form people read.
fn push_digits(value: f64, digits: usize, out: &mut String) {
    if !value.is_finite() {
        return push_value(out, value);
    }
    if value < 0.0 {
        out.push('-');
    }
    let size = value.abs();
    // A long number is not shortened before the point: 12345.6 with four digits is 12346, not 1.235e+04.
    if size >= 10f64.powi(digits as i32) && size < 1e15 {
        let _ = write!(out, "{size:.0}");
    } else {
        out.push_str(&general(size, digits));
    }
}

fn push_bytes(value: f64, out: &mut String) {
    const UNITS: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
    let mut scaled = value;
    let mut unit = 0;
    // Half a digit below 1024 would be rounded to it: 1023.99 KiB reads as 1 MiB.
    while scaled.abs() >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    push_digits(scaled, 4, out);
    out.push_str(UNITS[unit]);
}

fn push_duration(seconds: f64, out: &mut String) {
    if seconds < 0.0 {
        out.push('-');
    }
    let seconds = seconds.abs();
    if seconds == 0.0 {
        return out.push_str("0s");
    }
    if seconds < 1.0 {
        let (scaled, unit) = match seconds {
            s if s >= 0.001 => (s * 1e3, "ms"),
            s if s >= 1e-6 => (s * 1e6, "us"),
            s => (s * 1e9, "ns"),
        };
        push_digits(scaled, 3, out);
        return out.push_str(unit);
    }
    if seconds < 60.0 {
        push_digits(seconds, 3, out);
        return out.push('s');
    }
    // Rounded to the smaller of the two units shown, so that 59m59.7s is 1h and not 59m60s.
    let step = match seconds {
        s if s >= 86_400.0 => 3600.0,
        s if s >= 3600.0 => 60.0,
        _ => 1.0,
    };
    let rounded = (seconds / step).round() * step;
    if rounded >= 1e12 {
        push_digits(rounded / 86_400.0, 4, out);
        return out.push('d');
    }
    let mut rest = rounded as i64;
    for (name, size) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if rest >= size {
            let _ = write!(out, "{}{name}", rest / size);
            rest %= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, cases: &[(f64, &str)]) {
        let format = match format {
            "" => None,
            text => Some(Format::parse(text).unwrap()),
        };
        for (value, expected) in cases {
            let mut out = String::new();
            Format::push(format, *value, &mut out);
            assert_eq!(out, *expected, "{value} as {format:?}");
        }
    }

    #[test]
    fn plain_is_short_and_whole_numbers_are_whole() {
        check(
            "",
            &[
                (0.0, "0"),
                (1_234_567.0, "1234567"),
                (0.1 + 0.2, "0.3"),
                (1.0 / 3.0, "0.333333"),
                (1234567.8, "1234568"),
                (-2.5, "-2.5"),
                (1e-9, "1e-09"),
                (1e20, "1e+20"),
                (f64::NAN, "NaN"),
                (f64::NEG_INFINITY, "-Inf"),
            ],
        );
    }

    #[test]
    fn percent_of_a_ratio() {
        check(
            "percent",
            &[
                (0.15, "15%"),
                (0.1428, "14.28%"),
                (2.0 / 3.0, "66.67%"),
                (-0.02, "-2%"),
                (123.456, "12346%"),
                (0.00001, "0.001%"),
                (f64::INFINITY, "+Inf"),
            ],
        );
    }

    #[test]
    fn bytes_in_binary_units() {
        check(
            "bytes",
            &[
                (0.0, "0B"),
                (1023.0, "1023B"),
                (1024.0, "1KiB"),
                (1023.99 * 1024.0, "1MiB"),
                (1.5 * 1024.0 * 1024.0 * 1024.0, "1.5GiB"),
                (-2048.0, "-2KiB"),
                (1e30, "827181YiB"),
            ],
        );
    }

    #[test]
    fn durations_show_two_units() {
        check(
            "duration",
            &[
                (0.0, "0s"),
                (0.0000002, "200ns"),
                (0.25, "250ms"),
                (12.345, "12.3s"),
                (59.99, "60s"),
                (90.0, "1m30s"),
                (3599.7, "1h"),
                (12_345.0, "3h26m"),
                (86_400.0 * 21.0 + 3600.0, "21d1h"),
                (-90.0, "-1m30s"),
                (1e300, "1.157e+295d"),
            ],
        );
    }

    #[test]
    fn printf_as_c_writes_it() {
        check(
            "%.2f",
            &[(1.005, "1.00"), (-0.5, "-0.50"), (f64::NAN, "NaN")],
        );
        check("%8.1f", &[(2.58, "     2.6")]);
        check("%+08.1f", &[(2.58, "+00002.6")]);
        check("%e", &[(1234.5, "1.234500e+03")]);
        check(
            "%.3g",
            &[
                (1234.5, "1.23e+03"),
                (0.0001234, "0.000123"),
                (100.0, "100"),
            ],
        );
        check(
            "%g",
            &[
                (0.1, "0.1"),
                (0.0, "0"),
                (1e6, "1e+06"),
                (999_999.5, "1e+06"),
            ],
        );
    }

    #[test]
    fn what_is_no_format_is_refused() {
        for text in [
            "", "%", "%d", "%.99f", "%999f", "%.2", "%.2fx", "Percent", "%-5f", "%s", "%.300f",
        ] {
            assert_eq!(Format::parse(text), None, "{text}");
        }
    }

    #[test]
    fn printing_a_format_reads_back() {
        for text in ["percent", "bytes", "duration", "%f", "%+012.3e", "%.0g"] {
            assert_eq!(Format::parse(text).unwrap().to_string(), text);
        }
    }
}
