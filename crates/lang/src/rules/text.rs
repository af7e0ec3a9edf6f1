//! Texts with places to fill: `{instance} {mountpoint}: {value|percent} left`.
//!
//! Interpolation and nothing more: no conditions, no loops, no functions of our own. A text is parsed once,
//! with its rule; rendering cannot fail and is bounded by `template.output`.
//!
//! Not here: which labels an expression can produce (`labels.rs`), how numbers look (`format.rs`).

use std::fmt;

use bellwether_model::labels::Quoted;
use bellwether_model::{DurationMs, Labels, limits};

use super::format::Format;
use super::types::Level;

/// What a text ends in when it was cut at `template.output`.
const CUT_MARK: &str = " [cut]";

/// A parsed text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    pub(super) parts: Vec<Part>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Stands as it is; never empty, never beside another one.
    Literal(String),
    /// `{name}`
    Label(String),
    /// `{value}`
    Value(Option<Format>),
    /// `{threshold}`
    Threshold(Option<Format>),
    /// `{level}`
    Level,
    /// `{since}`
    Since,
}

/// What a text is filled from.
#[derive(Clone, Copy, Debug)]
pub struct TextContext<'a> {
    /// For the texts of `label`: the labels of the result. For all others: those of the instance.
    pub labels: &'a Labels,
    /// The value of the newest evaluation.
    pub value: f64,
    /// The number of the level line that holds; empty in the text when the line is bare.
    pub threshold: Option<f64>,
    /// The level of the instance; empty in the text when there is none.
    pub level: Option<Level>,
    /// How long a condition of the instance has been true, whatever its level by now; whole seconds are shown, and nothing
    /// when unknown.
    pub since: Option<DurationMs>,
}

impl Text {
    /// A text without places to fill.
    pub fn literal(text: &str) -> Text {
        let parts = match text {
            "" => Vec::new(),
            text => vec![Part::Literal(text.to_owned())],
        };
        Text { parts }
    }

    /// Fills the text. A label that is missing is empty. Longer than `template.output`, it is cut at a
    /// character and says so.
    pub fn render(&self, context: &TextContext<'_>) -> String {
        let max = limits::TEMPLATE_OUTPUT_MAX.usize();
        let mut out = String::new();
        for part in &self.parts {
            part.render(context, &mut out);
            if out.len() > max {
                out.truncate(out.floor_char_boundary(max - CUT_MARK.len()));
                out.push_str(CUT_MARK);
                break;
            }
        }
        out
    }

    /// The text as a rule file writes it, without the quotes and their escapes.
    pub fn source(&self) -> String {
        self.parts.iter().map(Part::source).collect()
    }

    /// The labels it names, in the order written.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Label(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

impl Part {
    fn render(&self, context: &TextContext<'_>, out: &mut String) {
        match self {
            Part::Literal(text) => out.push_str(text),
            Part::Label(name) => out.push_str(context.labels.get(name).unwrap_or("")),
            Part::Value(format) => Format::push(*format, context.value, out),
            Part::Threshold(format) => {
                if let Some(threshold) = context.threshold {
                    Format::push(*format, threshold, out);
                }
            }
            Part::Level => out.push_str(context.level.map_or("", Level::word)),
            Part::Since => {
                if let Some(since) = context.since {
                    // The moment of an evaluation has milliseconds, which nobody asked for.
                    Format::Duration.render(since.as_seconds().floor(), out);
                }
            }
        }
    }
}

/// The text as a rule file writes it, quotes included; reading it back gives an equal text.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Quoted(&self.source()))
    }
}

impl Part {
    /// The part as it stands between the quotes, before escaping.
    fn source(&self) -> String {
        let place = |name: &str, format: &Option<Format>| match format {
            Some(format) => format!("{{{name}|{format}}}"),
            None => format!("{{{name}}}"),
        };
        match self {
            // The one character with a meaning, written so that it has none.
            Part::Literal(text) => text.replace('{', "{{"),
            Part::Label(name) => place(name, &None),
            Part::Value(format) => place("value", format),
            Part::Threshold(format) => place("threshold", format),
            Part::Level => place("level", &None),
            Part::Since => place("since", &None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(labels: &Labels) -> TextContext<'_> {
        TextContext {
            labels,
            value: 0.1428,
            threshold: Some(0.15),
            level: Some(Level::Critical),
            since: Some(DurationMs(95 * 60_000 + 250)), // Evaluations have milliseconds, people do not.
        }
    }

    fn text(parts: Vec<Part>) -> Text {
        Text { parts }
    }

    #[test]
    fn every_place_is_filled() {
        let labels = Labels::from_pairs([("instance", "a"), ("mountpoint", "/")]);
        let text = text(vec![
            Part::Label("instance".into()),
            Part::Literal(" ".into()),
            Part::Value(Some(Format::Percent)),
            Part::Literal(" < ".into()),
            Part::Threshold(Some(Format::Percent)),
            Part::Literal(" {".into()),
            Part::Level,
            Part::Literal(" for ".into()),
            Part::Since,
        ]);
        assert_eq!(
            text.render(&context(&labels)),
            "a 14.28% < 15% {critical for 1h35m"
        );
        assert_eq!(
            text.to_string(),
            r#""{instance} {value|percent} < {threshold|percent} {{{level} for {since}""#
        );
    }

    #[test]
    fn what_is_missing_is_empty() {
        let labels = Labels::empty();
        let text = text(vec![
            Part::Label("gone".into()),
            Part::Threshold(None),
            Part::Level,
            Part::Since,
        ]);
        let context = TextContext {
            threshold: None,
            level: None,
            since: None,
            ..context(&labels)
        };
        assert_eq!(text.render(&context), "");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        let labels = Labels::from_pairs([("a", "\u{20ac}".repeat(1000))]);
        let text = text(vec![Part::Label("a".into()); 100]);
        let out = text.render(&context(&labels));
        assert!(out.len() <= limits::TEMPLATE_OUTPUT_MAX.usize());
        assert!(out.len() > limits::TEMPLATE_OUTPUT_MAX.usize() - 10);
        assert!(
            out.ends_with("\u{20ac} [cut]"),
            "{}",
            &out[out.len() - 20..]
        );
    }
}
