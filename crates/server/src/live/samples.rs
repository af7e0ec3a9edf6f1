//! The samples of rules on their way into the store: what was recorded, `ALERTS` and its like, staleness markers.
//!
//! A store that is busy waits for a flush, which takes seconds: what it did not take waits here and is offered
//! again, oldest first, while alert state goes on. A store that is read-only (a full disk, a failed log) takes
//! nothing for as long as that lasts: then alerts go on without their series.
//!
//! What waits is in memory only: a crash while the store is busy loses it. It is bounded by `rules.backlog`.

use bellwether_model::{Labels, TimestampMs, is_stale, limits};
use bellwether_store::{Appender, Store, StoreError};
use tracing::{info, warn};

/// A sample of a rule.
type Recorded = (Labels, TimestampMs, f64);

/// Stores the samples of rules, those that wait first.
pub(super) struct Recorder {
    appender: Appender,
    /// Oldest first. Only while the store is busy is anything left here.
    waiting: Vec<Recorded>,
    busy: bool,
}

impl Recorder {
    pub(super) fn new(store: &Store) -> Recorder {
        Recorder {
            appender: store.appender(),
            waiting: Vec::new(),
            busy: false,
        }
    }

    /// True when nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes `samples`, and stores all that there is, as far as the store takes it.
    pub(super) fn record(&mut self, samples: &mut Vec<Recorded>, now: TimestampMs) {
        self.waiting.append(samples);
        match self.store(now) {
            Err(StoreError::Busy { .. }) => {
                if !std::mem::replace(&mut self.busy, true) {
                    warn!("the store is busy; what rules record waits");
                }
                let dropped = thin_out(&mut self.waiting, limits::RULES_BACKLOG_MAX.usize());
                if dropped > 0 {
                    warn!("{dropped} samples of rules are dropped (rules.backlog)");
                }
                return;
            }
            Err(e) => warn!(
                "{} samples of rules were not stored: {e}",
                self.waiting.len()
            ),
            Ok(()) if self.busy => info!("what rules recorded meanwhile is stored"),
            Ok(()) => {}
        }
        self.busy = false;
        self.waiting.clear();
    }

    fn store(&mut self, now: TimestampMs) -> Result<(), StoreError> {
        for (labels, t, value) in &self.waiting {
            match self.appender.series(labels) {
                Ok(series) => self.appender.push(series, *t, *value),
                Err(e) => warn!("{labels} is not recorded: {e}"),
            }
        }
        let commit = self.appender.commit(now)?;
        if let Some(first) = commit.rejected.first() {
            warn!(
                "{} recorded samples were refused, the first as {}",
                commit.rejected.len(),
                first.reason
            );
        }
        Ok(())
    }
}

/// Drops the oldest samples beyond `max`; staleness markers only when there is nothing else, because a series
/// without its marker is believed for minutes. Returns how many went.
fn thin_out(waiting: &mut Vec<Recorded>, max: usize) -> usize {
    let over = waiting.len().saturating_sub(max);
    let mut left = over;
    waiting.retain(|(_, _, value)| {
        let goes = left > 0 && !is_stale(*value);
        left -= usize::from(goes);
        !goes
    });
    waiting.drain(..left);
    over
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use bellwether_disk::SimDisk;
    use bellwether_model::{STALE_NAN, TimeRange};
    use bellwether_store::Config;

    use super::*;

    const NOW: TimestampMs = TimestampMs(1_000_000);

    fn sample(name: &str, t: i64, value: f64) -> Recorded {
        let labels = Labels::from_pairs([("__name__", name)]);
        (labels, TimestampMs(t), value)
    }

    fn values(store: &Store, name: &str) -> Vec<f64> {
        let matchers = [bellwether_model::Matcher::equal("__name__", name)];
        let range = TimeRange::new(0, NOW.0);
        let found = store.view().select(&matchers, range, 10).unwrap();
        let (mut times, mut values) = (Vec::new(), Vec::new());
        if !found.labels.is_empty() {
            found.read(0, range, &mut times, &mut values).unwrap();
        }
        values
    }

    fn open(disk: &SimDisk, config: Config) -> Store {
        let disk = Arc::new(disk.clone());
        Store::open(disk, Path::new("/store"), config, NOW)
            .unwrap()
            .0
    }

    #[test]
    fn what_a_busy_store_does_not_take_is_stored_after_the_flush() {
        let config = Config {
            flush_bytes: 1, // Full with a handful of samples, until it is flushed.
            ..Config::default()
        };
        let store = open(&SimDisk::new(), config);
        let mut recorder = Recorder::new(&store);
        let mut last = 0;
        while recorder.is_idle() {
            last += 1;
            assert!(last < 1000, "the head is never full");
            recorder.record(&mut vec![sample("r:x", last, last as f64)], NOW);
        }
        recorder.record(&mut vec![sample("r:x", last + 1, STALE_NAN)], NOW);
        let taken: Vec<f64> = (1..last).map(|v| v as f64).collect();
        assert_eq!(values(&store, "r:x"), taken);
        store.flush(NOW).unwrap();
        recorder.record(&mut Vec::new(), NOW);
        assert!(recorder.is_idle());
        let stored = values(&store, "r:x");
        assert_eq!(stored[..taken.len()], taken);
        assert_eq!(stored[taken.len()], last as f64);
        assert!(is_stale(stored[taken.len() + 1]));
    }

    #[test]
    fn a_full_disk_is_not_waited_for() {
        let disk = SimDisk::new();
        let store = open(&disk, Config::default());
        let mut recorder = Recorder::new(&store);
        disk.set_free_space(Some(0));
        let _ = store.maintain(NOW); // Notices that the disk is full.
        recorder.record(&mut vec![sample("r:x", 1, 1.0)], NOW);
        assert!(recorder.is_idle());
        assert_eq!(values(&store, "r:x"), [0.0; 0]);
    }

    #[test]
    fn markers_outlast_older_and_younger_samples() {
        let mut waiting = vec![
            sample("a", 1, 1.0),
            sample("b", 1, STALE_NAN),
            sample("a", 2, 2.0),
            sample("c", 2, STALE_NAN),
            sample("a", 3, 3.0),
        ];
        assert_eq!(thin_out(&mut waiting, 9), 0);
        assert_eq!(thin_out(&mut waiting, 3), 2);
        let left = |waiting: &[Recorded]| {
            let names = waiting
                .iter()
                .map(|(labels, t, _)| format!("{labels}@{}", t.0));
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(left(&waiting), "b@1 c@2 a@3");
        assert_eq!(thin_out(&mut waiting, 1), 2);
        assert_eq!(left(&waiting), "c@2");
    }
}
