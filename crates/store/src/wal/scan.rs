//! Reading one log file back: which frames count, where the log ends, and what was lost to damage.
//!
//! A frame that fails its checksum is one of two things:
//!
//! - *Torn*: the crash came while its group was being written. Nothing of that group was acknowledged, so the
//!   log ends there, also when later parts of the same write reached the disk.
//! - *Damaged*: it had been synced, and so perhaps acknowledged. Only that frame is lost; reading goes on
//!   with the next good one.
//!
//! A later frame tells which: it carries the offset below which everything was synced when it was written.
//! Only the newest file with frames can end torn: a file is synced before the next is begun.

use super::frame::{self, FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, Frame, LAST};
use std::ops::Range;

/// What one file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The frames that count, in order.
    pub(crate) frames: Vec<Frame>,
    /// Ranges of bytes that held frames and hold none now.
    pub(crate) damage: Vec<Range<usize>>,
    /// The log ends at this offset.
    pub(crate) end: usize,
    /// Something written for this file stands after the end.
    pub(crate) torn: bool,
}

/// Reads the bytes of a whole file.
///
/// - `newest`: no later file holds frames, so that the end may be torn.
pub(crate) fn scan(bytes: &[u8], file: &FileHeader, newest: bool) -> Scan {
    let salt = file.salt();
    let mut found = Scan {
        end: FILE_HEADER_BYTES,
        ..Scan::default()
    };
    // A bad place whose nature is not known yet: offset, and how many frames came before it.
    let mut suspect: Option<(usize, usize)> = None;
    let mut at = FILE_HEADER_BYTES;
    let mut last_seq = 0;
    while let Some((frame, skipped)) = next_frame(bytes, at, file, salt, last_seq) {
        if skipped {
            found.damage.push(at..frame.at);
            suspect.get_or_insert((at, found.frames.len()));
        }
        if suspect.is_some_and(|(bad, _)| frame.synced as usize > bad) {
            suspect = None; // What is bad had been synced: damage, kept in the list.
        }
        at = frame.end;
        last_seq = frame.seq;
        found.end = frame.end;
        found.frames.push(frame);
    }
    if newest {
        found.cut_torn_end(bytes, file, suspect);
    }
    found
}

impl Scan {
    fn cut_torn_end(&mut self, bytes: &[u8], file: &FileHeader, suspect: Option<(usize, usize)>) {
        if let Some((bad, before)) = suspect {
            self.frames.truncate(before);
            self.damage.retain(|lost| lost.start < bad);
            self.torn = true;
        }
        // A batch without its last frame was not acknowledged either.
        let whole = self
            .frames
            .iter()
            .rposition(|f| f.flags & LAST != 0)
            .map_or(0, |last| last + 1);
        self.torn |= whole < self.frames.len();
        self.frames.truncate(whole);
        self.end = self.frames.last().map_or(FILE_HEADER_BYTES, |f| f.end);
        self.damage.retain(|lost| lost.start < self.end);
        // Zeros, and what a recycled file held before, are no trace of a torn write.
        let number = bytes.get(self.end + 16..self.end + 20);
        self.torn |= number == Some(&(file.number as u32).to_le_bytes());
    }
}

/// The first good frame at or after `at`, and whether bytes had to be skipped to find it.
fn next_frame(
    bytes: &[u8],
    at: usize,
    file: &FileHeader,
    salt: u32,
    last_seq: u64,
) -> Option<(Frame, bool)> {
    let mut try_at = at;
    while try_at + FRAME_HEADER_BYTES <= bytes.len() {
        // A frame that was misdirected to here from earlier in the file is not a later one.
        if let Some(frame) = frame::frame_at(bytes, try_at, file, salt)
            && frame.seq > last_seq
        {
            return Some((frame, try_at > at));
        }
        try_at = frame::next_aligned(try_at);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::frame::{FIRST, Framer, Kind};

    const FILE: FileHeader = FileHeader {
        store: 42,
        number: 3,
    };

    /// A file of groups of batches of frames; every frame's payload is 20 bytes, so 56 in all.
    fn file(groups: &[&[usize]]) -> Vec<u8> {
        let mut framer = Framer::new(&FILE, 1);
        let mut bytes = FILE.encode().to_vec();
        for batches in groups {
            framer.set_synced(bytes.len() as u64);
            for &frames in *batches {
                for i in 0..frames {
                    framer.begin();
                    framer.bytes.extend([i as u8 + 1; 20]);
                    let first = if i == 0 { FIRST } else { 0 };
                    let last = if i + 1 == frames { LAST } else { 0 };
                    framer.end(Kind::Rows, first | last);
                }
            }
            bytes.append(&mut framer.bytes);
        }
        bytes.resize(bytes.len() + 512, 0); // Preallocated.
        bytes
    }

    fn at(frame: usize) -> usize {
        FILE_HEADER_BYTES + frame * 56
    }

    fn seqs(scan: &Scan) -> Vec<u64> {
        scan.frames.iter().map(|f| f.seq).collect()
    }

    #[test]
    fn a_whole_file_is_read_whole() {
        let bytes = file(&[&[1, 2], &[3]]);
        for newest in [false, true] {
            let scan = scan(&bytes, &FILE, newest);
            assert_eq!(
                (seqs(&scan), scan.end, scan.torn),
                (vec![1, 2, 3, 4, 5, 6], at(6), false)
            );
            assert!(scan.damage.is_empty());
        }
    }

    #[test]
    fn a_bad_frame_below_the_synced_offset_loses_only_itself() {
        let mut bytes = file(&[&[1], &[1], &[1]]);
        bytes[at(1) + 40] ^= 1;
        let scan = scan(&bytes, &FILE, true);
        assert_eq!((seqs(&scan), scan.torn), (vec![1, 3], false));
        assert_eq!(scan.damage.len(), 1);
        assert_eq!(scan.damage[0], at(1)..at(2));
    }

    #[test]
    fn a_bad_frame_in_the_last_group_ends_the_log() {
        let mut bytes = file(&[&[1], &[1, 1, 1]]);
        bytes[at(2) + 40] ^= 1;
        let torn = scan(&bytes, &FILE, true);
        assert_eq!(
            (seqs(&torn), torn.end, torn.torn),
            (vec![1, 2], at(2), true)
        );
        assert!(torn.damage.is_empty());
        // In a file that a later one follows, the same is damage: it was synced.
        let damaged = scan(&bytes, &FILE, false);
        assert_eq!((seqs(&damaged), damaged.torn), (vec![1, 2, 4], false));
    }

    #[test]
    fn a_batch_without_its_end_does_not_count() {
        let bytes = file(&[&[1, 3]]);
        // The last four bytes are padding.
        for cut in at(1) + 1..at(4) - 4 {
            let scan = scan(&bytes[..cut], &FILE, true);
            assert_eq!((seqs(&scan), scan.end), (vec![1], at(1)), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_loses_at_most_one_frame() {
        let whole = file(&[&[1], &[1], &[1], &[1]]);
        for bit in FILE_HEADER_BYTES * 8..at(3) * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let scan = scan(&bytes, &FILE, true);
            assert!(scan.frames.len() >= 3, "bit {bit}");
            // Padding is not checked, and holds nothing.
            assert_eq!(scan.frames.len() == 4, scan.damage.is_empty(), "bit {bit}");
        }
    }

    #[test]
    fn frames_of_a_files_former_life_are_not_read() {
        let former = file(&[&[1, 1, 1, 1]]);
        let new = FileHeader { number: 4, ..FILE };
        let mut framer = Framer::new(&new, 9);
        framer.set_synced(FILE_HEADER_BYTES as u64);
        framer.begin();
        framer.bytes.extend([7; 20]);
        framer.end(Kind::Rows, FIRST | LAST);
        let mut bytes = former;
        bytes[..FILE_HEADER_BYTES].copy_from_slice(&new.encode());
        bytes[FILE_HEADER_BYTES..at(1)].copy_from_slice(&framer.bytes);
        let scan = scan(&bytes, &new, true);
        assert_eq!(
            (seqs(&scan), scan.torn, scan.damage.len()),
            (vec![9], false, 0)
        );
    }
}
