//! Numbers of a line: the hot spot of ingest, so the common shapes are read without the general reader.
//!
//! A decimal of up to fifteen digits with up to fifteen of them behind the point is a whole number below
//! 2^53 divided by an exact power of ten: one correctly rounded division, so the result is the nearest
//! float. Everything else goes to `lexical-core`.

use super::error::{Fault, FaultKind, word};
use super::{Field, FieldValue};

/// Powers of ten that a float holds exactly, as far as the fast path needs them.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
const FAST_DIGITS_MAX: usize = 15;

/// Reads the number at `text[at..]`, which begins with a digit, a sign or a point.
/// Returns it and the offset behind it; what stands there is the caller's to judge.
#[inline]
pub(super) fn number(text: &[u8], at: usize) -> Result<(FieldValue<'_>, usize), Fault> {
    let negative = text[at] == b'-';
    let first = at + usize::from(negative);
    let mut i = first;
    let mut whole: u64 = 0;
    while let Some(digit) = digit(text, i) {
        // Wraps only beyond the digits that the fast path accepts.
        whole = whole.wrapping_mul(10).wrapping_add(digit);
        i += 1;
    }
    let digits = i - first;
    match text.get(i) {
        Some(b'i') if 0 < digits && digits <= 18 => {
            let v = whole as i64;
            Ok((FieldValue::Integer(if negative { -v } else { v }), i + 1))
        }
        Some(b'.') if digits <= FAST_DIGITS_MAX => {
            let point = i;
            i += 1;
            while let Some(digit) = digit(text, i) {
                whole = whole.wrapping_mul(10).wrapping_add(digit);
                i += 1;
            }
            let behind = i - point - 1;
            let fits = digits + behind <= FAST_DIGITS_MAX && digits + behind > 0;
            if fits && ends(text, i) {
                return Ok((float(negative, whole as f64 / POWERS[behind]), i));
            }
            general(text, at)
        }
        None | Some(b',' | b' ') if 0 < digits && digits <= FAST_DIGITS_MAX => {
            Ok((float(negative, whole as f64), i))
        }
        _ => general(text, at),
    }
}

#[inline]
fn digit(text: &[u8], i: usize) -> Option<u64> {
    let digit = text.get(i)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[inline]
fn ends(text: &[u8], i: usize) -> bool {
    matches!(text.get(i), None | Some(b',' | b' '))
}

#[inline]
fn float(negative: bool, magnitude: f64) -> FieldValue<'static> {
    FieldValue::Float(if negative { -magnitude } else { magnitude })
}

/// Everything the fast paths leave: long integers, unsigned ones, exponents, many digits, mistakes.
#[cold]
fn general(text: &[u8], at: usize) -> Result<(FieldValue<'_>, usize), Fault> {
    let len = memchr::memchr2(b',', b' ', &text[at..]).unwrap_or(text.len() - at);
    let token = &text[at..at + len];
    let bad = || Fault::new(FaultKind::BadNumber(word(token)), at);
    let range = || Fault::new(FaultKind::NumberRange(word(token)), at);
    let end = at + len;
    let (last, front) = token.split_last().ok_or_else(bad)?;
    let digits = front.strip_prefix(b"-").unwrap_or(front);
    let is_integer = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    match last {
        b'i' if is_integer => {
            let v = lexical_core::parse::<i64>(front).map_err(|_| range())?;
            Ok((FieldValue::Integer(v), end))
        }
        b'u' if is_integer => {
            let v = lexical_core::parse::<u64>(front).map_err(|_| range())?;
            Ok((FieldValue::Unsigned(v), end))
        }
        _ => {
            // Words that the reader would take for a float: `inf`, `nan`, `-infinity`.
            let plain = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
            if !token.iter().all(plain) || token[0] == b'+' {
                return Err(bad());
            }
            let v = lexical_core::parse::<f64>(token).map_err(|_| bad())?;
            if v.is_infinite() {
                return Err(range());
            }
            Ok((FieldValue::Float(v), end))
        }
    }
}

impl Field<'_> {
    /// True when the value's whole number has more bits than a float can hold: the sample is rounded.
    pub fn is_rounded(&self) -> bool {
        const EXACT: u64 = 1 << 53;
        match self.value {
            FieldValue::Integer(v) => v.unsigned_abs() > EXACT,
            FieldValue::Unsigned(v) => v > EXACT,
            _ => false,
        }
    }
}
