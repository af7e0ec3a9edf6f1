//! The write-ahead log: makes samples durable before anyone can see them.
//!
//! One thread ([`log`]) takes batches from a bounded queue, writes all that wait in one piece, syncs
//! once, makes them visible, and then acknowledges them: a *group commit*. Files are prepared before they are
//! needed and recycled when a flush has made them superfluous ([`file`]).
//!
//! Every file defines the series it mentions, new ones twice, some distance apart, so that a damaged frame
//! costs the samples in it and nothing else.
//!
//! - [`frame`]: bytes of files and frames. [`record`]: bytes of definitions and rows.
//! - [`scan`]: which frames of a file count. Applying them is recovery's business.

pub(crate) mod file;
pub(crate) mod frame;
pub(crate) mod log;
pub(crate) mod record;
pub(crate) mod scan;
