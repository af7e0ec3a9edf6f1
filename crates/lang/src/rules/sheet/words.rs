//! The inside of a line in its canonical form: one blank between words, lists with a blank behind each comma.
//!
//! Only blanks change, and none inside of quotes. What is not understood stays as it is.

use crate::rules::lex;
use crate::rules::types::Level;

/// Words that start a part of a level line.
const LEVEL_PARTS: [&str; 4] = ["for", "clear", "keep", "where"];
/// Words with a blank before the brace behind them; other names are followed by their labels at once.
const BEFORE_BRACES: [&str; 3] = ["where", "match", "while"];

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// A word, a number, a text with its quotes.
    Word(&'a str),
    /// `<`, `==`, `=`, `=~` and their like.
    Operator(&'a str),
    Comma,
    /// A `-` between blanks.
    Dash,
    Open(&'a str),
    Close(&'a str),
}

/// A line of words, lists and comparisons.
pub(super) fn words(text: &str) -> String {
    join(text, false)
}

/// A level line: two blanks before each of its parts.
pub(super) fn level(text: &str) -> String {
    join(text, true)
}

/// A level line in parts: what stands first, then `for`, `clear`, `keep`, `where`. `None` when the word is no level's, or
/// when the parts don't make the line again.
pub(super) fn level_parts(word: &str, text: &str) -> Option<[Option<String>; 5]> {
    Level::from_word(word)?;
    let mut parts: [Option<String>; 5] = Default::default();
    let mut at = 0;
    let mut rest = text;
    loop {
        // Where the next part begins: two blanks, which stand nowhere else outside of quotes.
        let next = LEVEL_PARTS
            .iter()
            .enumerate()
            .skip(at)
            .find_map(|(i, part)| {
                let found = outside_of_quotes(rest, &format!("  {part} "))?;
                Some((found, i, part))
            });
        let end = next.map_or(rest.len(), |(found, ..)| found);
        parts[at] = Some(rest[..end].to_owned()).filter(|text| !text.is_empty());
        let Some((found, i, part)) = next else { break };
        rest = &rest[found + part.len() + 3..];
        at = i + 1;
    }
    let [value, others @ ..] = parts.clone();
    (with_level_parts(&value.unwrap_or_default(), others) == text).then_some(parts)
}

/// A level line of its parts.
pub(super) fn with_level_parts(value: &str, parts: [Option<String>; 4]) -> String {
    let mut line = value.to_owned();
    for (word, part) in LEVEL_PARTS.iter().zip(parts) {
        if let Some(part) = part {
            let gap = if line.is_empty() { "" } else { "  " };
            line = format!("{line}{gap}{word} {part}");
        }
    }
    line
}

/// The first place of `what` outside of quotes.
fn outside_of_quotes(text: &str, what: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(what) {
            return Some(at);
        }
        at += match c {
            '"' | '\'' => lex::quoted(&text[at..]),
            '`' => back_quoted(&text[at..]),
            c => c.len_utf8(),
        };
    }
    None
}

/// Words between blanks, nothing in them looked at but quotes.
pub(super) fn bare(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.trim();
    while let Some(c) = rest.chars().next() {
        let len = match c {
            c if c.is_whitespace() => {
                rest = rest.trim_start();
                out.push(' ');
                continue;
            }
            '"' | '\'' => lex::quoted(rest),
            '`' => back_quoted(rest),
            c => c.len_utf8(),
        };
        out.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    out
}

/// The series of a line and its values; `None` when the line begins with none.
pub(super) fn series(text: &str) -> Option<(String, String)> {
    let end = end_of_series(text);
    let series = words(&text[..end]);
    // What is read as one thing has to stay one.
    (end_of_series(&series) == series.len()).then(|| (series, bare(&text[end..])))
}

/// The first blank outside of braces; one before the braces still belongs to the series.
fn end_of_series(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let len = match c {
            '"' | '\'' => lex::quoted(&text[at..]),
            '`' => back_quoted(&text[at..]),
            c => c.len_utf8(),
        };
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if c.is_whitespace() && depth == 0 && !text[at..].trim_start().starts_with('{') => {
                break;
            }
            _ => {}
        }
        at += len;
    }
    at
}

fn back_quoted(rest: &str) -> usize {
    rest[1..].find('`').map_or(rest.len(), |end| end + 2)
}

/// The pieces of a line, and whether a blank stands before each.
fn pieces(text: &str) -> Vec<(Piece<'_>, bool)> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    let mut after_blank = true;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            rest = rest.trim_start();
            after_blank = true;
            continue;
        }
        let piece = match c {
            '"' | '\'' => Piece::Word(&rest[..lex::quoted(rest)]),
            '`' => Piece::Word(&rest[..back_quoted(rest)]),
            ',' => Piece::Comma,
            '(' | '{' => Piece::Open(&rest[..1]),
            ')' | '}' => Piece::Close(&rest[..1]),
            '=' | '<' | '>' | '!' => {
                let len = rest.bytes().take_while(|b| b"=<>!~".contains(b)).count();
                Piece::Operator(&rest[..len])
            }
            '-' if after_blank && rest[1..].starts_with(char::is_whitespace) => Piece::Dash,
            _ => {
                let ends = |c: char| c.is_whitespace() || ",(){}=<>!\"'`".contains(c);
                Piece::Word(&rest[..rest.find(ends).unwrap_or(rest.len())])
            }
        };
        let len = match piece {
            Piece::Word(text) | Piece::Operator(text) => text.len(),
            Piece::Comma | Piece::Dash | Piece::Open(_) | Piece::Close(_) => 1,
        };
        pieces.push((piece, after_blank));
        rest = &rest[len..];
        after_blank = false;
    }
    pieces
}

fn join(text: &str, is_level: bool) -> String {
    let mut out = String::new();
    let mut before: Option<Piece<'_>> = None;
    let mut braces = 0_usize;
    for (piece, after_blank) in pieces(text) {
        if let Some(before) = before {
            // What stuck together may have meant something; with a blank before it, `#` would be a comment.
            let stuck = match (before, piece) {
                (_, Piece::Word(word)) if word.starts_with('#') => true,
                // `1,000` is one number, though a wrong one.
                (Piece::Comma, Piece::Word(word))
                    if word.starts_with(|c: char| c.is_ascii_digit()) =>
                {
                    !after_blank
                }
                (Piece::Word(_) | Piece::Close(_), Piece::Word(_)) => !after_blank,
                _ => false,
            };
            let blank = if stuck {
                ""
            } else {
                between(before, piece, braces > 0)
            };
            out.push_str(blank);
        }
        if let (true, 0, Piece::Word(word), Some(_)) = (is_level, braces, piece, before)
            && LEVEL_PARTS.contains(&word)
        {
            out.push(' ');
        }
        match piece {
            Piece::Word(text) | Piece::Operator(text) => out.push_str(text),
            Piece::Comma => out.push(','),
            Piece::Dash => out.push('-'),
            Piece::Open(bracket) => {
                braces += usize::from(bracket == "{");
                out.push_str(bracket);
            }
            Piece::Close(bracket) => {
                braces -= usize::from(bracket == "}" && braces > 0);
                out.push_str(bracket);
            }
        }
        before = Some(piece);
    }
    out
}

/// What stands between two pieces.
fn between(before: Piece<'_>, piece: Piece<'_>, in_braces: bool) -> &'static str {
    match (before, piece) {
        (_, Piece::Comma | Piece::Close(_) | Piece::Dash) | (Piece::Open(_) | Piece::Dash, _) => "",
        (_, Piece::Operator(_)) | (Piece::Operator(_), _) if in_braces => "",
        (Piece::Word("secret"), Piece::Open("(")) => "",
        (Piece::Word(word), Piece::Open("{")) if !BEFORE_BRACES.contains(&word) => "",
        _ => " ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blanks_change() {
        for (text, expected) in [
            (
                "sun   02:00 - 04:00 in \"Europe/Berlin\"",
                "sun 02:00-04:00 in \"Europe/Berlin\"",
            ),
            ("a ,b,  c", "a, b, c"),
            ("{ a = \"b  c\" ,d=~ `x  y` }", "{a=\"b  c\", d=~`x  y`}"),
            ("team=\"infra\"", "team = \"infra\""),
            ("by ( a,b )", "by (a, b)"),
            ("\"#a\" token secret( x )", "\"#a\" token secret(x)"),
            ("10m A {a=\"b\"}", "10m A{a=\"b\"}"),
            ("{alertname=\"A\"} same( a )", "{alertname=\"A\"} same (a)"),
            ("month -3 - -1", "month -3--1"),
            ("2%   in 1h critical", "2% in 1h critical"),
        ] {
            assert_eq!(words(text), expected);
            assert_eq!(words(expected), expected);
        }
    }

    #[test]
    fn the_parts_of_a_level_line_stand_apart() {
        let line = "<5% for 30m clear >8%   keep 5m where {for=\"x\"}";
        let expected = "< 5%  for 30m  clear > 8%  keep 5m  where {for=\"x\"}";
        assert_eq!(level(line), expected);
        assert_eq!(level(expected), expected);
        assert_eq!(level("for 5m"), "for 5m");
        assert_eq!(level("< -4"), "< -4");
    }

    #[test]
    fn a_series_ends_outside_of_its_braces() {
        let (series, values) = series("up{a=\"b c\" , d=\"}\"}   1  2x3").unwrap();
        assert_eq!(
            (series.as_str(), values.as_str()),
            ("up{a=\"b c\", d=\"}\"}", "1 2x3")
        );
        assert_eq!(super::series("up=\"b\"} 1"), None);
    }
}
