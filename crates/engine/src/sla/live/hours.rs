//! Increases of counters summed up by the hour, so that no evaluation has to read a month of samples.
//!
//! Hours that can get no more samples are read once and kept. What lies behind them is read at each evaluation; so is, once an
//! hour for each window, the hour in which the window begins, which is kept in steps of the evaluations' distance. (In a replay nothing
//! comes late, and only what is new is read: `recent.rs`.)
//!
//! A pure cache: sums are exact (`exact.rs`), so what comes out is the same whatever was kept, after a restart, too. Samples that come
//! in spite of everything into an hour that is kept (an agent that was cut off for half a day) are found, too: with each
//! evaluation one hour is forgotten, the next one around.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_model::{DurationMs, Labels, TimestampMs};

use super::recent::Recent;
use crate::sla::events::{Events, Excluded, Part, SlaError};
use crate::sla::exact::{Exact, Sum};

const HOUR: i64 = 3_600_000;

/// Hours that are read at once: what they hold is kept, so that an evaluation that takes too long goes on where it ended.
const HOURS_AT_ONCE: i64 = 96;

/// What windows held, by group: a sum for each of the begins that were asked for.
pub(super) type Sums = BTreeMap<Labels, Vec<Sum>>;

/// When and how often it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Distance of two evaluations.
    pub(super) every: DurationMs,
    /// Samples that come later than this are the exception.
    pub(super) settled_after: DurationMs,
}

/// The hours of one objective that are kept.
#[derive(Debug, Default)]
pub(super) struct Hours {
    /// Hours that were read, as multiples of an hour.
    read: BTreeSet<i64>,
    /// Their sums, where there was an event.
    groups: BTreeMap<Labels, BTreeMap<i64, Sum>>,
    edges: Vec<Edge>,
    /// What lies behind them, where no sample comes late.
    recent: Recent,
}

/// The end of an hour in which a window begins.
#[derive(Debug)]
struct Edge {
    hour: i64,
    /// The first of the moments at which a window may begin; the others follow in steps of `every`.
    first: i64,
    every: i64,
    /// Of each moment what comes behind it in the hour.
    groups: BTreeMap<Labels, Vec<Sum>>,
}

impl Hours {
    /// What happened in `(begin, to]` for each of `begins`, which are ascending.
    pub(super) fn sums(
        &mut self,
        events: &Events<'_>,
        excluded: &Excluded,
        begins: &[TimestampMs],
        to: TimestampMs,
        pace: Pace,
    ) -> Result<Sums, SlaError> {
        let Some(longest) = begins.first() else {
            return Ok(Sums::new());
        };
        let open = to.minus(pace.settled_after).0.div_euclid(HOUR);
        let first = longest.0.div_euclid(HOUR);
        self.forget(first, open, to, pace);
        let reader = Reader { events, excluded };
        self.fill(&reader, first, open)?;
        let start = TimestampMs(open.saturating_mul(HOUR));
        let in_pieces = if pace.settled_after > DurationMs::ZERO {
            None
        } else {
            self.recent.sums(&reader, begins, start, to)?
        };
        let mut sums = match in_pieces {
            Some(sums) => sums,
            None => reader.open(begins, start, to)?,
        };
        self.add_kept(&reader, begins, open, pace, &mut sums)?;
        Ok(sums)
    }

    /// Drops hours that no window reaches, those that are not over (the clock may have been set back), and one that may have
    /// changed.
    fn forget(&mut self, first: i64, open: i64, to: TimestampMs, pace: Pace) {
        // Each hour keeps its turn while others come and go.
        let turns = self.read.len().max(1) as i64;
        let turn = to.0.div_euclid(pace.every.0.max(1)).rem_euclid(turns);
        let is_live = pace.settled_after > DurationMs::ZERO;
        let has_turn = |hour: &&i64| is_live && hour.rem_euclid(turns) == turn;
        let again = self.read.iter().find(has_turn).copied();
        let keep = |hour: &i64| first <= *hour && *hour < open && Some(*hour) != again;
        self.read.retain(keep);
        for hours in self.groups.values_mut() {
            hours.retain(|hour, _| keep(hour));
        }
        self.groups.retain(|_, hours| !hours.is_empty());
        self.edges.retain(|edge| keep(&edge.hour));
    }

    /// Reads the hours from `first` to `open`, exclusive, that are not there.
    fn fill(&mut self, reader: &Reader<'_>, first: i64, open: i64) -> Result<(), SlaError> {
        let mut hour = first;
        while hour < open {
            if self.read.contains(&hour) {
                hour += 1;
                continue;
            }
            let next = self.read.range(hour..).next().copied();
            let end = next.unwrap_or(open).min(open).min(hour + HOURS_AT_ONCE);
            let mut found: BTreeMap<Labels, BTreeMap<i64, Sum>> = BTreeMap::new();
            let (from, to) = (TimestampMs(hour * HOUR), TimestampMs(end * HOUR));
            reader.read(from, to, &mut |group, part, events| {
                let hours = entry(&mut found, group);
                for (t, count) in events {
                    add(
                        hours.entry((t - 1).div_euclid(HOUR)).or_default(),
                        part,
                        count,
                    );
                }
            })?;
            for (group, hours) in found.into_iter().filter(|(_, hours)| !hours.is_empty()) {
                entry(&mut self.groups, &group).extend(hours);
            }
            self.read.extend(hour..end);
            hour = end;
        }
        Ok(())
    }

    /// Adds what is kept to the windows that begin before `open`.
    fn add_kept(
        &mut self,
        reader: &Reader<'_>,
        begins: &[TimestampMs],
        open: i64,
        pace: Pace,
        sums: &mut Sums,
    ) -> Result<(), SlaError> {
        let mut edges = Vec::new();
        for (window, begin) in begins.iter().enumerate() {
            let hour = begin.0.div_euclid(HOUR);
            if hour >= open {
                break;
            }
            let whole = if begin.0 == hour * HOUR {
                hour
            } else {
                hour + 1
            };
            for (group, hours) in &self.groups {
                let add = |sum: Sum, (_, hour): (&i64, &Sum)| sum.plus(*hour);
                let kept = hours.range(whole..open).fold(Sum::default(), add);
                let sum = &mut of_group(sums, group, begins)[window];
                *sum = sum.plus(kept);
            }
            if whole == hour {
                continue;
            }
            let every = pace.every.0.max(1);
            let first = hour * HOUR + (begin.0 - hour * HOUR).rem_euclid(every);
            let known = |edge: &Edge| (edge.hour, edge.first, edge.every) == (hour, first, every);
            if !edges.iter().any(known) {
                edges.push(match self.edges.iter().position(known) {
                    Some(at) => self.edges.swap_remove(at),
                    None => reader.edge(hour, first, every)?,
                });
            }
            for edge in edges.iter().filter(|edge| known(edge)) {
                let step = ((begin.0 - first) / every) as usize;
                for (group, behind) in &edge.groups {
                    let sum = &mut of_group(sums, group, begins)[window];
                    *sum = sum.plus(behind.get(step).copied().unwrap_or_default());
                }
            }
        }
        self.edges = edges;
        Ok(())
    }
}

/// Reads events that count.
pub(super) struct Reader<'a> {
    events: &'a Events<'a>,
    excluded: &'a Excluded,
}

/// Takes events of one group that count: which number, and how many at which times.
pub(super) type Take<'t> = dyn FnMut(&Labels, Part, &mut dyn Iterator<Item = (i64, f64)>) + 't;

impl Reader<'_> {
    pub(super) fn read(
        &self,
        from: TimestampMs,
        to: TimestampMs,
        take: &mut Take<'_>,
    ) -> Result<(), SlaError> {
        if from >= to {
            return Ok(());
        }
        self.events
            .read(from, to, &mut |group, part, times, counts| {
                let events = times.iter().copied().zip(counts.iter().copied());
                take(
                    group,
                    part,
                    &mut events.filter(|(t, _)| !self.excluded.has(*t)),
                );
            })
    }

    /// What happened behind `open`, for each window; those that begin before it get all of it.
    fn open(
        &self,
        begins: &[TimestampMs],
        open: TimestampMs,
        to: TimestampMs,
    ) -> Result<Sums, SlaError> {
        // Neighbouring windows share what lies behind the later one's begin: each event is added once, to the last
        // window that has it, and the windows are summed up afterwards.
        let earlier = begins.partition_point(|begin| *begin <= open);
        let from = begins.first().map_or(open, |begin| open.max(*begin));
        let mut sums = Sums::new();
        self.read(from, to, &mut |group, part, events| {
            let sums = of_group(&mut sums, group, begins);
            let mut last = earlier;
            for (t, count) in events {
                while begins.get(last).is_some_and(|begin| begin.0 < t) {
                    last += 1;
                }
                if let Some(sum) = last.checked_sub(1).and_then(|last| sums.get_mut(last)) {
                    add(sum, part, count);
                }
            }
        })?;
        for sums in sums.values_mut() {
            for window in (1..sums.len()).rev() {
                sums[window - 1] = sums[window - 1].plus(sums[window]);
            }
        }
        Ok(sums)
    }

    fn edge(&self, hour: i64, first: i64, every: i64) -> Result<Edge, SlaError> {
        let end = (hour + 1) * HOUR;
        let steps = usize::try_from((end - 1 - first).div_euclid(every) + 1).unwrap_or(0);
        let mut groups: BTreeMap<Labels, Vec<Sum>> = BTreeMap::new();
        self.read(
            TimestampMs(first),
            TimestampMs(end),
            &mut |group, part, events| {
                if !groups.contains_key(group) {
                    groups.insert(group.clone(), vec![Sum::default(); steps]);
                }
                let Some(behind) = groups.get_mut(group) else {
                    return; // It was put there just now.
                };
                for (t, count) in events {
                    add(&mut behind[((t - 1 - first) / every) as usize], part, count);
                }
            },
        )?;
        for behind in groups.values_mut() {
            for step in (1..behind.len()).rev() {
                behind[step - 1] = behind[step - 1].plus(behind[step]);
            }
        }
        Ok(Edge {
            hour,
            first,
            every,
            groups,
        })
    }
}

pub(super) fn add(sum: &mut Sum, part: Part, count: f64) {
    let side = match part {
        Part::Counted => &mut sum.counted,
        Part::Total => &mut sum.total,
    };
    *side = side.plus(Exact::of(count));
}

fn entry<'m, T: Default>(map: &'m mut BTreeMap<Labels, T>, group: &Labels) -> &'m mut T {
    map.entry(group.clone()).or_default()
}

pub(super) fn of_group<'m>(
    sums: &'m mut Sums,
    group: &Labels,
    begins: &[TimestampMs],
) -> &'m mut Vec<Sum> {
    let sums = sums.entry(group.clone()).or_default();
    sums.resize(begins.len(), Sum::default());
    sums
}
