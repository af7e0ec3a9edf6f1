//! Figures about a store, for metrics and for people.

use bellwether_model::TimestampMs;

/// What a store holds and has done. Counts are since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series in the index: all that were used since the store was opened, or have samples.
    pub series: u64,
    /// Bytes of their labels in memory.
    pub label_bytes: u64,
    /// Samples in the head: those that no segment holds yet.
    pub head_samples: u64,
    /// Memory of the head, bytes, roughly.
    pub head_bytes: u64,
    /// Bytes of log that the next start would read.
    pub wal_bytes: u64,
    /// Segments on disk, their bytes and their samples.
    pub segments: u64,
    /// Bytes of all segments.
    pub segment_bytes: u64,
    /// Samples in all segments; one stored twice counts twice.
    pub segment_samples: u64,
    /// Segments in quarantine.
    pub quarantined: u64,
    /// Samples accepted.
    pub accepted: u64,
    /// Samples that were there already.
    pub duplicates: u64,
    /// Samples refused.
    pub rejected: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// The newest sample.
    pub newest: Option<TimestampMs>,
}

/// What a flush did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Samples written, after duplicates were settled; 0 when there was nothing to flush.
    pub samples: u64,
    /// Series they belong to.
    pub series: u64,
    /// Bytes of the segment.
    pub bytes: u64,
}

/// What [`crate::Store::maintain`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// The flush, if one was due.
    pub flushed: Option<FlushReport>,
    /// Segments dropped because all of their samples were too old.
    pub segments_dropped: u64,
}

/// What [`crate::Store::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Segments whose every checksum was compared.
    pub segments: u64,
    /// Chunks in them.
    pub chunks: u64,
    /// Log files read.
    pub logs: u64,
    /// What is wrong, worded with file and place. Empty for a sound store.
    pub problems: Vec<String>,
}
