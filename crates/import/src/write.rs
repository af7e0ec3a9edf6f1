//! Our own text, written: items, clauses, texts in quotes, expressions over several lines.
//!
//! What is written here is read back by `bellwether-lang` before anyone sees it ([`crate::finish`]).

use std::fmt::Write as _;

use bellwether_lang::promql::{self, Expr};
use bellwether_model::Matcher;
use bellwether_model::labels::Quoted;
use bellwether_model::value::format_value;

/// An item to be written: comments above it, its head, its clauses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Item {
    pub(crate) comments: Vec<String>,
    /// `alert NAME`
    pub(crate) head: String,
    /// The word and what follows it; lines after the first are indented when they are written.
    pub(crate) clauses: Vec<(String, String)>,
}

impl Item {
    pub(crate) fn new(head: impl Into<String>) -> Item {
        Item {
            head: head.into(),
            ..Item::default()
        }
    }

    pub(crate) fn clause(&mut self, word: &str, rest: impl Into<String>) {
        self.clauses.push((word.to_owned(), rest.into()));
    }
}

/// Where the value of `expr` stands before the file is formatted: behind two blanks, the word and another blank.
const VALUE_COLUMN: usize = 2 + "expr ".len();

/// The least that a line is indented which goes on with a clause.
const CONTINUED_COLUMN: usize = 4;

/// A file of items.
pub(crate) fn file(comments: &[String], items: &[Item]) -> String {
    let mut out = String::new();
    for comment in comments {
        push_comment(&mut out, comment);
    }
    for item in items {
        if !out.is_empty() {
            out.push('\n');
        }
        for comment in &item.comments {
            push_comment(&mut out, comment);
        }
        out.push_str(&item.head);
        out.push('\n');
        for (word, rest) in &item.clauses {
            let _ = write!(out, "  {word}");
            if !rest.is_empty() {
                let _ = write!(out, " {rest}");
            }
            out.push('\n');
        }
    }
    out
}

/// A comment over as many lines as it has; what a rule file may not hold becomes a blank.
fn push_comment(out: &mut String, text: &str) {
    for line in text.lines() {
        let line: String = line
            .chars()
            .map(|c| if c.is_control() || is_odd(c) { ' ' } else { c })
            .collect();
        let _ = writeln!(out, "# {}", line.trim());
    }
}

/// Blanks that are no spaces, and characters that take no room.
fn is_odd(c: char) -> bool {
    c != ' ' && c.is_whitespace()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

/// A foreign text inside one of ours: `{` begins a place there, and is written twice. One before a variable, which would
/// read as another system's template then, becomes `(`.
pub(crate) fn escaped_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '{' if is_mistaken(text, at) => out.push('('),
            '{' => out.push_str("{{"),
            c => out.push(c),
        }
    }
    out
}

/// True for a text with a brace that [`escaped_braces`] cannot keep.
pub(crate) fn has_mistaken_brace(text: &str) -> bool {
    text.match_indices('{').any(|(at, _)| is_mistaken(text, at))
}

/// True for a brace alone before a variable, a field, or an action's words.
fn is_mistaken(text: &str, at: usize) -> bool {
    let alone = !text[..at].ends_with('{') && !text[at + 1..].starts_with('{');
    let inside = text[at + 1..].trim_start_matches(|c: char| c.is_whitespace() || c == '-');
    if inside.starts_with(['$', '.']) {
        return alone;
    }
    let action = inside.find('}').map_or(inside, |end| &inside[..end]);
    alone && (action.contains("$value") || action.contains("$labels")) && !action.contains('=')
}

/// A text, its places and braces already as the rule language has them, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let text = text.trim_end();
    let lines = || text.split('\n').skip(1);
    let raw = text.contains('\n')
        && !text.contains(['`', '\r'])
        && text.chars().all(|c| c == '\n' || !c.is_control() && !is_odd(c))
        // Between backticks the indentation of a line is the file's, not the text's.
        && lines().all(|line| !line.starts_with([' ', '\t']) && !line.ends_with([' ', '\t']));
    if raw {
        return format!("`{}`", text.replace('\n', "\n    "));
    }
    Quoted(text).to_string()
}

/// An expression as it was written where the rule language reads that the same way, spelled out otherwise; without its
/// comments ([`comments`]).
pub(crate) fn expression(written: &str, expr: &Expr) -> String {
    let (bare, _) = without_comments(written);
    let written = bare.as_str();
    let lines: Vec<&str> = written
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .collect();
    // A text over lines would take our indentation, and a tab in the indentation is refused.
    let plain = !written.contains(['`', '\r'])
        && written
            .chars()
            .all(|c| c == '\n' || c == '\t' || !c.is_control() && !is_odd(c));
    if !plain || lines.is_empty() {
        return expr.to_string();
    }
    let width = |line: &str| {
        let blanks = line.chars().take_while(|c| c.is_whitespace());
        blanks.map(|c| if c == '\t' { 4 } else { 1 }).sum::<usize>()
    };
    // The first line stands behind its word; the others keep their distance from it.
    let first = width(lines[0]);
    let mut out = lines[0].trim().to_owned();
    for line in &lines[1..] {
        let column = (VALUE_COLUMN + width(line)).saturating_sub(first);
        let indent = " ".repeat(column.max(CONTINUED_COLUMN));
        let _ = write!(out, "\n{indent}{}", line.trim());
    }
    match promql::parse(&out) {
        Ok(read) if read == *expr => out,
        _ => expr.to_string(),
    }
}

/// The comments inside an expression, without their `#`.
pub(crate) fn comments(written: &str) -> Vec<String> {
    without_comments(written).1
}

/// An expression and the comments that stood in it. A `#` inside of quotes begins none.
fn without_comments(written: &str) -> (String, Vec<String>) {
    let (mut bare, mut comments) = (String::with_capacity(written.len()), Vec::new());
    let mut quote = None;
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '#') => {
                let rest = chars.as_str();
                let end = rest.find('\n').unwrap_or(rest.len());
                comments.push(rest[..end].trim().to_owned());
                chars = rest[end..].chars();
                continue;
            }
            (None, '"' | '\'' | '`') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (Some('"' | '\''), '\\') => {
                bare.push(c);
                bare.extend(chars.next());
                continue;
            }
            _ => {}
        }
        bare.push(c);
    }
    comments.retain(|comment| !comment.is_empty());
    (bare, comments)
}

/// Matchers in braces.
pub(crate) fn matchers(matchers: &[Matcher]) -> String {
    let list: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", list.join(", "))
}

/// A number the rule language reads back as the same float.
pub(crate) fn number(value: f64) -> String {
    let text = format_value(value);
    match text.strip_prefix('.') {
        Some(rest) => format!("0.{rest}"),
        None => text,
    }
}

/// A name without what a name may not have; `None` when nothing had to change.
pub(crate) fn legal_name(name: &str) -> Option<String> {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(ok) {
        return None;
    }
    let words: Vec<String> = name
        .split(|c| !ok(c))
        .map(str::to_owned)
        .filter(|word| !word.is_empty())
        .collect();
    let joined = words.join("-");
    Some(if joined.starts_with(|c: char| c.is_ascii_alphabetic()) {
        joined
    } else {
        format!("n-{joined}").trim_end_matches('-').to_owned()
    })
}

/// A label's name without what it may not have; `None` when nothing had to change.
pub(crate) fn legal_label(name: &str) -> Option<String> {
    if bellwether_model::labels::is_legacy_label_name(name) {
        return None;
    }
    let mut out: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    Some(out)
}

/// Names that are given out once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Each with the number that was given to its last namesake.
    taken: std::collections::BTreeMap<String, usize>,
}

impl Names {
    /// The first of `wanted`, `wanted-2`, `wanted-3`... that nobody has.
    pub(crate) fn take(&mut self, wanted: &str) -> String {
        let mut n = self.taken.get(wanted).copied().unwrap_or(0);
        let name = loop {
            n += 1;
            let name = match n {
                1 => wanted.to_owned(),
                n => format!("{wanted}-{n}"),
            };
            if !self.taken.contains_key(&name) {
                break name;
            }
        };
        // The next namesake need not ask for all the numbers again.
        self.taken.insert(wanted.to_owned(), n);
        self.taken.entry(name.clone()).or_insert(1);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_over_lines_stand_between_backticks_when_that_is_exact() {
        assert_eq!(quoted("a\nb {x}\n"), "`a\n    b {x}`");
        assert_eq!(quoted("a\n  b"), r#""a\n  b""#);
        assert_eq!(quoted("a `b`\nc"), r#""a `b`\nc""#);
        assert_eq!(quoted("say \"x\""), r#""say \"x\"""#);
    }

    /// Found by changing files: what was written did not read back.
    #[test]
    fn a_brace_before_a_variable_is_no_template() {
        assert_eq!(escaped_braces("a { $value }} b"), "a ( $value }} b");
        assert_eq!(
            escaped_braces("{x=\"$value\"} {{ $value }}"),
            "{{x=\"$value\"} {{{{ $value }}"
        );
        assert!(has_mistaken_brace("{.Value}}") && !has_mistaken_brace("{a} {{ .Value }}"));
    }

    #[test]
    fn expressions_keep_their_lines() {
        let check = |written: &str, want: &str| {
            let expr = promql::parse(written).unwrap();
            assert_eq!(expression(written, &expr), want);
        };
        check(
            "sum(x)\n  /\n\tsum(y)\n",
            "sum(x)\n         /\n           sum(y)",
        );
        check("up # why\n", "up");
        check(
            "up# why\n + # and\n# that\n  x",
            "up\n        +\n         x",
        );
        check("a +\n\nb", "a +\n       b");
        check("    (\n  a\n)", "(\n     a\n    )");
    }

    #[test]
    fn comments_inside_an_expression_are_found() {
        let written = "up{a=\"#1\", b='\\'#2'} # the first\n# the second\n> `#3`#\n";
        assert_eq!(comments(written), ["the first", "the second"]);
        assert!(comments("up").is_empty());
    }

    #[test]
    fn names_are_made_legal() {
        assert_eq!(legal_name("HighLoad"), None);
        assert_eq!(
            legal_name("High load (5m)").as_deref(),
            Some("High-load-5m")
        );
        assert_eq!(legal_name("5xx").as_deref(), Some("n-5xx"));
        assert_eq!(legal_name("ä").as_deref(), Some("n"));
        let mut names = Names::default();
        let taken: Vec<String> = ["a", "a", "a-2", "a"].map(|n| names.take(n)).to_vec();
        assert_eq!(taken, ["a", "a-2", "a-2-2", "a-3"]);
    }
}
