//! One period of each objective: whether it was met, what is left of the budget, and the evidence.

use std::collections::BTreeMap;

use bellwether_lang::promql::ast::{BinaryOp, ExprKind};
use bellwether_lang::rules::{Indicator, Objective, RuleSet, Sla, SlaObjective};
use bellwether_model::{DurationMs, Labels, TimestampMs};
use bellwether_query::{Control, Options, Source, Value, instant};

use super::events::{Events, Excluded, SlaError};
use super::period::{self, NamedPeriod};
use super::tally::{Buckets, Tally};

/// Of which time a report is.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// The periods that objectives speak of at this moment; calendar ones end there.
    At(TimestampMs),
    /// A period of the calendar, for every objective, whatever its own; up to this moment if it is not over.
    Named(NamedPeriod, TimestampMs),
}

/// A period of one objective and one group.
#[derive(Clone, Debug, PartialEq)]
pub struct SlaReport {
    /// The objective's name.
    pub sla: String,
    /// What it speaks of: `30d`, `month`; the name of the period that was asked for.
    pub period: String,
    /// The promise.
    pub objective: Objective,
    /// The labels of `by`.
    pub group: Labels,
    /// Events count from here, exclusive.
    pub from: TimestampMs,
    /// Events count up to here, inclusive: the end of the period, or the moment of the report when that comes first. Of a period
    /// that has not begun its end.
    pub to: TimestampMs,
    /// False while the period goes on, and before it begins.
    pub is_over: bool,
    /// What is to be said of the promise.
    pub verdict: Verdict,
    /// What happened.
    pub tally: Tally,
    /// Runs of bad slices without a good one in between; of counters, of stretches with a ratio below the objective.
    pub breaches: u64,
    /// The evidence: bad slices, or stretches below the objective, in order.
    pub bad: Vec<Bad>,
    /// The newest value, where slices compare one with a number.
    pub current: Option<Current>,
}

/// What a report says of the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was kept, up to now when the period goes on.
    Met,
    /// It was not kept.
    NotMet,
    /// Nothing happened that counts.
    NoData,
    /// Windows that are excluded take up all of the time.
    Excluded,
    /// The period lies in the future.
    NotBegun,
}

impl Verdict {
    /// One word, for machines.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotMet => "not_met",
            Verdict::NoData => "no_data",
            Verdict::Excluded => "excluded",
            Verdict::NotBegun => "not_begun",
        }
    }

    /// Whether the promise was kept; `None` when there is nothing to be said.
    pub fn is_met(self) -> Option<bool> {
        match self {
            Verdict::Met => Some(true),
            Verdict::NotMet => Some(false),
            Verdict::NoData | Verdict::Excluded | Verdict::NotBegun => None,
        }
    }
}

/// A slice that was bad, or a stretch of time with too many bad events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bad {
    /// Its begin, exclusive.
    pub from: TimestampMs,
    /// Its end, inclusive.
    pub to: TimestampMs,
    /// Its events.
    pub tally: Tally,
}

/// What a sliced objective compares, at the end of the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Current {
    /// The worst value among the series of the group; `None` without data.
    pub value: Option<f64>,
    /// The operator that has to hold, as it is written.
    pub op: &'static str,
    /// The number.
    pub threshold: f64,
}

impl SlaReport {
    /// How much time it is about.
    pub fn length(&self) -> DurationMs {
        self.to.since(self.from)
    }

    /// The part of the budget that is left.
    pub fn remaining(&self) -> f64 {
        self.tally.remaining(self.objective)
    }
}

/// A report of every objective of the rules, by name, then as its lines are written, then by group. An objective that has no
/// events in any group is reported once, without labels.
pub fn report(
    rules: &RuleSet,
    source: &dyn Source,
    when: When,
    options: &Options,
    control: &Control,
) -> Result<Vec<SlaReport>, SlaError> {
    let mut slas: Vec<&Sla> = rules.slas.iter().collect();
    slas.sort_by(|a, b| a.name.cmp(&b.name));
    let mut reports = Vec::new();
    for sla in slas {
        let events = Events {
            rules,
            sla,
            source,
            options,
            control,
        };
        for objective in &sla.objectives {
            let Some(bounds) = Bounds::of(objective, when) else {
                continue; // No calendar reaches that far.
            };
            let mut some = of_objective(&events, objective, bounds)?;
            if let When::Named(period, _) = when {
                for report in &mut some {
                    report.period = period.to_string();
                }
            }
            reports.append(&mut some);
        }
    }
    Ok(reports)
}

/// The period of a report, as far as it goes.
#[derive(Clone, Copy)]
struct Bounds {
    from: TimestampMs,
    to: TimestampMs,
    is_over: bool,
    is_begun: bool,
}

impl Bounds {
    fn of(objective: &SlaObjective, when: When) -> Option<Bounds> {
        let ((from, end), now) = match when {
            When::At(now) => (period::at(objective.period, now)?, now),
            When::Named(named, now) => (named.range(period::zone(objective.period))?, now),
        };
        let is_begun = from <= now;
        Some(Bounds {
            from,
            to: if is_begun { end.min(now) } else { end },
            is_over: end <= now,
            is_begun,
        })
    }

    fn verdict(self, tally: Tally, objective: Objective, excluded: &Excluded) -> Verdict {
        if !self.is_begun {
            Verdict::NotBegun
        } else if tally.total > 0.0 && tally.is_met(objective) {
            Verdict::Met
        } else if tally.total > 0.0 {
            Verdict::NotMet
        } else if excluded.has_all(self.from, self.to) {
            Verdict::Excluded
        } else {
            Verdict::NoData
        }
    }
}

fn of_objective(
    events: &Events<'_>,
    objective: &SlaObjective,
    bounds: Bounds,
) -> Result<Vec<SlaReport>, SlaError> {
    let sla = events.sla;
    let Bounds { from, to, .. } = bounds;
    let width = match &sla.indicator {
        Indicator::Sliced { slice, .. } => *slice,
        Indicator::Counted { .. } => period::stretch(to.since(from)),
    };
    // Slices lie where they lie, and one belongs to the period in which it ends: stretches of them begin at multiples of their
    // length, so that each bucket holds one.
    let aligned = match &sla.indicator {
        Indicator::Sliced { .. } => TimestampMs(from.0.div_euclid(width.0.max(1)) * width.0.max(1)),
        Indicator::Counted { .. } => from,
    };
    let excluded = Excluded::of(events.rules, sla, from, to);
    let mut groups: BTreeMap<Labels, Buckets> = BTreeMap::new();
    let empty = || Buckets::new(aligned, to, width);
    if bounds.is_begun {
        events.read(from, to, &mut |group, part, times, values| {
            if !groups.contains_key(group) {
                groups.insert(group.clone(), empty());
            }
            let Some(buckets) = groups.get_mut(group) else {
                return; // It was put there just now.
            };
            let counts = times
                .iter()
                .zip(values)
                .filter(|(at, _)| !excluded.has(**at));
            for (at, value) in counts {
                buckets.add(TimestampMs(*at), part, *value);
            }
        })?;
    }
    if groups.is_empty() || sla.by.is_empty() {
        groups.entry(Labels::empty()).or_insert_with(empty);
    }
    let compared = bounds.is_begun.then(|| compared(events, to)).flatten();
    let one = |(group, buckets): (&Labels, &Buckets)| {
        let (breaches, bad) = evidence(events, objective.objective, buckets);
        let tally = events.tally(buckets.sum());
        SlaReport {
            sla: sla.name.clone(),
            period: objective.period.to_string(),
            objective: objective.objective,
            group: group.clone(),
            from,
            to,
            is_over: bounds.is_over,
            verdict: bounds.verdict(tally, objective.objective, &excluded),
            tally,
            breaches,
            bad,
            current: compared.as_ref().map(|compared| compared.of(group)),
        }
    };
    Ok(groups.iter().map(one).collect())
}

/// Stretches that were bad, and how many runs of them there are. Stretches without events neither begin nor end a run.
fn evidence(events: &Events<'_>, objective: Objective, buckets: &Buckets) -> (u64, Vec<Bad>) {
    let (mut breaches, mut bad, mut was_bad) = (0, Vec::new(), false);
    for (from, to, sums) in buckets.iter() {
        let tally = events.tally(sums);
        if tally.total <= 0.0 {
            continue;
        }
        let is_bad = !tally.is_met(objective);
        breaches += u64::from(is_bad && !was_bad);
        was_bad = is_bad;
        if is_bad {
            bad.push(Bad { from, to, tally });
        }
    }
    (breaches, bad)
}

/// What an objective's slices compare, `expr CMP number`, and the values of a moment.
#[derive(Debug)]
pub(super) struct Compared {
    op: &'static str,
    threshold: f64,
    /// The worst value of each group.
    groups: BTreeMap<Labels, f64>,
    /// The one of all, when the expression has no labels.
    scalar: Option<f64>,
}

impl Compared {
    /// The value of a group's worst series.
    pub(super) fn of(&self, group: &Labels) -> Current {
        Current {
            value: self.groups.get(group).copied().or(self.scalar),
            op: self.op,
            threshold: self.threshold,
        }
    }
}

/// What the slices that end at a moment compare, with `bool` or without; `None` when they compare no number.
pub(super) fn compared(events: &Events<'_>, at: TimestampMs) -> Option<Compared> {
    let Indicator::Sliced { ok, .. } = &events.sla.indicator else {
        return None;
    };
    let ExprKind::Binary(binary) = &ok.unparenthesized().kind else {
        return None;
    };
    let ExprKind::Number(threshold) = &binary.rhs.unparenthesized().kind else {
        return None;
    };
    if !binary.op.is_comparison() {
        return None;
    }
    let worse: fn(f64, f64) -> f64 = match binary.op {
        BinaryOp::Gt | BinaryOp::Ge => f64::min,
        _ => f64::max,
    };
    let mut compared = Compared {
        op: binary.op.text(),
        threshold: threshold.value,
        groups: BTreeMap::new(),
        scalar: None,
    };
    let answer = instant(
        &binary.lhs,
        events.source,
        at,
        events.options,
        events.control,
    );
    match answer.map(|answer| answer.value) {
        Ok(Value::Vector(vector)) => {
            let numbers = vector.into_iter().filter(|(_, sample)| !sample.v.is_nan());
            for (labels, sample) in numbers {
                let worst = compared.groups.entry(labels.only(&events.sla.by));
                let worst = worst.or_insert(sample.v);
                *worst = worse(*worst, sample.v);
            }
        }
        Ok(Value::Scalar(sample)) => compared.scalar = Some(sample.v),
        _ => {}
    }
    Some(compared)
}
