//! The report as one HTML page to be printed or mailed: no script, nothing loaded from elsewhere, every text escaped. Bad slices
//! side by side are one line.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Row, trim};

/// Stretches that were bad which are listed for each objective: more are nothing to print.
const RUNS_SHOWN: usize = 500;

const STYLE: &str = "body{font:14px sans-serif;margin:2em;color:#222}table{border-collapse:collapse;margin:0 0 2em}\
th,td{text-align:left;padding:.3em .8em;border-bottom:1px solid #ccc}td.n{text-align:right}\
.not_met{font-weight:bold;color:#a00}.no_data,.excluded,.not_begun{color:#777}h2{margin:1.5em 0 .3em}";

/// All objectives in a table, then the evidence of each that has any.
pub(super) fn page(slas: &[Value]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Objectives</title><style>{STYLE}</style></head><body>\n\
         <h1>Objectives</h1>\n<p>Times are UTC.</p>\n<table><tr><th>objective<th>period<th>from<th>to<th>target<th>result<th>compliance<th>budget left<th>bad<th>breaches<th>now</tr>\n"
    );
    // A String takes all of it: writing to it cannot fail.
    for sla in slas {
        let row = Row(sla);
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td class=\"n\">{}<td class=\"{}\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{} of {}<td class=\"n\">{}<td>{}</tr>",
            escape(&row.name()),
            escape(row.text("period")),
            clock(&sla["from"]),
            clock(&sla["to"]),
            row.percent("objective"),
            escape(row.text("state")),
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
        "<h2>{}, {} over {}: when it was bad</h2>\n<table><tr><th>from<th>to<th>bad<th>of</tr>",
        escape(&row.name()),
        row.percent("objective"),
        escape(row.text("period"))
    );
    let (runs, left_out) = worst(slices);
    for run in runs {
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}</tr>",
            clock(&run[0]["from"]),
            clock(&run[run.len() - 1]["to"]),
            trim(sum(run, "bad"), 2),
            trim(sum(run, "total"), 2)
        );
    }
    if left_out > 0 {
        let _ = writeln!(
            page,
            "<tr><td colspan=\"4\">and {left_out} with fewer bad ones; -o json has all</tr>"
        );
    }
    page.push_str("</table>\n");
}

/// The stretches of bad slices side by side, in order; of too many those with the most bad events, and how many are left out.
fn worst(slices: &[Value]) -> (Vec<&[Value]>, usize) {
    let mut runs: Vec<&[Value]> = slices
        .chunk_by(|before, after| before["to"] == after["from"])
        .collect();
    let left_out = runs.len().saturating_sub(RUNS_SHOWN);
    if left_out > 0 {
        let mut bad: Vec<f64> = runs.iter().map(|run| sum(run, "bad")).collect();
        bad.sort_unstable_by(f64::total_cmp);
        let least = bad[left_out];
        // Of those that are alike the first ones.
        let more = bad[left_out..].iter().filter(|bad| **bad == least).count();
        let mut alike = 0;
        runs.retain(|run| {
            let bad = sum(run, "bad");
            alike += usize::from(bad == least);
            bad > least || bad == least && alike <= more
        });
    }
    (runs, left_out)
}

fn sum(run: &[Value], name: &str) -> f64 {
    run.iter().filter_map(|slice| slice[name].as_f64()).sum()
}

/// A time of the report, without what every one of them has.
fn clock(time: &Value) -> String {
    let text = time.as_str().unwrap_or_default();
    let text = text.strip_suffix('Z').unwrap_or(text);
    let text = text.strip_suffix(".000").unwrap_or(text);
    let text = text.strip_suffix(":00").unwrap_or(text);
    escape(&text.replace('T', " "))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(minute: usize, bad: usize) -> Value {
        let at = |minute| format!("1970-01-01T{:02}:{:02}:00.000Z", minute / 60, minute % 60);
        serde_json::json!({ "from": at(minute), "to": at(minute + 1), "bad": bad, "total": 10 })
    }

    #[test]
    fn slices_side_by_side_are_one_line() {
        let slices = [slice(0, 1), slice(1, 2), slice(3, 1)];
        let (runs, left_out) = worst(&slices);
        let lengths: Vec<usize> = runs.iter().map(|run| run.len()).collect();
        assert_eq!((lengths, left_out), (vec![2, 1], 0));
        assert_eq!(
            (clock(&slices[1]["to"]), sum(runs[0], "bad")),
            ("1970-01-01 00:02".to_owned(), 3.0)
        );
    }

    #[test]
    fn of_too_many_the_worst_are_listed_in_order() {
        // Every fifth has two bad events, the others one.
        let slices: Vec<Value> = (0..600)
            .map(|i| slice(i * 2, 1 + usize::from(i % 5 == 0)))
            .collect();
        let (runs, left_out) = worst(&slices);
        assert_eq!((runs.len(), left_out), (RUNS_SHOWN, 100));
        let twice = runs.iter().filter(|run| sum(run, "bad") == 2.0).count();
        assert_eq!(twice, 120);
        assert!(runs.is_sorted_by_key(|run| run[0]["from"].as_str()));
    }
}
