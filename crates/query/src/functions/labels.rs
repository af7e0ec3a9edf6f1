//! `label_replace` and `label_join`: new labels from old ones.

use std::fmt::Write as _;

use bellwether_lang::promql::ast::Span;
use bellwether_model::labels::is_legacy_label_name;
use bellwether_model::{Labels, LabelsBuilder, METRIC_NAME, limits};
use regex::{Regex, RegexBuilder};

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
    let regex = compile(pattern).map_err(|e| {
        QueryError::eval(
            span,
            format!("invalid regular expression in label_replace(): {pattern}: {e}"),
        )
    })?;
    check_target(target, "label_replace", span)?;
    for name in vector.names_mut() {
        let value = name.labels.get(source).unwrap_or("");
        let Some(captures) = regex.captures(value) else {
            continue;
        };
        let mut replaced = String::new();
        captures.expand(replacement, &mut replaced);
        set(name, target, &replaced);
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
    for name in vector.names_mut() {
        let mut joined = String::new();
        for (i, source) in sources.iter().enumerate() {
            let before = if i == 0 { "" } else { separator };
            // Writing to a String cannot fail.
            let _ = write!(joined, "{before}{}", name.labels.get(source).unwrap_or(""));
        }
        set(name, target, &joined);
    }
    vector.join_same(span)
}

/// A name that is set here stays, even if the old one was to go.
fn set(name: &mut RowName, target: &str, value: &str) {
    let labels: Labels = LabelsBuilder::from_labels(&name.labels)
        .set(target, value)
        .build();
    name.labels = labels;
    if target == METRIC_NAME {
        name.drop_name = false;
    }
}

fn check_target(target: &str, function: &str, span: Span) -> Result<(), QueryError> {
    // Upstream's compliance tester wants names beyond the classic alphabet refused here, though series may have them.
    if !is_legacy_label_name(target) {
        return Err(QueryError::eval(
            span,
            format!("invalid destination label name in {function}(): {target}"),
        ));
    }
    Ok(())
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(limits::REGEX_SIZE_MAX.usize())
        .dfa_size_limit(limits::REGEX_DFA_MAX.usize())
        .build()
}
