//! What can be chosen about a store. The defaults are those of `bellwether_model::limits`.

use bellwether_model::{DurationMs, limits};

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After the log was synced: nothing acknowledged is lost, neither by `kill -9` nor by power loss.
    Sync,
    /// After the log was written: nothing is lost when the process dies, and what was written since the
    /// last [`crate::Store::maintain`] when the power goes.
    Write,
    /// Before the log is written, until this many bytes wait or [`crate::Store::maintain`] is called:
    /// any crash loses them.
    Buffer {
        /// Bytes of log that may wait.
        bytes: usize,
    },
}

/// What a second value for the same series and time means. A repeated *equal* value is always a no-op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicatePolicy {
    /// The value accepted last is the one that is read.
    LastWins,
    /// The value accepted first is the one that is read.
    FirstWins,
    /// As `FirstWins`; besides, a second value is reported as rejected. (As far as it is found: looking for samples
    /// older than the newest of their series is bounded.)
    Reject,
}

/// Everything that can be chosen when a store is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether a store begins where there is none. If not, opening one is [`crate::StoreError::NotAStore`] there,
    /// and nothing is written.
    pub create: bool,
    /// Samples older than this are refused on arrival, and dropped once all of their segment is older.
    pub retention: DurationMs,
    /// How far behind the newest sample of its series a sample may be.
    pub ooo_window: DurationMs,
    /// How far ahead of the clock a sample may be.
    pub future_max: DurationMs,
    /// When a commit is acknowledged.
    pub durability: Durability,
    /// What a second value for the same time means.
    pub duplicates: DuplicatePolicy,
    /// Most series in the index; known series go on beyond it. Those count, too, whose samples have all expired, until
    /// an open forgets them.
    pub series_max: usize,
    /// Nominal size of a log file. A batch larger than a file gets a larger file. Below 2 GiB.
    pub wal_file_bytes: u64,
    /// Bytes of a log frame's payload; a batch with more is split over frames. Damage costs whole frames.
    pub wal_frame_bytes: usize,
    /// Log bytes at which commits are refused as busy, until a flush has made room.
    pub wal_total_max: u64,
    /// Bytes of samples in the head at which a flush is due; more where that would be less than eight samples
    /// for each series in it.
    pub flush_bytes: u64,
    /// Log bytes at which a flush is due.
    pub flush_wal_bytes: u64,
    /// Age of the head at which a flush is due.
    pub flush_age: DurationMs,
    /// Free bytes on the disk below which the store becomes read-only.
    pub disk_free_min: u64,
    /// The same as a part of the disk, in percent: the greater of the two counts.
    pub disk_free_min_percent: u64,
    /// Bytes above that minimum that must be free before it accepts samples again.
    pub disk_hysteresis: u64,
    /// Memory for samples that are not compressed yet, bytes; decides after how many samples (32..=512)
    /// of a series they are.
    pub open_bytes: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            create: true,
            retention: DurationMs(limits::RETENTION_RAW.millis()),
            ooo_window: DurationMs(limits::TIME_OOO_WINDOW.millis()),
            future_max: DurationMs(limits::TIME_FUTURE_MAX.millis()),
            durability: Durability::Sync,
            duplicates: DuplicatePolicy::LastWins,
            series_max: limits::SERIES_ACTIVE_MAX.usize(),
            wal_file_bytes: limits::WAL_FILE_BYTES.value,
            wal_frame_bytes: limits::WAL_FRAME_MAX.usize(),
            wal_total_max: limits::WAL_TOTAL_MAX.value,
            flush_bytes: limits::HEAD_FLUSH_BYTES.value,
            flush_wal_bytes: limits::HEAD_FLUSH_WAL_BYTES.value,
            flush_age: DurationMs(limits::HEAD_FLUSH_AGE.millis()),
            disk_free_min: limits::DISK_FREE_MIN.value,
            disk_free_min_percent: limits::DISK_FREE_MIN_PERCENT.value,
            disk_hysteresis: limits::DISK_RESERVE.value,
            open_bytes: 32 << 20,
        }
    }
}
