//! Tests in rule files: series in, alerts and notices out.

use bellwether_model::{DurationMs, Labels, TimestampMs};

use super::{Level, Place};
use crate::promql::{Expr, Sequence};

/// `test "..."`: what has to come of which samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Unique in the folder.
    pub name: String,
    /// Time zero; `None`: the Unix epoch.
    pub start: Option<TimestampMs>,
    /// The samples, before anything is asked.
    pub loads: Vec<Load>,
    /// What is asked and done, by rising time; at one time in the order written.
    pub steps: Vec<Step>,
    /// Where it stands.
    pub place: Place,
}

/// `load STEP` and the lines below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// From one value to the next; positive.
    pub step: DurationMs,
    /// The series, each with its values from time zero on.
    pub series: Vec<TestSeries>,
}

/// A series of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSeries {
    /// With a metric's name.
    pub labels: Labels,
    /// One value a step.
    pub values: Sequence,
}

/// What is asked or done at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Since time zero; not negative.
    pub at: DurationMs,
    /// What.
    pub kind: StepKind,
    /// Where the clause begins, for failures.
    pub place: Place,
}

/// The kinds of step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// `eval`: the expression yields exactly these, in any order.
    Eval {
        /// A vector or a scalar; `$name` expanded.
        expr: Expr,
        /// No label set twice.
        expected: Vec<ExpectedSample>,
    },
    /// `at`: exactly these instances are pending or firing, in any order; an empty list is `none`.
    At {
        /// One for each instance.
        expected: Vec<ExpectedInstance>,
    },
    /// `notify`: this reached the channel at or before the time, and after the step before that is about the channel.
    Notify {
        /// A channel of the folder, or `log`.
        channel: String,
        /// That it is resolved was told, not that it fires.
        resolved: bool,
        /// Which instance.
        instance: InstanceName,
    },
    /// `silent`: nothing reached the channel up to the time.
    Silent {
        /// A channel of the folder, or `log`.
        channel: String,
    },
    /// `ack`: someone acknowledges.
    Ack {
        /// Which instance.
        instance: InstanceName,
    },
}

/// A sample that `eval` expects.
#[derive(Clone, Debug)]
pub struct ExpectedSample {
    /// The whole label set; the metric's name may be left out where one series is meant.
    pub labels: Labels,
    /// The series has no metric's name, and one with a name is another one.
    pub is_nameless: bool,
    /// The value; NaN expects NaN.
    pub value: f64,
    /// Where it stands.
    pub place: Place,
}

/// NaN is equal to NaN.
impl PartialEq for ExpectedSample {
    fn eq(&self, other: &ExpectedSample) -> bool {
        let same = self.value == other.value || self.value.is_nan() && other.value.is_nan();
        same && self.labels == other.labels
            && self.is_nameless == other.is_nameless
            && self.place == other.place
    }
}

/// An instance that `at` expects.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedInstance {
    /// Its state.
    pub state: ExpectedState,
    /// Which.
    pub instance: InstanceName,
    /// Its summary, when it is asked for.
    pub summary: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// The state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedState {
    /// No level yet.
    Pending,
    /// Firing at this level.
    Firing(Level),
}

impl ExpectedState {
    /// The word of the rule language.
    pub fn word(self) -> &'static str {
        match self {
            ExpectedState::Pending => "pending",
            ExpectedState::Firing(level) => level.word(),
        }
    }
}

/// An instance by its alert and some of its labels; others are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceName {
    /// An alert or objective of the folder.
    pub alert: String,
    /// Labels and their values, no name twice.
    pub labels: Vec<(String, String)>,
}

impl InstanceName {
    /// True when an instance of this alert with these labels is meant. A missing label is empty.
    pub fn matches(&self, alert: &str, labels: &Labels) -> bool {
        let has = |(name, value): &(String, String)| labels.get(name).unwrap_or("") == value;
        self.alert == alert && self.labels.iter().all(has)
    }
}
