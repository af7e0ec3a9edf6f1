//! A notice: what one channel is to be told about one change of one alert.
//!
//! The engine makes notices, the ledger keeps them until they are delivered, `notify` turns them into
//! requests. A notice holds all that the message needs, so that a retry hours later, after a reload or
//! a restart, says what the first attempt said.
//!
//! ```text
//! row (version 1, see `rows`) = key text | channel text | rule text | kind number | labels | identity labels
//!     | annotations: number, then name text, value text | value float | threshold option float
//!     | level number | at time | active_at time | starts_at time | ends_at option time
//!     | reason option text | query_path text
//! ```
//!
//! Not here: who is told (`engine`), how it is worded for a channel (`notify`).

use std::fmt;

use crate::labels::Labels;
use crate::rows::{RowError, RowReader, RowWriter};
use crate::time::TimestampMs;

/// The version written by [`Notice::encode`].
const VERSION: u64 = 1;

/// What happened to the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// It began to fire.
    Fire,
    /// It got worse: the level is higher than the one told before.
    Rise,
    /// It got better but still fires.
    Fall,
    /// It ended because its condition is no longer true, or its rule is no longer there.
    Resolve,
    /// It ended because its series vanished: nobody knows whether things are well.
    Gone,
}

impl NoticeKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [NoticeKind; 5] = [
        NoticeKind::Fire,
        NoticeKind::Rise,
        NoticeKind::Fall,
        NoticeKind::Resolve,
        NoticeKind::Gone,
    ];

    /// One lower-case word.
    pub fn text(self) -> &'static str {
        match self {
            NoticeKind::Fire => "fire",
            NoticeKind::Rise => "rise",
            NoticeKind::Fall => "fall",
            NoticeKind::Resolve => "resolve",
            NoticeKind::Gone => "gone",
        }
    }

    /// The kind that [`NoticeKind::text`] names so.
    pub fn from_text(text: &str) -> Option<NoticeKind> {
        NoticeKind::ALL.into_iter().find(|kind| kind.text() == text)
    }

    /// True when the alert is over.
    pub fn ends(self) -> bool {
        matches!(self, NoticeKind::Resolve | NoticeKind::Gone)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What one channel is to be told about one change of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Names this notice for ever: the same over retries, restarts and repeated ticks. Base32, no padding.
    pub key: String,
    /// The channel's name.
    pub channel: String,
    /// The alert's name.
    pub rule: String,
    /// What happened.
    pub kind: NoticeKind,
    /// The alert's labels as they are shown: identity plus `severity`.
    pub labels: Labels,
    /// The labels that identify the alert while its level changes; `alertname` among them.
    pub identity: Labels,
    /// Rendered texts by name: `summary`, `description`, `runbook_url` and the rule's notes.
    pub annotations: Vec<(String, String)>,
    /// The value that led here; the last one seen when the series vanished.
    pub value: f64,
    /// The number the value was compared with, when the level's line has one.
    pub threshold: Option<f64>,
    /// The level now, or the last one when the alert ended: `info` .. `emergency` as 1 ..= 5.
    pub level: u8,
    /// When it happened (time of the evaluation).
    pub at: TimestampMs,
    /// Since when a condition has been true.
    pub active_at: TimestampMs,
    /// Since when the alert fires.
    pub starts_at: TimestampMs,
    /// When it ended; absent while it fires.
    pub ends_at: Option<TimestampMs>,
    /// Why, when there is more to say than that a condition is or is no longer true.
    pub reason: Option<String>,
    /// Path and query string of the page that shows the expression, without scheme and host.
    pub query_path: String,
}

/// The names of the levels 1 ..= 5; what lies outside is read as the nearest.
pub fn level_text(level: u8) -> &'static str {
    match level {
        0 | 1 => "info",
        2 => "warning",
        3 => "error",
        4 => "critical",
        _ => "emergency",
    }
}

impl Notice {
    /// The notice as a row.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::new(VERSION);
        row.text(&self.key)
            .text(&self.channel)
            .text(&self.rule)
            .number(self.kind as u64)
            .labels(&self.labels)
            .labels(&self.identity)
            .number(self.annotations.len() as u64);
        for (name, value) in &self.annotations {
            row.text(name).text(value);
        }
        row.float(self.value)
            .option(self.threshold, |row, v| {
                row.float(v);
            })
            .number(u64::from(self.level))
            .time(self.at)
            .time(self.active_at)
            .time(self.starts_at)
            .option(self.ends_at, |row, t| {
                row.time(t);
            })
            .option(self.reason.as_deref(), |row, text| {
                row.text(text);
            })
            .text(&self.query_path);
        row.finish()
    }

    /// The notice in a row. Refuses anything that [`Notice::encode`] cannot have written.
    pub fn decode(row: &[u8]) -> Result<Notice, RowError> {
        let (_, mut row) = RowReader::new(row, VERSION)?;
        let key = row.text()?.to_owned();
        let channel = row.text()?.to_owned();
        let rule = row.text()?.to_owned();
        let kind = usize::try_from(row.number()?)
            .ok()
            .and_then(|code| NoticeKind::ALL.get(code))
            .copied()
            .ok_or(RowError::Bad("kind"))?;
        let labels = row.labels()?;
        let identity = row.labels()?;
        let annotations = row.list(|row| Ok((row.text()?.to_owned(), row.text()?.to_owned())))?;
        let value = row.float()?;
        let threshold = row.option(RowReader::float)?;
        let level = match row.number()? {
            level @ 1..=5 => level as u8,
            _ => return Err(RowError::Bad("level")),
        };
        let notice = Notice {
            key,
            channel,
            rule,
            kind,
            labels,
            identity,
            annotations,
            value,
            threshold,
            level,
            at: row.time()?,
            active_at: row.time()?,
            starts_at: row.time()?,
            ends_at: row.option(RowReader::time)?,
            reason: row.option(|row| row.text().map(str::to_owned))?,
            query_path: row.text()?.to_owned(),
        };
        row.finish()?;
        Ok(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(kind: NoticeKind) -> Notice {
        Notice {
            key: "K".into(),
            channel: "hook".into(),
            rule: "A".into(),
            kind,
            labels: Labels::from_pairs([("alertname", "A"), ("severity", "error")]),
            identity: Labels::from_pairs([("alertname", "A")]),
            annotations: vec![("summary".into(), "s\n\"".into())],
            value: 0.5,
            threshold: kind.ends().then_some(1.0),
            level: 3,
            at: TimestampMs(3000),
            active_at: TimestampMs(1000),
            starts_at: TimestampMs(2000),
            ends_at: kind.ends().then_some(TimestampMs(3000)),
            reason: kind.ends().then(|| "rule removed".into()),
            query_path: "/graph".into(),
        }
    }

    #[test]
    fn rows_come_back() {
        for kind in NoticeKind::ALL {
            let notice = notice(kind);
            assert_eq!(Notice::decode(&notice.encode()), Ok(notice));
        }
    }

    #[test]
    fn every_cut_row_is_refused() {
        let row = notice(NoticeKind::Gone).encode();
        for len in 0..row.len() {
            assert!(Notice::decode(&row[..len]).is_err(), "{len}");
        }
        let long = [&row[..], &[0]].concat();
        assert_eq!(Notice::decode(&long), Err(RowError::Long(1)));
    }
}
