//! What can be wrong with a segment.

use std::io;
use std::path::{Path, PathBuf};

/// Why a segment could not be written, opened or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not start like a segment.
    #[error("{}: not a segment file", path.display())]
    NotASegment {
        /// The file.
        path: PathBuf,
    },
    /// Written by a version of this program that this one does not know.
    #[error("{}: segment format {found}, this program knows up to {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The major version it carries.
        found: u16,
        /// The highest known here.
        known: u16,
    },
    /// A checksum does not match, or the bytes are not what their checksum promised. The rest of the
    /// segment stays readable.
    #[error("{}: corrupt {what} at byte {offset}{}", path.display(), of_series(*series))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file; the start of the section when the place within is not known.
        offset: u64,
        /// What lies there.
        what: &'static str,
        /// The global id of the series it belongs to, if to one only.
        series: Option<u64>,
    },
    /// The samples of a series are more than the caller has room for.
    #[error("{needed} samples do not fit into the room given for them")]
    NoRoom {
        /// With room for so many they fit.
        needed: usize,
    },
    /// The caller's mistake: ids and, within a series, times must ascend.
    #[error("{what} {got} does not come after {last}")]
    NotAscending {
        /// What must ascend: "series" or "time".
        what: &'static str,
        /// The one before.
        last: i128,
        /// The one that was given.
        got: i128,
    },
    /// More than the format holds: 4 GiB in one directory or 2^32 of something.
    #[error("segment too large: {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
    },
}

fn of_series(series: Option<u64>) -> String {
    series
        .map(|id| format!(" (series {id})"))
        .unwrap_or_default()
}

impl SegmentError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SegmentError {
        let path = path.to_owned();
        move |source| SegmentError::Io {
            action,
            path,
            source,
        }
    }
}
