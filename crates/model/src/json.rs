//! Texts as JSON: the one place that knows what has to be escaped.
//!
//! For whoever writes JSON straight into a text. Not here: reading it, and numbers ([`value`](crate::value)).

use std::fmt::Write as _;

/// Appends `text` as a JSON string, quotes included.
///
/// Line separators are legal in JSON and not in older JavaScript, so they are escaped, too.
pub fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        // Cuts are at characters: what is escaped is ASCII, or begins with the first byte of its character.
        let (escaped, length) = match byte {
            b'"' => ("\\\"", 1),
            b'\\' => ("\\\\", 1),
            b'\n' => ("\\n", 1),
            b'\r' => ("\\r", 1),
            b'\t' => ("\\t", 1),
            ..0x20 => ("", 1),
            0xe2 if text[at..].starts_with('\u{2028}') => ("\\u2028", 3),
            0xe2 if text[at..].starts_with('\u{2029}') => ("\\u2029", 3),
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + length;
        if escaped.is_empty() {
            let _ = write!(out, "\\u{byte:04x}"); // A String takes all of it.
        } else {
            out.push_str(escaped);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Appends `{"name":"value",..}`: the labels of a series, say.
pub fn push_json_pairs<'a>(out: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (i, (name, value)) in pairs.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_string(out, name);
        out.push(':');
        push_json_string(out, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_does_not_take_is_escaped() {
        for (text, want) in [
            ("", r#""""#),
            ("plain ü 日", r#""plain ü 日""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\r\t\0\u{1f}\u{7f}", "\"\\n\\r\\t\\u0000\\u001f\u{7f}\""),
            ("\u{2027}\u{2028}x\u{2029}", "\"\u{2027}\\u2028x\\u2029\""),
            ("â€", "\"â€\""),
        ] {
            let mut out = String::new();
            push_json_string(&mut out, text);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn pairs_are_an_object() {
        let mut out = String::new();
        push_json_pairs(&mut out, [("a", "1"), ("b\"", "")]);
        push_json_pairs(&mut out, []);
        assert_eq!(out, r#"{"a":"1","b\"":""}{}"#);
    }
}
