//! One query and its value now, as a table. Curves are Grafana's business.

use std::fmt::Write as _;

use bellwether_model::value::format_value;
use bellwether_model::{Labels, TimestampMs};

use super::html::{frame, push_element, push_form, time};

/// The most rows of the table.
const ROWS_MAX: usize = 500;

/// What a query gave.
pub(super) struct Found {
    pub(super) rows: Vec<(Labels, f64)>,
    pub(super) notes: Vec<String>,
}

/// The page for `text`: nothing asked yet, an error, or rows.
pub(super) fn render(
    text: &str,
    now: TimestampMs,
    outcome: &Result<Option<Found>, String>,
) -> String {
    frame("", |out| {
        out.push_str("<h1>Query</h1>\n");
        push_form(out, text);
        match outcome {
            Ok(None) => {}
            Err(message) => push_element(out, "p class=\"trouble\"", message),
            Ok(Some(found)) => push_found(out, found, now),
        }
    })
}

fn push_found(out: &mut String, found: &Found, now: TimestampMs) {
    for note in &found.notes {
        push_element(out, "p class=\"note\"", note);
    }
    let count = found.rows.len();
    let noun = if count == 1 { "row" } else { "rows" };
    let _ = write!(out, "<p class=\"since\">{count} {noun} at {}", time(now));
    if count > ROWS_MAX {
        let _ = write!(out, ", the first {ROWS_MAX} shown");
    }
    out.push_str("</p>\n");
    if count == 0 {
        return;
    }
    out.push_str("<table>\n<thead><tr><th>Series</th><th>Value</th></tr></thead>\n<tbody>\n");
    for (labels, value) in found.rows.iter().take(ROWS_MAX) {
        out.push_str("<tr>");
        push_element(out, "td", &labels.to_string());
        push_element(out, "td class=\"number\"", &format_value(*value));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tables_are_cut_and_say_so() {
        let rows = vec![(Labels::empty(), 1.0); ROWS_MAX + 1];
        let found = Found {
            rows,
            notes: vec!["<note>".into()],
        };
        let got = render("1", TimestampMs(0), &Ok(Some(found)));
        assert!(
            got.contains("501 rows at 1970-01-01T00:00:00Z, the first 500 shown"),
            "{got}"
        );
        assert_eq!(got.matches("<tr><td>").count(), ROWS_MAX);
        assert!(got.contains("&lt;note&gt;"));
    }
}
