//! The life of one alert instance: a pure state machine, stepped once per evaluation.
//!
//! ```text
//! inactive -> pending(since) -> firing(since, level) -> resolved | gone
//! ```
//!
//! Every level of the rule has a track of its own, which climbs and falls by the rule's line for it:
//!
//! ```text
//! idle -> rising (condition true, `for` running) -> held -> clearing (`clear` true, `keep` running) -> idle
//! ```
//!
//! The instance's level is the highest track that is held or clearing. When the highest one falls and a
//! lower line's condition is true at that moment, the instance falls to that level at once: `for` keeps
//! short spikes quiet, and this one has already been told. A level that was raised by an absence has no
//! track: when the value is back, `for` counts as ever.
//!
//! Promises:
//! - Time is counted between evaluations only, and only between two neighbours that both had a value:
//!   gaps, failed evaluations and missing values stop the clocks of `for` and `keep` without resetting them.
//! - NaN is a missing value. What missing means is the rule's `missing` policy; it never counts as "false",
//!   except in a rule whose lines are all bare, where leaving the result is how the condition turns false.
//! - The state is a function of the evidence alone: same evidence at the same times, same states.
//!
//! Not here: which series become instances (`alerts.rs`), who is told (`tell.rs`), how it is kept (`state.rs`).

use std::collections::BTreeSet;

use bellwether_lang::rules::{Alert, Level, LevelLine, LevelRule, Missing};
use bellwether_model::{DurationMs, Labels, TimestampMs};

/// The number of levels.
pub(crate) const LEVELS: usize = Level::ALL.len();

/// A clock that runs between evaluations: time counted is `now - since - lost`.
///
/// Kept as a start and a loss, so that a state does not change while time merely passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    /// The evaluation that started it.
    pub(crate) since: TimestampMs,
    /// Time since then that does not count.
    pub(crate) lost: DurationMs,
}

impl Timer {
    fn start(now: TimestampMs) -> Timer {
        Timer {
            since: now,
            lost: DurationMs::ZERO,
        }
    }

    fn counted(self, now: TimestampMs) -> DurationMs {
        DurationMs(now.since(self.since).0.saturating_sub(self.lost.0))
    }

    fn lose(&mut self, time: DurationMs) {
        self.lost = DurationMs(self.lost.0.saturating_add(time.0));
    }
}

/// How far one level has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Track {
    /// Its condition is not true.
    Idle,
    /// Its condition is true; `for` is running.
    Rising(Timer),
    /// The level is raised.
    Held {
        /// Since when its condition has been true, short breaks within the hysteresis included.
        since: TimestampMs,
    },
    /// The level is raised, its clearing is true, `keep` is running.
    Clearing {
        /// As in `Held`.
        since: TimestampMs,
        /// The clock of `keep`.
        timer: Timer,
    },
}

impl Track {
    /// The track after an evaluation in which the condition was `fires` and the clearing `clears`.
    fn next(self, rule: &LevelRule, fires: bool, clears: bool, now: TimestampMs) -> Track {
        let LevelRule::When { hold_for, keep, .. } = rule else {
            return Track::Idle;
        };
        let moved = match self {
            Track::Idle | Track::Rising(_) if !fires => Track::Idle,
            Track::Idle => Track::Rising(Timer::start(now)),
            Track::Rising(timer) => Track::Rising(timer),
            Track::Held { since } | Track::Clearing { since, .. } if !clears => {
                Track::Held { since }
            }
            Track::Held { since } => Track::Clearing {
                since,
                timer: Timer::start(now),
            },
            clearing @ Track::Clearing { .. } => clearing,
        };
        match moved {
            Track::Rising(timer) if timer.counted(now) >= *hold_for => {
                Track::Held { since: timer.since }
            }
            Track::Clearing { timer, .. } if timer.counted(now) >= *keep => Track::Idle,
            other => other,
        }
    }

    fn is_raised(self) -> bool {
        matches!(self, Track::Held { .. } | Track::Clearing { .. })
    }

    fn lose(&mut self, time: DurationMs) {
        match self {
            Track::Rising(timer) | Track::Clearing { timer, .. } => timer.lose(time),
            Track::Idle | Track::Held { .. } => {}
        }
    }
}

/// From the first notice to the last: what is told under one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Episode {
    /// Since when a condition has been true.
    pub(crate) active_at: TimestampMs,
    /// When it began to fire. Names the episode, together with `number`.
    pub(crate) fired_at: TimestampMs,
    /// Tells apart episodes of one instance that began at the same time: how often the clock had been set back by
    /// then; of an alert about the engine, how many of these had begun.
    pub(crate) number: u64,
    /// The level now.
    pub(crate) level: Level,
    /// Since when what raised it to this level has been true.
    pub(crate) level_since: TimestampMs,
    /// The channels that were told, and so must hear the end.
    pub(crate) told: BTreeSet<String>,
    /// How many changes were told.
    pub(crate) sequence: u32,
}

/// Where an instance stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No condition is true. Kept only where a vanished series would be an alert.
    Inactive,
    /// A condition is true, but not yet for long enough.
    Pending {
        /// Since when.
        active_at: TimestampMs,
        /// The highest level it is on its way to.
        level: Level,
    },
    /// It fires.
    Firing(Episode),
}

/// Whether the last evaluation saw a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It did.
    Seen,
    /// It did not, since the timer was started.
    Missing(Timer),
    /// It did not, but could not have.
    Unseen,
}

/// One alert instance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Instance {
    /// What identifies it to the outside: result labels, rule labels, `alertname`. Made when the
    /// instance begins and kept until it ends, so that a reload never splits an episode in two.
    pub(crate) identity: Labels,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// How far each level has come, lowest first.
    pub(crate) tracks: [Track; LEVELS],
    /// Whether the last evaluation saw its value.
    pub(crate) presence: Presence,
    /// The last value seen; never NaN.
    pub(crate) value: f64,
    /// Of an objective's alert: what the last evaluation that saw the instance said of it.
    pub(crate) words: Option<Words>,
}

/// What an objective says of an instance of its alerts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Words {
    /// The line for people.
    pub(crate) summary: String,
    /// The number that the value is held against; not NaN.
    pub(crate) threshold: Option<f64>,
}

/// What an evaluation says about one instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Evidence {
    /// Its value; not NaN.
    Value(f64),
    /// Its value, and the levels it was judged to be bad enough for: the lines' conditions are not asked.
    Judged(f64, [bool; LEVELS]),
    /// It is not in the result, or its value is NaN.
    Missing,
    /// It is not in the result, but the program was down when its samples should have come:
    /// evidence of nothing.
    Unknown,
}

/// When an evaluation takes place, and how it joins the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    /// The time of the evaluation.
    pub(crate) now: TimestampMs,
    /// Time since the last evaluation that succeeded; zero for the first.
    pub(crate) elapsed: DurationMs,
    /// False when that time was a gap, which counts towards nothing.
    pub(crate) counts: bool,
    /// How often the clock has been set back.
    pub(crate) era: u64,
}

/// True when no line of the rule has a comparison: being in the result is its condition.
pub(crate) fn is_bare(alert: &Alert) -> bool {
    alert.levels.iter().all(|line| match &line.rule {
        LevelRule::Never => true,
        LevelRule::When { condition, .. } => condition.is_none(),
    })
}

/// What a rule demands of one instance.
pub(crate) struct Policy<'a> {
    /// The line of each level, lowest first, overrides resolved; `None` where the rule has none.
    pub(crate) lines: [Option<&'a LevelLine>; LEVELS],
    /// What a missing value means.
    pub(crate) missing: &'a Missing,
    /// True when no line of the rule has a comparison and `missing` is `clear`: then not being in
    /// the result is the condition being false.
    pub(crate) bare: bool,
}

impl<'a> Policy<'a> {
    /// The policy of `alert` for a result with these labels: of each level the first line that matches.
    pub(crate) fn of(alert: &'a Alert, result: &Labels) -> Policy<'a> {
        let line_of = |level: Level| {
            alert.levels.iter().find(|line| {
                line.level == level && line.only.iter().all(|m| m.matches_labels(result))
            })
        };
        Policy {
            lines: Level::ALL.map(line_of),
            missing: &alert.missing,
            bare: is_bare(alert) && matches!(alert.missing, Missing::Clear),
        }
    }

    /// True when series must be remembered while nothing is wrong, because their absence is an alert.
    pub(crate) fn watches(&self) -> bool {
        matches!(self.missing, Missing::Raise { .. })
    }

    /// The number that the value is compared with at `level`.
    pub(crate) fn threshold(&self, level: Level) -> Option<f64> {
        match &self.lines[index(level)]?.rule {
            LevelRule::When { condition, .. } => condition.as_ref().map(|c| c.number),
            LevelRule::Never => None,
        }
    }
}

impl Policy<'_> {
    /// How long the condition of `level` has to be true; for an absence that is an alert, how long it has to last.
    pub(crate) fn hold_for(&self, level: Level) -> DurationMs {
        match (
            self.lines[index(level)].map(|line| &line.rule),
            self.missing,
        ) {
            (Some(LevelRule::When { hold_for, .. }), _) => *hold_for,
            (_, Missing::Raise { after, .. }) => *after,
            _ => DurationMs::ZERO,
        }
    }
}

/// What a step changed, as far as people are told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Nothing to tell.
    None,
    /// It began to fire.
    Fired,
    /// Its level went up.
    Rose {
        /// The level before.
        from: Level,
    },
    /// Its level went down, and it still fires.
    Fell {
        /// The level before.
        from: Level,
    },
    /// It ended.
    Ended {
        /// How.
        how: End,
        /// What it was.
        episode: Episode,
    },
}

/// How an instance ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its condition is no longer true.
    Resolved,
    /// Its series vanished.
    Gone,
}

/// Whether a value fires a line, and whether it clears it.
fn judge(rule: &LevelRule, value: f64) -> (bool, bool) {
    match rule {
        LevelRule::Never => (false, true),
        LevelRule::When {
            condition, clear, ..
        } => {
            let fires = condition.as_ref().is_none_or(|c| c.holds(value));
            // Where both are true the worse news counts: no flapping between the two.
            let clears = !fires && clear.as_ref().is_none_or(|c| c.holds(value));
            (fires, clears)
        }
    }
}

/// The place of a level in an array of levels.
pub(crate) fn index(level: Level) -> usize {
    level as usize - 1 // Levels count from one.
}

impl Instance {
    /// An instance about which nothing is known yet.
    pub(crate) fn new(identity: Labels) -> Instance {
        Instance {
            identity,
            phase: Phase::Inactive,
            tracks: [Track::Idle; LEVELS],
            presence: Presence::Unseen,
            value: 0.0,
            words: None,
        }
    }

    /// Takes in one evaluation.
    pub(crate) fn step(&mut self, evidence: Evidence, policy: &Policy<'_>, beat: Beat) -> Change {
        // A stretch of time counts when both of its ends were seen.
        let seen = |p: Presence| p == Presence::Seen;
        let is_seen = matches!(evidence, Evidence::Value(_) | Evidence::Judged(..));
        let both_seen = is_seen && seen(self.presence);
        let absent_is_false = policy.bare && evidence == Evidence::Missing;
        if !beat.counts || !(both_seen || absent_is_false) {
            self.tracks.iter_mut().for_each(|t| t.lose(beat.elapsed));
        }
        if let Presence::Missing(timer) = &mut self.presence
            && (!beat.counts || evidence == Evidence::Unknown)
        {
            timer.lose(beat.elapsed);
        }
        let held_before = self.held_level();
        match evidence {
            Evidence::Unknown => {
                if seen(self.presence) {
                    self.presence = Presence::Unseen;
                }
                return Change::None;
            }
            Evidence::Value(value) => {
                self.value = value;
                self.presence = Presence::Seen;
                self.advance(policy, |_, rule| judge(rule, value), beat.now);
            }
            Evidence::Judged(value, fires) => {
                self.value = value;
                self.presence = Presence::Seen;
                let judged = |level, _: &LevelRule| (fires[index(level)], !fires[index(level)]);
                self.advance(policy, judged, beat.now);
            }
            Evidence::Missing if policy.bare => {
                // For such a rule this, too, is an answer.
                self.presence = Presence::Seen;
                self.advance(policy, |_, _| (false, true), beat.now);
            }
            Evidence::Missing => {
                let timer = match self.presence {
                    Presence::Missing(timer) => timer,
                    Presence::Seen | Presence::Unseen => Timer::start(beat.now),
                };
                self.presence = Presence::Missing(timer);
                let ends = match policy.missing {
                    Missing::Clear => true,
                    Missing::Keep(keep) => timer.counted(beat.now) >= *keep,
                    Missing::Raise { .. } => false,
                };
                if ends {
                    return self.vanish();
                }
            }
        }
        self.settle(held_before, policy, beat)
    }

    /// Moves every track. `judge` says of a level and its line whether it fires, and whether it clears.
    fn advance(
        &mut self,
        policy: &Policy<'_>,
        judge: impl Fn(Level, &LevelRule) -> (bool, bool),
        now: TimestampMs,
    ) {
        let lines = Level::ALL.into_iter().zip(policy.lines);
        for (track, (level, line)) in self.tracks.iter_mut().zip(lines) {
            *track = match line {
                None => Track::Idle,
                Some(LevelLine { rule, .. }) => {
                    let (fires, clears) = judge(level, rule);
                    track.next(rule, fires, clears, now)
                }
            };
        }
    }

    /// Ends the instance because its series is gone.
    fn vanish(&mut self) -> Change {
        self.tracks = [Track::Idle; LEVELS];
        match std::mem::replace(&mut self.phase, Phase::Inactive) {
            Phase::Firing(episode) => Change::Ended {
                how: End::Gone,
                episode,
            },
            Phase::Pending { .. } | Phase::Inactive => Change::None,
        }
    }

    /// Brings the phase in line with the tracks. `held_before` is the level its value had raised until now.
    fn settle(
        &mut self,
        held_before: Option<Level>,
        policy: &Policy<'_>,
        Beat { now, era, .. }: Beat,
    ) -> Change {
        let mut level = self.raised_level(policy, now);
        let rising = self.rising_level(policy);
        if let (Phase::Firing(_), None, Some(before)) = (&self.phase, level, held_before) {
            // Fall to what is true now, if it is lower than what the value had raised: an absence proves nothing
            // about the value, so what it raised is no start for a lower level.
            let lower = &mut self.tracks[..index(before)];
            for (track, lower) in lower.iter_mut().zip(Level::ALL).rev() {
                if let Track::Rising(Timer { since, .. }) = *track {
                    *track = Track::Held { since };
                    level = Some(lower);
                    break;
                }
            }
        }
        let since = level.map_or(now, |level| self.since(level, now));
        match (&mut self.phase, level) {
            (Phase::Firing(episode), Some(level)) if level != episode.level => {
                let from = std::mem::replace(&mut episode.level, level);
                episode.level_since = since;
                if level > from {
                    Change::Rose { from }
                } else {
                    Change::Fell { from }
                }
            }
            (Phase::Firing(_), Some(_)) => Change::None,
            (Phase::Firing(_), None) => {
                // What still rises has to wait for its own `for`: it is higher, or the value is back from an absence.
                let next = match rising {
                    Some(level) => Phase::Pending {
                        active_at: now,
                        level,
                    },
                    None => Phase::Inactive,
                };
                match std::mem::replace(&mut self.phase, next) {
                    Phase::Firing(episode) => Change::Ended {
                        how: End::Resolved,
                        episode,
                    },
                    _ => Change::None,
                }
            }
            (phase, Some(level)) => {
                let active_at = match phase {
                    Phase::Pending { active_at, .. } => *active_at,
                    Phase::Inactive | Phase::Firing(_) => now,
                };
                self.phase = Phase::Firing(Episode {
                    active_at,
                    fired_at: now,
                    number: era,
                    level,
                    level_since: since,
                    told: BTreeSet::new(),
                    sequence: 0,
                });
                Change::Fired
            }
            (phase @ (Phase::Inactive | Phase::Pending { .. }), None) => {
                let active_at = match phase {
                    Phase::Pending { active_at, .. } => *active_at,
                    Phase::Inactive | Phase::Firing(_) => now,
                };
                *phase = match rising {
                    Some(level) => Phase::Pending { active_at, level },
                    None => Phase::Inactive,
                };
                Change::None
            }
        }
    }

    /// The highest level that holds, by value or by absence.
    fn raised_level(&self, policy: &Policy<'_>, now: TimestampMs) -> Option<Level> {
        let absent = match (policy.missing, self.presence) {
            (Missing::Raise { level, after }, Presence::Missing(missing)) => {
                (missing.counted(now) >= *after).then_some(*level)
            }
            _ => None,
        };
        // Absence never lowers what was raised while there was a value.
        self.held_level().max(absent)
    }

    /// The highest level that its value has raised.
    fn held_level(&self) -> Option<Level> {
        Level::ALL
            .into_iter()
            .rev()
            .find(|&level| self.tracks[index(level)].is_raised())
    }

    /// Since when what raises the instance to `level` has been true.
    fn since(&self, level: Level, now: TimestampMs) -> TimestampMs {
        match (self.tracks[index(level)], self.presence) {
            (Track::Held { since } | Track::Clearing { since, .. }, _) => since,
            (_, Presence::Missing(timer)) => timer.since,
            _ => now,
        }
    }

    /// The highest level on its way up, by value or by absence.
    fn rising_level(&self, policy: &Policy<'_>) -> Option<Level> {
        let rising = Level::ALL
            .into_iter()
            .rev()
            .find(|&level| matches!(self.tracks[index(level)], Track::Rising(_)));
        let absent = match (policy.missing, self.presence) {
            (Missing::Raise { level, .. }, Presence::Missing(_)) => Some(*level),
            _ => None,
        };
        rising.max(absent)
    }

    /// The level it fires at, or is on its way to; `None` while inactive.
    pub(crate) fn level(&self) -> Option<Level> {
        match &self.phase {
            Phase::Inactive => None,
            Phase::Pending { level, .. } => Some(*level),
            Phase::Firing(episode) => Some(episode.level),
        }
    }

    /// Goes on as if every clock had been started `by` later; `by` is negative when the wall clock was set back.
    pub(crate) fn shift(&mut self, now: TimestampMs, by: DurationMs) {
        let active_at = match &mut self.phase {
            Phase::Inactive => None,
            Phase::Pending { active_at, .. } => Some(active_at),
            Phase::Firing(episode) => Some(&mut episode.active_at),
        };
        // Nothing has been true since a time that is yet to come. `fired_at` stays: it names the episode.
        if let Some(active_at) = active_at.filter(|at| **at > now) {
            *active_at = active_at.plus(by);
        }
        self.tracks.iter_mut().for_each(|track| track.lose(by));
        if let Presence::Missing(timer) = &mut self.presence {
            timer.lose(by);
        }
    }

    /// Since when its value has been missing, if it is.
    pub(crate) fn missing_since(&self) -> Option<TimestampMs> {
        match self.presence {
            Presence::Missing(timer) => Some(timer.since),
            Presence::Seen | Presence::Unseen => None,
        }
    }

    /// True while it is pending or firing.
    pub(crate) fn is_active(&self) -> bool {
        self.phase != Phase::Inactive
    }

    /// Since when the clearing of its level has been true, if it has.
    pub(crate) fn clearing_since(&self) -> Option<TimestampMs> {
        match &self.phase {
            Phase::Firing(episode) => match self.tracks[index(episode.level)] {
                Track::Clearing { timer, .. } => Some(timer.since),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
