//! Warnings and infos that come with an answer, worded as Prometheus words them.
//!
//! Of notes that say the same there is one, placed where the last of them would be, as upstream has it: a place is the span of the
//! text that the note is about, written as `(line:column)`. There are never more than `query.max_notes`; warnings go before infos.
//! Which notes there are, and their order, does not depend on who notes first: threads share them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use bellwether_lang::promql::ast::Span;
use bellwether_model::labels::Quoted;
use bellwether_model::value::{format_exponent, format_value};
use bellwether_model::{Labels, METRIC_NAME, TimestampMs, limits};

use crate::scalar::Scalar;

/// The two kinds of note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Warning,
    Info,
}

/// Collects the notes of one query; threads may share it.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    notes: BTreeMap<(Level, String), About>,
    is_cut: bool,
}

/// What a note is about, beside its message.
#[derive(Clone, Copy, Debug)]
struct About {
    span: Option<Span>,
    lifted: Option<Lifted>,
}

impl Notes {
    pub(crate) fn warn(&self, span: Span, message: impl Into<String>) {
        self.add(Level::Warning, message.into(), Some(span), None);
    }

    pub(crate) fn info(&self, span: Span, message: impl Into<String>) {
        self.add(Level::Info, message.into(), Some(span), None);
    }

    /// A warning of the source, about no place in the text.
    pub(crate) fn source(&self, message: &str) {
        self.add(Level::Warning, message.into(), None, None);
    }

    /// Warns about a `q` that is no quantile, unless it is one.
    pub(crate) fn warn_quantile(&self, q: f64, span: Span) {
        if !is_quantile(q) {
            let got = number(q);
            let message = format!("quantile value should be between 0 and 1, got {got}");
            self.warn(span, message);
        }
    }

    /// Warns about each `q` that is no quantile.
    pub(crate) fn warn_quantiles(&self, q: &Scalar, span: Span) {
        let mut noted = None;
        for q in q.values() {
            if !is_quantile(*q) && noted.replace(q.to_bits()) != Some(q.to_bits()) {
                self.warn_quantile(*q, span);
            }
        }
    }

    /// Notes a series that is treated as a counter and does not look like one.
    pub(crate) fn info_unless_counter(&self, labels: &Labels, span: Span) {
        let Some(name) = labels.get(METRIC_NAME) else {
            return;
        };
        let quoted = Quoted(name);
        let message = match labels.get("__type__") {
            Some("counter" | "histogram") => return,
            Some(other) => format!(
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {quoted}",
                Quoted(other)
            ),
            None if COUNTER_ENDS.iter().any(|end| name.ends_with(end)) => return,
            None => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {quoted}"
            ),
        };
        self.info(span, message);
    }

    /// Notes that counts of a histogram fell where they must not.
    pub(crate) fn info_lifted(&self, labels: &Labels, lifted: Lifted, span: Span) {
        let message = "input to histogram_quantile needed to be fixed for monotonicity \
            (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        let message = with_metric(message, labels);
        self.add(Level::Info, message, Some(span), Some(lifted));
    }

    fn add(&self, level: Level, message: String, span: Option<Span>, lifted: Option<Lifted>) {
        // A panic elsewhere cannot leave half a note behind: the notes are usable all the same.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = About { span, lifted };
        kept.notes
            .entry((level, message))
            .and_modify(|about| about.merge(new))
            .or_insert(new);
        // What is left out is left out again whenever it comes: it is behind all others.
        if kept.notes.len() > limits::QUERY_NOTES_MAX.usize() {
            kept.notes.pop_last();
            kept.is_cut = true;
        }
    }

    /// Warnings and infos as texts, in the order of their places; `text` is the query.
    pub(crate) fn into_texts(self, text: Option<&str>) -> (Vec<String>, Vec<String>) {
        let Kept { notes, is_cut } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut notes: Vec<_> = notes.into_iter().collect();
        notes.sort_by_key(|(_, about)| about.span.map(|span| span.start));
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for ((level, message), About { span, lifted }) in notes {
            let place = span.map_or(String::new(), |s| place(text, s));
            let how = lifted.map_or(String::new(), |lifted| lifted.to_string());
            match (level, span) {
                (Level::Warning, None) => warnings.push(message),
                (Level::Warning, Some(_)) => {
                    warnings.push(format!("PromQL warning: {message}{place}"));
                }
                (Level::Info, _) => infos.push(format!("PromQL info: {message}{how}{place}")),
            }
        }
        if is_cut {
            let max = limits::QUERY_NOTES_MAX.value;
            warnings.push(format!(
                "more than {max} warnings and infos (query.max_notes): the others are left out"
            ));
        }
        (warnings, infos)
    }
}

impl About {
    /// Takes in what another note with the same message is about.
    fn merge(&mut self, other: About) {
        let start = |about: &About| about.span.map(|span| span.start);
        if start(&other) > start(self) {
            self.span = other.span;
        }
        if let (Some(own), Some(other)) = (&mut self.lifted, other.lifted) {
            own.merge(other);
        }
    }
}

/// Counts of buckets that fell and were lifted: which, how far, how often and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lifted {
    /// The least and the greatest bound of a bucket that was lifted.
    pub(crate) bounds: (f64, f64),
    /// The most that a count was lifted by.
    pub(crate) by: f64,
    /// How many histograms, each at one time.
    pub(crate) samples: u64,
    /// The first and the last of these times, milliseconds.
    pub(crate) times: (i64, i64),
}

impl Lifted {
    pub(crate) fn merge(&mut self, other: Lifted) {
        let (low, high) = self.bounds;
        self.bounds = (low.min(other.bounds.0), high.max(other.bounds.1));
        self.by = self.by.max(other.by);
        self.samples += other.samples;
        let (first, last) = self.times;
        self.times = (first.min(other.times.0), last.max(other.times.1));
    }
}

impl fmt::Display for Lifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |ms: i64| {
            let seconds = TimestampMs(ms / 1000 * 1000).to_rfc3339();
            seconds.replace(".000Z", "Z")
        };
        let (low, high) = (number(self.bounds.0), number(self.bounds.1));
        let (by, samples) = (two_digits(self.by), self.samples);
        let (first, last) = (time(self.times.0), time(self.times.1));
        write!(
            f,
            ", from buckets {low} to {high}, with a max diff of {by}, over {samples} samples from {first} to {last}"
        )
    }
}

/// What names of counters end in.
const COUNTER_ENDS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

/// False of NaN, too.
pub(crate) fn is_quantile(q: f64) -> bool {
    (0.0..=1.0).contains(&q)
}

/// The message, and the metric it is about if there is one.
pub(crate) fn with_metric(message: &str, labels: &Labels) -> String {
    match labels.get(METRIC_NAME) {
        Some(metric) => format!("{message} for metric name {}", Quoted(metric)),
        None => message.to_owned(),
    }
}

/// A number as Go's `%g` writes it, and so Prometheus in its messages: `0.5`, `1e+06`, `9.223372036854776e+18`.
pub(crate) fn number(v: f64) -> String {
    let is_plain = v == 0.0 || (1e-4..1e6).contains(&v.abs()) || !v.is_finite();
    if is_plain {
        format_value(v)
    } else {
        format_exponent(v)
    }
}

/// A number as Go's `%.2g` writes it: rounded to two digits, `99`, `1e+02`.
fn two_digits(v: f64) -> String {
    let rounded: f64 = format!("{v:.1e}").parse().unwrap_or(v);
    if rounded.is_finite() && rounded.abs() >= 99.5 {
        format_exponent(rounded)
    } else {
        number(rounded)
    }
}

/// ` (line:column)`, both from 1, the column in bytes. Without the text everything is line 1.
fn place(text: Option<&str>, span: Span) -> String {
    let before = text.and_then(|t| t.get(..span.start)).unwrap_or("");
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    format!(" ({line}:{})", span.start - line_start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_is_said_once_where_it_was_said_last() {
        for spans in [[(0, 9), (6, 7)], [(6, 7), (0, 9)]] {
            let notes = Notes::default();
            for (start, end) in spans {
                notes.warn(Span { start, end }, "w");
                notes.info(Span { start, end }, "i");
            }
            let (warnings, infos) = notes.into_texts(Some("sum(\nx)"));
            assert_eq!(warnings, ["PromQL warning: w (2:2)"]);
            assert_eq!(infos, ["PromQL info: i (2:2)"]);
        }
    }

    #[test]
    fn the_notes_of_a_query_do_not_depend_on_who_notes_first() {
        let texts = |order: &mut dyn Iterator<Item = usize>| {
            let notes = Notes::default();
            for i in order {
                let span = Span {
                    start: i % 7,
                    end: 8,
                };
                notes.info(span, (i % 200).to_string());
                notes.warn(span, (i % 3).to_string());
            }
            notes.into_texts(Some("a\nb\nc\nd"))
        };
        let (warnings, infos) = texts(&mut (0..1400));
        assert_eq!((warnings.len(), infos.len()), (4, 97));
        assert!(warnings[3].contains("query.max_notes"), "{warnings:?}");
        assert_eq!(texts(&mut (0..1400).rev()), (warnings, infos));
    }

    #[test]
    fn lifted_counts_add_up() {
        let lifted = |low, high, by, ms| Lifted {
            bounds: (low, high),
            by,
            samples: 1,
            times: (ms, ms),
        };
        let notes = Notes::default();
        let labels = Labels::from_pairs([("__name__", "series_1")]);
        let span = Span { start: 3, end: 8 };
        notes.info_lifted(&labels, lifted(5.0, 50.0, 5.5, 1_735_084_800_000), span);
        notes.info_lifted(&labels, lifted(10.0, 100.0, 10.0, 1_703_462_400_999), span);
        notes.info_lifted(&labels, lifted(2.5, 75.0, 7.5, 1_733_011_200_000), span);
        let (_, infos) = notes.into_texts(Some("lorem ipsum"));
        let want = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
            https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name \
            \"series_1\", from buckets 2.5 to 100, with a max diff of 10, over 3 samples from 2023-12-25T00:00:00Z to \
            2024-12-25T00:00:00Z (1:4)";
        assert_eq!(infos, [want]);
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        let written = [0.1, -2.0, 1e6, 123_456.0, 1e-5, f64::INFINITY, f64::NAN].map(number);
        assert_eq!(
            written,
            ["0.1", "-2", "1e+06", "123456", "1e-05", "+Inf", "NaN"]
        );
        let written = [5.55, 0.0123, 99.4, 99.6, 12_345.0, 1e-5, f64::INFINITY].map(two_digits);
        assert_eq!(
            written,
            ["5.5", "0.012", "99", "1e+02", "1.2e+04", "1e-05", "+Inf"]
        );
    }
}
