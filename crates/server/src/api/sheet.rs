//! A query's value as CSV, for spreadsheets: a column for each label, then `timestamp` in seconds and `value`; a row for each sample.
//!
//! The same limits as for JSON. Not here: warnings and infos, for which a CSV has no place.

use std::collections::BTreeSet;

use bellwether_model::Labels;
use bellwether_model::limits::QUERY_RESPONSE_MAX;
use bellwether_query::{Control, QueryError, Value};
use bellwether_wire::export::CsvFormat;

/// The whole text, of `limit` series at most.
pub(super) fn csv(value: &Value, limit: usize, control: &Control) -> Result<String, QueryError> {
    let mut sheet = Sheet {
        format: CsvFormat::of_result(names(value, limit)),
        text: String::new(),
        control,
    };
    sheet.format.push_header(&mut sheet.text);
    match value {
        Value::Scalar(sample) => sheet.push(&Labels::empty(), &[sample.t.0], &[sample.v])?,
        // What has no number has no row.
        Value::String(..) => {}
        Value::Vector(rows) => {
            for (labels, sample) in rows.iter().take(limit) {
                sheet.push(labels, &[sample.t.0], &[sample.v])?;
            }
        }
        Value::Matrix(matrix) => {
            for index in 0..matrix.len().min(limit) {
                let columns = matrix.columns(index);
                sheet.push(matrix.labels(index), &columns.times, &columns.values)?;
            }
        }
    }
    Ok(sheet.text)
}

/// The labels that any of the series has.
fn names(value: &Value, limit: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut add = |labels: &Labels| {
        for (name, _) in labels {
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        }
    };
    match value {
        Value::Scalar(_) | Value::String(..) => {}
        Value::Vector(rows) => rows.iter().take(limit).for_each(|(labels, _)| add(labels)),
        Value::Matrix(matrix) => (0..matrix.len().min(limit)).for_each(|i| add(matrix.labels(i))),
    }
    names
}

struct Sheet<'a> {
    format: CsvFormat,
    text: String,
    control: &'a Control,
}

/// Rows between two looks at the length of the text and at the control.
const ROWS: usize = 512;

impl Sheet<'_> {
    fn push(&mut self, labels: &Labels, times: &[i64], values: &[f64]) -> Result<(), QueryError> {
        for (times, values) in times.chunks(ROWS).zip(values.chunks(ROWS)) {
            self.format.push_rows(&mut self.text, labels, times, values);
            let max = QUERY_RESPONSE_MAX.usize();
            if self.text.len() > max {
                return Err(QueryError::ResponseLimit { max });
            }
            self.control.check()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::api::testing::World;

    #[track_caller]
    fn check(question: &str, want: Expect) {
        let got = World::filled().get(&format!("/api/v1/{question}&format=csv"));
        assert_eq!(
            (got.status, got.content_type.as_str()),
            (200, "text/csv; charset=utf-8"),
            "{}",
            got.body
        );
        want.assert_eq(&got.body.replace("\r\n", "\n"));
    }

    #[test]
    fn every_type_of_answer() {
        check(
            "query?query=up%20or%20requests&time=60",
            expect![[r#"
                __name__,http.code,job,timestamp,value
                up,,api,60,1
                up,,db,60,0
                requests,"200""<b>",,60,7
            "#]],
        );
        check(
            "query_range?query=odd&start=0&end=91.5&step=30.5",
            expect![[r"
                __name__,timestamp,value
                odd,0,NaN
                odd,30.5,+Inf
                odd,61,-Inf
                odd,91.5,1.5
            "]],
        );
        check(
            "query?query=1&time=4.5",
            expect![["timestamp,value\n4.5,1\n"]],
        );
        check(
            "query?query=%22a%22&time=4.5",
            expect![["timestamp,value\n"]],
        );
        check("query?query=nothing&time=4", expect![["timestamp,value\n"]]);
    }

    #[test]
    fn a_limit_cuts_series_and_labels_may_have_the_names_of_columns() {
        check(
            "query?query=label_replace(up,%22value%22,%22x%22,%22%22,%22%22)&time=60&limit=1",
            expect![[r"
                __name__,job,value,timestamp,__value__
                up,api,x,60,1
            "]],
        );
    }

    #[test]
    fn other_formats_are_refused() {
        let got = World::filled().get("/api/v1/query?query=1&format=xml");
        assert_eq!(got.status, 400);
        assert!(got.body.contains("not one of json, csv"), "{}", got.body);
    }
}
