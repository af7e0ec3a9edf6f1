//! Prometheus' text format 0.0.4, written: what `/metrics` answers.
//!
//! Not here: reading it.

use std::fmt::Write as _;

use bellwether_model::labels::{is_legacy_label_name, is_legacy_metric_name};
use bellwether_model::value::push_value;

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
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}", Escaped(help, Place::Help));
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    /// One sample, with the time it is read at.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
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
        self.text.push('\n');
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
