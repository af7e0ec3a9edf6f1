//! Writes lines: for generators of data, and for the tests that read back what they wrote.

use std::fmt::Write as _;

use super::FieldValue;

/// Why a point cannot be written as a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrintError {
    /// A name or tag value that is empty, ends with a backslash or holds a line end.
    #[error("a name or tag value is empty, ends with a backslash or holds a line end")]
    Name,
    /// NaN or an infinity.
    #[error("the format has no NaN and no infinities")]
    Value,
    /// No field at all.
    #[error("a line needs a field")]
    NoFields,
}

/// Appends one line with its line end. Texts are plain, without escapes; a [`FieldValue::Text`] is taken
/// as it is to stand between the quotes. Appends nothing when it fails.
pub fn print_line(
    out: &mut String,
    measurement: &str,
    tags: &[(&str, &str)],
    fields: &[(&str, FieldValue<'_>)],
    timestamp: Option<i64>,
) -> Result<(), PrintError> {
    let start = out.len();
    let printed = print(out, measurement, tags, fields, timestamp);
    if printed.is_err() {
        out.truncate(start);
    }
    printed
}

fn print(
    out: &mut String,
    measurement: &str,
    tags: &[(&str, &str)],
    fields: &[(&str, FieldValue<'_>)],
    timestamp: Option<i64>,
) -> Result<(), PrintError> {
    // A line that begins with `#` would be a comment, and blanks before it would be trimmed.
    if measurement.starts_with(['#', '\t']) {
        return Err(PrintError::Name);
    }
    name(out, measurement, &[',', ' '])?;
    for (key, value) in tags {
        out.push(',');
        name(out, key, &[',', '=', ' '])?;
        out.push('=');
        name(out, value, &[',', '=', ' '])?;
    }
    if fields.is_empty() {
        return Err(PrintError::NoFields);
    }
    for (i, (key, field)) in fields.iter().enumerate() {
        out.push(if i == 0 { ' ' } else { ',' });
        name(out, key, &[',', '=', ' '])?;
        out.push('=');
        value(out, *field)?;
    }
    if let Some(t) = timestamp {
        let _ = write!(out, " {t}");
    }
    out.push('\n');
    Ok(())
}

fn name(out: &mut String, text: &str, special: &[char]) -> Result<(), PrintError> {
    if text.is_empty() || text.ends_with('\\') || text.contains('\n') {
        return Err(PrintError::Name);
    }
    for c in text.chars() {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(())
}

fn value(out: &mut String, value: FieldValue<'_>) -> Result<(), PrintError> {
    // Writing to a `String` cannot fail.
    let _ = match value {
        FieldValue::Float(v) if !v.is_finite() => return Err(PrintError::Value),
        FieldValue::Float(v) => write!(out, "{v:?}"),
        FieldValue::Integer(v) => write!(out, "{v}i"),
        FieldValue::Unsigned(v) => write!(out, "{v}u"),
        FieldValue::Boolean(v) => write!(out, "{v}"),
        FieldValue::Text(raw) => match std::str::from_utf8(raw) {
            Ok(text) if !text.contains('\n') => write!(out, "\"{text}\""),
            _ => return Err(PrintError::Value),
        },
    };
    Ok(())
}
