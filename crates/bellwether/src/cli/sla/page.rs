//! The report as one HTML page to be printed or mailed: no script, nothing loaded from elsewhere, every text escaped.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Row, trim};

const STYLE: &str = "body{font:14px sans-serif;margin:2em;color:#222}table{border-collapse:collapse;margin:0 0 2em}\
th,td{text-align:left;padding:.3em .8em;border-bottom:1px solid #ccc}td.n{text-align:right}\
.no{font-weight:bold;color:#a00}h2{margin:1.5em 0 .3em}";

/// All objectives in a table, then the evidence of each that has any.
pub(super) fn page(slas: &[Value]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Objectives</title><style>{STYLE}</style></head><body>\n\
         <h1>Objectives</h1>\n<table><tr><th>objective<th>from<th>to<th>target<th>result<th>compliance<th>budget left<th>bad<th>breaches<th>now</tr>\n"
    );
    // A String takes all of it: writing to it cannot fail.
    for sla in slas {
        let row = Row(sla);
        let class = if sla["met"] == true {
            ""
        } else {
            " class=\"no\""
        };
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td class=\"n\">{}<td{class}>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{} of {}<td class=\"n\">{}<td>{}</tr>",
            escape(&row.name()),
            escape(row.text("from")),
            escape(row.text("to")),
            row.percent("objective"),
            row.verdict(),
            row.percent("ratio"),
            row.percent("budgetRemaining"),
            row.count("bad"),
            row.count("total"),
            row.0["breaches"],
            escape(&row.current()),
        );
    }
    page.push_str("</table>\n");
    for sla in slas {
        evidence(&mut page, sla);
    }
    page.push_str("</body></html>\n");
    page
}

fn evidence(page: &mut String, sla: &Value) {
    let slices = sla["badSlices"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if slices.is_empty() {
        return;
    }
    let row = Row(sla);
    let _ = writeln!(
        page,
        "<h2>{}, {}: when it was bad</h2>\n<table><tr><th>from<th>to<th>bad<th>of</tr>",
        escape(&row.name()),
        escape(row.text("period"))
    );
    for slice in slices {
        let cell = |name: &str| escape(slice[name].as_str().unwrap_or_default());
        let number = |name: &str| trim(slice[name].as_f64().unwrap_or(f64::NAN), 2);
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}</tr>",
            cell("from"),
            cell("to"),
            number("bad"),
            number("total")
        );
    }
    page.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
