//! A source that counts what is asked of another one.
//!
//! It hands on every question as it is: a method added to [`Source`] or [`SeriesReader`] has to be handed on here, or an explained
//! query does not run as it does otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bellwether_model::{Matcher, TimeRange};

use super::{PlanRead, label};
use crate::plan::Read;
use crate::source::{
    Columns, Digests, Need, Select, SeriesReader, SeriesSet, Source, SourceError, Values,
};

/// A source, and what was read of it.
pub(super) struct Counted<'a> {
    source: &'a dyn Source,
    reads: Vec<Counter<'a>>,
}

struct Counter<'a> {
    read: &'a Read,
    series: AtomicUsize,
    samples: Arc<AtomicU64>,
    digested: Arc<AtomicU64>,
}

impl<'a> Counted<'a> {
    /// `reads` are those of the plan, in its order.
    pub(super) fn new(source: &'a dyn Source, reads: &'a [Read]) -> Counted<'a> {
        let counter = |read| Counter {
            read,
            series: AtomicUsize::new(0),
            samples: Arc::default(),
            digested: Arc::default(),
        };
        Counted {
            source,
            reads: reads.iter().map(counter).collect(),
        }
    }

    /// What was read, in the order of the plan.
    pub(super) fn reads(&self) -> Vec<PlanRead> {
        self.reads
            .iter()
            .map(|counter| PlanRead {
                selector: label::matchers(&counter.read.matchers),
                range: range(counter.read),
                selectors: counter.read.uses,
                estimated: self.source.estimate(&counter.read.matchers),
                series: counter.series.load(Ordering::Relaxed),
                samples: counter.samples.load(Ordering::Relaxed),
                samples_from_zones: counter.digested.load(Ordering::Relaxed),
            })
            .collect()
    }
}

fn range(read: &Read) -> TimeRange {
    TimeRange::new(read.from, read.to)
}

impl Source for Counted<'_> {
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError> {
        let set = self.source.select(select)?;
        let is_asked =
            |c: &&Counter<'_>| c.read.matchers == select.matchers && range(c.read) == select.range;
        let Some(counter) = self.reads.iter().find(is_asked) else {
            return Ok(set);
        };
        counter.series.store(set.labels.len(), Ordering::Relaxed);
        Ok(SeriesSet {
            reader: Box::new(Reader {
                base: set.reader,
                samples: Arc::clone(&counter.samples),
                digested: Arc::clone(&counter.digested),
            }),
            ..set
        })
    }

    fn estimate(&self, matchers: &[Matcher]) -> Option<usize> {
        self.source.estimate(matchers)
    }
}

struct Reader<'a> {
    base: Box<dyn SeriesReader + 'a>,
    samples: Arc<AtomicU64>,
    digested: Arc<AtomicU64>,
}

impl Reader<'_> {
    fn count(&self, read: &Columns) {
        let read = read.times.len() as u64;
        self.samples.fetch_add(read, Ordering::Relaxed);
    }
}

impl SeriesReader for Reader<'_> {
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        self.base.read(index, range, room, out)?;
        self.count(out);
        Ok(())
    }

    fn read_known(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<Values, SourceError> {
        let known = self.base.read_known(index, range, room, out)?;
        self.count(out);
        Ok(known)
    }

    fn read_newest(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        self.base.read_newest(index, range, room, out)?;
        self.count(out);
        Ok(())
    }

    fn read_digested(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
        digests: &mut Digests,
    ) -> Result<Values, SourceError> {
        let known = self.base.read_digested(index, range, room, out, digests)?;
        self.count(out);
        let digested = digests.found.iter().map(|digest| digest.count).sum();
        self.digested.fetch_add(digested, Ordering::Relaxed);
        Ok(known)
    }

    fn has_digests(&self, need: Need, range: TimeRange) -> bool {
        self.base.has_digests(need, range)
    }

    fn warnings(&self) -> Vec<String> {
        self.base.warnings()
    }
}
