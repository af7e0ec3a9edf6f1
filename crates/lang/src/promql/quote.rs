//! What a quoted text means: Go's escapes in `"` and `'`, nothing escaped between backticks.
//!
//! Escaped bytes that are no UTF-8 together (`"\xff"`) become U+FFFD: labels and messages are text.

use super::ast::Span;
use super::error::ParseError;

/// The text inside `raw`, which carries its quotes and stands at `span`.
pub(super) fn unquote(raw: &str, span: Span) -> Result<String, ParseError> {
    let quote = raw.as_bytes()[0];
    let inside = &raw[1..raw.len() - 1];
    // Nothing means anything else between backticks, nor are carriage returns dropped there, as Go would.
    if quote == b'`' || !inside.contains('\\') {
        return Ok(inside.to_string());
    }
    let mut out: Vec<u8> = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let used = unescape(escape, quote, &mut out).map_err(|message| {
            let start = span.start + 1 + (inside.len() - rest.len()) + at;
            let len = 1 + escape.chars().next().map_or(0, char::len_utf8);
            let end = start + len;
            ParseError::new(Span { start, end }, message)
                .help("a backslash itself is written `\\\\`; between backticks nothing is escaped")
        })?;
        rest = &escape[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(match String::from_utf8(out) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    })
}

/// Appends what the escape after a backslash stands for, and tells how many bytes it took.
fn unescape(escape: &str, quote: u8, out: &mut Vec<u8>) -> Result<usize, String> {
    let Some(kind) = escape.chars().next() else {
        return Err("escape sequence is not terminated".into());
    };
    let simple = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        c if c == char::from(quote) => quote,
        'x' => {
            let value = code(escape, 1, 2, 16)?;
            out.push(value as u8); // Two hexadecimal digits fit.
            return Ok(3);
        }
        '0'..='7' => {
            let value = code(escape, 0, 3, 8)?;
            let byte = u8::try_from(value).map_err(|_| invalid_code_point())?;
            out.push(byte);
            return Ok(3);
        }
        'u' | 'U' => {
            let digits = if kind == 'u' { 4 } else { 8 };
            let c = char::from_u32(code(escape, 1, digits, 16)?).ok_or_else(invalid_code_point)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(1 + digits);
        }
        c => return Err(format!("unknown escape sequence `\\{c}`")),
    };
    out.push(simple);
    Ok(1)
}

fn invalid_code_point() -> String {
    "escape sequence is not a valid Unicode code point".into()
}

/// The value of exactly `count` digits of `escape`, from byte `from` on.
fn code(escape: &str, from: usize, count: usize, radix: u32) -> Result<u32, String> {
    let mut value: u32 = 0;
    let mut digits = escape[from..].chars();
    for _ in 0..count {
        let Some(c) = digits.next() else {
            return Err("escape sequence is not terminated".into());
        };
        let digit = c
            .to_digit(radix)
            .ok_or_else(|| format!("illegal character {c:?} in escape sequence"))?;
        // Eight hexadecimal digits fit exactly.
        value = value.wrapping_mul(radix) + digit;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<String, String> {
        let span = Span {
            start: 0,
            end: raw.len(),
        };
        unquote(raw, span).map_err(|e| format!("{}..{} {}", e.span.start, e.span.end, e.message))
    }

    #[test]
    fn escapes_are_those_of_go() {
        for (raw, want) in [
            (r#""a\n\t\\\"'""#, "a\n\t\\\"'"),
            (r#"'\'"'"#, "'\""),
            (r"`\n`", "\\n"),
            ("`a\r\n`", "a\r\n"),
            (r#""\x41\101\u00e4\U0001F600""#, "AAä😀"),
            (r#""\xe2\x98\xba""#, "☺"),
            (r#""\xff""#, "\u{fffd}"),
        ] {
            assert_eq!(read(raw).as_deref(), Ok(want), "{raw}");
        }
    }

    #[test]
    fn bad_escapes_have_a_place() {
        for (raw, want) in [
            (r#""ab\c""#, "3..5 unknown escape sequence `\\c`"),
            (r#""\'""#, "1..3 unknown escape sequence `\\'`"),
            (r#""\x.""#, "1..3 illegal character '.' in escape sequence"),
            (r#""\u12""#, "1..3 escape sequence is not terminated"),
            (
                r#""\ud800""#,
                "1..3 escape sequence is not a valid Unicode code point",
            ),
            (
                r#""\777""#,
                "1..3 escape sequence is not a valid Unicode code point",
            ),
        ] {
            assert_eq!(read(raw), Err(want.to_string()), "{raw}");
        }
    }
}
