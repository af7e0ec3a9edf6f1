//! HTML as text: the frame of every page, and the only way for a text from outside into one.

use std::fmt::Write as _;

use bellwether_model::{DurationMs, TimestampMs};

/// Appends `text` so that it stays text, between tags and inside quoted attributes.
pub(super) fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Controls are no characters of HTML; tab and line feed are.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
}

/// `<tag>text</tag>`; `tag` is ours, `text` is anybody's. Its direction of writing stays inside.
pub(super) fn push_element(out: &mut String, tag: &str, text: &str) {
    out.push('<');
    out.push_str(tag);
    out.push_str("><bdi>");
    push_text(out, text);
    out.push_str("</bdi></");
    // The name alone ends it, whatever attributes began it.
    out.push_str(tag.split(' ').next().unwrap_or(tag));
    out.push('>');
}

/// The whole page: `head` is more for the head, `body` appends what stands in the middle.
pub(super) fn frame(head: &str, body: impl FnOnce(&mut String)) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Bellwether</title>\n<link rel=\"stylesheet\" href=\"/page.css\">\n\
         <link rel=\"icon\" href=\"data:,\">\n",
    );
    out.push_str(head);
    out.push_str("</head>\n<body>\n<header><a href=\"/\">Bellwether</a></header>\n<main>\n");
    body(&mut out);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// The form that asks a query; `text` stands in it.
pub(super) fn push_form(out: &mut String, text: &str) {
    out.push_str(
        "<form action=\"/graph\" method=\"get\">\n<input name=\"g0.expr\" aria-label=\"Query\" \
         placeholder=\"a PromQL query: rate(requests_total[5m])\" spellcheck=\"false\" autocomplete=\"off\" value=\"",
    );
    push_text(out, text);
    out.push_str("\">\n<button>Ask</button>\n</form>\n");
}

/// A time without its milliseconds: `2026-01-02T03:04:05Z`.
pub(super) fn time(t: TimestampMs) -> String {
    let second = TimestampMs(t.0.div_euclid(1000).saturating_mul(1000));
    second.to_rfc3339().replace(".000Z", "Z")
}

/// How long something is, in its two largest units or fewer: `2d 3h`, `45s`.
pub(super) fn length(duration: DurationMs) -> String {
    let seconds = duration.0.max(0) / 1000;
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let first = units
        .iter()
        .position(|(_, size)| seconds >= *size)
        .unwrap_or(3);
    let (name, size) = units[first];
    let mut out = format!("{}{name}", seconds / size);
    if let Some((name, small)) = units.get(first + 1)
        && seconds % size / small > 0
    {
        let _ = write!(out, " {}{name}", seconds % size / small);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_stay_texts() {
        for hostile in [
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "' onmouseover='alert(1)",
            "</title></style></textarea><svg/onload=alert(1)>",
            "<!--",
            "]]>",
            "&lt;script&gt;",
            "\u{0}<\u{202e}>",
            "`${alert(1)}`",
            "<\nscript>",
        ] {
            let mut out = String::new();
            push_element(&mut out, "td class=\"x\"", hostile);
            let inside = out
                .strip_prefix("<td class=\"x\"><bdi>")
                .and_then(|o| o.strip_suffix("</bdi></td>"))
                .unwrap();
            assert!(!inside.contains(['<', '>', '"', '\'', '\0']), "{inside}");
            let mut form = String::new();
            push_form(&mut form, hostile);
            assert_eq!(form.matches('<').count(), 5, "{form}");
            assert_eq!(form.matches('"').count() % 2, 0, "{form}");
        }
    }

    #[test]
    fn lengths_have_two_units() {
        for (seconds, want) in [
            (0, "0s"),
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (7200, "2h"),
            (7201, "2h"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(length(DurationMs(seconds * 1000)), want);
        }
        assert_eq!(time(TimestampMs(1999)), "1970-01-01T00:00:01Z");
    }
}
