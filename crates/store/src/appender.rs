//! The way in: collects samples, hands them to the log thread, waits until they are durable and visible.

use crate::batch::Batch;
use crate::error::{AppendError, Commit, RejectReason, StoreError};
use crate::store::Inner;
use crate::wal::log::Message;
use bellwether_model::{DurationMs, Labels, SampleValue, TimestampMs};
use crossbeam::channel::bounded;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// When a refused caller may try again: maintenance runs about once a second.
const RETRY_AFTER: DurationMs = DurationMs(1000);

/// Names a series inside one open store. Good for every appender of that store, and not beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub(crate) u32);

/// Collects samples and commits them. One per producer; made by [`crate::Store::appender`].
pub struct Appender {
    store: Arc<Inner>,
    batch: Box<Batch>,
}

impl Appender {
    pub(crate) fn new(store: Arc<Inner>) -> Appender {
        Appender {
            store,
            batch: Box::default(),
        }
    }

    /// Errors when a commit would be refused as a whole now, whatever is in it.
    pub fn ready(&self) -> Result<(), StoreError> {
        self.store.shared.writable()?;
        if self.store.is_full() {
            return Err(StoreError::Busy {
                retry_after: RETRY_AFTER,
            });
        }
        Ok(())
    }

    /// What speaks against a sample at `t` by its time alone: all that can, for a series that is new.
    pub fn judge(&self, t: TimestampMs, now: TimestampMs) -> Option<RejectReason> {
        self.acceptable(now).judge(t.0)
    }

    /// The series with these labels, created when it is new.
    ///
    /// A created series reaches the disk with its first committed sample, but it counts at once and stays: whoever
    /// takes samples from strangers asks [`Appender::ready`] and [`Appender::judge`] first.
    pub fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        let shared = &self.store.shared;
        shared
            .index
            .find_or_create(labels, shared.config.series_max)
            .map(SeriesRef)
    }

    /// Adds one sample to the batch.
    #[inline]
    pub fn push(&mut self, series: SeriesRef, t: TimestampMs, v: f64) {
        self.batch.push(series.0, t.0, v);
    }

    /// Adds one sample of any kind.
    ///
    /// # Errors
    ///
    /// Native histograms are refused, and the batch stays as it is.
    pub fn push_sample(
        &mut self,
        series: SeriesRef,
        t: TimestampMs,
        value: &SampleValue,
    ) -> Result<(), RejectReason> {
        match value {
            SampleValue::Float(v) => {
                self.push(series, t, *v);
                Ok(())
            }
            _ => Err(RejectReason::NativeHistogram),
        }
    }

    /// Adds samples of several series at one time: cheaper in the log than one by one, most of all when
    /// the series were created next to each other.
    ///
    /// `series` and `values` have the same length; of the longer one, the rest is not looked at.
    #[inline]
    pub fn push_row(&mut self, series: &[SeriesRef], t: TimestampMs, values: &[f64]) {
        let len = series.len().min(values.len());
        if len == 0 {
            return;
        }
        self.batch.series.extend(series[..len].iter().map(|s| s.0));
        self.batch.values.extend_from_slice(&values[..len]);
        self.batch.end_row(t.0);
    }

    /// Samples in the batch so far.
    pub fn pending(&self) -> usize {
        self.batch.len()
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.batch.clear();
    }

    /// Makes the batch durable (as far as [`crate::Durability`] says) and visible, and waits for that.
    ///
    /// Samples are judged one by one; all that are accepted become visible together, and survive a crash
    /// together or not at all. Whatever is returned, the batch is empty afterwards. On an error no
    /// sample is visible; after [`StoreError::ReadOnly`] with a failed log, some may be found by the next open.
    pub fn commit(&mut self, now: TimestampMs) -> Result<Commit, StoreError> {
        if self.batch.is_empty() {
            return Ok(Commit::default());
        }
        let committed = self.try_commit(now);
        self.batch.clear();
        committed
    }

    fn try_commit(&mut self, now: TimestampMs) -> Result<Commit, StoreError> {
        self.ready()?;
        self.refuse_by_time(now);
        let batch = std::mem::take(&mut self.batch);
        let (reply, answer) = bounded(1);
        self.store.send(Message::Commit { batch, reply })?;
        let Ok(reply) = answer.recv() else {
            return Err(self.store.log_is_gone());
        };
        self.batch = reply.batch;
        let decided = reply.result?;
        Ok(Commit {
            accepted: decided.accepted,
            duplicates: decided.duplicates,
            rejected: decided.rejected,
        })
    }

    /// Marks the rows whose time alone speaks against them.
    fn refuse_by_time(&mut self, now: TimestampMs) {
        let acceptable = self.acceptable(now);
        self.batch.trusted = acceptable.last;
        for row in &mut self.batch.rows {
            row.refused = acceptable.judge(row.t);
        }
    }

    fn acceptable(&self, now: TimestampMs) -> Acceptable {
        let config = &self.store.shared.config;
        Acceptable {
            // A time that no segment could ever expire by is refused, too.
            first: now.minus(config.retention).0.max(i64::MIN + 1),
            last: now.plus(config.future_max).0,
        }
    }
}

/// The times that samples may have at one moment.
struct Acceptable {
    first: i64,
    last: i64,
}

impl Acceptable {
    fn judge(&self, t: i64) -> Option<RejectReason> {
        if t > self.last {
            Some(RejectReason::FutureTimestamp)
        } else if t < self.first {
            Some(RejectReason::BeyondRetention)
        } else {
            None
        }
    }
}

impl Inner {
    /// True when nothing more may be taken before a flush has made room.
    fn is_full(&self) -> bool {
        let shared = &self.shared;
        if shared.totals.wal_bytes.load(Ordering::Relaxed) >= shared.config.wal_total_max {
            return true;
        }
        let published = shared.visible.published();
        // While a flush runs, the next generation may fill, but not without end.
        let most = if published.frozen.is_some() { 1 } else { 2 };
        published.active.fillings(shared.config.flush_bytes) >= most
    }
}
