//! Objectives while they run: at each evaluation the exact ratio, budget and burn rates of every group, as series and as evidence
//! for the objective's alerts.
//!
//! ```text
//! sla:ratio{sla, period, ..}                  the good part of the period; none without events
//! sla:budget_remaining:ratio{sla, period, ..} 1 untouched, 0 spent, below 0 overspent
//! sla:burn:ratio{sla, period, window, ..}     1: the budget is spent when the period is over; 0 without events
//! ```
//!
//! - `hours`, `recent`: sums of counters. `course`, `bits`: slices of time. Both keep what can no longer change.
//! - `alerts`: the alerts `NAME:burn` and `NAME:breach`, and what they are told.
//!
//! Promises: what comes out is a function of the stored samples, the rules and the time alone; what is kept is a cache and never
//! part of the state. Not here: the life of an alert (`instance.rs`), when it is evaluated (`engine.rs`).

mod alerts;
mod bits;
mod course;
mod hours;
mod recent;

use std::collections::BTreeMap;

use bellwether_lang::rules::{Burn, Indicator, RuleSet, Sla, SlaObjective, TextContext};
use bellwether_model::{DurationMs, Labels, LabelsBuilder, METRIC_NAME, TimestampMs};
use bellwether_query::{Control, Options, Source};

pub(crate) use alerts::{AlertOf, Said, shown, with_alerts};
use course::{Course, Cut};
use hours::{Hours, Pace};

use super::events::{Events, Excluded, SlaError};
use super::exact::Sum;
use super::period;
use super::report::{Compared, Current, compared};
use super::tally::Tally;

/// The metrics about objectives that the engine writes.
pub(crate) const SLA_METRICS: [&str; 3] = [RATIO, REMAINING, BURN];
const RATIO: &str = "sla:ratio";
const REMAINING: &str = "sla:budget_remaining:ratio";
const BURN: &str = "sla:burn:ratio";

/// What an objective keeps between evaluations.
#[derive(Debug, Default)]
pub(crate) struct Live {
    hours: Hours,
    course: Course,
    /// What the newest slice compares, and its end, where nothing can change any more.
    compared: Option<(TimestampMs, Option<Compared>)>,
    excluded: Option<Known>,
}

/// The times left out, as far as they are known.
#[derive(Debug)]
struct Known {
    from: TimestampMs,
    to: TimestampMs,
    excluded: Excluded,
}

/// What is evaluated, and over what.
pub(crate) struct Look<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) sla: &'a Sla,
    pub(crate) source: &'a dyn Source,
    pub(crate) options: &'a Options,
    pub(crate) control: &'a Control,
    /// The time of the data.
    pub(crate) to: TimestampMs,
    /// Samples that come later than this are the exception.
    pub(crate) settled_after: DurationMs,
}

impl<'a> Look<'a> {
    fn events(&self) -> Events<'a> {
        Events {
            rules: self.rules,
            sla: self.sla,
            source: self.source,
            options: self.options,
            control: self.control,
        }
    }
}

/// What an evaluation saw, by group.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) groups: BTreeMap<Labels, GroupSeen>,
}

/// What an evaluation saw of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupSeen {
    /// In the order of the objective's lines.
    periods: Vec<PeriodSeen>,
    /// The newest slice that counts.
    newest: Option<SliceSeen>,
}

/// One line `objective` of a group.
#[derive(Debug)]
struct PeriodSeen {
    of: SlaObjective,
    tally: Tally,
    /// The `burn` lines that can fire for it.
    burns: Vec<BurnSeen>,
}

/// One line `burn` for one objective of a group.
#[derive(Debug)]
struct BurnSeen {
    line: Burn,
    long: Tally,
    short: Tally,
}

/// A slice of a group.
#[derive(Debug)]
struct SliceSeen {
    is_bad: bool,
    /// What the slice compares, where it compares a number.
    current: Option<Current>,
}

/// The burn rate: 1 spends exactly the budget. No events spend nothing.
fn rate(tally: Tally, of: &SlaObjective) -> f64 {
    if tally.total > 0.0 {
        tally.bad / tally.budget(of.objective)
    } else {
        0.0
    }
}

impl Live {
    /// Evaluates the objective. An error leaves nothing behind but a fuller cache.
    pub(crate) fn look(&mut self, look: &Look<'_>) -> Result<Seen, SlaError> {
        let begins = begins(look.sla, look.to);
        let Some(longest) = begins.first().copied() else {
            return Ok(Seen::default()); // No calendar reaches that far.
        };
        let events = look.events();
        let pace = Pace {
            every: look.sla.every,
            settled_after: look.settled_after,
        };
        self.know_excluded(look, longest);
        let nothing = Excluded::default();
        let excluded = self
            .excluded
            .as_ref()
            .map_or(&nothing, |known| &known.excluded);
        let (mut sums, newest) = match &look.sla.indicator {
            Indicator::Counted { .. } => {
                let mut sums = self.hours.sums(&events, excluded, &begins, look.to, pace)?;
                // A group is there while it has events: whether a counter stood still just before the longest window is
                // nothing that hours know.
                sums.retain(|_, sums| sums.first().is_some_and(|all| *all != Sum::default()));
                (sums, None)
            }
            Indicator::Sliced { ok, slice, missing } => {
                let cut = Cut::of(ok, *slice, *missing);
                self.course.follow(&events, &cut, longest, look.to, pace)?;
                let wanted = look.sla.breach.is_some();
                let newest = wanted.then(|| self.course.newest(&cut, excluded, look.to));
                (
                    self.course.sums(&cut, excluded, &begins, look.to),
                    newest.flatten(),
                )
            }
        };
        if let Some((end, _)) = &newest {
            self.compare(&events, *end);
        }
        let compared = self.compared.as_ref().and_then(|(_, known)| known.as_ref());
        if look.sla.by.is_empty() {
            sums.entry(Labels::empty())
                .or_insert_with(|| vec![Sum::default(); begins.len()]);
        }
        let mut seen = Seen::default();
        for (group, sums) in sums {
            let tally = |begin: TimestampMs| {
                let at = begins.binary_search(&begin).unwrap_or_default();
                let sum = sums.get(at).copied().unwrap_or_default();
                events.tally((sum.counted.get(), sum.total.get()))
            };
            let slice = newest.as_ref().and_then(|(_, newest)| newest.get(&group));
            let group_seen = GroupSeen {
                periods: periods(look.sla, look.to, &tally),
                newest: slice.map(|is_bad| SliceSeen {
                    is_bad: *is_bad,
                    current: compared.map(|compared| compared.of(&group)),
                }),
            };
            seen.groups.insert(group, group_seen);
        }
        Ok(seen)
    }

    /// Judges the slices up to `until`, whose samples are all there already: a look at each of them later costs no question.
    pub(crate) fn foresee(&mut self, look: &Look<'_>, until: TimestampMs) -> Result<(), SlaError> {
        let (Indicator::Sliced { ok, slice, missing }, Some(longest)) = (
            &look.sla.indicator,
            begins(look.sla, look.to).first().copied(),
        ) else {
            return Ok(());
        };
        let cut = Cut::of(ok, *slice, *missing);
        self.course.foresee(&look.events(), &cut, longest, until)
    }

    /// Asks for what the slices that end at `end` compare, unless that is known for good.
    fn compare(&mut self, events: &Events<'_>, end: TimestampMs) {
        let is_known = self.compared.as_ref().is_some_and(|(at, _)| *at == end);
        if !(is_known && self.course.has_foreseen(end)) {
            self.compared = Some((end, compared(events, end)));
        }
    }

    /// Looks up the times left out, a day ahead at once.
    fn know_excluded(&mut self, look: &Look<'_>, from: TimestampMs) {
        const AHEAD: DurationMs = DurationMs::from_mins(24 * 60);
        let is_known = |known: &Known| known.from <= from && look.to <= known.to;
        if !self.excluded.as_ref().is_some_and(is_known) {
            let to = look.to.plus(AHEAD);
            self.excluded = Some(Known {
                from,
                to,
                excluded: Excluded::of(look.rules, look.sla, from, to),
            });
        }
    }
}

/// The `burn` lines that can fire for an objective.
fn burns_of<'s>(sla: &'s Sla, of: &SlaObjective) -> impl Iterator<Item = &'s Burn> {
    let of = *of;
    sla.burns.iter().filter(move |burn| burn.can_fire(&of))
}

/// Where the windows of an objective begin, ascending, each once.
fn begins(sla: &Sla, to: TimestampMs) -> Vec<TimestampMs> {
    let mut begins = Vec::new();
    for of in &sla.objectives {
        if let Some((from, _)) = period::at(of.period, to) {
            begins.push(from);
        }
        for burn in burns_of(sla, of) {
            begins.extend([to.minus(burn.long), to.minus(burn.short())]);
        }
    }
    begins.sort_unstable();
    begins.dedup();
    begins
}

fn periods(sla: &Sla, to: TimestampMs, tally: &dyn Fn(TimestampMs) -> Tally) -> Vec<PeriodSeen> {
    let one = |of: &SlaObjective| {
        let (from, _) = period::at(of.period, to)?;
        let burn = |line: &Burn| BurnSeen {
            line: *line,
            long: tally(to.minus(line.long)),
            short: tally(to.minus(line.short())),
        };
        Some(PeriodSeen {
            of: *of,
            tally: tally(from),
            burns: burns_of(sla, of).map(burn).collect(),
        })
    };
    sla.objectives.iter().filter_map(one).collect()
}

impl Seen {
    /// What is recorded: each series and its value.
    pub(crate) fn series(&self, sla: &Sla) -> BTreeMap<Labels, f64> {
        let mut series = BTreeMap::new();
        for (group, seen) in &self.groups {
            for period in &seen.periods {
                let named = |metric: &str, window: Option<DurationMs>| {
                    let mut labels = labels_of(sla, group, Some(period));
                    labels.set(METRIC_NAME, metric);
                    if let Some(window) = window {
                        labels.set("window", &window.to_string());
                    }
                    labels.build()
                };
                if let Some(ratio) = period.tally.ratio() {
                    series.insert(named(RATIO, None), ratio);
                }
                let remaining = period.tally.remaining(period.of.objective);
                series.insert(named(REMAINING, None), remaining);
                for burn in &period.burns {
                    let windows = [(burn.line.long, burn.long), (burn.line.short(), burn.short)];
                    for (window, tally) in windows {
                        series.insert(named(BURN, Some(window)), rate(tally, &period.of));
                    }
                }
            }
        }
        series
    }
}

/// The labels of what is said about a group: those of `by`, those that the objective sets, its own.
fn labels_of(sla: &Sla, group: &Labels, period: Option<&PeriodSeen>) -> LabelsBuilder {
    let mut labels = LabelsBuilder::from_labels(group);
    let context = TextContext {
        labels: group,
        value: f64::NAN, // Texts of labels never use the value: the check of the rules refuses it.
        threshold: None,
        level: None,
        since: None,
    };
    for (name, text) in &sla.labels {
        labels.set(name, &text.render(&context));
    }
    labels.set("sla", &sla.name);
    if let Some(period) = period {
        labels.set("period", &period.of.period.to_string());
    }
    labels
}

#[cfg(test)]
mod tests;
