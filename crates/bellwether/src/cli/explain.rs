//! The plan of a query as a tree, for `bellwether query --explain`: what each part made, read and took.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use bellwether_model::TimestampMs;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::output;

/// Characters of a label in the tree: the whole selector stands below it.
const LABEL_MAX: usize = 60;

/// The `data` object of an explanation.
pub(crate) fn text(data: &Value) -> Result<String> {
    let mut plan = table(&["plan", "steps", "series", "time", "read"]);
    node(&mut plan, &data["plan"], "", "")?;
    align_right(&mut plan, 1..4);
    let mut out = output::lines(&plan);
    let reads = data["reads"]
        .as_array()
        .context("an explanation without reads")?;
    if !reads.is_empty() {
        out.push('\n');
        out.push_str(&output::lines(&read_table(reads)));
    }
    let (totals, count) = (&data["totals"], |of: &Value| of.as_u64().unwrap_or(0));
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "\n{} series, {} samples read, {} answered from zones, at most {} held at a time, {}",
        count(&totals["series"]),
        count(&totals["samples"]),
        count(&totals["samplesFromZones"]),
        count(&totals["peakSamples"]),
        time(&totals["seconds"]),
    );
    if let Some(error) = data["error"].as_str() {
        let _ = writeln!(out, "no answer: {error}");
    }
    Ok(out)
}

/// Adds a node and those below it; `first` stands before the node, `rest` before those below.
fn node(table: &mut Table, node: &Value, first: &str, rest: &str) -> Result<()> {
    let label = node["label"].as_str().context("a node without a label")?;
    let (series, time) = match node["state"].as_str() {
        Some("done") => (number(&node["series"]), time(&node["seconds"])),
        state => (String::new(), state.unwrap_or_default().to_owned()),
    };
    let read = node["read"]
        .as_u64()
        .map_or(String::new(), |read| format!("#{read}"));
    let label = console::truncate_str(label, LABEL_MAX, "…");
    let label = format!("{first}{label}");
    table.add_row([label, number(&node["steps"]), series, time, read]);
    let inputs = node["inputs"].as_array().context("a node without inputs")?;
    for (i, input) in inputs.iter().enumerate() {
        let (branch, below) = if i + 1 == inputs.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let (first, rest) = (format!("{rest}{branch}"), format!("{rest}{below}"));
        self::node(table, input, &first, &rest)?;
    }
    Ok(())
}

fn read_table(reads: &[Value]) -> Table {
    let mut table = table(&[
        "read",
        "from",
        "to",
        "used by",
        "estimated",
        "series",
        "samples",
        "from zones",
        "selector",
    ]);
    for (i, read) in reads.iter().enumerate() {
        table.add_row([
            format!("#{i}"),
            moment(&read["start"]),
            moment(&read["end"]),
            number(&read["selectors"]),
            number(&read["estimatedSeries"]),
            number(&read["series"]),
            number(&read["samples"]),
            number(&read["samplesFromZones"]),
            read["selector"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    align_right(&mut table, 3..8);
    table
}

fn table(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(titles);
    table
}

fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A count; nothing where there is none.
fn number(value: &Value) -> String {
    value.as_u64().map_or(String::new(), |n| n.to_string())
}

/// A time of the API as RFC 3339; the number itself beyond the calendar.
fn moment(value: &Value) -> String {
    let time = value.as_f64().and_then(TimestampMs::from_seconds);
    time.map_or_else(|| value.to_string(), TimestampMs::to_rfc3339)
}

/// Seconds as a person reads them.
fn time(seconds: &Value) -> String {
    match seconds.as_f64().unwrap_or(0.0) {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_tree_and_what_it_reads() {
        let data = r#"{"plan":{"label":"sum by (job)","steps":61,"step":60,"state":"done","series":2,"seconds":0.0123,"inputs":[
            {"label":"rate [5m]","steps":61,"step":60,"state":"streamed","inputs":[
                {"label":"x","steps":61,"step":60,"state":"streamed","read":0,"inputs":[]},
                {"label":"scalar","steps":1,"state":"not run","inputs":[]}]}]},
            "reads":[{"selector":"x","start":-0.001,"end":1700000000,"selectors":1,"estimatedSeries":5,"series":4,"samples":1200,"samplesFromZones":0}],
            "totals":{"series":4,"samples":1200,"samplesFromZones":0,"peakSamples":300,"seconds":1.5},
            "error":"too much"}"#;
        let data: Value = serde_json::from_str(data).unwrap();
        expect![[r"
            plan          steps  series      time  read
            sum by (job)     61       2  12.30 ms
            └─ rate [5m]     61          streamed
               ├─ x          61          streamed  #0
               └─ scalar      1           not run

            read  from                      to                        used by  estimated  series  samples  from zones  selector
            #0    1969-12-31T23:59:59.999Z  2023-11-14T22:13:20.000Z        1          5       4     1200           0  x

            4 series, 1200 samples read, 0 answered from zones, at most 300 held at a time, 1.50 s
            no answer: too much
        "]].assert_eq(&text(&data).unwrap());
    }
}
