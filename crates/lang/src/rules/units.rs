//! Numbers with units, and lengths of time: `15%`, `200ms`, `10GiB`, `1h30m`.
//!
//! A unit of ten shifts the decimal point, so `29%` is the float that `0.29` is. Words that are nearly right are
//! answered with what was meant.

use bellwether_model::DurationMs;
use nom::bytes::complete::take_while1;
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize};
use nom::{IResult, Parser};

use super::diagnostic::Mistake;
use super::near::nearest;
use super::scan::{Placed, Scan, shown};
use crate::promql::ast::Span;

impl Scan<'_> {
    /// A number with an optional unit: `15%` is 0.15, `4h` is 14400. `after` is what it follows.
    pub(super) fn number(&mut self, after: &str) -> Result<Placed<f64>, Mistake> {
        let Some(found) = self.take(number) else {
            let what = "a number such as 15% or 4h";
            return Err(match self.rest().strip_prefix('.') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => self
                    .expected("a number begins with a digit".to_string(), what)
                    .help(format!("write `0{}`", self.next().value)),
                _ => self.expected(format!("a number is missing after `{after}`"), what),
            });
        };
        let unit = self
            .here()
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '%' | '_' | '.')))
            .map_or(self.here(), |len| &self.here()[..len]);
        let start = self.position();
        let unit_span = Span {
            start,
            end: start + unit.len(),
        };
        let span = Span {
            start: found.span.start,
            end: unit_span.end,
        };
        self.skip(unit.len());
        let Some(value) = scaled(found.value, unit) else {
            return Err(wrong_unit(found.value, unit, unit_span));
        };
        if !value.is_finite() {
            return Err(Mistake::error(span, "the number is too large")
                .label("more than a 64-bit float holds"));
        }
        if self.here().starts_with(',')
            && self.here()[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            let start = self.position();
            let comma = Span {
                start,
                end: start + 1,
            };
            return Err(Mistake::error(comma, "a comma inside a number")
                .label("write the digits without it"));
        }
        // `15 %` reads as one number and is two words.
        let next = self.next();
        if unit.is_empty() && unit_factor(next.value).is_some() {
            return Err(
                Mistake::error(next.span, "a blank between a number and its unit")
                    .label(format!("write `{}{}`", found.value, next.value)),
            );
        }
        Ok(Placed { value, span })
    }

    /// A length of time: `10m`, `1h30m`. `after` is what it follows.
    pub(super) fn duration(&mut self, after: &str) -> Result<Placed<DurationMs>, Mistake> {
        let example = "a time such as 30s, 10m or 1h30m";
        let in_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_' | '%');
        let starts = self
            .rest()
            .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
        if !starts {
            return Err(self.expected(format!("a time is missing after `{after}`"), example));
        }
        let Some(found) = self.take(|rest| take_while1(in_word)(rest)) else {
            return Err(self.expected(format!("a time is missing after `{after}`"), example));
        };
        if found.value.bytes().all(|b| b.is_ascii_digit()) {
            if found.value.bytes().all(|b| b == b'0') {
                return Ok(Placed {
                    value: DurationMs::ZERO,
                    span: found.span,
                });
            }
            let next = self.next();
            if DurationMs::parse(&format!("{}{}", found.value, next.value)).is_some() {
                return Err(
                    Mistake::error(next.span, "a blank between a number and its unit")
                        .label(format!("write `{}{}`", found.value, next.value)),
                );
            }
            if next.value.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let joined = format!("{}{}", found.value, next.value);
                let meant = wrong_duration(Placed {
                    value: &joined,
                    span: Span {
                        start: found.span.start,
                        end: next.span.end,
                    },
                });
                if meant.label.starts_with("did you mean") {
                    return Err(meant);
                }
            }
            return Err(Mistake::error(
                found.span,
                format!("{} has no unit of time", shown(found.value)),
            )
            .label(format!(
                "write `{0}s` for seconds, `{0}m` for minutes",
                found.value
            )));
        }
        match DurationMs::parse(found.value) {
            Some(value) => Ok(Placed {
                value,
                span: found.span,
            }),
            None => Err(wrong_duration(found)),
        }
    }

    /// A whole number.
    pub(super) fn integer(&mut self, after: &str) -> Result<Placed<u64>, Mistake> {
        let next = self.next();
        let Some(found) = self.take(digit1) else {
            return Err(self.expected(
                format!("a number is missing after `{after}`"),
                "a whole number such as 100",
            ));
        };
        if found.value != next.value {
            return Err(Mistake::error(
                next.span,
                format!("{} is not a whole number", shown(next.value)),
            )
            .label("expected digits only"));
        }
        match found.value.parse() {
            Ok(value) => Ok(Placed {
                value,
                span: found.span,
            }),
            Err(_) => Err(Mistake::error(found.span, "the number is too large")),
        }
    }
}

/// `-1.5e3`, without a unit.
fn number(rest: &str) -> IResult<&str, &str> {
    let exponent = (one_of("eE"), opt(one_of("+-")), digit1);
    recognize((
        opt(one_of("+-")),
        digit1,
        opt((char('.'), digit1)),
        opt(exponent),
    ))
    .parse(rest)
}

/// How a unit changes a number: a shift of the decimal point keeps it exact.
enum Factor {
    Tens(i32),
    Times(f64),
}

fn unit_factor(unit: &str) -> Option<Factor> {
    const KIB: f64 = 1024.0;
    Some(match unit {
        "%" => Factor::Tens(-2),
        "ns" => Factor::Tens(-9),
        "us" => Factor::Tens(-6),
        "ms" => Factor::Tens(-3),
        "s" => Factor::Tens(0),
        "m" => Factor::Times(60.0),
        "h" => Factor::Times(3600.0),
        "d" => Factor::Times(86_400.0),
        "w" => Factor::Times(7.0 * 86_400.0),
        "k" => Factor::Tens(3),
        "M" => Factor::Tens(6),
        "G" => Factor::Tens(9),
        "T" => Factor::Tens(12),
        "KiB" => Factor::Times(KIB),
        "MiB" => Factor::Times(KIB * KIB),
        "GiB" => Factor::Times(KIB * KIB * KIB),
        "TiB" => Factor::Times(KIB * KIB * KIB * KIB),
        _ => return None,
    })
}

/// The value of `digits` with `unit`; `None` when the unit is none.
fn scaled(digits: &str, unit: &str) -> Option<f64> {
    if unit.is_empty() {
        return digits.parse().ok();
    }
    match unit_factor(unit) {
        Some(Factor::Times(factor)) => Some(digits.parse::<f64>().ok()? * factor),
        Some(Factor::Tens(shift)) => {
            let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
            // An exponent beyond i32 is infinite or zero whatever is added to it.
            let exponent: i32 = exponent.parse().unwrap_or(if exponent.starts_with('-') {
                i32::MIN / 2
            } else {
                i32::MAX / 2
            });
            format!("{mantissa}e{}", exponent + shift).parse().ok()
        }
        None => {
            let duration = DurationMs::parse(&format!("{digits}{unit}"))?;
            Some(duration.as_seconds())
        }
    }
}

fn wrong_unit(digits: &str, unit: &str, span: Span) -> Mistake {
    const UNITS: &str = "units: % · ns us ms s m h d w · k M G T · KiB MiB GiB TiB";
    let mistake = Mistake::error(span, format!("{} is not a unit", shown(unit))).help(UNITS);
    let meant = match unit {
        "K" => "k",
        "kb" | "kB" | "KB" | "Kb" | "kib" | "Ki" => "KiB",
        "mb" | "MB" | "Mb" | "mib" | "Mi" => "MiB",
        "gb" | "GB" | "Gb" | "gib" | "Gi" | "g" => "GiB",
        "tb" | "TB" | "Tb" | "tib" | "Ti" | "t" => "TiB",
        "min" | "mins" | "minute" | "minutes" => "m",
        "sec" | "secs" | "second" | "seconds" | "S" => "s",
        "hour" | "hours" | "hr" | "hrs" | "H" => "h",
        "day" | "days" | "D" => "d",
        "week" | "weeks" | "W" => "w",
        "µs" | "μs" => "us",
        "percent" | "pct" => "%",
        _ => return mistake.label("expected a unit, or nothing"),
    };
    mistake.label(format!("did you mean `{digits}{meant}`?"))
}

fn wrong_duration(found: Placed<&str>) -> Mistake {
    let text = found.value;
    let mistake = Mistake::error(found.span, format!("{} is not a time", shown(text)));
    if text.starts_with(['-', '+']) {
        return mistake.label("a time has no sign");
    }
    if text.contains('.') {
        return mistake
            .label("whole numbers only")
            .help("1.5h is written 1h30m");
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let long = [
        "milliseconds",
        "seconds",
        "secs",
        "sec",
        "minutes",
        "mins",
        "min",
        "hours",
        "hrs",
        "days",
        "weeks",
        "years",
    ];
    let meant = match unit {
        "M" => Some("m"),
        "Y" => Some("y"),
        "S" | "H" | "D" | "W" => ["s", "h", "d", "w"]
            .into_iter()
            .find(|u| unit.eq_ignore_ascii_case(u)),
        "ns" | "us" => return mistake.label("the smallest unit is ms"),
        unit => long
            .iter()
            .find(|l| **l == unit || l.strip_suffix('s') == Some(unit))
            .map(|l| {
                if l.starts_with("milli") {
                    "ms"
                } else {
                    &l[..1]
                }
            })
            .or_else(|| {
                nearest(unit, long).map(|l| {
                    if l.starts_with("milli") {
                        "ms"
                    } else {
                        &l[..1]
                    }
                })
            }),
    };
    match meant {
        Some(unit) => mistake.label(format!("did you mean `{number}{unit}`?")),
        None => mistake
            .label("expected a time such as 30s, 10m or 1h30m")
            .help("units, from large to small, each once: y w d h m s ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scan<'_> {
        Scan::new(
            text,
            Span {
                start: 0,
                end: text.len(),
            },
        )
    }

    #[test]
    fn numbers_with_units_are_exact() {
        for (text, value) in [
            ("15%", 0.15),
            ("29%", 0.29),
            ("0.1%", 0.001),
            ("4h", 14400.0),
            ("1h30m", 5400.0),
            ("200ms", 0.2),
            ("3us", 3e-6),
            ("7ns", 7e-9),
            ("5k", 5000.0),
            ("1.5M", 1.5e6),
            ("10GiB", 10.0 * 1_073_741_824.0),
            ("-4", -4.0),
            ("+4", 4.0),
            ("5e8", 5e8),
            ("5e-1%", 0.005),
            ("2w", 1_209_600.0),
            ("0", 0.0),
        ] {
            assert_eq!(scan(text).number(">").unwrap().value, value, "{text}");
        }
    }

    #[test]
    fn words_that_are_no_numbers_say_why() {
        for (text, message) in [
            ("for", "a number is missing after `>`"),
            ("", "a number is missing after `>`"),
            (".5", "a number begins with a digit"),
            ("5 %", "a blank between a number and its unit"),
            ("5kb", "`kb` is not a unit"),
            ("1,000", "a comma inside a number"),
            ("1, x", ""),
            ("1_000", "`_000` is not a unit"),
            ("1.2.3", "`.3` is not a unit"),
            ("1e999", "the number is too large"),
            ("1e99999999999%", "the number is too large"),
        ] {
            let result = scan(text).number(">").map_err(|m| m.message);
            match message {
                "" => assert!(result.is_ok(), "{text}"),
                message => assert_eq!(result.unwrap_err(), message, "{text}"),
            }
        }
    }

    #[test]
    fn durations_say_what_is_wrong() {
        assert_eq!(
            scan("1h30m x").duration("for").unwrap().value,
            DurationMs::from_mins(90)
        );
        assert_eq!(scan("0").duration("for").unwrap().value, DurationMs::ZERO);
        for (text, label) in [
            ("10", "write `10s` for seconds, `10m` for minutes"),
            ("10 m", "write `10m`"),
            ("10min", "did you mean `10m`?"),
            ("10minute", "did you mean `10m`?"),
            ("10mintues", "did you mean `10m`?"),
            ("10M", "did you mean `10m`?"),
            ("1.5h", "whole numbers only"),
            ("-5m", "a time has no sign"),
            ("30m1h", "expected a time such as 30s, 10m or 1h30m"),
            ("5us", "the smallest unit is ms"),
            (
                "clear",
                "expected a time such as 30s, 10m or 1h30m, found `clear`",
            ),
        ] {
            assert_eq!(
                scan(text).duration("for").unwrap_err().label,
                label,
                "{text}"
            );
        }
    }
}
