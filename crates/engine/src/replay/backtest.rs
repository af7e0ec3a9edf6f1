//! What rules would have done: a replay over stored history, summed up, and two of them compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_lang::rules::{Level, RuleSet};
use bellwether_model::{
    DurationMs, Labels, METRIC_NAME, MatchOp, Matcher, TimeRange, TimestampMs, limits,
};
use bellwether_query::{Columns, Select, Source};

use super::{NearestValue, Ready, Replay, ReplayOptions};
use crate::effects::{FailedEvaluation, Lapse, Transition};
use crate::history::{Change, RuleHistory, summarize};
use crate::order::Circle;
use crate::slots::Spread;

/// What rules would have done in a stretch of time.
#[derive(Clone, Debug)]
pub struct Backtest {
    /// From the first possible tick to the last, both included.
    pub range: TimeRange,
    /// How many ticks there were.
    pub ticks: u64,
    /// Every transition, in order; at most `backtest.transitions`.
    pub transitions: Vec<Transition>,
    /// Transitions beyond that, which are counted nowhere else.
    pub left_out: u64,
    /// When each alert fired, by rule and identity.
    pub courses: BTreeMap<(String, Labels), Vec<Firing>>,
    /// The transitions summed up by rule.
    pub rules: Vec<RuleHistory>,
    /// Notices that would have gone out, by channel.
    pub notices: BTreeMap<String, u64>,
    /// Conditions that ended before they fired: of each rule and level the one that came nearest to its `for`.
    pub lapses: BTreeMap<(String, Level), Lapse>,
    /// How many such conditions there were, by rule.
    pub lapsed: BTreeMap<String, u64>,
    /// No sample is stored in this time, nor so shortly before it that it could be seen: nothing was tested.
    pub without_data: bool,
    /// Rules whose expression never had a value in this time: by name, each once.
    pub without_value: BTreeSet<String>,
    /// Rules that could not always be evaluated, by name.
    pub failed: BTreeMap<String, Failed>,
    /// Of each level that has a condition, the value nearest to it.
    pub nearest: BTreeMap<(String, Level), NearestValue>,
}

/// The evaluations of a rule that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// How many.
    pub evaluations: u64,
    /// The first of them.
    pub first: TimestampMs,
    /// What went wrong then.
    pub error: String,
}

/// A stretch of time at one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Its first evaluation.
    pub from: TimestampMs,
    /// The evaluation that ended it; `None` when it goes on at the end.
    pub to: Option<TimestampMs>,
    /// How bad.
    pub level: Level,
}

/// Why there is no backtest.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The rules cannot run.
    #[error(transparent)]
    Circle(#[from] Circle),
    /// Nobody waits for it any more, or it took too long.
    #[error("the backtest was stopped at {at}")]
    Stopped {
        /// The last tick.
        at: TimestampMs,
    },
}

impl Backtest {
    /// Replays `rules`, with slots as they are live. `progress` hears after each tick how far it came.
    pub fn run(
        rules: Arc<RuleSet>,
        source: &dyn Source,
        options: ReplayOptions,
        progress: &mut dyn FnMut(TimestampMs),
    ) -> Result<Backtest, BacktestError> {
        let ready = Ready::new(rules, Spread::ByName)?;
        Backtest::of(&ready, source, options, progress)
    }

    fn of(
        ready: &Ready,
        source: &dyn Source,
        options: ReplayOptions,
        progress: &mut dyn FnMut(TimestampMs),
    ) -> Result<Backtest, BacktestError> {
        let range = TimeRange {
            from: options.from,
            to: options.until,
        };
        let control = options.control.clone();
        let seen = TimeRange {
            from: range.from.minus(options.query.lookback),
            to: range.to,
        };
        let mut replay = Replay::new(ready, source, options);
        let mut backtest = Backtest::new(range);
        while let Some((at, tick)) = replay.next(range.to) {
            if control.check().is_err() {
                return Err(BacktestError::Stopped { at });
            }
            backtest.ticks += 1;
            for notice in &tick.notices {
                *backtest.notices.entry(notice.channel.clone()).or_default() += 1;
            }
            for transition in &tick.transitions {
                backtest.take(transition);
            }
            for lapse in &tick.lapses {
                backtest.lapse(lapse);
            }
            for failure in &tick.failures {
                backtest.fail(at, failure);
            }
            progress(at);
        }
        let changes = backtest.transitions.iter().map(Change::from);
        backtest.rules = summarize(changes, range);
        for rule in &mut backtest.rules {
            rule.lapsed = backtest.lapsed.get(&rule.rule).copied().unwrap_or_default();
        }
        // Where something has changed there was something to see.
        backtest.without_data = backtest.transitions.is_empty() && is_empty(source, seen);
        backtest.without_value = replay.without_value().map(str::to_owned).collect();
        let nearest = replay.nearest();
        backtest.nearest = nearest
            .map(|(alert, level, value)| ((alert.to_owned(), level), value.clone()))
            .collect();
        Ok(backtest)
    }

    fn new(range: TimeRange) -> Backtest {
        Backtest {
            range,
            ticks: 0,
            transitions: Vec::new(),
            left_out: 0,
            courses: BTreeMap::new(),
            rules: Vec::new(),
            notices: BTreeMap::new(),
            lapses: BTreeMap::new(),
            lapsed: BTreeMap::new(),
            without_data: false,
            without_value: BTreeSet::new(),
            failed: BTreeMap::new(),
            nearest: BTreeMap::new(),
        }
    }

    fn take(&mut self, transition: &Transition) {
        if self.transitions.len() >= limits::BACKTEST_TRANSITIONS_MAX.usize() {
            self.left_out += 1;
            return;
        }
        let key = (transition.rule.clone(), transition.identity.clone());
        let course = self.courses.entry(key).or_default();
        if let Some(last) = course.last_mut().filter(|last| last.to.is_none()) {
            last.to = Some(transition.at);
        }
        course.extend(transition.to.map(|level| Firing {
            from: transition.at,
            to: None,
            level,
        }));
        self.transitions.push(transition.clone());
    }

    fn fail(&mut self, at: TimestampMs, failure: &FailedEvaluation) {
        if let Some(failed) = self.failed.get_mut(&failure.rule) {
            failed.evaluations += 1;
            return;
        }
        let failed = Failed {
            evaluations: 1,
            first: at,
            error: failure.error.clone(),
        };
        self.failed.insert(failure.rule.clone(), failed);
    }

    fn lapse(&mut self, lapse: &Lapse) {
        *self.lapsed.entry(lapse.rule.clone()).or_default() += 1;
        let key = (lapse.rule.clone(), lapse.level);
        let lasted = |lapse: &Lapse| lapse.until.since(lapse.since);
        match self.lapses.get_mut(&key) {
            Some(known) if lasted(known) >= lasted(lapse) => {}
            Some(known) => *known = lapse.clone(),
            None => {
                self.lapses.insert(key, lapse.clone());
            }
        }
    }

    /// What `after` does otherwise than these rules.
    pub fn difference(&self, after: &Backtest) -> Vec<Difference> {
        let keys: BTreeSet<_> = self.courses.keys().chain(after.courses.keys()).collect();
        let nothing = Vec::new();
        let mut differences = Vec::new();
        for key in keys {
            let old = self.courses.get(key).unwrap_or(&nothing);
            let new = after.courses.get(key).unwrap_or(&nothing);
            if old != new {
                differences.push(Difference {
                    rule: key.0.clone(),
                    identity: key.1.clone(),
                    before: old.clone(),
                    after: new.clone(),
                });
            }
        }
        differences
    }
}

/// An alert that two rule sets treat differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The alert's name.
    pub rule: String,
    /// The labels that identify the alert.
    pub identity: Labels,
    /// When it fires under the rules compared with.
    pub before: Vec<Firing>,
    /// When it fires under the rules at hand.
    pub after: Vec<Firing>,
}

/// True when a source has no sample at all in a stretch of time, as far as it can be read. One that would have to fetch all it has
/// for that is not asked.
fn is_empty(source: &dyn Source, range: TimeRange) -> bool {
    let Ok(any) = Matcher::new(MatchOp::NotEqual, METRIC_NAME, "") else {
        return false; // There is no pattern in it that could be wrong.
    };
    let any = [any];
    if source.estimate(&any).is_none() {
        return false;
    }
    let select = Select {
        matchers: &any,
        range,
        series_max: usize::MAX,
    };
    let Ok(series) = source.select(&select) else {
        return false;
    };
    let mut sample = Columns::default();
    let mut has_none = |index| {
        let room = limits::QUERY_SAMPLES_MAX.usize();
        let read = series.reader.read_newest(index, range, room, &mut sample);
        read.is_ok() && sample.times.is_empty()
    };
    (0..series.labels.len()).all(&mut has_none)
}

/// The worst level of an alert within each of `cells` equal parts of the range.
pub fn strip(range: TimeRange, course: &[Firing], cells: usize) -> Vec<Option<Level>> {
    let mut strip = vec![None; cells];
    let length = range.to.since(range.from).0.max(1);
    let cell = |at: TimestampMs| {
        let into = i128::from(at.since(range.from).0.max(0));
        usize::try_from(into * cells as i128 / i128::from(length)).unwrap_or(usize::MAX)
    };
    for firing in course {
        let end = firing.to.map_or(range.to, |to| to.minus(DurationMs(1)));
        let last = cell(end).min(cells.saturating_sub(1));
        let first = cell(firing.from).min(last);
        for level in strip.iter_mut().take(last + 1).skip(first) {
            *level = (*level).max(Some(firing.level));
        }
    }
    strip
}

#[cfg(test)]
mod tests {
    use bellwether_query::source::memory::MemorySource;
    use bellwether_query::{Control, Options, Stop};

    use super::*;

    const MINUTE: i64 = 60_000;

    fn options(control: &Control) -> ReplayOptions {
        ReplayOptions {
            from: TimestampMs(0),
            until: TimestampMs(10 * MINUTE),
            query: Options::default(),
            keep_samples: false,
            control: control.clone(),
        }
    }

    fn backtest(rules: &str) -> Backtest {
        let mut store = MemorySource::new();
        let labels = Labels::from_pairs([("__name__", "x"), ("i", "1")]);
        for (minute, value) in [1, 6, 6, 1, 6, 6, 6, 12, 12, 1, 6].into_iter().enumerate() {
            store.push(&labels, minute as i64 * MINUTE, f64::from(value));
        }
        let rules = Arc::new(crate::testing::rules(rules));
        let ready = Ready::new(rules, Spread::None).unwrap();
        Backtest::of(&ready, &store, options(&Control::new()), &mut |_| {}).unwrap()
    }

    fn rule(name: &str, hold: &str) -> String {
        format!("alert {name}\n  expr x\n  every 1m\n  warning > 5 for {hold}\n  critical > 10\n  error > 20\n")
            .replace("  critical > 10\n  error > 20\n", "  error > 10\n  critical > 20\n")
    }

    #[test]
    fn intervals_lapses_and_nearest_values() {
        let got = backtest(&rule("A", "2m"));
        let course = got.courses.values().next().unwrap();
        let at = |m| TimestampMs(m * MINUTE);
        let firing = |from, to, level| Firing {
            from: at(from),
            to: Some(at(to)),
            level,
        };
        assert_eq!(
            *course,
            [firing(6, 7, Level::Warning), firing(7, 9, Level::Error)]
        );
        assert_eq!(got.notices, BTreeMap::from([("log".to_owned(), 3)]));
        assert_eq!(got.lapsed, BTreeMap::from([("A".to_owned(), 1)]));
        let lapse = &got.lapses[&("A".to_owned(), Level::Warning)];
        assert_eq!(
            (lapse.since, lapse.until, lapse.hold_for),
            (at(1), at(2), DurationMs(2 * MINUTE))
        );
        let nearest = &got.nearest[&("A".to_owned(), Level::Critical)];
        assert_eq!(
            (nearest.value, nearest.threshold, nearest.at, nearest.held),
            (12.0, 20.0, at(7), false)
        );
        let strip = strip(got.range, course, 10);
        let strip: Vec<&str> = strip.iter().map(|l| l.map_or(".", Level::word)).collect();
        assert_eq!(
            strip,
            [
                ".", ".", ".", ".", ".", ".", "warning", "error", "error", "."
            ]
        );
    }

    #[test]
    fn two_rule_sets_differ_where_alerts_do() {
        let both = |hold: &str| backtest(&(rule("Same", "2m") + &rule("Tuned", hold)));
        let (before, after) = (both("2m"), both("0s"));
        let differences = before.difference(&after);
        let named: Vec<_> = differences
            .iter()
            .map(|d| (&d.rule[..], d.before.len(), d.after.len()))
            .collect();
        assert_eq!(named, [("Tuned", 2, 4)]);
        assert!(before.difference(&before).is_empty());
    }

    #[test]
    fn an_expression_that_never_had_a_value_is_named() {
        let absent = "alert Typo\n  expr y\n  every 1m\n  warning > 5\nrecord y:double\n  expr y * 2\n  every 1m\n";
        let got = backtest(&(rule("A", "2m") + absent));
        let names: Vec<&str> = got.without_value.iter().map(String::as_str).collect();
        assert_eq!(names, ["Typo", "y:double"]);
    }

    #[test]
    fn what_is_silent_while_all_is_well_is_not_called_without_value() {
        let quiet = "alert Imported\n  expr x > 50\n  every 1m\n  warning\n";
        let got = backtest(&(rule("A", "2m") + quiet));
        assert_eq!(got.without_value, BTreeSet::new());
    }

    #[test]
    fn a_time_without_samples_tests_nothing() {
        let over = |from: i64| {
            let mut store = MemorySource::new();
            let labels = Labels::from_pairs([("__name__", "other"), ("i", "1")]);
            store.push(&labels, 0, 1.0);
            let options = ReplayOptions {
                from: TimestampMs(from * MINUTE),
                until: TimestampMs((from + 10) * MINUTE),
                ..options(&Control::new())
            };
            let rules = Arc::new(crate::testing::rules(&rule("A", "2m")));
            Backtest::run(rules, &store, options, &mut |_| {}).unwrap()
        };
        // A sample of a minute ago is still seen, one of six minutes ago is not.
        let of = |from| (over(from).without_data, over(from).without_value.len());
        assert_eq!([of(-5), of(1), of(6)], [(false, 1), (false, 1), (true, 1)]);
    }

    #[test]
    fn evaluations_that_fail_are_counted_with_the_first_error() {
        // From the third minute on there are two of a kind.
        let store = {
            let mut store = MemorySource::new();
            for (i, from) in [("1", 0), ("2", 3)] {
                let labels = Labels::from_pairs([("__name__", "x"), ("i", i)]);
                for minute in from..=10 {
                    store.push(&labels, minute * MINUTE, 1.0);
                }
            }
            store
        };
        let text = "alert One\n  expr x\n  every 1m\n  warning > 5\n  label i = \"all\"\n\
                    record all:x\n  expr x\n  every 1m\n  label i = \"all\"\n";
        let ready = Ready::new(Arc::new(crate::testing::rules(text)), Spread::None).unwrap();
        let got = Backtest::of(&ready, &store, options(&Control::new()), &mut |_| {}).unwrap();
        let failed: Vec<String> = got
            .failed
            .iter()
            .map(|(rule, f)| {
                format!(
                    "{rule} {} {} {}",
                    f.evaluations,
                    f.first.0 / MINUTE,
                    f.error
                )
            })
            .collect();
        assert_eq!(
            failed,
            [
                "One 8 3 two results become {alertname=\"One\", i=\"all\"}: x{i=\"1\"} and x{i=\"2\"}",
                "all:x 8 3 two results become all:x{i=\"all\"}: x{i=\"1\"} and x{i=\"2\"}",
            ]
        );
    }

    #[test]
    fn one_that_nobody_waits_for_ends() {
        let control = Control::new();
        control.cancel(Stop::Disconnected);
        let rules = Arc::new(crate::testing::rules(&rule("A", "2m")));
        let store = MemorySource::new();
        let got = Backtest::run(rules, &store, options(&control), &mut |_| {});
        assert!(matches!(got, Err(BacktestError::Stopped { .. })));
    }
}
