//! The channel `log`: a notice as one line that a person can read.
//!
//! ```text
//! fire critical DiskFilling{instance="db1", mountpoint="/"}: 3% left (value 0.03, threshold 0.05)
//! ```
//!
//! Promises: one line, whatever labels and texts hold; nothing in it moves a terminal's cursor or its colours,
//! or turns the reading direction.

use std::fmt::Write as _;

use bellwether_model::notice::{Notice, NoticeKind, level_text};
use bellwether_model::value::push_value;

/// The notice as one line, without a line end. The time is not in it: the log has its own.
pub fn log_line(notice: &Notice) -> String {
    let mut text = format!("{} {} ", notice.kind, level_text(notice.level));
    // Writing to a String cannot fail.
    let labels = notice.identity.without(&["alertname"]);
    let _ = write!(text, "{}{labels}", notice.rule);
    let summary = notice
        .annotations
        .iter()
        .find(|(name, _)| name == "summary");
    if let Some((_, summary)) = summary {
        let _ = write!(text, ": {summary}");
    }
    text.push_str(match notice.kind {
        NoticeKind::Gone => " (last value ",
        _ => " (value ",
    });
    push_value(&mut text, notice.value);
    if let Some(threshold) = notice.threshold {
        text.push_str(", threshold ");
        push_value(&mut text, threshold);
    }
    if let Some(reason) = &notice.reason {
        let _ = write!(text, ", {reason}");
    }
    text.push(')');
    harmless(&text)
}

/// The text with control characters and those that turn the reading direction written as escapes.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use bellwether_model::{Labels, TimestampMs};
    use expect_test::{Expect, expect};

    use super::*;

    fn check(kind: NoticeKind, host: &str, summary: Option<&str>, want: Expect) {
        let identity = Labels::from_pairs([("alertname", "Disk"), ("host", host)]);
        let line = log_line(&Notice {
            key: "K".into(),
            channel: "log".into(),
            rule: "Disk".into(),
            kind,
            labels: identity.clone(),
            identity,
            annotations: summary
                .map(|s| ("summary".into(), s.into()))
                .into_iter()
                .collect(),
            value: 0.03,
            threshold: (!kind.ends()).then_some(0.05),
            level: 4,
            at: TimestampMs(0),
            active_at: TimestampMs(0),
            starts_at: TimestampMs(0),
            ends_at: kind.ends().then_some(TimestampMs(0)),
            reason: (kind == NoticeKind::Gone).then(|| "the series vanished".into()),
            query_path: String::new(),
        });
        assert!(!line.contains('\n'), "{line}");
        want.assert_eq(&line);
    }

    #[test]
    fn lines_say_what_happened() {
        check(
            NoticeKind::Fire,
            "db1",
            Some("3% left"),
            expect![[r#"fire critical Disk{host="db1"}: 3% left (value 0.03, threshold 0.05)"#]],
        );
        check(
            NoticeKind::Gone,
            "db1",
            None,
            expect![[r#"gone critical Disk{host="db1"} (last value 0.03, the series vanished)"#]],
        );
    }

    #[test]
    fn hostile_texts_stay_on_their_line() {
        check(
            NoticeKind::Resolve,
            "a\"\n\u{1b}[2J",
            Some("x\r\nlevel=error msg=forged \u{202e}gpj \u{9b}1m ü"),
            expect![[
                r#"resolve critical Disk{host="a\"\n\x1b[2J"}: x\r\nlevel=error msg=forged \u{202e}gpj \u{9b}1m ü (value 0.03)"#
            ]],
        );
    }
}
