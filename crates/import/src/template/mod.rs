//! Texts with Go templates, made into texts of the rule language.
//!
//! `{{ $labels.x }}` becomes `{x}`, `{{ $value | humanizePercentage }}` becomes `{value|percent}`. What has no
//! counterpart (conditions, loops, queries, links) stays in the text as it was written, and is named.
//!
//! - `parse`: a text cut at its actions, and the mistakes that Prometheus would refuse.
//! - `pipeline`: the inside of one action.
//! - here: the pieces put together.

mod parse;
mod pipeline;

use crate::write;
use parse::{Action, Segment};
use pipeline::Piece;

/// What a place in our texts means besides labels: a label of such a name cannot be printed.
const WORDS: &[&str] = &["value", "threshold", "level", "since"];

/// A template that was read.
#[derive(Debug)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

/// A mistake, and the byte of the text it begins at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// A text of the rule language made of a template.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    /// With places, braces escaped, not yet in quotes.
    pub(crate) text: String,
    /// Actions that stay as they were written, with the byte each begins at.
    pub(crate) kept: Vec<(usize, String)>,
    /// Labels that can never be there, with the byte: nothing is printed for them, as in Prometheus.
    pub(crate) empty: Vec<(usize, String)>,
    /// It prints the value.
    pub(crate) has_value: bool,
}

impl Template {
    /// Reads a text as Prometheus and vmalert would.
    pub(crate) fn parse(text: &str) -> Result<Template, Wrong> {
        let segments = parse::split(text)?;
        parse::check(&segments)?;
        Ok(Template { segments })
    }

    /// The text in the rule language; `can` tells which labels the result of the expression may have.
    pub(crate) fn convert(&self, can: &dyn Fn(&str) -> bool) -> Converted {
        let mut out = Converted::default();
        let mut at = 0;
        let mut trim_next = false;
        while let Some(segment) = self.segments.get(at) {
            at += 1;
            match segment {
                Segment::Text(text) => {
                    let text = if std::mem::take(&mut trim_next) {
                        text.trim_start()
                    } else {
                        text
                    };
                    out.text
                        .push_str(&write::escaped_braces(out.unit_less(text)));
                }
                Segment::Action(action) => {
                    if action.trim_left {
                        out.text.truncate(out.text.trim_end().len());
                    }
                    let end = parse::end_of(&self.segments, at - 1);
                    if end > at {
                        out.keep_all(&self.segments[at - 1..end], action.at);
                        at = end;
                    } else {
                        out.action(action, can);
                    }
                    trim_next = match self.segments.get(at - 1) {
                        Some(Segment::Action(last)) => last.trim_right,
                        _ => false,
                    };
                }
            }
        }
        out
    }
}

impl Converted {
    /// The text without the `B` that `humanize1024` leaves to its writer: `{value|bytes}` has it.
    fn unit_less<'t>(&self, text: &'t str) -> &'t str {
        let is_place =
            self.text.ends_with("{value|bytes}") && !self.text.ends_with("{{value|bytes}");
        let rest = text.strip_prefix('B').filter(|rest| {
            let goes_on = rest.starts_with(|c: char| c.is_alphanumeric());
            is_place && !goes_on
        });
        rest.unwrap_or(text)
    }

    fn action(&mut self, action: &Action, can: &dyn Fn(&str) -> bool) {
        if action.is_comment() {
            return;
        }
        let Some(pieces) = pipeline::convert(&action.code) else {
            return self.keep_all(&[Segment::Action(action.clone())], action.at);
        };
        let is_word =
            |piece: &Piece| matches!(piece, Piece::Label(name) if WORDS.contains(&name.as_str()));
        if pieces.iter().any(is_word) {
            return self.keep_all(&[Segment::Action(action.clone())], action.at);
        }
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text.push_str(&write::escaped_braces(&text)),
                Piece::Label(name) if can(&name) => {
                    self.text.push('{');
                    self.text.push_str(&name);
                    self.text.push('}');
                }
                Piece::Label(name) => self.empty.push((action.at, name)),
                Piece::Value(format) => {
                    self.has_value = true;
                    self.text.push_str("{value");
                    if let Some(format) = format {
                        self.text.push('|');
                        self.text.push_str(&format);
                    }
                    self.text.push('}');
                }
            }
        }
    }

    /// Keeps segments as they were written.
    fn keep_all(&mut self, segments: &[Segment], at: usize) {
        let mut raw = String::new();
        for segment in segments {
            match segment {
                Segment::Text(text) => raw.push_str(text),
                Segment::Action(action) => raw.push_str(&action.raw),
            }
        }
        self.text.push_str(&write::escaped_braces(&raw));
        self.kept.push((at, raw));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let can = |name: &str| name != "gone";
        let converted = Template::parse(text).unwrap().convert(&can);
        let kept = converted
            .kept
            .iter()
            .map(|(at, raw)| format!(" [{at}: {raw}]"));
        let empty = converted
            .empty
            .iter()
            .map(|(at, name)| format!(" [{at}: no {name}]"));
        let got: String = std::iter::once(converted.text.clone())
            .chain(kept)
            .chain(empty)
            .collect();
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn labels_and_values_become_places() {
        check(
            "{{ $labels.job }} on {{$labels.instance}}",
            "{job} on {instance}",
        );
        check(
            "{{ .Labels.a }}{{ $.Labels.b }}{{ index $labels \"c\" }}",
            "{a}{b}{c}",
        );
        check("{{ $value }} {{ .Value }}", "{value} {value}");
        check("{{ $value | humanizePercentage }}", "{value|percent}");
        check(
            "{{ humanize1024 $value }}B {{ $value | humanizeDuration }}",
            "{value|bytes} {value|duration}",
        );
        check("{{ $value | humanize }}", "{value}");
        check("{{ printf \"%.2f\" $value }}%", "{value|%.2f}%");
        check(
            "{{ $value | printf \"%.1f%% of %s\" }}",
            "{{{{ $value | printf \"%.1f%% of %s\" }} [0: {{ $value | printf \"%.1f%% of %s\" }}]",
        );
        check(
            "{{ printf \"%s: %.0f%%\" $labels.a $value }}",
            "{a}: {value|%.0f}%",
        );
        check("{{ \"x\" }}{{/* not said */}}", "x");
    }

    #[test]
    fn trimming_is_done() {
        check("a {{- $labels.x -}} b", "a{x}b");
    }

    #[test]
    fn what_has_no_counterpart_stays_and_is_named() {
        check(
            "{x} {{ $labels }}",
            "{{x} {{{{ $labels }} [4: {{ $labels }}]",
        );
        check(
            "{{ with $labels.c -}} on {{ . }} {{- end }}. {{ $labels.job }}",
            "{{{{ with $labels.c -}} on {{{{ . }} {{{{- end }}. {job} [0: {{ with $labels.c -}} on {{ . }} {{- end }}]",
        );
        check("{{ $labels.gone }}!", "! [0: no gone]");
    }

    #[test]
    fn mistakes_have_a_place() {
        let wrong = |text: &str| {
            let wrong = Template::parse(text).unwrap_err();
            format!("{}: {}", wrong.at, wrong.message)
        };
        assert_eq!(wrong("a {{ $value"), "2: unclosed action");
        assert_eq!(wrong("{{ $foo }}"), "0: undefined variable `$foo`");
        assert_eq!(
            wrong("{{ humanise $value }}"),
            "0: function `humanise` not defined"
        );
        assert_eq!(wrong("x{{ end }}"), "1: unexpected {{end}}");
        assert_eq!(wrong("{{ if $value }}x"), "0: `if` without {{end}}");
        assert_eq!(wrong("{{ }}"), "0: missing value for command");
        assert_eq!(wrong("{{ \"x }}"), "0: unterminated quoted string");
        assert_eq!(wrong("{{ ($value }}"), "0: unclosed left paren");
    }
}
