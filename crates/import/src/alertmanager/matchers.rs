//! Alertmanager's matchers: `{owner="team-A", env=~"prod.*"}`, in its newer syntax and in its classic one.
//!
//! The newer one takes any UTF-8 name in quotes; the classic one takes nearly anything as a value. A configuration is
//! read as Alertmanager does by default: what the newer syntax refuses may still be classic.

use bellwether_lang::promql;
use bellwether_model::labels::is_legacy_label_name;
use bellwether_model::{MatchOp, Matcher};

/// Why a text is no list of matchers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchersError {
    /// Something else was expected.
    #[error("column {column}: expected {expected}, found {found}")]
    Unexpected {
        /// From 1, in characters.
        column: usize,
        /// What would have been right there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// An escape that is none, or bytes that are no UTF-8.
    #[error("column {column}: {text} is not a text in quotes")]
    Quoted {
        /// From 1, in characters.
        column: usize,
        /// As it was written.
        text: String,
    },
    /// A pattern that does not compile.
    #[error("{0}")]
    Pattern(#[from] bellwether_model::MatcherError),
}

/// Reads matchers in the newer syntax.
pub fn parse(text: &str) -> Result<Vec<Matcher>, MatchersError> {
    let mut scan = Scan { text, at: 0 };
    let braces = scan.take("{");
    let mut matchers = Vec::new();
    while !scan.at_end() {
        if braces && scan.peek("}") {
            break;
        }
        matchers.push(scan.matcher()?);
        if !scan.take(",") {
            break;
        }
    }
    if braces && !scan.take("}") {
        return Err(scan.unexpected(if matchers.is_empty() {
            "a close brace"
        } else {
            "a comma or a close brace"
        }));
    }
    if !scan.at_end() {
        return Err(scan.unexpected("a comma or the end"));
    }
    Ok(matchers)
}

/// Reads matchers as a configuration does: the newer syntax, or else the classic one.
pub(crate) fn parse_any(text: &str) -> Result<Vec<Matcher>, MatchersError> {
    parse(text).or_else(|error| classic(text).ok_or(error))
}

/// The classic syntax: names are legacy names, a value goes on to the next comma.
fn classic(text: &str) -> Option<Vec<Matcher>> {
    let text = text.trim();
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text).trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    let mut matchers = Vec::new();
    for part in split_at_commas(text) {
        let part = part.trim();
        let name = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')))
            .map_or(part, |len| &part[..len]);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let rest = part[name.len()..].trim_start();
        let (op, value) = operator(rest)?;
        matchers.push(Matcher::new(op, name, &classic_value(value.trim())?).ok()?);
    }
    Some(matchers)
}

/// Parts between commas that stand outside of quotes.
fn split_at_commas(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn classic_value(raw: &str) -> Option<String> {
    let quoted = raw.len() > 1 && raw.starts_with('"') && raw.ends_with('"');
    let inner = if quoted { &raw[1..raw.len() - 1] } else { raw };
    if !quoted && raw.contains('"') {
        return None;
    }
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                '"' => out.push('"'),
                '\\' => out.push('\\'),
                // Unknown escapes stay, so that patterns keep theirs.
                other => out.extend(['\\', other]),
            },
            '"' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn operator(text: &str) -> Option<(MatchOp, &str)> {
    let ops = [
        ("=~", MatchOp::Regex),
        ("!~", MatchOp::NotRegex),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    ops.into_iter()
        .find_map(|(word, op)| Some((op, text.strip_prefix(word)?)))
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.text[self.at..].trim_start()
    }

    fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn peek(&self, symbol: &str) -> bool {
        self.rest().starts_with(symbol)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.peek(symbol);
        if found {
            self.at = self.text.len() - self.rest().len() + symbol.len();
        }
        found
    }

    fn column(&self) -> usize {
        let at = self.text.len() - self.rest().len();
        self.text[..at].chars().count() + 1
    }

    fn unexpected(&self, expected: &'static str) -> MatchersError {
        let found = match self.rest().chars().next() {
            Some(c) => format!("`{c}`"),
            None => "the end".into(),
        };
        MatchersError::Unexpected {
            column: self.column(),
            expected,
            found,
        }
    }

    fn matcher(&mut self) -> Result<Matcher, MatchersError> {
        let name = self.word("a label's name")?;
        let Some((op, rest)) = operator(self.rest()) else {
            return Err(self.unexpected("an operator such as `=`"));
        };
        self.at = self.text.len() - rest.len();
        let value = self.word("a label's value")?;
        Ok(Matcher::new(op, &name, &value)?)
    }

    /// A text in double quotes, or a word without anything that means something.
    fn word(&mut self, what: &'static str) -> Result<String, MatchersError> {
        let rest = self.rest();
        let start = self.text.len() - rest.len();
        if rest.starts_with('"') {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find_map(|(at, c)| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends.then_some(at + 1)
            });
            let wrong = |text: &str| MatchersError::Quoted {
                column: self.column(),
                text: text.to_owned(),
            };
            let raw = &rest[..end.ok_or_else(|| wrong(rest))?];
            let text = unquote(raw).ok_or_else(|| wrong(raw))?;
            self.at = start + raw.len();
            return Ok(text);
        }
        let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
        let len = rest.find(reserved).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.unexpected(what));
        }
        self.at = start + len;
        Ok(rest[..len].to_owned())
    }
}

/// The text between Go's double quotes. PromQL has the same escapes, and turns bytes that are no UTF-8 into a mark;
/// a mark that was not written is a mistake here.
fn unquote(raw: &str) -> Option<String> {
    let expr = promql::parse(raw).ok()?;
    let promql::ast::ExprKind::String(text) = expr.kind else {
        return None;
    };
    let marks = |text: &str| text.matches('\u{fffd}').count();
    (marks(&text) == marks(raw)).then_some(text)
}

/// A matcher as the rule language writes it; `None` when its name is not one that it takes.
pub(crate) fn is_plain(matcher: &Matcher) -> bool {
    is_legacy_label_name(matcher.name())
}

/// What the matcher does not match.
pub(crate) fn negated(matcher: &Matcher) -> Option<Matcher> {
    let op = match matcher.op() {
        MatchOp::Equal => MatchOp::NotEqual,
        MatchOp::NotEqual => MatchOp::Equal,
        MatchOp::Regex => MatchOp::NotRegex,
        MatchOp::NotRegex => MatchOp::Regex,
    };
    Matcher::new(op, matcher.name(), matcher.value()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_newer_syntax_refuses_may_be_classic() {
        let read = |text: &str| {
            parse_any(text).map(|found| {
                let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
                texts.join(" ")
            })
        };
        assert_eq!(read(r#"foo=~"\d+""#).unwrap(), r#"foo=~"\\d+""#);
        assert_eq!(read("foo=bar baz").unwrap(), r#"foo="bar baz""#);
        assert_eq!(read("{foo=}").unwrap(), r#"foo="""#);
        assert_eq!(read("").unwrap(), "");
        assert!(read("foo").is_err());
        assert!(read(r#"foo="a"#).is_err());
        assert!(read("foo=~\"(\"").is_err());
    }
}
