//! Which notices of a test are held back by the folder's mutes, and until when.
//!
//! Mutes by time (`during`, `outside`, `until`) are carried out: while one holds, that something fires is not told; at its
//! end what still fires is told. The end of what was told is told always, the end of what was not is not.
//! A mute with `while` is not: a notice that it could hold back is marked, and no step is decided by it.
//!
//! Not here: what a step makes of it (`deliveries`).

use std::collections::BTreeMap;

use bellwether_lang::rules::{Mute, RuleSet};
use bellwether_model::notice::Notice;
use bellwether_model::{Labels, TimestampMs};

use crate::calendar;

/// A notice that goes out.
pub(super) struct Sent {
    pub(super) at: TimestampMs,
    pub(super) notice: Notice,
    /// A mute that is not carried out could hold it back.
    pub(super) is_doubtful: bool,
}

/// Notices on their way through the mutes.
pub(super) struct Muting<'a> {
    rules: &'a RuleSet,
    /// What is held back, the newest of each instance and channel.
    held: BTreeMap<Key, Notice>,
    /// What was told last, where it was told that something fires.
    told: BTreeMap<Key, Told>,
}

/// The channel, and what identifies the instance.
type Key = (String, Labels);

struct Told {
    level: u8,
    is_doubtful: bool,
}

/// What the mutes say of an instance at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Muted,
    /// A mute that is not carried out decides.
    Doubtful,
}

impl<'a> Muting<'a> {
    pub(super) fn new(rules: &'a RuleSet) -> Muting<'a> {
        Muting {
            rules,
            held: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// What goes out at `now`: first what was held back until now, then of `notices` what is not muted.
    pub(super) fn pass(&mut self, now: TimestampMs, notices: &[Notice]) -> Vec<Sent> {
        let mut sent = self.release(now);
        for notice in notices {
            let key = (notice.channel.clone(), notice.identity.clone());
            // What is newer replaces what waits.
            self.held.remove(&key);
            if notice.kind.ends() {
                sent.extend(self.told.remove(&key).map(|told| Sent {
                    at: now,
                    notice: notice.clone(),
                    is_doubtful: told.is_doubtful,
                }));
                continue;
            }
            match self.verdict(&notice.labels, now) {
                Verdict::Muted => {
                    let is_known = self.told.get(&key).is_some_and(|t| t.level == notice.level);
                    if !is_known {
                        self.held.insert(key, notice.clone());
                    }
                }
                verdict => sent.push(self.tell(key, notice.clone(), verdict, now)),
            }
        }
        sent
    }

    /// What was held back by mutes that have ended.
    fn release(&mut self, now: TimestampMs) -> Vec<Sent> {
        let mut sent = Vec::new();
        for (key, notice) in std::mem::take(&mut self.held) {
            match self.verdict(&notice.labels, now) {
                Verdict::Muted => {
                    self.held.insert(key, notice);
                }
                verdict => sent.push(self.tell(key, notice, verdict, now)),
            }
        }
        sent
    }

    fn tell(&mut self, key: Key, notice: Notice, verdict: Verdict, at: TimestampMs) -> Sent {
        let is_doubtful = verdict == Verdict::Doubtful;
        let level = notice.level;
        self.told.insert(key, Told { level, is_doubtful });
        Sent {
            at,
            notice,
            is_doubtful,
        }
    }

    fn verdict(&self, labels: &Labels, at: TimestampMs) -> Verdict {
        let mut verdict = Verdict::Open;
        for mute in self
            .rules
            .mutes
            .iter()
            .filter(|m| self.holds(m, labels, at))
        {
            if mute.cause.is_none() {
                return Verdict::Muted;
            }
            verdict = Verdict::Doubtful;
        }
        verdict
    }

    /// Whether all holds that the mute says, but for `while`.
    fn holds(&self, mute: &Mute, labels: &Labels, at: TimestampMs) -> bool {
        mute.matchers.iter().all(|m| m.matches_labels(labels))
            && calendar::mute_holds(&self.rules.windows, mute, at)
    }
}
