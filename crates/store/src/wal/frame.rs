//! The log's outer layer: file header and frames.
//!
//! ```text
//! file  = header | frame* | zeros, or what a recycled file held before
//! header, 64 bytes = magic "BWWAL\0\r\n": 8 | version: u16 | length 64: u16 | zero: u32
//!       | store id: u128 | file number: u64 | salt: u32 | zero: 16 | crc32c of all before: u32
//! frame, 8-byte aligned = crc32c of all after, begun with the salt: u32 | payload length: u32
//!       | sequence: u64 | file number, low half: u32 | synced: u32 | kind: u8 | flags: u8 | zero: u16
//!       | zero: u32 | payload | zeros up to the alignment
//! ```
//!
//! All integers are little-endian. Sequence numbers ascend over frames and files, by one.
//! *Synced* is the offset in this file below which everything was known to be synced when the frame was written:
//! a bad frame below it is damage, one above it may be a write that a crash tore.
//! The salt and the file number keep what a recycled file held before from being taken for new.
//!
//! A *batch* is one or more frames, the first and the last flagged. It counts when its last frame is there.
//!
//! Not here: what a payload means (`record`), and what to make of damage (`scan`).

use std::ops::Range;

/// The first bytes of every log file.
const MAGIC: [u8; 8] = *b"BWWAL\0\r\n";
/// The version written, and the only one read.
pub(crate) const VERSION: u16 = 1;
pub(crate) const FILE_HEADER_BYTES: usize = 64;
pub(crate) const FRAME_HEADER_BYTES: usize = 32;
const ALIGN: usize = 8;

/// A longer payload is not believed. Written ones stay near `wal.max_frame`; one definition may exceed it.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 2 << 20;

/// What a frame's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Definitions of series.
    Series = 2,
    /// Rows of samples.
    Rows = 5,
}

/// The frame begins a batch.
pub(crate) const FIRST: u8 = 1;
/// The frame ends a batch: with it the batch counts.
pub(crate) const LAST: u8 = 2;
/// The definitions repeat earlier ones, in case those get damaged.
pub(crate) const COPY: u8 = 4;

/// Which file the bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) store: u128,
    pub(crate) number: u64,
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Not a log file, or one whose header is damaged or was never written.
    Unreadable,
    /// A version unknown here.
    Version(u16),
}

impl FileHeader {
    /// Differs between files of one number in different stores, and between files of one store.
    pub(crate) fn salt(&self) -> u32 {
        crc32c::crc32c_append(
            crc32c::crc32c(&self.store.to_le_bytes()),
            &self.number.to_le_bytes(),
        )
    }

    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&(FILE_HEADER_BYTES as u16).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.store.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.salt().to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<FileHeader, HeaderError> {
        let header = bytes
            .get(..FILE_HEADER_BYTES)
            .ok_or(HeaderError::Unreadable)?;
        let whole = header[..8] == MAGIC && u32_at(header, 60) == crc32c::crc32c(&header[..60]);
        if !whole {
            return Err(HeaderError::Unreadable);
        }
        let version = u16::from_le_bytes([header[8], header[9]]);
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let mut store = [0; 16];
        store.copy_from_slice(&header[16..32]);
        Ok(FileHeader {
            store: u128::from_le_bytes(store),
            number: u64_at(header, 32),
        })
    }
}

/// One frame that passed its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Offset of the frame in the file.
    pub(crate) at: usize,
    /// Offset after its padding.
    pub(crate) end: usize,
    pub(crate) seq: u64,
    pub(crate) synced: u32,
    /// `None` for a kind unknown here.
    pub(crate) kind: Option<Kind>,
    pub(crate) flags: u8,
    pub(crate) payload: Range<usize>,
}

/// The frame at offset `at` of a file's bytes, if a whole one of this file stands there.
pub(crate) fn frame_at(bytes: &[u8], at: usize, file: &FileHeader, salt: u32) -> Option<Frame> {
    let header = bytes.get(at..at + FRAME_HEADER_BYTES)?;
    if u32_at(header, 16) != file.number as u32 {
        return None; // Cheap, and almost always enough.
    }
    let len = u32_at(header, 4) as usize;
    if len > PAYLOAD_BYTES_MAX {
        return None;
    }
    let payload = at + FRAME_HEADER_BYTES..at + FRAME_HEADER_BYTES + len;
    let checked = bytes.get(at + 4..payload.end)?;
    if crc32c::crc32c_append(salt, checked) != u32_at(header, 0) {
        return None;
    }
    Some(Frame {
        at,
        end: payload.end.next_multiple_of(ALIGN),
        seq: u64_at(header, 8),
        synced: u32_at(header, 20),
        kind: match header[24] {
            2 => Some(Kind::Series),
            5 => Some(Kind::Rows),
            _ => None,
        },
        flags: header[25],
        payload,
    })
}

/// Where a frame may begin that stands after offset `at`.
pub(crate) fn next_aligned(at: usize) -> usize {
    (at + 1).next_multiple_of(ALIGN)
}

/// Writes frames one after another into a buffer that goes to the file in one piece.
pub(crate) struct Framer {
    pub(crate) bytes: Vec<u8>,
    number: u32,
    salt: u32,
    /// The sequence number of the next frame.
    pub(crate) seq: u64,
    synced: u32,
    /// Where the frame begins whose payload is being appended.
    open_at: usize,
}

impl Framer {
    pub(crate) fn new(file: &FileHeader, seq: u64) -> Framer {
        let (bytes, synced, open_at) = (Vec::new(), FILE_HEADER_BYTES as u32, 0);
        Framer {
            bytes,
            number: file.number as u32,
            salt: file.salt(),
            seq,
            synced,
            open_at,
        }
    }

    /// The frames that follow go to this file.
    pub(crate) fn change_file(&mut self, file: &FileHeader) {
        assert!(
            self.bytes.is_empty(),
            "frames belong to the file they were begun for"
        );
        self.number = file.number as u32;
        self.salt = file.salt();
        self.synced = FILE_HEADER_BYTES as u32;
    }

    /// Everything below this offset of the file is synced.
    pub(crate) fn set_synced(&mut self, synced: u64) {
        self.synced = u32::try_from(synced).unwrap_or(u32::MAX);
    }

    /// Begins a frame: its payload is what is appended to `bytes` until [`Framer::end`].
    pub(crate) fn begin(&mut self) {
        self.open_at = self.bytes.len();
        self.bytes.resize(self.open_at + FRAME_HEADER_BYTES, 0);
    }

    /// Bytes of payload so far.
    pub(crate) fn payload_len(&self) -> usize {
        self.bytes.len() - self.open_at - FRAME_HEADER_BYTES
    }

    pub(crate) fn end(&mut self, kind: Kind, flags: u8) {
        let (at, end, len) = (self.open_at, self.bytes.len(), self.payload_len());
        assert!(
            len <= PAYLOAD_BYTES_MAX,
            "a frame must be one that is read back"
        );
        let header = &mut self.bytes[at..at + FRAME_HEADER_BYTES];
        header[4..8].copy_from_slice(&(len as u32).to_le_bytes());
        header[8..16].copy_from_slice(&self.seq.to_le_bytes());
        header[16..20].copy_from_slice(&self.number.to_le_bytes());
        header[20..24].copy_from_slice(&self.synced.to_le_bytes());
        header[24] = kind as u8;
        header[25] = flags;
        let crc = crc32c::crc32c_append(self.salt, &self.bytes[at + 4..end]);
        self.bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        self.bytes.resize(end.next_multiple_of(ALIGN), 0);
        self.seq += 1;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileHeader = FileHeader {
        store: 0x1234_5678_9abc_def0_1111_2222_3333_4444,
        number: 7,
    };

    #[test]
    fn headers_come_back_and_damaged_ones_do_not() {
        let bytes = FILE.encode();
        assert_eq!(FileHeader::decode(&bytes), Ok(FILE));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                FileHeader::decode(&damaged),
                Err(HeaderError::Unreadable),
                "bit {bit}"
            );
        }
        assert_eq!(
            FileHeader::decode(&bytes[..63]),
            Err(HeaderError::Unreadable)
        );
    }

    #[test]
    fn an_unknown_version_is_told_apart_from_damage() {
        let mut bytes = FILE.encode();
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..].copy_from_slice(&crc);
        assert_eq!(FileHeader::decode(&bytes), Err(HeaderError::Version(9)));
    }

    #[test]
    fn the_layout_of_a_frame_is_pinned() {
        let mut framer = Framer::new(&FILE, 5);
        framer.set_synced(64);
        framer.begin();
        framer.bytes.extend(b"abc");
        framer.end(Kind::Rows, FIRST | LAST);
        assert_eq!(
            framer.bytes,
            [
                0x7b, 0xf2, 0xbf, 0xf2, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 64, 0, 0,
                0, 5, 3, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0, 0
            ]
        );
        let frame = frame_at(&framer.bytes, 0, &FILE, FILE.salt()).unwrap();
        assert_eq!((frame.seq, frame.end, frame.payload), (5, 40, 32..35));
    }

    #[test]
    fn frames_of_another_file_or_store_are_not_believed() {
        let mut framer = Framer::new(&FILE, 1);
        framer.begin();
        framer.end(Kind::Rows, FIRST | LAST);
        for other in [
            FileHeader {
                number: 7 + (1 << 32),
                ..FILE
            },
            FileHeader { store: 1, ..FILE },
        ] {
            assert_eq!(frame_at(&framer.bytes, 0, &other, other.salt()), None);
        }
    }
}
