//! Series lines of tests: `up{job="api"} 0+10x4 _ stale`, a series and its values in a row.
//!
//! The notation is that of Prometheus' own tests; the first value stands at the start, each next one a step
//! later. Start timestamps (`@st`) are refused by name. Not here: the notation of the values (`sequence.rs`).

use bellwether_model::{Labels, METRIC_NAME, limits};

use super::ast::Span;
use super::error::ParseError;
use super::lex::Token;
use super::parser::Parser;
use super::sequence::Sequence;

/// A series and its values, one a step.
#[derive(Clone, Debug)]
pub struct SeriesLine {
    /// The series; may be the empty set.
    pub labels: Labels,
    /// The value at each step, `None` where there is no sample. A staleness marker is
    /// `STALE_NAN`.
    pub values: Vec<Option<f64>>,
}

/// Reads one line.
pub fn parse_series_line(text: &str) -> Result<SeriesLine, ParseError> {
    parse_series_line_part(text, 0)
}

/// As [`parse_series_line`], for a line that begins at byte `at` of its file.
pub fn parse_series_line_part(text: &str, at: usize) -> Result<SeriesLine, ParseError> {
    let (labels, values) = parse_series_part(text, at).map_err(first)?;
    let values = values.iter().collect();
    Ok(SeriesLine { labels, values })
}

/// The first of some mistakes, of which there is one at least.
fn first(errors: Vec<ParseError>) -> ParseError {
    let none = || ParseError::new(Span::default(), "a series line that could not be read");
    errors.into_iter().next().unwrap_or_else(none)
}

/// As [`parse_series_line_part`], the values as they are written, not unfolded; with every mistake among them.
pub fn parse_series_part(text: &str, at: usize) -> Result<(Labels, Sequence), Vec<ParseError>> {
    let one = |error| vec![error];
    let mut parser = Parser::new(text, at, &limits::INGEST_LINE_MAX, None).map_err(one)?;
    let labels = parser.label_set().map_err(one)?;
    let place = parser.end();
    let rest = parser.rest();
    if let Some(c) = rest.chars().next().filter(|c| !c.is_ascii_whitespace()) {
        let span = Span {
            start: place,
            end: place + c.len_utf8(),
        };
        let message = match c {
            '@' => "start timestamps (`@st`) are not supported",
            _ => "expected a blank before the values",
        };
        return Err(one(ParseError::new(span, message)));
    }
    Ok((labels, Sequence::parse(rest, place)?))
}

impl Parser<'_> {
    /// `name{a="b", "c.d"="e"}`, `{"name", a="b"}`, `{}`.
    fn label_set(&mut self) -> Result<Labels, ParseError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        if let Token::Word(name) = self.peek()? {
            self.next()?;
            pairs.push((METRIC_NAME.to_string(), name.to_string()));
        } else if !self.at("{")? {
            return Err(self.unexpected("", "a metric name or `{`"));
        }
        let start = self.end();
        if self.rest().starts_with('{') {
            for (name, value) in self.label_pairs()? {
                if pairs.iter().any(|(n, _)| *n == name) {
                    let span = Span {
                        start,
                        end: self.end(),
                    };
                    return Err(ParseError::new(
                        span,
                        format!("label {name:?} is set twice"),
                    ));
                }
                pairs.push((name, value));
            }
        }
        Ok(Labels::from_pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use bellwether_model::STALE_NAN;

    use super::*;

    fn check(line: &str, want: &str) {
        let got = match parse_series_line(line) {
            Ok(SeriesLine { labels, values }) => {
                let values: Vec<String> = values
                    .iter()
                    .map(|v| match v {
                        None => "_".into(),
                        Some(v) if v.to_bits() == STALE_NAN.to_bits() => "stale".into(),
                        Some(v) => v.to_string(),
                    })
                    .collect();
                format!("{labels} = {}", values.join(" "))
            }
            Err(e) => e.describe(line).replacen(" parse error:", "", 1),
        };
        assert_eq!(got, want, "{line}");
    }

    #[test]
    fn sequences_unfold() {
        check("{} 1 2", "{} = 1 2");
        check("m", "m = ");
        check(
            "m{a=\"b\"}  0+10x3 _ stale",
            "m{a=\"b\"} = 0 10 20 30 _ stale",
        );
        check("m -2-3x2 +5 7x2 _x2", "m = -2 -5 -8 5 7 7 7 _ _");
        check("m 1.5e3 .5 5. Inf -Inf NaN", "m = 1500 0.5 5 inf -inf NaN");
        check("m 0.4 1.25-0.5x1", "m = 0.4 1.25 0.75");
        check("m 0x2 0x1f", "m = 0 0 0 31");
        check("m 1+NaNx1", "m = 1 NaN");
        check("m _x0 1", "m = 1");
        check("m stalex1", "m = stale stale");
        check("{\"a.b\", \"c.d\"='e'} 1", "{\"a.b\", \"c.d\"=\"e\"} = 1");
    }

    #[test]
    fn a_sequence_reads_back_from_its_text() {
        for text in [
            "1 2",
            "0+10x3 _ stale _x5",
            "-2-3.5x2 7x2",
            "1+NaNx1 Inf 2-Infx3",
            "stalex1",
        ] {
            let (_, values) = parse_series_part(&format!("m {text}"), 0).unwrap();
            let (_, again) = parse_series_part(&format!("m {values}"), 0).unwrap();
            assert_eq!(again, values, "{text} as {values}");
            assert_eq!(values.len(), values.iter().count());
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        let values = "(values are `1`, `_`, `stale`, `1x5`, `0+10x5`, `_x5`, between blanks)";
        for (line, at, word) in [
            ("m 1 -3-3", "1:5", "-3-3"),
            ("m 3+3x4-4", "1:3", "3+3x4-4"),
            ("m 1x", "1:3", "1x"),
            ("m x3", "1:3", "x3"),
            ("m 1x99999999999999999999", "1:3", "1x99999999999999999999"),
        ] {
            let want = format!("{at}: expected a value in the sequence, found `{word}` {values}");
            check(line, &want);
        }
        check("m {{schema:1}}", "1:3: native histograms are not supported");
        check("m@st 1m", "1:2: start timestamps (`@st`) are not supported");
        check(
            "m 1x200000",
            "1:3: the line has more than 100000 series values",
        );
        check("m{a=\"b\"}1", "1:9: expected a blank before the values");
        check(
            "m{a=~\"b\"} 1",
            "1:4: expected `=` in label set, found `=~`",
        );
        check("m{a=\"b\",a=\"c\"} 1", "1:2: label \"a\" is set twice");
    }
}
