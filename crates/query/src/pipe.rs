//! Series streaming from a selector through a kernel and maps, one row at a time.
//!
//! `sum by (service) (rate(x[5m]))` never holds the inner matrix: each row goes into its group's accumulator and
//! its memory is used for the next. Series are handled in chunks of fixed size, so that the number
//! of threads does not change any result.

use std::sync::Arc;

use bellwether_lang::promql::ast::{Extended, Span};
use bellwether_model::{Labels, TimeRange};

use crate::budget::{Budget, Charge, Pace};
use crate::chunks;
use crate::error::QueryError;
use crate::functions::map::Map;
use crate::mask;
use crate::notes::Notes;
use crate::reads::{Answered, Buffer, without_stale};
use crate::source::{Digests, Need};
use crate::steps::Grid;
use crate::vector::{RowBuffer, RowName, Vector};
use crate::window::digested::{Digested, FromDigests};
use crate::window::newest::{self, Wanted};
use crate::window::{self, Param, Row, Scratch, Shift, WindowFn, Windows};

/// Series a chunk, of so many: small enough to balance two threads, large enough that merging costs little. Nothing else may
/// decide about it, or sums would differ in their last digits between the points of a range and instant queries.
fn chunk_of(series: usize) -> usize {
    (series / 8).clamp(8, 128)
}

/// What finding a series and its group costs, in samples read.
const SERIES_COST: usize = 500;
/// Below this many samples' worth of work another thread costs more than it does.
const WORTH_A_THREAD: usize = 100_000;
/// How far apart samples are taken to be where that is not known, milliseconds.
const USUAL_INTERVAL: i64 = 10_000;

/// A kernel whose arguments are evaluated.
#[derive(Debug)]
pub(crate) enum Ready {
    Newest {
        lookback: i64,
        wanted: Wanted,
    },
    Smoothed {
        lookback: i64,
    },
    Window {
        func: WindowFn,
        extended: Option<Extended>,
        lookback: i64,
        range: i64,
        params: Vec<Param>,
    },
}

impl Ready {
    /// How far its windows reach back.
    fn range(&self) -> i64 {
        match self {
            Ready::Newest { lookback, .. } | Ready::Smoothed { lookback } => *lookback,
            Ready::Window { range, .. } => *range,
        }
    }

    fn params(&self) -> &[Param] {
        match self {
            Ready::Newest { .. } | Ready::Smoothed { .. } => &[],
            Ready::Window { params, .. } => params,
        }
    }
}

/// Everything needed to make rows out of a selection's series.
pub(crate) struct Pipe<'a> {
    pub(crate) answered: &'a Answered<'a>,
    pub(crate) grid: Grid,
    pub(crate) shift: Shift,
    pub(crate) kernel: Ready,
    /// Applied in order.
    pub(crate) maps: Vec<Map>,
    pub(crate) drop_name: bool,
    pub(crate) budget: &'a Arc<Budget>,
    pub(crate) notes: &'a Notes,
    /// Where the samples are asked for, for notes.
    pub(crate) span: Span,
    pub(crate) threads: usize,
    /// Digests may stand for samples.
    pub(crate) zones: bool,
}

/// What is known of a row after looking for digests.
enum Told {
    /// All of it.
    Value(f64),
    /// The worker's buffer holds all samples: there are no digests.
    Samples,
    /// The samples are needed.
    Nothing,
}

/// Memory of one worker.
struct Worker {
    buffer: Buffer,
    fresh: Buffer,
    /// How windows do without samples, if they can.
    digested: Option<FromDigests>,
    digests: Digests,
    scratch: Scratch,
    pace: Pace,
    row: RowBuffer,
    _charge: Charge,
}

impl Pipe<'_> {
    /// The series, by index.
    pub(crate) fn labels(&self) -> &[Labels] {
        &self.answered.labels
    }

    /// All rows, in the order of the series.
    pub(crate) fn collect(&self) -> Result<Vector, QueryError> {
        let mut all = Vector::new(self.grid.count, self.budget);
        self.fold(
            |place| place,
            || Vector::new(self.grid.count, self.budget),
            |part, index, row| {
                let name = RowName {
                    labels: self.answered.labels[index].clone(),
                    drop_name: self.drop_name,
                };
                part.push(name, &row.values, &row.mask)
            },
            |part| all.append(part),
        )?;
        Ok(all)
    }

    /// Folds each chunk's rows into a new `T` and hands these over in order. Rows without any value are left out. The series
    /// `at(0)`, `at(1)` .. are taken in this order, which is one of all of them.
    pub(crate) fn fold<T: Send>(
        &self,
        at: impl Fn(usize) -> usize + Sync,
        new: impl Fn() -> T + Sync,
        push: impl Fn(&mut T, usize, &RowBuffer) -> Result<(), QueryError> + Sync,
        take: impl FnMut(T) -> Result<(), QueryError> + Send,
    ) -> Result<(), QueryError> {
        let series = self.answered.labels.len();
        let chunk_len = chunk_of(series);
        let work = |worker: &mut Worker, chunk: usize| {
            let mut part = new();
            for place in chunk * chunk_len..series.min((chunk + 1) * chunk_len) {
                let index = at(place);
                self.budget.check()?;
                self.row(index, worker)?;
                if !mask::is_empty(&worker.row.mask) {
                    push(&mut part, index, &worker.row)?;
                }
            }
            Ok(part)
        };
        let chunks = series.div_ceil(chunk_len);
        chunks::in_order(
            chunks,
            self.threads_for(series),
            || self.worker(),
            work,
            take,
        )
    }

    /// How many threads so many series are worth.
    fn threads_for(&self, series: usize) -> usize {
        let needed = self.needed();
        let span = needed.to.0.saturating_sub(needed.from.0);
        let samples = usize::try_from(span / USUAL_INTERVAL).unwrap_or(usize::MAX);
        let each = samples.saturating_add(self.grid.count + SERIES_COST);
        if series.saturating_mul(each) < WORTH_A_THREAD {
            1
        } else {
            self.threads
        }
    }

    fn worker(&self) -> Result<Worker, QueryError> {
        let mut charge = Charge::new(self.budget);
        charge.grow(self.grid.count.saturating_mul(8))?;
        Ok(Worker {
            buffer: Buffer::new(self.budget),
            fresh: Buffer::new(self.budget),
            digested: self.digested(),
            digests: Digests::new(Need::Count),
            scratch: Scratch::new(self.budget),
            pace: Pace::new(self.budget),
            row: RowBuffer::new(self.grid.count),
            _charge: charge,
        })
    }

    /// Evaluates one series into the worker's row.
    fn row(&self, index: usize, worker: &mut Worker) -> Result<(), QueryError> {
        worker.row.reset();
        let needed = self.needed();
        let samples = match self.told(index, worker)? {
            Told::Value(value) => {
                worker.row.put(0, value);
                return self.finish(index, worker);
            }
            Told::Samples => worker.buffer.samples(),
            Told::Nothing => match self.kernel {
                Ready::Newest { .. } if self.grid.count == 1 => {
                    self.answered
                        .read_newest(index, needed, &mut worker.buffer)?
                }
                _ => self.answered.read(index, needed, &mut worker.buffer)?,
            },
        };
        let samples = match self.kernel {
            Ready::Newest { .. } => samples,
            _ => without_stale(samples, &mut worker.fresh)?,
        };
        let windows = Windows {
            grid: self.grid,
            shift: self.shift,
            range: self.kernel.range(),
        };
        let mut row = Row {
            span: self.span,
            samples,
            windows,
            params: self.kernel.params(),
            notes: self.notes,
            pace: &worker.pace,
            out: &mut worker.row,
        };
        match &self.kernel {
            Ready::Newest { wanted, .. } => newest::run(&mut row, *wanted)?,
            Ready::Smoothed { .. } => window::extended::interpolated(&mut row)?,
            Ready::Window {
                func,
                extended,
                lookback,
                ..
            } => {
                let extended = extended.map(|e| (e, *lookback));
                window::run(func, extended, &mut row, &mut worker.scratch)?;
            }
        }
        self.finish(index, worker)
    }

    /// What is left to be done once the kernel's values are there.
    fn finish(&self, index: usize, worker: &mut Worker) -> Result<(), QueryError> {
        if let Ready::Window { func, .. } = &self.kernel
            && func.wants_counter
            && !mask::is_empty(&worker.row.mask)
        {
            self.notes
                .info_unless_counter(&self.answered.labels[index], self.span);
        }
        for map in &self.maps {
            map.apply(&mut worker.row.as_mut(), &worker.pace)?;
        }
        Ok(())
    }

    /// How the kernel does without samples, if some of these need not be read.
    fn digested(&self) -> Option<FromDigests> {
        let Ready::Window {
            func,
            extended: None,
            ..
        } = &self.kernel
        else {
            return None;
        };
        let is_possible = self.zones && self.grid.count == 1;
        let digested = func.digested.filter(|_| is_possible)?;
        let is_worth_it = self.answered.has_digests(digested.need, self.needed());
        is_worth_it.then_some(digested)
    }

    /// Tries to know the value of the only window of one series by digests of its samples.
    fn told(&self, index: usize, worker: &mut Worker) -> Result<Told, QueryError> {
        let Some(digested) = worker.digested else {
            return Ok(Told::Nothing);
        };
        let digests = &mut worker.digests;
        digests.need = digested.need;
        let samples =
            self.answered
                .read_digested(index, self.needed(), &mut worker.buffer, digests)?;
        if digests.found.is_empty() {
            return Ok(Told::Samples);
        }
        let value = (digested.kernel)(Digested {
            samples: without_stale(samples, &mut worker.fresh)?,
            digests: &digests.found,
            end: self.shift.apply(self.grid.start),
            range: self.kernel.range(),
        });
        Ok(value.map_or(Told::Nothing, Told::Value))
    }

    /// The times a row depends on.
    fn needed(&self) -> TimeRange {
        let first = self.shift.apply(self.grid.start);
        let last = self.shift.apply(self.grid.last());
        let (before, after) = match &self.kernel {
            Ready::Newest { lookback, .. } => (*lookback, 0),
            Ready::Smoothed { lookback } => (*lookback, *lookback),
            Ready::Window {
                extended,
                lookback,
                range,
                ..
            } => match extended {
                None => (*range, 0),
                Some(Extended::Anchored) => (range.saturating_add(*lookback), 0),
                Some(Extended::Smoothed) => (range.saturating_add(*lookback), *lookback),
            },
        };
        TimeRange::new(
            first.saturating_sub(before).saturating_add(1),
            last.saturating_add(after),
        )
    }
}
