//! Objectives: what is promised, over which period, how it is measured, and what to tell about its budget.

use std::fmt;

use bellwether_model::DurationMs;
use chrono_tz::Tz;

use super::{Level, Place};
use crate::promql::ast::{Expr, VectorSelector};
use crate::rules::text::Text;

/// The short window of a burn line is the long one divided by this (SRE workbook, chapter 5).
const SHORT_PARTS: i64 = 12;

/// `sla NAME`: an objective, its periods, its budget, its alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Sla {
    /// Unique among alerts and objectives; the label `sla`.
    pub name: String,
    /// What is promised, over which periods: at least one, no period twice.
    pub objectives: Vec<SlaObjective>,
    /// How good and bad are told apart.
    pub indicator: Indicator,
    /// One budget for each combination of these labels, no name twice; empty: one budget.
    pub by: Vec<String>,
    /// Tell when it is below its target.
    pub breach: Option<Breach>,
    /// Tell when the budget is spent too fast. Those of the language when nothing was written.
    pub burns: Vec<Burn>,
    /// Below this many events in a burn line's long window, that line does not fire; 0: no limit.
    pub events_min: u64,
    /// Names of windows whose time counts for nothing; each exists.
    pub exclude: Vec<String>,
    /// Distance of two evaluations, at least one second.
    pub every: DurationMs,
    /// How far the evaluation looks back; not negative.
    pub delay: DurationMs,
    /// What it means and what to do.
    pub description: Option<Text>,
    /// Where the instructions are.
    pub runbook: Option<String>,
    /// Labels of its alerts and series, names unique; their texts use the labels of `by` only.
    pub labels: Vec<(String, Text)>,
    /// Annotations of its alerts, names unique.
    pub notes: Vec<(String, Text)>,
    /// Where it stands.
    pub place: Place,
}

impl Sla {
    /// Its alerts are named `NAME:burn` and `NAME:breach`.
    pub const ALERTS: [&str; 2] = ["burn", "breach"];

    /// The name of one of its alerts.
    pub fn alert_name(&self, kind: &str) -> String {
        format!("{}:{kind}", self.name)
    }
}

/// One line `objective 99.9% over 30d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlaObjective {
    /// The promise.
    pub objective: Objective,
    /// The time it is about.
    pub period: Period,
}

/// The good fraction that is promised, strictly between 0 and 1: 0.999 allows 1 bad event in 1000.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Objective(f64);

impl Objective {
    /// The only way in: past this point no one checks the range again. NaN is refused too.
    pub fn new(good: f64) -> Option<Objective> {
        (0.0 < good && good < 1.0).then_some(Objective(good))
    }

    /// The good fraction.
    pub fn good(self) -> f64 {
        self.0
    }

    /// The fraction that may be bad; never zero.
    pub fn error_budget(self) -> f64 {
        1.0 - self.0
    }
}

/// The time an objective is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// The newest stretch of this length; positive.
    Rolling(DurationMs),
    /// Calendar units, each for itself.
    Calendar {
        /// Which.
        unit: CalendarUnit,
        /// Where they begin and end.
        zone: Tz,
    },
}

impl Period {
    /// The length used for burn factors: that of a rolling period; 7, 30, 91 and 365 days for calendar units, whose
    /// real length changes.
    pub fn nominal(self) -> DurationMs {
        const DAY: i64 = 86_400_000;
        match self {
            Period::Rolling(length) => length,
            Period::Calendar { unit, .. } => DurationMs(match unit {
                CalendarUnit::Week => 7 * DAY,
                CalendarUnit::Month => 30 * DAY,
                CalendarUnit::Quarter => 91 * DAY,
                CalendarUnit::Year => 365 * DAY,
            }),
        }
    }
}

/// `30d`, or `month`: the label `period`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Rolling(length) => length.fmt(f),
            Period::Calendar { unit, .. } => f.write_str(unit.word()),
        }
    }
}

/// Units of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CalendarUnit {
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// From the first of January, April, July, October.
    Quarter,
    /// From the first of January.
    Year,
}

impl CalendarUnit {
    /// Every unit, shortest first.
    pub const ALL: [CalendarUnit; 4] = [
        CalendarUnit::Week,
        CalendarUnit::Month,
        CalendarUnit::Quarter,
        CalendarUnit::Year,
    ];

    /// The word of the rule language.
    pub fn word(self) -> &'static str {
        match self {
            CalendarUnit::Week => "week",
            CalendarUnit::Month => "month",
            CalendarUnit::Quarter => "quarter",
            CalendarUnit::Year => "year",
        }
    }

    /// The unit of a word, lower case only.
    pub fn from_word(word: &str) -> Option<CalendarUnit> {
        CalendarUnit::ALL.into_iter().find(|u| u.word() == word)
    }
}

/// How good and bad are told apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Indicator {
    /// Per event: exact increases of counters, ratio of sums.
    Counted {
        /// Which of the two is counted.
        counted: Counted,
        /// The good or the bad ones.
        events: Counters,
        /// All of them.
        total: Counters,
    },
    /// Per slice of time: an expression decides each.
    Sliced {
        /// A vector or a scalar: for each series, 0 is a bad slice, any other number a good one, no value or NaN a
        /// slice without data. A comparison on top was given `bool`, so that "not true" is bad and not missing.
        ok: Expr,
        /// The length of a slice, at least one second; slices begin at multiples of it.
        slice: DurationMs,
        /// What a slice without data is.
        missing: Slice,
    },
}

/// Which events are counted beside all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// `good`
    Good,
    /// `bad`
    Bad,
}

/// Counters joined with `+` and `-`; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Counters(pub Vec<Counter>);

/// One counter of a sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// How it counts.
    pub sign: Sign,
    /// The series: a metric or matchers, without window, shift or pinning.
    pub selector: VectorSelector,
}

/// Added or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

/// What a slice of time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slice {
    /// Good.
    Ok,
    /// Bad.
    Bad,
    /// Not counted.
    #[default]
    Skip,
}

impl Slice {
    /// Every kind.
    pub const ALL: [Slice; 3] = [Slice::Ok, Slice::Bad, Slice::Skip];

    /// The word of the rule language.
    pub fn word(self) -> &'static str {
        match self {
            Slice::Ok => "ok",
            Slice::Bad => "bad",
            Slice::Skip => "skip",
        }
    }

    /// The kind of a word, lower case only.
    pub fn from_word(word: &str) -> Option<Slice> {
        Slice::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// `breach LEVEL [for DUR]`: the newest slice, or the ratio of the period, is below the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The level it raises to.
    pub level: Level,
    /// Below it for this long; 0 is at once.
    pub hold_for: DurationMs,
}

/// `burn SHARE in LONG LEVEL`: this much of the budget is spent in this time, and it still goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burn {
    /// Of the period's budget.
    pub share: Share,
    /// The long window; positive.
    pub long: DurationMs,
    /// The level it raises to.
    pub level: Level,
}

impl Burn {
    /// The window that has to burn as fast still: a twelfth of the long one.
    pub fn short(&self) -> DurationMs {
        DurationMs(self.long.0 / SHORT_PARTS)
    }

    /// How many times faster than the budget allows: share x period / long window (SRE workbook, chapter 5).
    pub fn factor(&self, period: Period) -> f64 {
        self.share.get() * period.nominal().0 as f64 / self.long.0 as f64
    }

    /// The ratio of bad events above which it fires, for one objective. Above 1 it never does.
    pub fn threshold(&self, of: &SlaObjective) -> f64 {
        self.factor(of.period) * of.objective.error_budget()
    }

    /// True when it can fire for an objective: more than everything can't be bad, and the line's time fits into the period.
    pub fn can_fire(&self, of: &SlaObjective) -> bool {
        self.threshold(of) < 1.0 && self.long <= of.period.nominal()
    }

    /// The four lines of the SRE workbook, which apply where nothing is written.
    pub fn defaults() -> [Burn; 4] {
        const HOUR: i64 = 3_600_000;
        let burn = |share, hours, level| Burn {
            share: Share(share),
            long: DurationMs(hours * HOUR),
            level,
        };
        [
            burn(0.02, 1, Level::Critical),
            burn(0.05, 6, Level::Critical),
            burn(0.10, 24, Level::Warning),
            burn(0.10, 72, Level::Warning),
        ]
    }
}

/// A part of a whole: above 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// The only way in. NaN is refused too.
    pub fn new(share: f64) -> Option<Share> {
        (0.0 < share && share <= 1.0).then_some(Share(share))
    }

    /// The part as a fraction.
    pub fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_burn_lines_of_the_workbook() {
        let month = Period::Rolling(DurationMs(30 * 86_400_000));
        let factors = Burn::defaults().map(|burn| (burn.factor(month) * 1e6).round() / 1e6);
        assert_eq!(factors, [14.4, 6.0, 3.0, 1.0]);
        let shorts = Burn::defaults().map(|burn| burn.short().to_string());
        assert_eq!(shorts, ["5m", "30m", "2h", "6h"]);
    }

    #[test]
    fn an_objective_lies_strictly_between_nothing_and_all() {
        for good in [0.0, 1.0, -0.5, 99.9, f64::NAN, f64::INFINITY] {
            assert_eq!(Objective::new(good), None, "{good}");
        }
        let objective = Objective::new(0.75).unwrap();
        assert_eq!((objective.good(), objective.error_budget()), (0.75, 0.25));
    }
}
