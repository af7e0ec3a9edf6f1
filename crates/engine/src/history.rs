//! What a stretch of history says about each rule: how often it fired, how long it took to end, what flaps.
//!
//! The history of a running engine and the transitions of a backtest are summed up by the same lines.
//! Episodes are told apart by rule and identity: one fires, may rise and fall, and ends before the next one fires.

use std::collections::{BTreeMap, VecDeque};

use bellwether_lang::rules::Level;
use bellwether_model::notice::NoticeKind;
use bellwether_model::{DurationMs, Labels, TimeRange, TimestampMs, limits};

use crate::effects::Transition;

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryKind {
    /// Its condition became true, and has to stay so for a while; or it is now on its way to another level.
    Pending,
    /// Its condition was no longer true before it fired.
    Lapse,
    /// What people are told.
    Told(NoticeKind),
}

impl HistoryKind {
    /// One lower-case word.
    pub fn text(self) -> &'static str {
        match self {
            HistoryKind::Pending => "pending",
            HistoryKind::Lapse => "lapse",
            HistoryKind::Told(kind) => kind.text(),
        }
    }

    /// The kind that [`HistoryKind::text`] names so.
    pub fn from_text(text: &str) -> Option<HistoryKind> {
        match text {
            "pending" => Some(HistoryKind::Pending),
            "lapse" => Some(HistoryKind::Lapse),
            told => NoticeKind::from_text(told).map(HistoryKind::Told),
        }
    }
}

/// One change of one alert, as far as sums need it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// When.
    pub at: TimestampMs,
    /// The alert's name.
    pub rule: &'a str,
    /// The labels that identify the alert.
    pub identity: &'a Labels,
    /// What happened.
    pub kind: HistoryKind,
    /// The level after; `None` when it ended.
    pub to: Option<Level>,
}

impl<'a> From<&'a Transition> for Change<'a> {
    fn from(transition: &'a Transition) -> Change<'a> {
        Change {
            at: transition.at,
            rule: &transition.rule,
            identity: &transition.identity,
            kind: HistoryKind::Told(transition.kind),
            to: transition.to,
        }
    }
}

/// What happened to the alerts of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleHistory {
    /// The rule's name.
    pub rule: String,
    /// Times an alert was pending and never fired.
    pub lapsed: u64,
    /// Times an alert began to fire.
    pub fired: u64,
    /// Times a level went up.
    pub rose: u64,
    /// Times a level went down.
    pub fell: u64,
    /// Times an alert ended because its condition did.
    pub resolved: u64,
    /// Times an alert ended because its series vanished.
    pub gone: u64,
    /// Alerts that still fire at the end.
    pub firing: u64,
    /// Time spent at each level within the range, lowest first, summed over all alerts.
    pub at_level: [DurationMs; Level::ALL.len()],
    /// Of the alerts that both began and ended in the range, how long they fired: ascending.
    pub durations: Vec<DurationMs>,
    /// Alerts that began to fire at least `history.flapping` times within `history.flapping_window`, sorted.
    pub flapping: Vec<Labels>,
}

impl RuleHistory {
    /// Half of the ended alerts took no longer than this.
    pub fn median_duration(&self) -> Option<DurationMs> {
        self.durations
            .get(self.durations.len().checked_sub(1)? / 2)
            .copied()
    }

    /// The longest of the ended alerts.
    pub fn longest_duration(&self) -> Option<DurationMs> {
        self.durations.last().copied()
    }

    /// Time at any level.
    pub fn time_firing(&self) -> DurationMs {
        DurationMs(self.at_level.iter().map(|time| time.0).sum())
    }
}

/// One alert on the way through its history.
#[derive(Default)]
struct Course {
    /// Its level, and since when, while it fires.
    at: Option<(Level, TimestampMs)>,
    fired: Option<TimestampMs>,
    /// The latest times it began to fire, as many as make it flapping.
    begun: VecDeque<TimestampMs>,
    flaps: bool,
}

/// Sums up `changes`, which come in the order of time and lie within `range`; sorted by rule.
///
/// An alert that fired before the range is known from its first change in it on: its end counts, its duration does not.
pub fn summarize<'a>(
    changes: impl IntoIterator<Item = Change<'a>>,
    range: TimeRange,
) -> Vec<RuleHistory> {
    let mut rules: BTreeMap<&str, (RuleHistory, BTreeMap<&Labels, Course>)> = BTreeMap::new();
    for change in changes {
        let (history, courses) = rules.entry(change.rule).or_default();
        let course = courses.entry(change.identity).or_default();
        take(history, course, &change);
    }
    let sum = |(rule, (mut history, courses)): (&str, (RuleHistory, BTreeMap<&Labels, Course>))| {
        rule.clone_into(&mut history.rule);
        for (identity, course) in courses {
            if let Some((level, since)) = course.at {
                history.firing += 1;
                spend(&mut history, level, since, range.to);
            }
            if course.flaps {
                history.flapping.push(identity.clone());
            }
        }
        history.durations.sort_unstable();
        history
    };
    rules.into_iter().map(sum).collect()
}

fn take(history: &mut RuleHistory, course: &mut Course, change: &Change<'_>) {
    let kind = match change.kind {
        HistoryKind::Pending => return,
        HistoryKind::Lapse => {
            history.lapsed += 1;
            return;
        }
        HistoryKind::Told(kind) => kind,
    };
    if let Some((level, since)) = course.at {
        spend(history, level, since, change.at);
    }
    course.at = change.to.map(|level| (level, change.at));
    match kind {
        NoticeKind::Fire => {
            history.fired += 1;
            course.fired = Some(change.at);
            course.begin(change.at);
        }
        NoticeKind::Rise => history.rose += 1,
        NoticeKind::Fall => history.fell += 1,
        NoticeKind::Resolve => history.resolved += 1,
        NoticeKind::Gone => history.gone += 1,
    }
    if kind.ends()
        && let Some(fired) = course.fired.take()
    {
        history.durations.push(change.at.since(fired));
    }
}

fn spend(history: &mut RuleHistory, level: Level, since: TimestampMs, until: TimestampMs) {
    let spent = &mut history.at_level[level as usize - 1]; // Levels count from one.
    *spent = DurationMs(spent.0.saturating_add(until.since(since).0.max(0)));
}

impl Course {
    fn begin(&mut self, at: TimestampMs) {
        self.begun.push_back(at);
        if self.begun.len() > limits::HISTORY_FLAPPING.usize() {
            self.begun.pop_front();
        }
        let window = limits::HISTORY_FLAPPING_WINDOW.millis();
        self.flaps |= self.begun.len() == limits::HISTORY_FLAPPING.usize()
            && self
                .begun
                .front()
                .is_some_and(|first| at.since(*first).0 <= window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn changes<'a>(
        identity: &'a Labels,
        list: &[(i64, NoticeKind, Option<Level>)],
    ) -> Vec<Change<'a>> {
        let change = |&(minute, kind, to): &(i64, NoticeKind, Option<Level>)| Change {
            at: TimestampMs(minute * MINUTE),
            rule: "A",
            identity,
            kind: HistoryKind::Told(kind),
            to,
        };
        list.iter().map(change).collect()
    }

    #[test]
    fn time_is_spent_at_the_level_that_held() {
        use NoticeKind::{Fall, Fire, Resolve, Rise};
        let identity = Labels::from_pairs([("i", "1")]);
        let list = [
            (1, Resolve, None), // Fired before the range.
            (2, Fire, Some(Level::Warning)),
            (5, Rise, Some(Level::Critical)),
            (6, Fall, Some(Level::Warning)),
            (10, Resolve, None),
            (15, Fire, Some(Level::Error)),
        ];
        let range = TimeRange::new(0, 20 * MINUTE);
        let mut all = changes(&identity, &list);
        // What was pending in between is no end of what fires.
        let waited = [
            (3, HistoryKind::Pending, Some(Level::Error)),
            (4, HistoryKind::Lapse, None),
        ];
        let waited = waited.map(|(minute, kind, to)| Change {
            at: TimestampMs(minute * MINUTE),
            kind,
            to,
            ..all[0]
        });
        all.splice(2..2, waited);
        let sums = summarize(all, range);
        let minutes = |n| DurationMs(n * MINUTE);
        let want = RuleHistory {
            rule: "A".into(),
            lapsed: 1,
            fired: 2,
            rose: 1,
            fell: 1,
            resolved: 2,
            gone: 0,
            firing: 1,
            at_level: [0, 7, 5, 1, 0].map(minutes),
            durations: vec![minutes(8)],
            flapping: Vec::new(),
        };
        assert_eq!(sums, [want]);
        assert_eq!(sums[0].time_firing(), minutes(13));
        assert_eq!(sums[0].median_duration(), Some(minutes(8)));
    }

    #[test]
    fn what_fires_again_and_again_within_an_hour_flaps() {
        use NoticeKind::{Fire, Gone};
        let (often, seldom) = (
            Labels::from_pairs([("i", "often")]),
            Labels::from_pairs([("i", "seldom")]),
        );
        let course = |minutes: [i64; 3]| {
            let pair = |m| [(m, Fire, Some(Level::Info)), (m + 1, Gone, None)];
            minutes.map(pair).concat()
        };
        let mut all = changes(&often, &course([0, 30, 60]));
        all.extend(changes(&seldom, &course([0, 30, 61])));
        let sums = summarize(all, TimeRange::new(0, 100 * MINUTE));
        assert_eq!(sums[0].flapping, [often]);
        assert_eq!((sums[0].gone, sums[0].firing), (6, 0));
    }
}
