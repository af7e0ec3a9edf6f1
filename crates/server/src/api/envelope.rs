//! The JSON around every answer, and the small pieces inside it. Written straight into one text.

use bellwether_model::json::{push_json_pairs, push_json_string};
use bellwether_model::value::push_value;
use bellwether_model::{DurationMs, Labels};
use bellwether_query::{Explanation, write_explanation};

/// The most warnings, and the most infos, that come with an answer; of the others one more tells how many they are.
const NOTES_MAX: usize = 10;

/// Why an answer is shorter than it could be: the request's `limit`.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

/// `{"status":"success","data":..}`, `data` being what `push` appends. Warnings and infos only when there are any.
pub(crate) fn success(
    push: impl FnOnce(&mut String),
    warnings: &[String],
    infos: &[String],
) -> String {
    let mut out = String::from("{\"status\":\"success\",\"data\":");
    push(&mut out);
    push_notes(&mut out, "warning", warnings);
    push_notes(&mut out, "info", infos);
    out.push('}');
    out
}

/// The member with notes of one kind, if there are any.
fn push_notes(out: &mut String, kind: &str, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    out.push_str(",\"");
    out.push_str(kind);
    out.push_str("s\":");
    let shown = notes.len().min(NOTES_MAX);
    let more = notes.len() - shown;
    let omitted = (more > 0).then(|| format!("{more} more {kind} annotations omitted"));
    let notes = notes[..shown].iter().chain(&omitted);
    push_list(out, notes, |out, note| push_json_string(out, note));
}

/// The answer to `explain`.
pub(crate) fn explained(explanation: &Explanation) -> String {
    success(
        |out| write_explanation(explanation, out),
        &explanation.warnings,
        &explanation.infos,
    )
}

/// `[..]` with what `push` appends for each item.
pub(super) fn push_list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

pub(super) fn push_labels(out: &mut String, labels: &Labels) {
    push_json_pairs(out, labels);
}

/// `"name":"value"` behind a comma.
pub(super) fn push_text_field(out: &mut String, name: &str, value: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    push_json_string(out, value);
}

/// `"name":seconds` behind a comma.
pub(super) fn push_seconds_field(out: &mut String, name: &str, duration: DurationMs) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    push_value(out, duration.as_seconds());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_few_and_absent_when_there_are_none() {
        let list = |out: &mut String| out.push_str("[]");
        assert_eq!(success(list, &[], &[]), r#"{"status":"success","data":[]}"#);
        let many: Vec<String> = (0..12).map(|i| format!("w{i}")).collect();
        let got = success(list, &many, &["i\"".into()]);
        let want = r#"{"status":"success","data":[],"warnings":["w0","w1","w2","w3","w4","w5","w6","w7","w8","w9","2 more warning annotations omitted"],"infos":["i\""]}"#;
        assert_eq!(got, want);
    }
}
