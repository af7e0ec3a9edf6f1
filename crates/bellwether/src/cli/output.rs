//! Query results in the terminal: aligned columns or CSV.
//!
//! Works on the JSON `data` object, so that an answer from a server and one from a data folder are
//! printed by the same lines.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use bellwether_model::{METRIC_NAME, TimestampMs};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

/// One sample: its labels, its time, its value as text.
struct Row {
    labels: Vec<(String, String)>,
    time: String,
    value: String,
}

fn rows(data: &Value) -> Result<Vec<Row>> {
    let result = &data["result"];
    if matches!(data["resultType"].as_str(), Some("scalar" | "string")) {
        return Ok(vec![sample(Vec::new(), result)?]);
    }
    let mut rows = Vec::new();
    for series in result.as_array().context("the answer has no result")? {
        let labels: Vec<(String, String)> = series["metric"]
            .as_object()
            .context("a series without labels")?
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned()))
            .collect();
        match series["values"].as_array() {
            Some(samples) => {
                for one in samples {
                    rows.push(sample(labels.clone(), one)?);
                }
            }
            None => rows.push(sample(labels, &series["value"])?),
        }
    }
    Ok(rows)
}

fn sample(labels: Vec<(String, String)>, pair: &Value) -> Result<Row> {
    let seconds = pair[0].as_f64().context("a sample without a time")?;
    let time = TimestampMs::from_seconds(seconds)
        .context("a time out of range")?
        .to_rfc3339();
    let value = pair[1]
        .as_str()
        .context("a sample without a value")?
        .to_owned();
    Ok(Row {
        labels,
        time,
        value,
    })
}

/// The names of all labels, the metric's first.
fn columns(rows: &[Row]) -> Vec<&str> {
    let names: BTreeSet<&str> = rows
        .iter()
        .flat_map(|r| r.labels.iter().map(|(n, _)| n.as_str()))
        .collect();
    names.into_iter().collect() // `__name__` sorts before lower-case names; capitals are rare.
}

/// The title of a column of ours: `otherwise` where a label has the first choice for its name.
fn own_title(labels: &[&str], choice: &'static str, otherwise: &'static str) -> &'static str {
    if labels.contains(&choice) {
        otherwise
    } else {
        choice
    }
}

/// The titles of the last two columns, which no other column has.
fn own_titles(labels: &[&str]) -> [&'static str; 2] {
    [
        own_title(labels, "time", "__timestamp__"),
        own_title(labels, "value", "__value__"),
    ]
}

fn cells<'a>(row: &'a Row, columns: &[&str]) -> Vec<&'a str> {
    let find = |name: &str| {
        row.labels
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, v)| v.as_str())
    };
    columns
        .iter()
        .map(|name| find(name))
        .chain([row.time.as_str(), row.value.as_str()])
        .collect()
}

/// The `data` object of an answer as aligned columns.
pub(crate) fn table(data: &Value) -> Result<String> {
    let rows = rows(data)?;
    if rows.is_empty() {
        return Ok("no series\n".into());
    }
    let columns = columns(&rows);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let metric = own_title(&columns, "metric", METRIC_NAME);
    let titles = columns
        .iter()
        .map(|c| if *c == METRIC_NAME { metric } else { c });
    table.set_header(titles.chain(own_titles(&columns)).map(harmless));
    for row in &rows {
        table.add_row(cells(row, &columns).into_iter().map(harmless));
    }
    if let Some(last) = table.column_mut(columns.len() + 1) {
        last.set_cell_alignment(CellAlignment::Right);
    }
    Ok(lines(&table))
}

/// A table without borders as text.
pub(crate) fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        // The style without borders still pads the first column on its left.
        let line = line.strip_prefix(' ').unwrap_or(&line);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Rows of texts as aligned columns under their titles.
pub(crate) fn aligned<const N: usize>(
    titles: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(titles);
    table.add_rows(rows.map(|row| row.map(|cell| harmless(&cell))));
    lines(&table)
}

/// A text for the terminal: whoever may write samples names labels, and must not move the cursor, end the line or turn the
/// direction of writing by that.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() && c.is_ascii() {
            let _ = write!(shown, "\\x{:02x}", c as u32);
        } else if c.is_control() || turns {
            let _ = write!(shown, "\\u{{{:x}}}", c as u32);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The `data` object of an answer as comma-separated values, one sample a line.
pub(crate) fn csv(data: &Value) -> Result<String> {
    let rows = rows(data)?;
    let columns = columns(&rows);
    let titles = columns.iter().copied().chain(own_titles(&columns));
    let mut text = csv_line(titles);
    for row in &rows {
        text.push_str(&csv_line(cells(row, &columns).into_iter()));
    }
    Ok(text)
}

/// One line of RFC 4180.
pub(crate) fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = cells
        .map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.to_owned()
            }
        })
        .collect();
    format!("{}\n", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(data: &str, print: fn(&Value) -> Result<String>, expect: Expect) {
        let data: Value = serde_json::from_str(data).unwrap();
        expect.assert_eq(&print(&data).unwrap());
    }

    const VECTOR: &str = r#"{"resultType":"vector","result":[
        {"metric":{"__name__":"up","job":"a,\"b"},"value":[1.5,"1"]},
        {"metric":{"__name__":"up","zone":"x"},"value":[1.5,"12.5"]}]}"#;

    #[test]
    fn what_labels_hold_does_not_steer_the_terminal() {
        let data = serde_json::json!({"resultType": "vector", "result": [
            {"metric": {"h": "\u{1b}[31m\nx", "ü": "a\u{202e}b"}, "value": [1.5, "1"]}]});
        let text = table(&data).unwrap();
        assert!(
            text.contains(r"\x1b[31m\x0ax") && text.contains(r"a\u{202e}b"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2);
        let text = aligned(&["a"], [["\u{9b}2J".to_owned()]].into_iter());
        assert_eq!(text, "a\n\\u{9b}2J\n");
    }

    #[test]
    fn a_vector_is_a_table_with_a_column_a_label() {
        check(
            VECTOR,
            table,
            expect![[r#"
                 metric  job   zone  time                      value
                 up      a,"b        1970-01-01T00:00:01.500Z      1
                 up            x     1970-01-01T00:00:01.500Z   12.5
            "#]],
        );
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        check(
            VECTOR,
            csv,
            expect![[r#"
                __name__,job,zone,time,value
                up,"a,""b",,1970-01-01T00:00:01.500Z,1
                up,,x,1970-01-01T00:00:01.500Z,12.5
            "#]],
        );
    }

    #[test]
    fn labels_keep_their_names_and_ours_give_way() {
        let data = r#"{"resultType":"vector","result":[
            {"metric":{"__name__":"up","metric":"m","time":"noon","value":"v"},"value":[1.5,"1"]}]}"#;
        check(
            data,
            csv,
            expect![[r"
                __name__,metric,time,value,__timestamp__,__value__
                up,m,noon,v,1970-01-01T00:00:01.500Z,1
            "]],
        );
        check(
            data,
            table,
            expect![[r"
                __name__  metric  time  value  __timestamp__             __value__
                up        m       noon  v      1970-01-01T00:00:01.500Z          1
            "]],
        );
    }

    #[test]
    fn a_scalar_and_an_empty_answer_are_said() {
        check(
            r#"{"resultType":"scalar","result":[4,"2"]}"#,
            csv,
            expect![[r"
                time,value
                1970-01-01T00:00:04.000Z,2
            "]],
        );
        check(
            r#"{"resultType":"vector","result":[]}"#,
            table,
            expect![["no series\n"]],
        );
    }
}
