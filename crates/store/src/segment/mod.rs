//! Segments: one immutable file each, with everything needed to read it: names, postings, chunks.
//!
//! [`SegmentWriter`] streams a file, series by series; [`Segment`] opens one and answers: which
//! series match, what are their labels, which samples do they have in a range. A segment needs no other
//! file: the catalogue can be rebuilt from its series list alone.
//!
//! The file, little-endian throughout:
//!
//! ```text
//! header, 64 bytes                  layout.rs
//! CHUNKS   payloads in series and time order, timestamp columns between them as they came up
//! SYMS     names and values, sorted, front-coded           symbols.rs
//! PAIRS    label pairs and their postings                  pairs.rs
//! SERIES   ids, number of chunks, label pairs              series.rs
//! COLS     timestamp columns, shared between series        columns.rs
//! CHUNKDIR where each chunk lies, its checksum             chunks.rs
//! ZONE     what each long chunk contains, in eight numbers chunks.rs
//! TOC      kind, checksum and place of each section        layout.rs
//! ```
//!
//! Rows of the directories are kept in packed groups (`groups.rs`) of 128, columns as the codec packs
//! chunks: a long chunk costs about 20 bytes of directory, a short one about 12, labels and postings included.
//!
//! Promises: opening verifies the header, the table of contents and every directory's checksum; reading
//! verifies each chunk's. Damage in one chunk is reported and leaves all others readable. No bytes make
//! it panic, or allocate more than in proportion to the file's length.
//!
//! Not here: which segments exist (the manifest), when one is written, renamed into place or deleted.

mod chunks;
mod columns;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod layout;
mod pairs;
mod read;
mod reader;
mod select;
mod series;
mod symbols;
#[cfg(test)]
mod tests;
mod verify;
mod writer;
mod zone;

pub use chunks::ChunkMeta;
pub use error::SegmentError;
pub use layout::{SegmentMeta, VERSION_MAJOR};
pub use read::ReadBuf;
pub use reader::{Segment, SeriesEntry};
pub use verify::Problem;
pub use writer::{SegmentSummary, SegmentWriter};
pub use zone::Zone;

/// Most samples that the writer puts into one chunk.
pub const CHUNK_SAMPLES_TARGET: usize = 8192;
