//! Which notices may be sent now: order within an alert, bulkheads between channels.
//!
//! - Of one alert and channel at most one notice is on its way, and the oldest goes first: nobody hears
//!   "resolved" before "firing".
//! - A channel has at most `notify.concurrency` attempts at a time. One that hangs uses up its own.
//!
//! Pure: the present is an argument, sending is the caller's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_model::notice::Notice;
use bellwether_model::{Labels, TimestampMs};
use bellwether_notify::Tries;

/// A notice that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// What is to be said, and where.
    pub(crate) notice: Arc<Notice>,
    /// When it was put into the outbox: the oldest goes first.
    pub(crate) created: TimestampMs,
    /// Not before this time.
    pub(crate) due: TimestampMs,
    /// The attempts so far.
    pub(crate) tries: Tries,
}

impl Waiting {
    /// What must be told in order: one alert, one channel.
    fn group(&self) -> Group {
        (self.notice.channel.clone(), self.notice.identity.clone())
    }

    fn order(&self) -> (TimestampMs, TimestampMs, &str) {
        (self.notice.at, self.created, &self.notice.key)
    }
}

/// A channel and an alert.
type Group = (String, Labels);

/// The notices that wait and those on their way.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// By key.
    waiting: BTreeMap<String, Waiting>,
    /// By key: the group of each attempt that runs.
    running: BTreeMap<String, Group>,
}

impl Queue {
    /// Adds what waits, unless its attempt runs.
    pub(crate) fn add(&mut self, one: Waiting) {
        if !self.running.contains_key(&one.notice.key) {
            self.waiting.insert(one.notice.key.clone(), one);
        }
    }

    /// Takes out the notices whose attempts begin now, oldest first.
    pub(crate) fn start(&mut self, now: TimestampMs, per_channel: usize) -> Vec<Waiting> {
        let mut used: BTreeMap<String, usize> = BTreeMap::new();
        for (channel, _) in self.running.values() {
            *used.entry(channel.clone()).or_default() += 1;
        }
        let mut blocked: BTreeSet<Group> = self.running.values().cloned().collect();
        let mut oldest_first: Vec<&Waiting> = self.waiting.values().collect();
        oldest_first.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut starting = Vec::new();
        for one in oldest_first {
            // Whether it starts or waits for its time: what is younger waits behind it.
            if !blocked.insert(one.group()) || one.due > now {
                continue;
            }
            let used = used.entry(one.notice.channel.clone()).or_default();
            if *used < per_channel {
                *used += 1;
                starting.push(one.clone());
            }
        }
        for one in &starting {
            self.waiting.remove(&one.notice.key);
            self.running.insert(one.notice.key.clone(), one.group());
        }
        starting
    }

    /// The attempt of `key` has ended.
    pub(crate) fn finished(&mut self, key: &str) {
        self.running.remove(key);
    }

    /// When the next notice is due that nothing but its time holds back.
    pub(crate) fn next_due(&self) -> Option<TimestampMs> {
        let mut heads: BTreeMap<Group, &Waiting> = BTreeMap::new();
        for one in self.waiting.values() {
            let head = heads.entry(one.group()).or_insert(one);
            if one.order() < head.order() {
                *head = one;
            }
        }
        let busy: BTreeSet<&Group> = self.running.values().collect();
        heads
            .iter()
            .filter(|(group, _)| !busy.contains(group))
            .map(|(_, one)| one.due)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::notice::NoticeKind;

    fn waiting(key: &str, channel: &str, alert: &str, at: i64, due: i64) -> Waiting {
        let labels = Labels::from_pairs([("alertname", alert)]);
        let notice = Notice {
            key: key.into(),
            channel: channel.into(),
            rule: alert.into(),
            kind: NoticeKind::Fire,
            labels: labels.clone(),
            identity: labels,
            annotations: Vec::new(),
            value: 1.0,
            threshold: None,
            level: 2,
            at: TimestampMs(at),
            active_at: TimestampMs(at),
            starts_at: TimestampMs(at),
            ends_at: None,
            reason: None,
            query_path: String::new(),
        };
        let (created, due) = (TimestampMs(at), TimestampMs(due));
        Waiting {
            notice: Arc::new(notice),
            created,
            due,
            tries: Tries {
                attempts: 0,
                refused: 0,
            },
        }
    }

    fn queue(waiting: impl IntoIterator<Item = Waiting>) -> Queue {
        let mut queue = Queue::default();
        waiting.into_iter().for_each(|one| queue.add(one));
        queue
    }

    fn keys(started: &[Waiting]) -> Vec<&str> {
        started.iter().map(|w| w.notice.key.as_str()).collect()
    }

    #[test]
    fn an_alert_is_told_in_order() {
        let mut queue = queue([
            waiting("resolved", "ops", "A", 2, 2),
            waiting("firing", "ops", "A", 1, 1),
        ]);
        assert_eq!(keys(&queue.start(TimestampMs(5), 8)), ["firing"]);
        assert!(queue.start(TimestampMs(5), 8).is_empty());
        queue.finished("firing");
        assert_eq!(keys(&queue.start(TimestampMs(5), 8)), ["resolved"]);
    }

    #[test]
    fn a_retry_keeps_its_place() {
        let mut queue = queue([
            waiting("firing", "ops", "A", 1, 100),
            waiting("resolved", "ops", "A", 2, 2),
        ]);
        assert!(queue.start(TimestampMs(50), 8).is_empty());
        assert_eq!(queue.next_due(), Some(TimestampMs(100)));
        assert_eq!(keys(&queue.start(TimestampMs(100), 8)), ["firing"]);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn a_hung_channel_holds_back_no_other() {
        let stuck = (0..20).map(|i| waiting(&format!("s{i}"), "stuck", &format!("A{i}"), i, 0));
        let mut queue = queue(stuck.chain([waiting("ops", "ops", "Z", 99, 0)]));
        let started = queue.start(TimestampMs(100), 8);
        assert_eq!(started.len(), 9);
        assert!(keys(&started).contains(&"ops"));
    }

    #[test]
    fn what_runs_is_not_started_again_when_it_is_added_again() {
        let mut queue = queue([waiting("a", "ops", "A", 1, 1)]);
        assert_eq!(queue.start(TimestampMs(5), 8).len(), 1);
        queue.add(waiting("a", "ops", "A", 1, 1));
        assert!(queue.start(TimestampMs(5), 8).is_empty());
    }
}
