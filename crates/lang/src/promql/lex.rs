//! The words of the language: one token at a time, read on demand.
//!
//! Nothing is collected: a text of a million parentheses costs no memory before the parser refuses it.
//! Blanks and comments (`#` to the end of the line) stand anywhere between tokens.
//!
//! Not here: which token may stand where (`parse.rs`), what a quoted text means (`quote.rs`).

use bellwether_model::DurationMs;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{opt, recognize, verify};
use nom::multi::many0_count;
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

use super::ast::Span;
use super::error::ParseError;

/// One token; texts point into the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// The end of the text.
    End,
    /// `1`, `0x1f`, `1e3`; never negative. `Inf` and `NaN` are words.
    Number(f64),
    /// `1h30m`.
    Duration(DurationMs),
    /// A text with its quotes.
    Quoted(&'a str),
    /// A name or a keyword.
    Word(&'a str),
    /// `$name`, without the sign.
    Let(&'a str),
    /// An operator or a bracket.
    Symbol(&'a str),
}

/// Whether a colon belongs to a word (`job:up:sum`) or separates (`[1h:5m]`, and inside braces).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colon {
    InWords,
    Separates,
}

/// The token that begins at `at` or after the blanks and comments there.
pub(super) fn token(text: &str, at: usize, colon: Colon) -> Result<(Token<'_>, Span), ParseError> {
    let rest = blanks(&text[at..]);
    let start = text.len() - rest.len();
    let spanned = |len: usize| Span {
        start,
        end: start + len,
    };
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, spanned(0)));
    };
    let (found, len) = match first {
        '"' | '\'' | '`' => {
            let raw = quoted(rest, first, start)?;
            (Token::Quoted(raw), raw.len())
        }
        '0'..='9' => number_or_duration(rest, start)?,
        '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            number_or_duration(rest, start)?
        }
        '$' => preceded(char('$'), |r| word(r, Colon::Separates))
            .parse(rest)
            .map(|(_, name)| (Token::Let(name), name.len() + 1))
            .map_err(|_| stray(first, spanned(1)))?,
        _ => word(rest, colon)
            .map(|(_, raw)| (Token::Word(raw), raw.len()))
            .or_else(|_| symbol(rest).map(|(_, raw)| (Token::Symbol(raw), raw.len())))
            .map_err(|_| stray(first, spanned(first.len_utf8())))?,
    };
    Ok((found, spanned(len)))
}

fn stray(c: char, span: Span) -> ParseError {
    let error = ParseError::new(span, format!("unexpected character {c:?}"));
    match c {
        '!' => error.help("\"not equal\" is `!=`"),
        '&' => error.help("the operator is `and`"),
        '|' => error.help("the operator is `or`"),
        '“' | '”' | '‘' | '’' => error.help("use straight quotes"),
        _ => error,
    }
}

/// Skips blanks and comments.
pub(super) fn blanks(text: &str) -> &str {
    let blank = take_while1(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    let comment = recognize(pair(char('#'), take_while(|c| c != '\n' && c != '\r')));
    let skipped: IResult<&str, usize> = many0_count(alt((blank, comment))).parse(text);
    skipped.map_or(text, |(rest, _)| rest)
}

fn word(text: &str, colon: Colon) -> IResult<&str, &str> {
    let inside =
        move |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' && colon == Colon::InWords;
    verify(take_while1(inside), |w: &str| {
        !w.starts_with(|c: char| c.is_ascii_digit())
    })
    .parse(text)
}

/// The longest symbol wins, so the long ones come first.
fn symbol(text: &str) -> IResult<&str, &str> {
    alt((
        alt((
            tag("=="),
            tag("=~"),
            tag("!="),
            tag("!~"),
            tag("<="),
            tag(">="),
        )),
        recognize(one_of("=<>+-*/%^(){}[],:@")),
    ))
    .parse(text)
}

/// What looks like a number or a duration: letters, digits, points and underscores after a first digit, and
/// the sign of a decimal exponent.
fn numeric(text: &str) -> IResult<&str, &str> {
    let mut body = take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    let exponent = recognize(pair(
        one_of("+-"),
        take_while1(|c: char| c.is_ascii_digit()),
    ));
    let (rest, body) = body.parse(text)?;
    let mantissa = body.strip_suffix(['e', 'E']);
    if !mantissa.is_some_and(|m| !m.is_empty() && m.bytes().all(is_decimal)) {
        return Ok((rest, body));
    }
    let (rest, _): (&str, Option<&str>) = opt(exponent).parse(rest)?;
    Ok((rest, &text[..text.len() - rest.len()]))
}

fn is_decimal(b: u8) -> bool {
    b.is_ascii_digit() || b == b'.' || b == b'_'
}

/// The token and its length.
fn number_or_duration(text: &str, start: usize) -> Result<(Token<'_>, usize), ParseError> {
    let raw = numeric(text).map_or("", |(_, raw)| raw);
    let span = Span {
        start,
        end: start + raw.len(),
    };
    if let Some(number) = parse_number(raw) {
        if number.is_infinite() {
            return Err(
                ParseError::new(span, format!("number {raw} is out of range"))
                    .help("the greatest number is about 1.8e308; infinity is written `Inf`"),
            );
        }
        return Ok((Token::Number(number), raw.len()));
    }
    if let Some(duration) = DurationMs::parse(raw) {
        return Ok((Token::Duration(duration), raw.len()));
    }
    let error = ParseError::new(span, format!("bad number or duration syntax: {raw:?}"));
    let looks_like_duration = raw.ends_with(['s', 'm', 'h', 'd', 'w', 'y']);
    Err(if looks_like_duration && raw.contains('.') {
        error.help("a duration takes whole numbers: `1h30m`, not `1.5h`")
    } else if raw.bytes().any(|b| b.is_ascii_alphabetic()) && !raw.starts_with("0x") {
        error.help("the units are ms, s, m, h, d, w, y, each at most once, the largest first")
    } else {
        error
    })
}

/// Reads an unsigned number as Go does: `0x` is hexadecimal, a leading zero octal (when all digits are),
/// underscores stand between digits. A number beyond the range of floats is infinite.
fn parse_number(raw: &str) -> Option<f64> {
    let hex = raw.strip_prefix("0x").or_else(|| raw.strip_prefix("0X"));
    let separated = raw.contains('_');
    if separated && !underscores_between_digits(raw, hex.is_some()) {
        return None;
    }
    let plain;
    let digits = if separated {
        plain = hex.unwrap_or(raw).replace('_', "");
        &plain
    } else {
        hex.unwrap_or(raw)
    };
    if hex.is_some() {
        let all_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        return all_hex
            .then(|| u64::from_str_radix(digits, 16).ok())?
            .map(|n| n as f64);
    }
    let octal =
        digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if octal && let Ok(number) = i64::from_str_radix(digits, 8) {
        return Some(number as f64);
    }
    let decimal = digits
        .bytes()
        .all(|b| is_decimal(b) || matches!(b, b'e' | b'E' | b'+' | b'-'));
    if decimal { digits.parse().ok() } else { None }
}

fn underscores_between_digits(raw: &str, hex: bool) -> bool {
    let bytes = raw.as_bytes();
    let digit = |b: &u8| {
        if hex {
            b.is_ascii_hexdigit()
        } else {
            b.is_ascii_digit()
        }
    };
    // Right after the prefix `0x` is fine too, as in Go.
    let before = |b: &u8| digit(b) || hex && matches!(b, b'x' | b'X');
    bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'_')
        .all(|(at, _)| at > 0 && before(&bytes[at - 1]) && bytes.get(at + 1).is_some_and(digit))
}

/// A text with its quotes; what is escaped inside is looked at later, only that a quote is escaped counts.
fn quoted(text: &str, quote: char, start: usize) -> Result<&str, ParseError> {
    let bytes = text.as_bytes();
    let raw = quote == '`';
    let mut at = 1;
    while let Some(b) = bytes.get(at) {
        match b {
            b if *b == quote as u8 => return Ok(&text[..=at]),
            b'\\' if !raw => at += 2,
            b'\n' if !raw => break,
            _ => at += 1,
        }
    }
    let end = start + at.min(bytes.len());
    let message = if raw {
        "unterminated raw string"
    } else {
        "unterminated quoted string"
    };
    Err(ParseError::new(Span { start, end }, message).help(format!("it lacks the closing {quote}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        let mut at = 0;
        let mut all = Vec::new();
        loop {
            let (found, span) = token(text, at, Colon::InWords).unwrap();
            if found == Token::End {
                return all;
            }
            all.push(found);
            at = span.end;
        }
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, want) in [
            ("0x1F", 31.0),
            ("0X_1f", 31.0),
            ("0755", 493.0),
            ("08", 8.0),
            ("1_000", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("5e-3", 0.005),
            ("1E3", 1000.0),
        ] {
            assert_eq!(tokens(text), [Token::Number(want)], "{text}");
        }
        for bad in [
            "0x", "1__0", "1_", "1e", "1..2", "5mm", "5m1", "5m1h", "1.5h", "0xg", "1e999",
        ] {
            assert!(token(bad, 0, Colon::InWords).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_touch_without_blanks() {
        use Token::{Duration, Number, Quoted, Symbol, Word};
        assert_eq!(
            tokens("a:b-1e3+5m^0x1e-3!~'x\\'y'#c\n\"\""),
            [
                Word("a:b"),
                Symbol("-"),
                Number(1000.0),
                Symbol("+"),
                Duration(DurationMs(300_000)),
                Symbol("^"),
                Number(30.0),
                Symbol("-"),
                Number(3.0),
                Symbol("!~"),
                Quoted("'x\\'y'"),
                Quoted("\"\""),
            ]
        );
        assert_eq!(tokens("$a_1"), [Token::Let("a_1")]);
    }
}
