//! Samples, and values of queries, as lines of text for other programs: JSON lines, one series a line, and CSV, one sample a row.
//!
//! Not here: reading them back; which series, and how much of one at a time (`server`).

use std::fmt::Write as _;

use bellwether_model::json::push_json_pairs;
use bellwether_model::value::{is_stale, push_value};
use bellwether_model::{Labels, TimestampMs};

/// The `Content-Type` of JSON lines.
pub const JSON_LINES_TYPE: &str = "application/x-ndjson";
/// The `Content-Type` of CSV.
pub const CSV_TYPE: &str = "text/csv; charset=utf-8";

/// Appends `{"metric":{..},"values":[..],"timestamps":[..]}` and the end of the line. Times are in milliseconds. A NaN
/// is `null`, an infinity a text; markers of staleness are left out, and so is a line of nothing else.
pub fn push_json_line(out: &mut String, labels: &Labels, times: &[i64], values: &[f64]) {
    let samples = || times.iter().zip(values).filter(|(_, v)| !is_stale(**v));
    if samples().next().is_none() {
        return;
    }
    out.push_str("{\"metric\":");
    push_json_pairs(out, labels);
    out.push_str(",\"values\":[");
    for (i, (_, value)) in samples().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if value.is_nan() {
            out.push_str("null");
        } else if value.is_infinite() {
            out.push_str(if *value > 0.0 { "\"+Inf\"" } else { "\"-Inf\"" });
        } else {
            push_value(out, *value);
        }
    }
    out.push_str("],\"timestamps\":[");
    for (i, (time, _)) in samples().enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{}{time}", if i > 0 { "," } else { "" });
    }
    out.push_str("]}\n");
}

/// One column of a CSV.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    /// A label, `__name__` among them; empty where a series lacks it.
    Label(String),
    /// Under this title.
    Value(&'static str),
    /// Under this title.
    Time(&'static str, TimeFormat),
}

/// How a CSV writes times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeFormat {
    Seconds,
    Millis,
    Nanos,
    Rfc3339,
}

/// Which columns a CSV has, in order: `__name__,job,__value__,__timestamp__:unix_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFormat(Vec<Column>);

/// Why a text is no [`CsvFormat`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvFormatError {
    /// A column without a name.
    #[error("column {column} has no name")]
    Empty {
        /// Which, from 1.
        column: usize,
    },
    /// A time format that is not known.
    #[error(
        "column {column}: {got:?} is no format of times: unix_s, unix_ms, unix_ns and rfc3339 are"
    )]
    Time {
        /// Which, from 1.
        column: usize,
        /// What stands there.
        got: String,
    },
    /// More columns than a series can have labels.
    #[error("more than {max} columns")]
    TooMany {
        /// The most.
        max: usize,
    },
}

/// The most columns of a CSV: every label that a series can have, value and time.
const COLUMNS_MAX: usize = bellwether_model::limits::LABELS_MAX.usize() + 2;

impl CsvFormat {
    /// Reads the columns from `text`; commas part them. A time without a format is in milliseconds.
    pub fn parse(text: &str) -> Result<CsvFormat, CsvFormatError> {
        let mut columns = Vec::new();
        for (index, part) in text.split(',').enumerate() {
            if index == COLUMNS_MAX {
                return Err(CsvFormatError::TooMany { max: COLUMNS_MAX });
            }
            columns.push(column(index + 1, part.trim())?);
        }
        Ok(CsvFormat(columns))
    }

    /// The columns of a query's value: `labels`, then `timestamp` in seconds and `value`. A label of such a name has it for itself.
    pub fn of_result(labels: impl IntoIterator<Item = String>) -> CsvFormat {
        let mut columns: Vec<Column> = labels.into_iter().map(Column::Label).collect();
        let free = |title: &'static str, otherwise| {
            let is_taken = columns.contains(&Column::Label(title.to_owned()));
            if is_taken { otherwise } else { title }
        };
        let (time, value) = (free("timestamp", TIME), free("value", VALUE));
        columns.push(Column::Time(time, TimeFormat::Seconds));
        columns.push(Column::Value(value));
        CsvFormat(columns)
    }

    /// Appends the names of the columns as the first row.
    pub fn push_header(&self, out: &mut String) {
        for (i, column) in self.0.iter().enumerate() {
            push_comma(out, i);
            push_csv_text(
                out,
                match column {
                    Column::Label(name) => name,
                    Column::Value(title) | Column::Time(title, _) => title,
                },
            );
        }
        out.push_str("\r\n");
    }

    /// Appends a row for each sample; markers of staleness are left out.
    pub fn push_rows(&self, out: &mut String, labels: &Labels, times: &[i64], values: &[f64]) {
        for (time, value) in times.iter().zip(values).filter(|(_, v)| !is_stale(**v)) {
            for (i, column) in self.0.iter().enumerate() {
                push_comma(out, i);
                match column {
                    Column::Label(name) => push_csv_text(out, labels.get(name).unwrap_or("")),
                    Column::Value(_) => push_value(out, *value),
                    Column::Time(_, format) => push_time(out, *time, *format),
                }
            }
            out.push_str("\r\n");
        }
    }
}

/// The column of values.
const VALUE: &str = "__value__";
/// The column of times.
const TIME: &str = "__timestamp__";

fn column(number: usize, part: &str) -> Result<Column, CsvFormatError> {
    match part.split_once(':') {
        _ if part.is_empty() => Err(CsvFormatError::Empty { column: number }),
        Some((TIME, "unix_s")) => Ok(Column::Time(TIME, TimeFormat::Seconds)),
        Some((TIME, "unix_ms")) => Ok(Column::Time(TIME, TimeFormat::Millis)),
        Some((TIME, "unix_ns")) => Ok(Column::Time(TIME, TimeFormat::Nanos)),
        Some((TIME, "rfc3339")) => Ok(Column::Time(TIME, TimeFormat::Rfc3339)),
        Some((TIME, got)) => Err(CsvFormatError::Time {
            column: number,
            got: got.to_owned(),
        }),
        _ if part == TIME => Ok(Column::Time(TIME, TimeFormat::Millis)),
        _ if part == VALUE => Ok(Column::Value(VALUE)),
        _ => Ok(Column::Label(part.to_owned())),
    }
}

fn push_comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

/// A text as RFC 4180 quotes it.
fn push_csv_text(out: &mut String, text: &str) {
    if !text.contains([',', '"', '\n', '\r']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

fn push_time(out: &mut String, time: i64, format: TimeFormat) {
    let _ = match format {
        TimeFormat::Millis => write!(out, "{time}"),
        // As wide as it takes: nanoseconds of far times are more than 64 bits.
        TimeFormat::Nanos => write!(out, "{}", i128::from(time) * 1_000_000),
        TimeFormat::Rfc3339 => write!(out, "{}", TimestampMs(time).to_rfc3339()),
        TimeFormat::Seconds => {
            push_value(out, TimestampMs(time).as_seconds());
            Ok(())
        }
    };
}

#[cfg(test)]
mod tests {
    use bellwether_model::value::STALE_NAN;
    use expect_test::expect;

    use super::*;

    fn labels() -> Labels {
        Labels::from_pairs([("__name__", "up"), ("job", "a,\"b\"\n\u{1}ü")])
    }

    const TIMES: [i64; 6] = [-1500, 0, 1, 2, 3, 1_700_000_000_123];
    const VALUES: [f64; 6] = [
        1.5,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        STALE_NAN,
        1e-9,
    ];

    #[test]
    fn a_series_is_a_json_line() {
        let mut out = String::new();
        push_json_line(&mut out, &labels(), &TIMES, &VALUES);
        expect![[r#"
            {"metric":{"__name__":"up","job":"a,\"b\"\n\u0001ü"},"values":[1.5,null,"+Inf","-Inf",1e-09],"timestamps":[-1500,0,1,2,1700000000123]}
        "#]]
        .assert_eq(&out);
        out.clear();
        push_json_line(&mut out, &labels(), &[1], &[STALE_NAN]);
        push_json_line(&mut out, &labels(), &[], &[]);
        assert_eq!(out, "");
    }

    #[test]
    fn samples_are_rows() {
        let text = "__name__, job,none,__value__,__timestamp__,__timestamp__:unix_s,\
                    __timestamp__:unix_ns,__timestamp__:rfc3339";
        let format = CsvFormat::parse(text).unwrap();
        let mut out = String::new();
        format.push_header(&mut out);
        format.push_rows(&mut out, &labels(), &TIMES[..2], &VALUES[..2]);
        format.push_rows(&mut out, &Labels::empty(), &TIMES[4..], &VALUES[4..]);
        let shown = out.replace("\r\n", "|\n").replace('\u{1}', "<1>");
        expect![[r#"
            __name__,job,none,__value__,__timestamp__,__timestamp__,__timestamp__,__timestamp__|
            up,"a,""b""
            <1>ü",,1.5,-1500,-1.5,-1500000000,1969-12-31T23:59:58.500Z|
            up,"a,""b""
            <1>ü",,NaN,0,0,0,1970-01-01T00:00:00.000Z|
            ,,,1e-09,1700000000123,1700000000.123,1700000000123000000,2023-11-14T22:13:20.123Z|
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn bad_formats_name_the_column() {
        for (text, want) in [
            ("", "column 1 has no name"),
            ("a,,b", "column 2 has no name"),
            (
                "a,__timestamp__:custom:x",
                "column 2: \"custom:x\" is no format of times: unix_s, unix_ms, unix_ns and rfc3339 are",
            ),
        ] {
            let error = CsvFormat::parse(text).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
        let many = ["a"; COLUMNS_MAX + 1].join(",");
        assert_eq!(
            CsvFormat::parse(&many),
            Err(CsvFormatError::TooMany { max: COLUMNS_MAX })
        );
    }
}
