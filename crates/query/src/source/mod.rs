//! Where samples come from: the one thing the evaluator knows about storage.
//!
//! A source answers a selector with series sorted by labels, and hands out their samples as columns.
//! Implemented by a view of the store (`store.rs`), by samples in memory (`memory.rs`), by the engine's overlay
//! of what the running tick has recorded, and by `server`, which asks another server over remote read.

pub mod memory;
pub mod store;

pub use bellwether_store::{Course, Digest, Digests, Need, Totals};

pub use bellwether_model::whole::Values;
use bellwether_model::{Labels, Matcher, TimeRange};

/// Samples of one series as two columns of equal length, times strictly ascending.
/// Staleness markers are among the values: telling them apart is the evaluator's business.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Milliseconds since the epoch.
    pub times: Vec<i64>,
    /// The values at those times, bit-exact.
    pub values: Vec<f64>,
}

impl Columns {
    /// Forgets the samples, keeps the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
    }

    fn keep_newest(&mut self) {
        let older = self.times.len().saturating_sub(1);
        self.times.drain(..older);
        self.values.drain(..older);
    }
}

/// Why a source could not answer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// More series match than the caller allows.
    #[error("the query selects more than {max} series (query.max_series)")]
    TooManySeries {
        /// The limit.
        max: usize,
    },
    /// The samples of a series need more room than the caller has.
    #[error("{needed} samples do not fit into the room given for them")]
    NoRoom {
        /// With room for so many they fit. More than what was given.
        needed: usize,
    },
    /// The source does not hand out so much at once: fewer series, or less time, may do.
    #[error("{message}")]
    TooLarge {
        /// The limit's name.
        limit: &'static str,
        /// What was asked of whom, and the limit.
        message: String,
    },
    /// Reading failed; the text says what and where.
    #[error("{0}")]
    Read(String),
}

/// What a selector asks for.
#[derive(Clone, Debug)]
pub struct Select<'a> {
    /// Every matcher must hold. At least one of them does not match the empty text.
    pub matchers: &'a [Matcher],
    /// The samples that may be asked for, ends included: lets a source skip series without any.
    /// A series without samples in the range may still be returned.
    pub range: TimeRange,
    /// The most series the caller takes.
    pub series_max: usize,
}

/// A set of samples that can be asked.
pub trait Source: Send + Sync {
    /// The series that match, sorted by labels, each once.
    fn select(&self, select: &Select<'_>) -> Result<SeriesSet<'_>, SourceError>;

    /// How many series match by their labels, whenever they have samples; `None` from a source that would have to look.
    fn estimate(&self, _matchers: &[Matcher]) -> Option<usize> {
        None
    }
}

/// The answer to a selector.
pub struct SeriesSet<'a> {
    /// The series, sorted, unique.
    pub labels: Vec<Labels>,
    /// Reads their samples, by index into `labels`.
    pub reader: Box<dyn SeriesReader + 'a>,
    /// What the answer lacks, worded for the user (a quarantined segment, say). Usually empty.
    pub warnings: Vec<String>,
}

/// Reads the samples of the series of one [`SeriesSet`]; may be called from several threads at once.
pub trait SeriesReader: Send + Sync {
    /// Replaces `out` with the samples of series `index` inside `range`, ends included.
    ///
    /// The caller has room for `room` samples. A source that would put more into `out`, be it for a moment, answers
    /// [`SourceError::NoRoom`] instead, before it allocates anything for them.
    fn read(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError>;

    /// As [`SeriesReader::read`], and tells what is known of the values without looking at them.
    fn read_known(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<Values, SourceError> {
        self.read(index, range, room, out)?;
        Ok(Values::Any)
    }

    /// As [`SeriesReader::read`], of those samples only the newest.
    fn read_newest(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        self.read(index, range, room, out)?;
        out.keep_newest();
        Ok(())
    }

    /// As [`SeriesReader::read_known`], but stretches of samples of which all that `digests` needs is known may go there instead of
    /// to `out`, the oldest first. What either held before is replaced.
    fn read_digested(
        &self,
        index: usize,
        range: TimeRange,
        room: usize,
        out: &mut Columns,
        digests: &mut Digests,
    ) -> Result<Values, SourceError> {
        digests.found.clear();
        self.read_known(index, range, room, out)
    }

    /// Whether [`SeriesReader::read_digested`] may find any stretch inside `range` of which so much is known.
    fn has_digests(&self, _need: Need, _range: TimeRange) -> bool {
        false
    }

    /// What reading so far has found missing, worded for the user. Asked once the query is done.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
