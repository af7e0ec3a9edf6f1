//! The life of one instance, step by step. Written as columns: what the evaluation saw -> what followed.

use bellwether_lang::promql::ast::BinaryOp;
use bellwether_lang::rules::{Condition, LevelLine};

use super::*;

const EVERY: DurationMs = DurationMs::from_secs(30);

fn when(
    level: Level,
    condition: Option<(BinaryOp, f64)>,
    hold_for: i64,
    clear: Option<(BinaryOp, f64)>,
    keep: i64,
) -> LevelLine {
    let condition_of = |c: (BinaryOp, f64)| Condition {
        op: c.0,
        number: c.1,
    };
    LevelLine {
        level,
        rule: LevelRule::When {
            condition: condition.map(condition_of),
            hold_for: DurationMs::from_secs(hold_for),
            clear: clear.map(condition_of),
            keep: DurationMs::from_secs(keep),
        },
        only: Vec::new(),
    }
}

/// An instance with its policy, evaluated every 30 seconds from zero on.
struct Watch {
    lines: Vec<LevelLine>,
    missing: Missing,
    bare: bool,
    instance: Instance,
    now: TimestampMs,
    last: Option<TimestampMs>,
}

impl Watch {
    fn new(lines: Vec<LevelLine>, missing: Missing) -> Watch {
        let bare = missing == Missing::Clear
            && lines.iter().all(|l| {
                matches!(
                    l.rule,
                    LevelRule::When {
                        condition: None,
                        ..
                    }
                )
            });
        Watch {
            lines,
            missing,
            bare,
            instance: Instance::new(Labels::from_pairs([("alertname", "A")])),
            now: TimestampMs(0),
            last: None,
        }
    }

    /// One evaluation; the answer reads like `p` pending, `W` firing as warning, `-` inactive, with
    /// what is told before it: `+` fire, `^` rise, `v` fall, `!` resolved, `?` gone.
    fn see(&mut self, evidence: Evidence) -> String {
        let line_of = |level| self.lines.iter().find(|line| line.level == level);
        let policy = Policy {
            lines: Level::ALL.map(line_of),
            missing: &self.missing,
            bare: self.bare,
        };
        let elapsed = self.last.map_or(DurationMs::ZERO, |t| self.now.since(t));
        let beat = Beat {
            now: self.now,
            elapsed,
            counts: elapsed.0 <= 2 * EVERY.0,
            era: 0,
        };
        let told = match self.instance.step(evidence, &policy, beat) {
            Change::None => "",
            Change::Fired => "+",
            Change::Rose { .. } => "^",
            Change::Fell { .. } => "v",
            Change::Ended {
                how: End::Resolved, ..
            } => "!",
            Change::Ended { how: End::Gone, .. } => "?",
        };
        self.last = Some(self.now);
        self.now = self.now.plus(EVERY);
        let letter = |level: Level| level.word()[..1].to_owned();
        let state = match &self.instance.phase {
            Phase::Inactive => "-".to_owned(),
            Phase::Pending { level, .. } => letter(*level),
            Phase::Firing(episode) => letter(episode.level).to_uppercase(),
        };
        format!("{told}{state}")
    }

    /// Evaluations by text: a number, `_` missing, `?` unknown, `~` a slot that is skipped.
    fn run(&mut self, seen: &str) -> String {
        let mut states = Vec::new();
        for word in seen.split_whitespace() {
            states.push(match word {
                "_" => self.see(Evidence::Missing),
                "?" => self.see(Evidence::Unknown),
                "~" => {
                    self.now = self.now.plus(EVERY);
                    ".".to_owned()
                }
                number => self.see(Evidence::Value(number.parse().unwrap())),
            });
        }
        states.join(" ")
    }
}

fn check(lines: Vec<LevelLine>, missing: Missing, seen: &str, want: &str) {
    assert_eq!(Watch::new(lines, missing).run(seen), want, "{seen}");
}

const KEEP: Missing = Missing::Keep(DurationMs::from_mins(5));
const ABOVE: fn(f64) -> Option<(BinaryOp, f64)> = |v| Some((BinaryOp::Gt, v));
const BELOW: fn(f64) -> Option<(BinaryOp, f64)> = |v| Some((BinaryOp::Lt, v));

#[test]
fn for_counts_from_the_first_true_evaluation_and_its_end_belongs_to_it() {
    let line = |secs| vec![when(Level::Warning, ABOVE(5.0), secs, None, 0)];
    check(line(60), KEEP, "1 9 9 9 9", "- w w +W W");
    check(line(61), KEEP, "9 9 9 9", "w w w +W");
    check(line(10), KEEP, "9 9", "w +W");
    check(line(0), KEEP, "9 1", "+W !-");
}

#[test]
fn one_false_evaluation_resets_for() {
    let line = vec![when(Level::Warning, ABOVE(5.0), 60, None, 0)];
    check(line, KEEP, "9 9 1 9 9 9", "w w - w w +W");
}

#[test]
fn hysteresis_holds_between_firing_and_clearing() {
    let line = |keep| vec![when(Level::Warning, BELOW(5.0), 0, ABOVE(8.0), keep)];
    check(line(0), KEEP, "4 6 8 6 9 6", "+W W W W !- -");
    check(line(60), KEEP, "4 9 9 6 9 9 9", "+W W W W W W !-");
}

#[test]
fn levels_rise_at_once_and_fall_as_updates() {
    let lines = || {
        vec![
            when(Level::Warning, ABOVE(5.0), 0, None, 0),
            when(Level::Critical, ABOVE(9.0), 60, None, 0),
        ]
    };
    check(lines(), KEEP, "6 10 10 10 6 1", "+W W W ^C vW !-");
    check(lines(), KEEP, "10 10 10 1", "+W W ^C !-");
}

#[test]
fn a_fall_to_a_lower_condition_that_is_true_needs_no_for() {
    let lines = vec![
        when(Level::Warning, ABOVE(5.0), 600, None, 0),
        when(Level::Critical, ABOVE(9.0), 30, None, 0),
    ];
    check(lines, KEEP, "10 10 6 6 1", "c +C vW W !-");
}

#[test]
fn a_higher_condition_that_is_still_rising_goes_back_to_pending() {
    let lines = vec![
        when(Level::Warning, BELOW(5.0), 0, None, 0),
        when(Level::Critical, ABOVE(9.0), 60, None, 0),
    ];
    check(lines, KEEP, "1 10 10 10", "+W !c c +C");
}

#[test]
fn missing_clear_ends_at_once_as_gone() {
    let line = vec![when(Level::Warning, ABOVE(5.0), 30, None, 0)];
    check(line.clone(), Missing::Clear, "9 9 _ 9", "w +W ?- w");
    check(line, Missing::Clear, "9 _ 9", "w - w");
}

#[test]
fn missing_keep_holds_the_level_and_then_ends_as_gone() {
    let line = vec![when(Level::Warning, ABOVE(5.0), 0, None, 0)];
    let keep = Missing::Keep(DurationMs::from_secs(60));
    check(line.clone(), keep, "9 _ _ _ _", "+W W W ?- -");
    check(line.clone(), keep, "9 _ _ 9 _ _ 1", "+W W W W W W !-");
}

#[test]
fn missing_values_stop_the_clock_of_for_without_resetting_it() {
    let line = vec![when(Level::Warning, ABOVE(5.0), 90, None, 0)];
    check(line, KEEP, "9 9 _ 9 9 9", "w w w w w +W");
}

#[test]
fn missing_raise_makes_the_absence_an_alert() {
    let line = || vec![when(Level::Warning, ABOVE(5.0), 0, None, 0)];
    let raise = |level| Missing::Raise {
        level,
        after: DurationMs::from_secs(60),
    };
    check(
        line(),
        raise(Level::Critical),
        "1 _ _ _ _ 1",
        "- c c +C C !-",
    );
    check(
        line(),
        raise(Level::Critical),
        "9 _ _ _ 9 1",
        "+W W W ^C vW !-",
    );
    // Absence never lowers a level.
    check(line(), raise(Level::Info), "9 _ _ _ _ 1", "+W W W W W !-");
}

#[test]
fn a_bare_alert_is_resolved_when_it_leaves_the_result_and_keep_holds_it() {
    let line = |keep| vec![when(Level::Error, None, 30, None, keep)];
    check(line(0), Missing::Clear, "1 1 _ 1", "e +E !- e");
    check(
        line(60),
        Missing::Clear,
        "1 1 _ _ 1 _ _ _",
        "e +E E E E E E !-",
    );
}

#[test]
fn a_gap_longer_than_two_intervals_counts_towards_nothing() {
    let line = |hold_for, keep| vec![when(Level::Warning, ABOVE(5.0), hold_for, None, keep)];
    check(line(120, 0), KEEP, "9 ~ 9 ~ 9", "w . w . +W");
    check(
        line(120, 0),
        KEEP,
        "9 ~ ~ ~ ~ 9 9 9 9 9",
        "w . . . . w w w w +W",
    );
    check(line(0, 60), KEEP, "9 1 ~ ~ 1 1 1", "+W W . . W W !-");
}

#[test]
fn own_downtime_is_evidence_of_nothing() {
    let line = || vec![when(Level::Warning, ABOVE(5.0), 60, None, 0)];
    check(line(), Missing::Clear, "9 9 9 ? ? 9", "w w +W W W W");
    check(line(), Missing::Clear, "9 ? ? ? 9 9 9", "w w w w w w +W");
    let raise = Missing::Raise {
        level: Level::Error,
        after: DurationMs::from_secs(60),
    };
    check(line(), raise, "1 _ ? ? _ _", "- e e e e +E");
}

#[test]
fn a_clock_set_back_goes_on_from_the_new_time() {
    let line = vec![when(Level::Warning, ABOVE(5.0), 90, None, 0)];
    let mut watch = Watch::new(line, KEEP);
    watch.now = TimestampMs(1_000_000);
    assert_eq!(watch.run("9 9"), "w w");
    watch.now = TimestampMs(0);
    watch
        .instance
        .shift(TimestampMs(0), TimestampMs(0).since(TimestampMs(1_030_000)));
    watch.last = None;
    assert_eq!(watch.run("9 9 9"), "w w +W");
}

#[test]
fn an_episode_is_named_by_when_it_fired() {
    let lines = vec![when(Level::Warning, ABOVE(5.0), 0, None, 0)];
    let mut watch = Watch::new(lines, KEEP);
    let mut episodes = BTreeSet::new();
    for word in ["9", "1", "9", "1", "9"] {
        watch.run(word);
        if let Phase::Firing(episode) = &watch.instance.phase {
            assert!(
                episodes.insert(episode.fired_at),
                "two episodes at one time"
            );
        }
    }
    assert_eq!(episodes.len(), 3);
}

#[test]
fn the_first_line_that_matches_a_series_counts() {
    use crate::testing::rules;
    let rules = rules(
        "alert Disk\n  expr disk\n\
         \x20 warning < 5 where {mount=~\"/backup.*\"}\n  warning < 15\n\
         \x20 critical never where {mount=\"/boot\"}\n  critical < 5\n",
    );
    let threshold = |mount: &str, level| {
        let labels = Labels::from_pairs([("mount", mount)]);
        Policy::of(&rules.alerts[0], &labels).threshold(level)
    };
    assert_eq!(threshold("/", Level::Warning), Some(15.0));
    assert_eq!(threshold("/backup1", Level::Warning), Some(5.0));
    assert_eq!(threshold("/boot", Level::Critical), None);
    assert_eq!(threshold("/backup1", Level::Critical), Some(5.0));
    assert_eq!(threshold("/", Level::Info), None);
}
