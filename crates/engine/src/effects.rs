//! What the engine asks of the world: samples to store, state to keep, notices to send, history to write.
//!
//! The caller stores the samples first and then commits everything else in one ledger transaction. A crash
//! between the two repeats the tick, with the same outcome: the samples are duplicates, the keys are the same.

use crate::history::HistoryKind;
use bellwether_lang::rules::Level;
use bellwether_model::notice::{Notice, NoticeKind};
use bellwether_model::{DurationMs, Labels, TimestampMs, limits};

/// The effects of ticks, loads and events, collected until the caller commits them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// Samples for the store: what recording rules computed, `ALERTS` and its like, staleness markers.
    /// Each series at most once per tick.
    pub samples: Vec<(Labels, TimestampMs, f64)>,
    /// What happened to alerts, for the history.
    pub transitions: Vec<Transition>,
    /// What happened to alerts on their way to fire, for the history: nobody is told.
    pub approaches: Vec<Approach>,
    /// What is to be sent, for the outbox.
    pub notices: Vec<Notice>,
    /// Rows of state that changed, for the ledger. Of one key the last change counts.
    pub instances: Vec<InstanceChange>,
    /// Conditions that were true and ended before they fired.
    pub lapses: Vec<Lapse>,
    /// Rules that could not be evaluated.
    pub failures: Vec<FailedEvaluation>,
    pub(crate) purpose: Purpose,
}

/// What effects are for. Those of a replay are looked at and thrown away, so what nobody looks at is not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// All of them are carried out.
    #[default]
    Live,
    /// No state is kept, and no series that nobody reads.
    Replay(Wanted),
}

/// Which of the series that the engine writes of itself are wanted in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Those of alerts.
    pub(crate) alerts: bool,
    /// Those of objectives.
    pub(crate) objectives: bool,
}

impl Tick {
    /// For a replay.
    pub(crate) fn replayed(wanted: Wanted) -> Tick {
        Tick {
            purpose: Purpose::Replay(wanted),
            ..Tick::default()
        }
    }

    /// Whether rows of state are wanted.
    pub(crate) fn keeps_state(&self) -> bool {
        self.purpose == Purpose::Live
    }

    /// How long samples of the past may still come.
    pub(crate) fn settled_after(&self) -> DurationMs {
        match self.purpose {
            Purpose::Live => DurationMs(limits::TIME_OOO_WINDOW.millis()),
            Purpose::Replay(_) => DurationMs::ZERO, // All are there.
        }
    }

    /// Whether series of alerts are wanted.
    pub(crate) fn has_alert_series(&self) -> bool {
        match self.purpose {
            Purpose::Live => true,
            Purpose::Replay(wanted) => wanted.alerts,
        }
    }

    /// Whether series of objectives are wanted.
    pub(crate) fn has_sla_series(&self) -> bool {
        match self.purpose {
            Purpose::Live => true,
            Purpose::Replay(wanted) => wanted.objectives,
        }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.transitions.clear();
        self.approaches.clear();
        self.notices.clear();
        self.instances.clear();
        self.lapses.clear();
        self.failures.clear();
    }

    /// True when there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
            && self.transitions.is_empty()
            && self.approaches.is_empty()
            && self.notices.is_empty()
            && self.instances.is_empty()
    }
}

/// One change of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The time of the evaluation.
    pub at: TimestampMs,
    /// The alert's name.
    pub rule: String,
    /// The labels that identify the alert while its level changes.
    pub identity: Labels,
    /// What happened.
    pub kind: NoticeKind,
    /// The level before; `None` when it begins.
    pub from: Option<Level>,
    /// The level after; `None` when it ended.
    pub to: Option<Level>,
    /// The value that led here; the last one seen when the series vanished.
    pub value: f64,
    /// The number the value was compared with, when the level's line has one.
    pub threshold: Option<f64>,
    /// When the episode began to fire: names the episode, together with rule and identity.
    pub episode: TimestampMs,
    /// The place of this change in its episode, from zero.
    pub sequence: u32,
    /// The channels that are told, sorted.
    pub channels: Vec<String>,
    /// Why, when there is more to say than that a condition is or is no longer true.
    pub reason: Option<String>,
}

/// A step of an alert that does not fire yet: it became pending, is pending for another level, or ended before it fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Approach {
    /// The time of the evaluation.
    pub at: TimestampMs,
    /// The alert's name.
    pub rule: String,
    /// The labels that identify the alert.
    pub identity: Labels,
    /// The level it was on its way to; `None` when it begins.
    pub from: Option<Level>,
    /// The level it is on its way to; `None` when it ended.
    pub to: Option<Level>,
    /// The value that led here; the last one seen when the series vanished.
    pub value: f64,
    /// The number the value was compared with, when the level's line has one.
    pub threshold: Option<f64>,
    /// Why, when there is more to say than that a condition is or is no longer true.
    pub reason: Option<String>,
}

impl Approach {
    /// What it is in the history.
    pub fn kind(&self) -> HistoryKind {
        if self.to.is_some() {
            HistoryKind::Pending
        } else {
            HistoryKind::Lapse
        }
    }
}

/// A condition that was true, but not for long enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Lapse {
    /// The alert's name.
    pub rule: String,
    /// The labels that identify the alert.
    pub identity: Labels,
    /// The highest level it was on its way to.
    pub level: Level,
    /// The first evaluation at which the condition was true.
    pub since: TimestampMs,
    /// The last one.
    pub until: TimestampMs,
    /// How long it would have had to be true.
    pub hold_for: DurationMs,
}

/// An evaluation that failed: what the rule had found stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedEvaluation {
    /// The rule's name.
    pub rule: String,
    /// What went wrong, for people.
    pub error: String,
}

/// A row of the engine's state that changed: opaque to whoever keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceChange {
    /// Names the row.
    pub key: Vec<u8>,
    /// What it holds now; `None` when it is to be deleted.
    pub state: Option<Vec<u8>>,
}
