//! What goes into the ledger and comes out of it, and the structures it is kept as.
//!
//! The kept structures (`…Record`) are apart from the public ones: they are the format on disk, change only with
//! their version, and hold what bincode can: numbers, texts, bytes.

use crate::codec::Row;
use bellwether_model::{Labels, TimestampMs, limits};
use bincode::{Decode, Encode};

/// Longest error or answer text kept with a notice; the rest is cut off.
const TEXT_BYTES_MAX: usize = 1024;

/// Everything that one tick changed. Becomes durable whole or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TickCommit {
    /// The tick's time; what [`crate::Snapshot::last_tick`] says afterwards.
    pub tick: TimestampMs,
    /// Rows of the engine's state to put or delete. Of two changes of one key the last counts.
    pub instances: Vec<InstanceRow>,
    /// Intents to notify, in the order in which they are to be told.
    pub notices: Vec<NewNotice>,
    /// What happened, in order.
    pub history: Vec<HistoryRow>,
    /// The rules that have been loaded since the last commit.
    pub rules: Option<RuleSources>,
}

/// The sources of rules that loaded without a mistake: what a start falls back on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSources {
    /// When they were loaded first.
    pub loaded: TimestampMs,
    /// Path and text of each file, in order.
    pub files: Vec<(String, String)>,
}

impl RuleSources {
    /// Whether they are within `rules.kept`. Larger ones are not kept; neither are those from before, which are
    /// no longer the last.
    pub fn fit(&self) -> bool {
        let bytes = self
            .files
            .iter()
            .map(|(path, text)| path.len() + text.len());
        bytes.sum::<usize>() <= limits::RULES_KEPT_MAX.usize()
    }
}

/// A changed row of the engine's state. Key and state are opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRow {
    /// Names the row.
    pub key: Vec<u8>,
    /// What it holds now; `None` deletes it.
    pub state: Option<Vec<u8>>,
}

/// An intent to notify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    /// Names the intent for ever. A key that the ledger has seen is not enqueued again.
    pub key: String,
    /// The channel that is to be told.
    pub channel: String,
    /// The message, opaque here.
    pub payload: Vec<u8>,
    /// When it came to be.
    pub created: TimestampMs,
    /// When it is to be sent first.
    pub send_at: TimestampMs,
    /// Set when it is not to be sent, with the reason: it is kept as [`Status::Silenced`].
    pub silenced: Option<String>,
}

/// An intent to notify, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Place in the order of all intents.
    pub sequence: u64,
    /// See [`NewNotice::key`].
    pub key: String,
    /// See [`NewNotice::channel`].
    pub channel: String,
    /// See [`NewNotice::payload`].
    pub payload: Vec<u8>,
    /// See [`NewNotice::created`].
    pub created: TimestampMs,
    /// Attempts that have an outcome.
    pub attempts: u32,
    /// What has become of it.
    pub status: Status,
}

/// What has become of an intent to notify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits for its next attempt.
    Open {
        /// When it is due.
        next_attempt: TimestampMs,
        /// Why the last attempt failed, if there was one.
        error: Option<String>,
    },
    /// The receiver has accepted it.
    Delivered {
        /// When.
        at: TimestampMs,
        /// What the receiver answered, if anything worth keeping.
        answer: Option<String>,
    },
    /// Another intent tells the same.
    Superseded {
        /// When.
        at: TimestampMs,
        /// The other's key.
        by: String,
    },
    /// It is not told on purpose.
    Silenced {
        /// When.
        at: TimestampMs,
        /// Muted by, limited by, acknowledged by.
        reason: String,
    },
    /// It was given up.
    DeadLetter {
        /// When.
        at: TimestampMs,
        /// Why the last attempt failed.
        error: String,
    },
}

impl Status {
    /// When it ended; `None` while it is open.
    pub fn closed_at(&self) -> Option<TimestampMs> {
        match self {
            Status::Open { .. } => None,
            Status::Delivered { at, .. }
            | Status::Superseded { at, .. }
            | Status::Silenced { at, .. }
            | Status::DeadLetter { at, .. } => Some(*at),
        }
    }
}

/// What came of an open intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An attempt succeeded.
    Delivered {
        /// When.
        at: TimestampMs,
        /// What the receiver answered, if anything worth keeping.
        answer: Option<String>,
    },
    /// An attempt failed; there will be another.
    Retry {
        /// When the next attempt is due.
        next_attempt: TimestampMs,
        /// Why this one failed.
        error: String,
    },
    /// An attempt failed and was the last.
    DeadLetter {
        /// When.
        at: TimestampMs,
        /// Why.
        error: String,
    },
    /// Another intent tells the same.
    Superseded {
        /// When.
        at: TimestampMs,
        /// The other's key.
        by: String,
    },
    /// It is not told on purpose.
    Silenced {
        /// When.
        at: TimestampMs,
        /// Muted by, limited by, acknowledged by.
        reason: String,
    },
}

/// Something that happened to an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// When: the time of the evaluation.
    pub at: TimestampMs,
    /// The rule's name.
    pub rule: String,
    /// The labels that identify the alert.
    pub labels: Labels,
    /// What happened, one word: `fire`, `resolve` ...
    pub kind: String,
    /// The level before; `None` when it begins.
    pub from: Option<u8>,
    /// The level after; `None` when it ended.
    pub to: Option<u8>,
    /// The value that led here. Bit-exact.
    pub value: f64,
    /// What the value was compared with.
    pub threshold: Option<f64>,
    /// Why, when there is more to say.
    pub reason: Option<String>,
}

/// Table `instances`.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct InstanceRecord {
    pub(crate) state: Vec<u8>,
}

/// Table `outbox`.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct OutboxRecord {
    pub(crate) key: String,
    pub(crate) channel: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) created: i64,
    pub(crate) attempts: u32,
    pub(crate) status: StatusRecord,
}

/// New variants go to the end: the number of a variant is part of the format.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) enum StatusRecord {
    Open {
        next_attempt: i64,
        error: Option<String>,
    },
    Delivered {
        at: i64,
        answer: Option<String>,
    },
    Superseded {
        at: i64,
        by: String,
    },
    Silenced {
        at: i64,
        reason: String,
    },
    DeadLetter {
        at: i64,
        error: String,
    },
}

/// Table `history`; its key holds the time.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct HistoryRecord {
    pub(crate) rule: String,
    /// [`Labels::as_packed`].
    pub(crate) labels: String,
    pub(crate) kind: String,
    pub(crate) from: Option<u8>,
    pub(crate) to: Option<u8>,
    pub(crate) value: f64,
    pub(crate) threshold: Option<f64>,
    pub(crate) reason: Option<String>,
}

/// Table `rules`.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct RulesRecord {
    pub(crate) loaded: i64,
    pub(crate) files: Vec<(String, String)>,
}

/// Table `meta`, the row `state`. Totals count since the ledger was made; pruning does not lower them.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct MetaRecord {
    pub(crate) last_tick: Option<i64>,
    /// The sequence number that the next intent or history row gets.
    pub(crate) next_sequence: u64,
    pub(crate) intents: u64,
    pub(crate) delivered: u64,
    pub(crate) superseded: u64,
    pub(crate) silenced: u64,
    pub(crate) dead_letter: u64,
    pub(crate) repeated: u64,
}

impl Row for InstanceRecord {
    const SCHEMA: u8 = 1;
}
impl Row for OutboxRecord {
    const SCHEMA: u8 = 1;
}
impl Row for HistoryRecord {
    const SCHEMA: u8 = 1;
}
impl Row for RulesRecord {
    const SCHEMA: u8 = 1;
}
impl Row for MetaRecord {
    const SCHEMA: u8 = 1;
}

impl NewNotice {
    pub(crate) fn record(&self) -> OutboxRecord {
        let status = match &self.silenced {
            Some(reason) => StatusRecord::Silenced {
                at: self.created.0,
                reason: cut(reason),
            },
            None => StatusRecord::Open {
                next_attempt: self.send_at.0,
                error: None,
            },
        };
        OutboxRecord {
            key: self.key.clone(),
            channel: self.channel.clone(),
            payload: self.payload.clone(),
            created: self.created.0,
            attempts: 0,
            status,
        }
    }
}

impl RuleSources {
    pub(crate) fn record(&self) -> RulesRecord {
        RulesRecord {
            loaded: self.loaded.0,
            files: self.files.clone(),
        }
    }
}

impl RulesRecord {
    pub(crate) fn sources(self) -> RuleSources {
        RuleSources {
            loaded: TimestampMs(self.loaded),
            files: self.files,
        }
    }
}

impl OutboxRecord {
    pub(crate) fn row(self, sequence: u64) -> OutboxRow {
        let status = match self.status {
            StatusRecord::Open {
                next_attempt,
                error,
            } => Status::Open {
                next_attempt: TimestampMs(next_attempt),
                error,
            },
            StatusRecord::Delivered { at, answer } => Status::Delivered {
                at: TimestampMs(at),
                answer,
            },
            StatusRecord::Superseded { at, by } => Status::Superseded {
                at: TimestampMs(at),
                by,
            },
            StatusRecord::Silenced { at, reason } => Status::Silenced {
                at: TimestampMs(at),
                reason,
            },
            StatusRecord::DeadLetter { at, error } => Status::DeadLetter {
                at: TimestampMs(at),
                error,
            },
        };
        OutboxRow {
            sequence,
            key: self.key,
            channel: self.channel,
            payload: self.payload,
            created: TimestampMs(self.created),
            attempts: self.attempts,
            status,
        }
    }
}

impl StatusRecord {
    /// The status after `outcome`, and whether an attempt led to it.
    pub(crate) fn after(outcome: &Outcome) -> (StatusRecord, bool) {
        match outcome {
            Outcome::Delivered { at, answer } => (
                StatusRecord::Delivered {
                    at: at.0,
                    answer: answer.as_deref().map(cut),
                },
                true,
            ),
            Outcome::Retry {
                next_attempt,
                error,
            } => (
                StatusRecord::Open {
                    next_attempt: next_attempt.0,
                    error: Some(cut(error)),
                },
                true,
            ),
            Outcome::DeadLetter { at, error } => (
                StatusRecord::DeadLetter {
                    at: at.0,
                    error: cut(error),
                },
                true,
            ),
            Outcome::Superseded { at, by } => (
                StatusRecord::Superseded {
                    at: at.0,
                    by: cut(by),
                },
                false,
            ),
            Outcome::Silenced { at, reason } => (
                StatusRecord::Silenced {
                    at: at.0,
                    reason: cut(reason),
                },
                false,
            ),
        }
    }

    /// When it ended; `None` while it is open.
    pub(crate) fn closed_at(&self) -> Option<i64> {
        match self {
            StatusRecord::Open { .. } => None,
            StatusRecord::Delivered { at, .. }
            | StatusRecord::Superseded { at, .. }
            | StatusRecord::Silenced { at, .. }
            | StatusRecord::DeadLetter { at, .. } => Some(*at),
        }
    }
}

impl HistoryRow {
    pub(crate) fn record(&self) -> HistoryRecord {
        HistoryRecord {
            rule: self.rule.clone(),
            labels: self.labels.as_packed().to_owned(),
            kind: self.kind.clone(),
            from: self.from,
            to: self.to,
            value: self.value,
            threshold: self.threshold,
            reason: self.reason.as_deref().map(cut),
        }
    }
}

impl HistoryRecord {
    /// `None` when the labels are no label set.
    pub(crate) fn row(self, at: TimestampMs) -> Option<HistoryRow> {
        Some(HistoryRow {
            at,
            rule: self.rule,
            labels: Labels::from_packed(&self.labels)?,
            kind: self.kind,
            from: self.from,
            to: self.to,
            value: self.value,
            threshold: self.threshold,
            reason: self.reason,
        })
    }
}

/// The beginning of a text that came from outside, whole characters.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
