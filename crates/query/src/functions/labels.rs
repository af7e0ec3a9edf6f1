//! `label_replace` and `label_join`: new labels from old ones, charged before they are built and no longer than those of
//! stored series.

use bellwether_lang::promql::ast::Span;
use bellwether_model::{LabelsBuilder, METRIC_NAME, MatcherError, limits, re2};
use regex::{Captures, Regex};

use crate::budget::Charge;
use crate::error::QueryError;
use crate::vector::{RowName, Vector};

/// `label_replace(v, target, replacement, source, pattern)`: where `pattern` matches all of `source`, `target` becomes `replacement`.
pub(crate) fn replace(
    mut vector: Vector,
    target: &str,
    replacement: &str,
    source: &str,
    pattern: &str,
    span: Span,
) -> Result<Vector, QueryError> {
    // Texts on both sides, as where every series gets a label: making a regular expression would take longer than the rest.
    let is_text = regex::escape(pattern) == pattern && !replacement.contains('$');
    let regex = (!is_text).then(|| compile(pattern, span)).transpose()?;
    check_target(target, "label_replace", span)?;
    let dollars = replacement.bytes().filter(|b| *b == b'$').count();
    let mut replaced = String::new();
    let mut charge = Charge::new(vector.budget());
    for row in 0..vector.len() {
        vector.budget().check()?;
        let value = vector.name(row).labels.get(source).unwrap_or("");
        let Some(regex) = &regex else {
            if value == pattern {
                set(&mut vector, row, target, replacement, "label_replace")?;
            }
            continue;
        };
        let Some(captures) = regex.captures(value) else {
            continue;
        };
        // Each reference becomes a part of the value at most.
        charge.cover(replacement.len() + dollars.saturating_mul(value.len()))?;
        replaced.clear();
        expand(&captures, replacement, &mut replaced);
        set(&mut vector, row, target, &replaced, "label_replace")?;
    }
    vector.join_same(span)
}

/// `label_join(v, target, separator, sources...)`
pub(crate) fn join(
    mut vector: Vector,
    target: &str,
    separator: &str,
    sources: &[&str],
    span: Span,
) -> Result<Vector, QueryError> {
    check_target(target, "label_join", span)?;
    if let Some(source) = sources.iter().find(|source| !is_label_name(source)) {
        let message = format!("invalid source label name in label_join(): {source}");
        return Err(QueryError::eval(span, message));
    }
    let mut joined = String::new();
    let mut charge = Charge::new(vector.budget());
    for row in 0..vector.len() {
        vector.budget().check()?;
        let values = sources
            .iter()
            .map(|source| vector.name(row).labels.get(source).unwrap_or(""));
        let bytes: usize = values.clone().map(|v| v.len() + separator.len()).sum();
        charge.cover(bytes)?;
        joined.clear();
        for (i, value) in values.enumerate() {
            joined.push_str(if i == 0 { "" } else { separator });
            joined.push_str(value);
        }
        set(&mut vector, row, target, &joined, "label_join")?;
    }
    vector.join_same(span)
}

/// A name that is set here stays, even if the old one was to go.
fn set(
    vector: &mut Vector,
    row: usize,
    target: &str,
    value: &str,
    function: &'static str,
) -> Result<(), QueryError> {
    let max = limits::LABEL_VALUE_MAX.usize();
    if value.len() > max {
        let got = value.len();
        return Err(QueryError::LabelLimit { function, got, max });
    }
    let name = vector.name(row);
    let (drop_name, bytes) = (name.drop_name, name.labels.heap_bytes());
    vector.charge_labels(bytes + target.len() + value.len())?;
    let labels = LabelsBuilder::from_labels(&vector.name(row).labels)
        .set(target, value)
        .build();
    vector.names_mut()[row] = RowName {
        labels,
        drop_name: drop_name && target != METRIC_NAME,
    };
    Ok(())
}

/// A name that begins with a letter or `_`. Prometheus 3 takes every name, and the compliance tests of PromQL want `~invalid`
/// refused here: this is all of the one that the other leaves.
fn check_target(target: &str, function: &str, span: Span) -> Result<(), QueryError> {
    let begins = target.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if !begins || !is_label_name(target) {
        return Err(QueryError::eval(
            span,
            format!("invalid destination label name in {function}(): {target}"),
        ));
    }
    Ok(())
}

/// True of a name that a series can have: any text but none, and escaped bytes that are no text became U+FFFD.
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER)
}

/// The same language as that of matchers.
fn compile(pattern: &str, span: Span) -> Result<Regex, QueryError> {
    re2::whole_value(pattern).map_err(|error| match error {
        MatcherError::TooLong { max, .. } => QueryError::RegexLength { max },
        MatcherError::TooLarge { max } => QueryError::RegexLimit { max },
        error @ MatcherError::Invalid(_) => QueryError::eval(
            span,
            format!("invalid regular expression in label_replace(): {pattern}: {error}"),
        ),
    })
}

/// Appends `template` with `$1`, `$name`, `${1}`, `${name}` and `$$` replaced, as Go's `Regexp.Expand` does: a `$` before
/// anything else is itself, and a group that is not there is empty.
fn expand(captures: &Captures, template: &str, out: &mut String) {
    let mut rest = template;
    while let Some((text, behind)) = rest.split_once('$') {
        out.push_str(text);
        if let Some(behind) = behind.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some((name, behind)) = reference(behind) {
            out.push_str(group(captures, name).unwrap_or(""));
            rest = behind;
        } else {
            out.push('$');
            rest = behind;
        }
    }
    out.push_str(rest);
}

/// The name behind a `$`, and what comes behind it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (inner, braced) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let end = inner
        .find(|c: char| !(c.is_alphabetic() || c.is_ascii_digit() || c == '_'))
        .unwrap_or(inner.len());
    let (name, behind) = inner.split_at(end);
    let behind = if braced {
        behind.strip_prefix('}')?
    } else {
        behind
    };
    (!name.is_empty()).then_some((name, behind))
}

/// What a group took. A number with leading zeros is a name.
fn group<'a>(captures: &Captures<'a>, name: &str) -> Option<&'a str> {
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    let found = if is_number && (name == "0" || !name.starts_with('0')) {
        captures.get(name.parse().ok()?)
    } else {
        captures.name(name)
    };
    Some(found?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, value: &str, template: &str, want: &str) {
        let regex = re2::whole_value(pattern).unwrap();
        let mut got = String::new();
        expand(&regex.captures(value).unwrap(), template, &mut got);
        assert_eq!(got, want, "{template}");
    }

    #[test]
    fn templates_are_expanded_as_in_go() {
        for (template, want) in [
            ("$1-$2", "a-b"),
            ("${1}x$1x", "ax"),
            ("$n${n}", "bb"),
            ("$$1 $", "$1 $"),
            ("$1ä$1", "a"),
            ("$ä.", "."),
            ("$1²", "a²"),
            ("${}${a-b}${1", "${}${a-b}${1"),
            ("$01$3$99999999999999999999$0", "ab"),
        ] {
            check("(a)(?P<n>b)", "ab", template, want);
        }
    }
}
