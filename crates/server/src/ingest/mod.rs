//! Line protocol into the store: the way from a decoded body to durable samples.
//!
//! A line whose series were seen before costs one look into a cache, by the bytes that the line begins
//! with; labels are only built for what is new (`cache.rs`). One body is one batch of the store: what is
//! accepted of it becomes durable and visible together.
//!
//! What is refused leaves no trace: series are made for lines that are good as a whole and of an acceptable time,
//! while the store takes samples. A body that may be refused altogether is read twice for that.
//!
//! Blocks until the samples are durable. Not here: HTTP (`api`), what a line may look like (`wire`).

mod cache;

use bellwether_model::{TimestampMs, limits};
use bellwether_store::{AppendError, Appender, RejectReason, Rejected, Store, StoreError};
use bellwether_wire::line_protocol::{Cursor, LineError, Lines, Mapping, Precision, shown};
use parking_lot::Mutex;

use cache::{Refused, SeriesCache};

/// Appenders kept for the next body; more are made when more bodies arrive at a time.
const APPENDERS_KEPT: usize = 16;

/// The reason of lines whose series are one too many.
pub(crate) const SERIES_LIMIT: &str = "series_limit";

/// How many faults of one body are told; the others are only counted.
const FAULTS_TOLD: usize = 10;

/// Writes bodies of line protocol. Shared by all requests.
pub struct LineIngest {
    store: Store,
    cache: SeriesCache,
    appenders: Mutex<Vec<Worker>>,
}

/// What one body needs while it is read; kept for the next one, so that its memory is allocated once.
struct Worker {
    appender: Appender,
    /// For each line with samples: how many samples of the batch came before it, and its number.
    starts: Vec<(usize, usize)>,
    row: cache::Row,
}

/// How a body is to be read.
#[derive(Clone, Debug, Default)]
pub struct LineOptions {
    /// Unit of the timestamps.
    pub precision: Precision,
    /// What the request adds to every line.
    pub mapping: Mapping,
    /// Refuse all lines if one is wrong.
    pub all_or_nothing: bool,
}

/// What became of a body.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Samples stored, those that were there already counted.
    pub samples: u64,
    /// Lines that were stored whole.
    pub lines: u64,
    /// Lines that were refused, or of which the store refused samples.
    pub lines_refused: u64,
    /// Why, in order of the lines; the first ones.
    pub faults: Vec<LineFault>,
    /// Refused lines and samples by reason, for the counters.
    pub refused_by_reason: Vec<(&'static str, u64)>,
    /// Fields that hold text, and were left out.
    pub texts_left_out: u64,
    /// The limit on series, if it is why lines were refused: they are good, and can be sent again.
    pub series_limit: Option<usize>,
}

/// Why one line was refused.
#[derive(Clone, Debug)]
pub struct LineFault {
    /// Number of the line, 1-based, comments and blank lines counted.
    pub line: usize,
    /// The short name of the reason.
    pub code: &'static str,
    /// The line itself and the place in it, when it could not be read.
    pub unreadable: Option<LinePlace>,
    /// Why, without the place.
    pub reason: String,
}

/// A line, and where reading it ended.
#[derive(Clone, Debug)]
pub struct LinePlace {
    /// 1-based, in bytes.
    pub column: usize,
    /// The line, clipped.
    pub text: String,
}

/// Why nothing of a body was stored.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// More samples than one request may carry.
    #[error("more than {max} samples in one request (ingest.max_samples)")]
    TooManySamples {
        /// The limit.
        max: usize,
    },
    /// The store did not take the batch.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LineIngest {
    /// Writes into `store`.
    pub fn new(store: Store) -> LineIngest {
        LineIngest {
            store,
            cache: SeriesCache::new(),
            appenders: Mutex::new(Vec::new()),
        }
    }

    /// Stores what is good in `body`: durable, as far as the store promises, once this returns.
    ///
    /// `now` is the time of lines that carry none, and what decides which samples are too old or too new.
    pub fn write(
        &self,
        body: &[u8],
        options: &LineOptions,
        now: TimestampMs,
    ) -> Result<Written, IngestError> {
        let mut worker = self.worker();
        let written = self.write_with(&mut worker, body, options, now);
        worker.appender.clear();
        worker.starts.clear();
        let mut kept = self.appenders.lock();
        if kept.len() < APPENDERS_KEPT {
            kept.push(worker);
        }
        written
    }

    fn worker(&self) -> Worker {
        let kept = self.appenders.lock().pop();
        kept.unwrap_or_else(|| Worker {
            appender: self.store.appender(),
            starts: Vec::new(),
            row: cache::Row::default(),
        })
    }

    fn write_with(
        &self,
        worker: &mut Worker,
        body: &[u8],
        options: &LineOptions,
        now: TimestampMs,
    ) -> Result<Written, IngestError> {
        worker.appender.ready()?;
        let reader = LineReader {
            cache: &self.cache,
            mapping: self.cache.mapping(&options.mapping),
            precision: options.precision,
            now,
        };
        if options.all_or_nothing || may_have_too_many(body) {
            let checked = reader.check(worker, body)?;
            if options.all_or_nothing && checked.lines_refused > 0 {
                return Ok(checked);
            }
        }
        let mut written = reader.write(worker, body)?;
        let commit = worker.appender.commit(now)?;
        written.samples = commit.accepted + commit.duplicates;
        written.refuse_samples(&commit.rejected, &worker.starts);
        Ok(written)
    }
}

/// Reads the lines of one body.
struct LineReader<'a> {
    cache: &'a SeriesCache,
    mapping: cache::KnownMapping,
    precision: Precision,
    now: TimestampMs,
}

impl LineReader<'_> {
    /// Looks for lines to be refused, and changes nothing.
    fn check(&self, worker: &mut Worker, body: &[u8]) -> Result<Written, IngestError> {
        let mut checked = Written::default();
        let mut samples = 0;
        for (number, line) in Lines::new(body) {
            check_samples(samples)?;
            let read = self.line(worker, line).and_then(|read| {
                samples += worker.row.len();
                self.judge(worker, read.time)
            });
            if let Err(refused) = read {
                checked.refuse(refused, number, line);
            }
        }
        Ok(checked)
    }

    /// Adds the lines to the batch, each of them whole or not at all.
    fn write(&self, worker: &mut Worker, body: &[u8]) -> Result<Written, IngestError> {
        let mut written = Written::default();
        for (number, line) in Lines::new(body) {
            let before = worker.appender.pending();
            check_samples(before)?;
            match self.add(worker, line) {
                Ok(texts) => {
                    written.lines += 1;
                    written.texts_left_out += texts;
                    worker.starts.push((before, number));
                }
                Err(refused) => written.refuse(refused, number, line),
            }
        }
        Ok(written)
    }

    /// Returns how many of the line's fields hold text.
    fn add(&self, worker: &mut Worker, line: &[u8]) -> Result<u64, Refused> {
        let read = self.line(worker, line)?;
        if worker.row.has_news() {
            self.judge(worker, read.time)?;
            let Worker { appender, row, .. } = worker;
            self.cache.learn(read.key, &self.mapping, appender, row)?;
        }
        worker
            .appender
            .push_row(&worker.row.series, read.time, &worker.row.values);
        Ok(read.texts)
    }

    /// Reads the samples of a line into the worker's row.
    fn line<'a>(&self, worker: &mut Worker, line: &'a [u8]) -> Result<Read<'a>, Refused> {
        let mut cursor = Cursor::new(line)?;
        let texts = self
            .cache
            .read(&mut cursor, &self.mapping, &mut worker.row)?;
        Ok(Read {
            key: cursor.series_key(),
            time: cursor.timestamp(self.precision)?.unwrap_or(self.now),
            texts,
        })
    }

    fn judge(&self, worker: &Worker, time: TimestampMs) -> Result<(), Refused> {
        match worker.appender.judge(time, self.now) {
            Some(reason) => Err(Refused::Time(reason, worker.row.len() as u64)),
            None => Ok(()),
        }
    }
}

/// What a line says beside its samples.
struct Read<'a> {
    key: &'a [u8],
    time: TimestampMs,
    texts: u64,
}

fn check_samples(samples: usize) -> Result<(), IngestError> {
    let max = limits::INGEST_SAMPLES_MAX.usize();
    if samples > max {
        return Err(IngestError::TooManySamples { max });
    }
    Ok(())
}

/// Each sample has an `=`, and at least a byte before and behind it and one that ends it.
fn may_have_too_many(body: &[u8]) -> bool {
    let max = limits::INGEST_SAMPLES_MAX.usize();
    body.len() / 4 > max && memchr::memchr_iter(b'=', body).count() > max
}

fn fault(refused: Refused, number: usize, line: &[u8]) -> LineFault {
    match refused {
        Refused::Syntax(fault) => {
            let code = fault.code();
            let LineError {
                column, text, kind, ..
            } = fault.at_line(number, line);
            LineFault {
                line: number,
                code,
                unreadable: Some(LinePlace { column, text }),
                reason: kind.to_string(),
            }
        }
        Refused::Series(error) => LineFault {
            line: number,
            code: match error {
                AppendError::SeriesLimit { .. } => SERIES_LIMIT,
                AppendError::NoLabels | AppendError::LabelsTooLong { .. } => "labels",
            },
            unreadable: None,
            reason: format!("'{}': {error}", shown(line)),
        },
        Refused::Time(reason, _) => LineFault {
            line: number,
            code: reason.code(),
            unreadable: None,
            reason: explain(reason),
        },
    }
}

impl Written {
    fn refuse(&mut self, refused: Refused, number: usize, line: &[u8]) {
        let samples = match refused {
            Refused::Time(_, samples) => samples,
            Refused::Syntax(_) | Refused::Series(_) => 1,
        };
        if let Refused::Series(AppendError::SeriesLimit { max }) = refused {
            self.series_limit = Some(max);
        }
        let fault = fault(refused, number, line);
        self.lines_refused += 1;
        self.count(fault.code, samples);
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault);
        }
    }

    fn count(&mut self, code: &'static str, count: u64) {
        match self.refused_by_reason.iter_mut().find(|(c, _)| *c == code) {
            Some((_, total)) => *total += count,
            None => self.refused_by_reason.push((code, count)),
        }
    }

    /// Takes in what the store refused; each line is told once, by its first sample.
    fn refuse_samples(&mut self, rejected: &[Rejected], starts: &[(usize, usize)]) {
        let mut last = None;
        for one in rejected {
            self.count(one.reason.code(), 1);
            let at = starts.partition_point(|(before, _)| *before <= one.index);
            let Some((_, number)) = at.checked_sub(1).map(|i| starts[i]) else {
                continue;
            };
            if last.replace(number) == Some(number) {
                continue;
            }
            self.lines = self.lines.saturating_sub(1);
            self.lines_refused += 1;
            if self.faults.len() < FAULTS_TOLD {
                self.faults.push(LineFault {
                    line: number,
                    code: one.reason.code(),
                    unreadable: None,
                    reason: explain(one.reason),
                });
            }
        }
        self.faults.sort_by_key(|f| f.line);
    }
}

/// What a client can do about it. Influx clients look for the words about retention.
fn explain(reason: RejectReason) -> String {
    let code = reason.code();
    match reason {
        RejectReason::FutureTimestamp => {
            let max = limits::TIME_FUTURE_MAX;
            format!(
                "{code}: more than {} ahead of this server's clock ({})",
                bellwether_model::DurationMs(max.millis()),
                max.name
            )
        }
        RejectReason::TooOld => {
            let max = limits::TIME_OOO_WINDOW;
            let window = bellwether_model::DurationMs(max.millis());
            format!(
                "{code}: more than {window} behind the newest sample of its series ({})",
                max.name
            )
        }
        RejectReason::BeyondRetention => format!(
            "{code}: points beyond retention policy ({})",
            limits::RETENTION_RAW.name
        ),
        RejectReason::Duplicate => format!("{code}: another value stands at this time"),
        RejectReason::NativeHistogram => format!("{code}: only numbers are stored"),
    }
}

#[cfg(test)]
mod tests;
