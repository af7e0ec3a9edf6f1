//! Prometheus' text format 0.0.4, written: what `/metrics` answers.
//!
//! Not here: reading it.

use std::borrow::Cow;
use std::fmt::Write as _;

use bellwether_model::labels::{is_legacy_label_name, is_legacy_metric_name};
use bellwether_model::value::{Sample, push_value};

/// The `Content-Type` of what [`Exposition`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, or starts over.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A sum and a count: `name_sum`, `name_count`.
    Summary,
}

impl Kind {
    /// As the format writes it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        }
    }
}

/// A name as every reader of the format takes it: `_` for each character that its grammar lacks.
pub fn legacy_name(name: &str) -> Cow<'_, str> {
    if is_legacy_label_name(name) {
        return Cow::Borrowed(name);
    }
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == ':' {
            c
        } else {
            '_'
        }
    };
    let mut text: String = name.chars().map(legal).collect();
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    Cow::Owned(text)
}

/// A page in the making: families one after the other, each with its samples.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// An empty page.
    pub fn new() -> Exposition {
        Exposition::default()
    }

    /// Begins the family `name`. Each family is begun once, and its samples follow at once.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        debug_assert!(is_legacy_metric_name(name), "{name}");
        let kind = kind.word();
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}", Escaped(help, Place::Help));
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    /// Begins a family of which only the name is known.
    pub fn untyped(&mut self, name: &str) {
        debug_assert!(is_legacy_metric_name(name), "{name}");
        let _ = writeln!(self.text, "# TYPE {name} untyped");
    }

    /// One sample, with the time it is read at.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.push_sample(name, labels, value);
        self.text.push('\n');
    }

    /// One sample of a time that is not the reader's.
    pub fn sample_at(&mut self, name: &str, labels: &[(&str, &str)], sample: Sample) {
        self.push_sample(name, labels, sample.v);
        let _ = writeln!(self.text, " {}", sample.t.0);
    }

    /// How long the page is so far, in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// True before anything was written.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn push_sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        debug_assert!(is_legacy_metric_name(name), "{name}");
        self.text.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            debug_assert!(is_legacy_label_name(label), "{label}");
            self.text.push(if i == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"{}\"", Escaped(text, Place::Value));
        }
        self.text
            .push_str(if labels.is_empty() { " " } else { "} " });
        push_value(&mut self.text, value);
    }

    /// The page.
    pub fn finish(self) -> String {
        self.text
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Help,
    Value,
}

/// Escaped as the format asks: `\\` and `\n` everywhere, `\"` inside quotes.
struct Escaped<'a>(&'a str, Place);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.1 == Place::Value => f.write_str("\\\"")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn names_that_the_format_lacks_are_bent() {
        for (name, legal) in [
            ("up", "up"),
            ("http.code", "http_code"),
            ("a:b", "a:b"),
            ("9x", "_9x"),
            ("größe", "gr__e"),
            ("", "_"),
        ] {
            assert_eq!(legacy_name(name), legal);
        }
    }

    #[test]
    fn samples_of_other_times() {
        let mut page = Exposition::new();
        page.untyped("up");
        let t = bellwether_model::TimestampMs(-1500);
        page.sample_at("up", &[("job", "a")], Sample { t, v: f64::NAN });
        assert_eq!(
            page.finish(),
            "# TYPE up untyped\nup{job=\"a\"} NaN -1500\n"
        );
    }

    #[test]
    fn a_page() {
        let mut page = Exposition::new();
        page.family("a_total", Kind::Counter, "Back\\slash, \"quotes\",\nline.");
        page.sample("a_total", &[], 3.0);
        page.family("b", Kind::Gauge, "B.");
        page.sample("b", &[("x", "q\"\\\n"), ("y", "")], f64::INFINITY);
        page.sample("b", &[("x", "ü")], 1.5e-9);
        page.family("c_seconds", Kind::Summary, "C.");
        page.sample("c_seconds_sum", &[], 0.25);
        page.sample("c_seconds_count", &[], 1.0);
        expect![[r#"
            # HELP a_total Back\\slash, "quotes",\nline.
            # TYPE a_total counter
            a_total 3
            # HELP b B.
            # TYPE b gauge
            b{x="q\"\\\n",y=""} +Inf
            b{x="ü"} 1.5e-09
            # HELP c_seconds C.
            # TYPE c_seconds summary
            c_seconds_sum 0.25
            c_seconds_count 1
        "#]]
        .assert_eq(&page.finish());
    }
}
