//! The inside of a text: escapes, and the places in braces.
//!
//! Every character keeps the byte it came from, so a mistake in a place stands under its caret also behind
//! escapes. Not here: rendering (`text.rs`), whether a label can be there (`alerts.rs`).

use super::diagnostic::Mistake;
use super::format::Format;
use super::near::nearest;
use super::scan::{Placed, shown};
use super::text::{Part, Text};
use crate::promql::ast::Span;

/// A text and where its places stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ParsedText {
    pub(super) text: Text,
    /// What is in braces, in the order written.
    pub(super) places: Vec<Placed<Part>>,
}

/// A character of the unescaped text and the bytes of the file it came from.
#[derive(Clone, Copy)]
struct From {
    c: char,
    span: Span,
}

/// Reads a quoted text as a template: the text without what is wrong in it, and every mistake.
pub(super) fn parse(quoted: &Placed<&str>) -> (ParsedText, Vec<Mistake>) {
    let (chars, mut mistakes) = unescape(quoted);
    let mut parts: Vec<Part> = Vec::new();
    let mut places = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(from) = chars.get(at) {
        if from.c != '{' {
            literal.push(from.c);
            at += 1;
            continue;
        }
        // Four and more are braces written twice, as another system's template is when it is meant as a text.
        let run = chars[at..].iter().take_while(|f| f.c == '{').count();
        if run >= 4 {
            literal.extend(std::iter::repeat_n('{', run / 2));
            at += run / 2 * 2;
            continue;
        }
        if let Some((mistake, len)) = foreign(&chars[at..]) {
            mistakes.push(mistake);
            at += len;
            continue;
        }
        if chars.get(at + 1).is_some_and(|next| next.c == '{') {
            literal.push('{');
            at += 2;
            continue;
        }
        // The next brace of either kind: one that opens again was not closed.
        let next = chars[at + 1..]
            .iter()
            .position(|f| matches!(f.c, '{' | '}'))
            .map(|n| n + 1);
        let Some(len) = next.filter(|n| chars[at + n].c == '}') else {
            mistakes.push(
                Mistake::error(from.span, "`{` is not closed")
                    .label("a place such as {instance} ends with `}`")
                    .help("`{{` writes a brace"),
            );
            at += next.unwrap_or(chars.len());
            continue;
        };
        match place(&chars[at..=at + len]) {
            Ok(placed) => {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(placed.value.clone());
                places.push(placed);
            }
            Err(mistake) => mistakes.push(mistake),
        }
        at += len + 1;
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    let text = Text { parts };
    (ParsedText { text, places }, mistakes)
}

/// Reads a quoted text that has no places: braces are ordinary.
pub(super) fn plain(quoted: &Placed<&str>) -> Result<String, Vec<Mistake>> {
    let (chars, mistakes) = unescape(quoted);
    if mistakes.is_empty() {
        return Ok(chars.iter().map(|from| from.c).collect());
    }
    Err(mistakes)
}

/// Characters of a quoted text; escapes are those of PromQL and Go, none between backticks. There a text may go
/// on over lines, whose indentation and carriage returns are dropped. What is no escape is left out.
fn unescape(quoted: &Placed<&str>) -> (Vec<From>, Vec<Mistake>) {
    let raw = quoted.value;
    let inner = &raw[1..raw.len() - 1];
    let start = quoted.span.start + 1;
    let is_raw = raw.starts_with('`');
    let mut chars = Vec::with_capacity(inner.len());
    let mut mistakes = Vec::new();
    let mut at = 0;
    while let Some(c) = inner[at..].chars().next() {
        let (c, len) = match c {
            '\\' if !is_raw => {
                if let Some(found) = escape(&inner[at..]) {
                    found
                } else {
                    let next = inner[at + 1..].chars().next();
                    let span = Span {
                        start: start + at,
                        end: start + at + 1 + next.map_or(0, char::len_utf8),
                    };
                    mistakes.push(
                    Mistake::error(span, "not an escape")
                        .label("a backslash is written `\\\\`")
                        .help("escapes: \\\" \\\\ \\n \\t \\r \\xNN \\uNNNN; between backticks nothing is escaped"),
                );
                    at += 1 + next.map_or(0, char::len_utf8);
                    continue;
                }
            }
            c => (c, c.len_utf8()),
        };
        let span = Span {
            start: start + at,
            end: start + at + len,
        };
        at += len;
        if is_raw && c == '\n' {
            // The rest of the text is indented because it goes on with a clause: that is the file's, not the text's.
            at += inner[at..].len() - inner[at..].trim_start_matches([' ', '\t']).len();
        }
        if !(is_raw && c == '\r') {
            chars.push(From { c, span });
        }
    }
    (chars, mistakes)
}

/// The character of the escape at the start of `text`, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let hex = |from: usize, digits: usize| {
        let digits_text = text.get(from..from + digits)?;
        // The parser of integers would take a sign.
        if !digits_text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let code = u32::from_str_radix(digits_text, 16).ok()?;
        Some((char::from_u32(code)?, from + digits))
    };
    let kind = text[1..].chars().next()?;
    let c = match kind {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '"' | '\'' => kind,
        // Below 0x80 only: above, a byte alone is no character.
        'x' => return hex(2, 2).filter(|(c, _)| c.is_ascii()),
        'u' => return hex(2, 4),
        'U' => return hex(2, 8),
        _ => return None,
    };
    Some((c, 2))
}

/// Another system's template where a place begins, and how many characters it has.
fn foreign(chars: &[From]) -> Option<(Mistake, usize)> {
    let text: String = chars.iter().take(200).map(|f| f.c).collect();
    let inside = text.strip_prefix("{{")?;
    let close = inside.find("}}")?;
    let code = inside[..close].trim().trim_start_matches('-').trim();
    // An action begins with a variable, a field or a word, and has no braces inside.
    let begins = code.starts_with(|c: char| matches!(c, '$' | '.') || c.is_ascii_alphabetic());
    if !begins || code.contains('{') {
        return None;
    }
    // `{{job="$labels.job"}}` is a selector whose brace is written twice.
    let after = code.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if after.trim_start().starts_with(['=', '!']) {
        return None;
    }
    let meant = match code {
        c if c.starts_with("$labels.") => {
            let name: String = c["$labels.".len()..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            format!("{{{name}}}")
        }
        c if c.contains("$value") && c.contains("humanizePercentage") => "{value|percent}".into(),
        c if c.contains("$value") && c.contains("humanize1024") => "{value|bytes}".into(),
        c if c.contains("$value") && c.contains("humanizeDuration") => "{value|duration}".into(),
        c if c.contains("$value") => "{value}".into(),
        c if c.starts_with("$labels") || c.contains("$labels.") || c.starts_with('.') => {
            "{instance}, {value|percent}".into()
        }
        _ => return None,
    };
    let len = inside[..close].chars().count() + 4;
    let span = Span {
        start: chars[0].span.start,
        end: chars[len - 1].span.end,
    };
    let mistake = Mistake::error(span, "a Go template")
        .label(format!("write {meant}"))
        .help("texts have labels and the value in single braces, and no template language");
    Some((mistake, len))
}

/// A place, with its braces.
fn place(chars: &[From]) -> Result<Placed<Part>, Mistake> {
    let inner = &chars[1..chars.len() - 1];
    let inside: String = inner.iter().map(|f| f.c).collect();
    // Between the braces, or with them when nothing is there.
    let (first, last) = match (inner.first(), inner.last()) {
        (Some(first), Some(last)) if !inside.trim().is_empty() => (first, last),
        _ => (&chars[0], &chars[chars.len() - 1]),
    };
    let span = Span {
        start: first.span.start,
        end: last.span.end,
    };
    let (name, format) = match inside.split_once('|') {
        Some((name, format)) => (name.trim(), Some(format.trim())),
        None => (inside.trim(), None),
    };
    let value = match (name, format) {
        ("", _) => {
            return Err(Mistake::error(span, "nothing between the braces")
                .label("expected a label's name, or value, threshold, level, since")
                .help("`{{` writes a brace"));
        }
        ("value", None) => Part::Value(None),
        ("threshold", None) => Part::Threshold(None),
        ("value", Some(text)) => Part::Value(Some(format_of(text, span)?)),
        ("threshold", Some(text)) => Part::Threshold(Some(format_of(text, span)?)),
        ("level", None) => Part::Level,
        ("since", None | Some("duration")) => Part::Since,
        ("level" | "since", Some(_)) => {
            return Err(Mistake::error(span, format!("`{{{name}}}` has no formats"))
                .label(format!("write {{{name}}}")));
        }
        (name, None) => Part::Label(label_name(name, span)?.to_owned()),
        (name, Some(format)) => {
            label_name(name, span)?;
            let meant = match Format::parse(format) {
                Some(_) => format!("a label is a text; write {{{name}}} or {{value|{format}}}"),
                None => format!("a label is a text; write {{{name}}}"),
            };
            return Err(
                Mistake::error(span, "only the value and the threshold have formats").label(meant),
            );
        }
    };
    Ok(Placed { value, span })
}

fn label_name(name: &str, span: Span) -> Result<&str, Mistake> {
    if bellwether_model::labels::is_legacy_label_name(name) {
        return Ok(name);
    }
    let mistake = Mistake::error(span, format!("{} is not a label's name", shown(name)));
    let tail = name.rsplit(['.', '$']).next().unwrap_or(name).trim();
    Err(if bellwether_model::labels::is_legacy_label_name(tail) {
        mistake.label(format!("write {{{tail}}}"))
    } else {
        mistake
            .label("a label's name has letters, digits and `_`")
            .help("`{{` writes a brace")
    })
}

fn format_of(text: &str, span: Span) -> Result<Format, Mistake> {
    if let Some(format) = Format::parse(text) {
        return Ok(format);
    }
    let mistake = Mistake::error(span, format!("{} is not a format", shown(text)));
    let by_meaning = match text {
        "humanizePercentage" | "%" | "pct" => Some("percent"),
        "humanize" => {
            return Err(mistake.label("write it without one: a number is shown with few digits"));
        }
        "humanize1024" | "byte" | "size" => Some("bytes"),
        "humanizeDuration" | "time" | "dur" => Some("duration"),
        "%d" | "%i" | "int" => Some("%.0f"),
        "%s" | "%v" => Some("%g"),
        text => nearest(text, Format::NAMES),
    };
    Err(match by_meaning {
        Some(name) => mistake.label(format!("did you mean `{name}`?")),
        None => mistake.label("formats: percent, bytes, duration, or as C writes it: %.2f %e %g"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ParsedText, Vec<Mistake>> {
        let (read, mistakes) = parse(&Placed {
            value: text,
            span: Span {
                start: 100,
                end: 100 + text.len(),
            },
        });
        if mistakes.is_empty() {
            return Ok(read);
        }
        Err(mistakes)
    }

    #[test]
    fn printing_a_text_reads_back() {
        for text in [
            r#""""#,
            r#""plain""#,
            r#""{a} {value|percent} {threshold|%.2f} {level} {since} {{x}""#,
            r#""tab\tquote\" €""#,
            "`raw \\ {a}`",
            r#""}} }""#,
            r#""{{{{ $labels.job }} {{{{{value}""#,
            r#""up{{job=$labels.job}}""#,
            r#""{{{{ printf \"{{%s}\" $value }}""#,
        ] {
            let first = read(text).unwrap().text;
            let printed = first.to_string();
            assert_eq!(read(&printed).unwrap().text, first, "{printed}");
        }
    }

    #[test]
    fn places_stand_where_they_are_written() {
        let parsed = read(r#""\"\u20ac{a}€{b}""#).unwrap();
        let spans: Vec<_> = parsed
            .places
            .iter()
            .map(|p| (p.span.start, p.span.end))
            .collect();
        assert_eq!(spans, [(110, 111), (116, 117)]);
    }

    #[test]
    fn mistakes_name_what_is_meant() {
        for (text, message, label) in [
            (
                "\"{a\"",
                "`{` is not closed",
                "a place such as {instance} ends with `}`",
            ),
            (
                "\"{}\"",
                "nothing between the braces",
                "expected a label's name, or value, threshold, level, since",
            ),
            (
                "\"{value|percnet}\"",
                "`percnet` is not a format",
                "did you mean `percent`?",
            ),
            (
                "\"{$labels.job}\"",
                "`$labels.job` is not a label's name",
                "write {job}",
            ),
            ("\"{{ $labels.job }}\"", "a Go template", "write {job}"),
            (
                "\"{{ $value | humanizePercentage }}\"",
                "a Go template",
                "write {value|percent}",
            ),
            (
                "\"{job|percent}\"",
                "only the value and the threshold have formats",
                "a label is a text; write {job} or {value|percent}",
            ),
            (
                "\"{level|percent}\"",
                "`{level}` has no formats",
                "write {level}",
            ),
            (r#""\q""#, "not an escape", "a backslash is written `\\\\`"),
        ] {
            let mistakes = read(text).unwrap_err();
            assert_eq!(mistakes.len(), 1, "{text}");
            assert_eq!(
                (mistakes[0].message.as_str(), mistakes[0].label.as_str()),
                (message, label),
                "{text}"
            );
        }
    }

    #[test]
    fn every_mistake_of_a_text_is_told() {
        assert_eq!(read(r#""{} {a b} {value|x}""#).unwrap_err().len(), 3);
        let text = r#""\q {} {{ $value }} {{ $labels.a }} {b""#;
        assert_eq!(read(text).unwrap_err().len(), 5);
    }
}
