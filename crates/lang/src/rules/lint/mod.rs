//! Lints: warnings that have a name, and the comments that switch them off.
//!
//! Some need the rules only, others a store's word about its metrics ([`StoreFacts`]). In an item, or right above it,
//! `# lint: off NAME reason` silences one; the reason is needed.
//!
//! - `silence`: the comments; `store`, `seen`, `whole_file`: rules against what a store has seen; `reach`: conditions that no value can meet.

pub(super) mod reach;
pub(super) mod seen;
pub(super) mod silence;
pub(super) mod store;
pub(super) mod whole_file;

pub use store::{MetricFacts, MetricKind, StoreFacts};

/// Which warning it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lint {
    /// `absent()` that does not wait.
    AbsentWithoutFor,
    /// A comparison in the expression and on the level.
    ComparesTwice,
    /// A counter compared as it is.
    CounterWithoutRate,
    /// A level without a condition over an expression without one.
    FiresAlways,
    /// A `for` that ends before the next evaluation.
    ForShorterThanEvery,
    /// `rate` of something that goes down, too.
    GaugeWithRate,
    /// More series than people can look at.
    HighCardinality,
    /// A label that no alert of the folder has.
    LabelNowhere,
    /// A level that a higher one always hides.
    LevelNeverSeen,
    /// A mute without an end.
    MuteForEver,
    /// A mute whose end is past.
    MuteOver,
    /// A route that an earlier one hides.
    RouteNeverReached,
    /// A window with fewer than two samples.
    ShortWindow,
    /// A name that is nearly another.
    Slip,
    /// The name of an alert that there is not.
    UnknownAlert,
    /// A label that the store has never seen where it is asked for.
    UnknownLabel,
    /// A metric that the store has never seen.
    UnknownMetric,
    /// A level, or its clearing, that no value can reach.
    UnreachableLevel,
}

impl Lint {
    /// Every lint, by name.
    pub const ALL: [Lint; 18] = [
        Lint::AbsentWithoutFor,
        Lint::ComparesTwice,
        Lint::CounterWithoutRate,
        Lint::FiresAlways,
        Lint::ForShorterThanEvery,
        Lint::GaugeWithRate,
        Lint::HighCardinality,
        Lint::LabelNowhere,
        Lint::LevelNeverSeen,
        Lint::MuteForEver,
        Lint::MuteOver,
        Lint::RouteNeverReached,
        Lint::ShortWindow,
        Lint::Slip,
        Lint::UnknownAlert,
        Lint::UnknownLabel,
        Lint::UnknownMetric,
        Lint::UnreachableLevel,
    ];

    /// As comments and messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Lint::AbsentWithoutFor => "absent-without-for",
            Lint::ComparesTwice => "compares-twice",
            Lint::CounterWithoutRate => "counter-without-rate",
            Lint::FiresAlways => "fires-always",
            Lint::ForShorterThanEvery => "for-shorter-than-every",
            Lint::GaugeWithRate => "gauge-with-rate",
            Lint::HighCardinality => "high-cardinality",
            Lint::LabelNowhere => "label-nowhere",
            Lint::LevelNeverSeen => "level-never-seen",
            Lint::MuteForEver => "mute-for-ever",
            Lint::MuteOver => "mute-over",
            Lint::RouteNeverReached => "route-never-reached",
            Lint::ShortWindow => "short-window",
            Lint::Slip => "slip",
            Lint::UnknownAlert => "unknown-alert",
            Lint::UnknownLabel => "unknown-label",
            Lint::UnknownMetric => "unknown-metric",
            Lint::UnreachableLevel => "unreachable-level",
        }
    }

    /// The lint of a name.
    pub fn from_name(name: &str) -> Option<Lint> {
        Lint::ALL.into_iter().find(|lint| lint.name() == name)
    }
}
