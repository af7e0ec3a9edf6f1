//! From the frames of a log file to batches of samples, in order.

use crate::batch::Batch;
use crate::wal::frame::{FIRST, Frame, Kind, LAST};
use crate::wal::record;
use bellwether_model::HashMap;
use std::ops::Range;

/// Samples collected before they are handed on.
const BATCH_SAMPLES: usize = 16_384;

/// Decodes the frames of one file.
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    frames: &'a [Frame],
    /// Ids of the file that are called otherwise in the index.
    renamed: &'a HashMap<u32, u32>,
    /// By id: whether the index had it before the file, or the file defines it under that very id.
    defined: &'a [bool],
}

/// What decoding a file came to, beside the samples.
#[derive(Default)]
pub(super) struct Decoded {
    /// Frames whose payload made no sense, although their checksum is right.
    pub(super) bad: Vec<Range<u64>>,
    /// Batches that lost their beginning, their end, or something between.
    pub(super) batches_partial: u64,
    /// Samples of series that nothing defines.
    pub(super) undefined: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        frames: &'a [Frame],
        renamed: &'a HashMap<u32, u32>,
        defined: &'a [bool],
    ) -> Decoder<'a> {
        Decoder {
            bytes,
            frames,
            renamed,
            defined,
        }
    }

    /// Hands every batch to `emit`, which gives back one to be filled next.
    pub(super) fn run(&self, mut emit: impl FnMut(Batch) -> Batch) -> Decoded {
        let mut decoded = Decoded::default();
        let mut batch = Batch::default();
        let (mut inside, mut expected) = (false, None);
        for frame in self.frames {
            let gap = expected.is_some_and(|seq| seq != frame.seq);
            let begins = frame.flags & FIRST != 0;
            decoded.batches_partial += u64::from(if inside { gap || begins } else { !begins });
            expected = Some(frame.seq.wrapping_add(1));
            inside = frame.flags & LAST == 0;
            if frame.kind == Some(Kind::Rows) && !self.rows(frame, &mut batch, &mut decoded) {
                decoded.bad.push(frame.at as u64..frame.end as u64);
            }
            if batch.len() >= BATCH_SAMPLES {
                batch = emit(batch);
            }
        }
        emit(batch);
        decoded
    }

    /// Returns `false` when the payload makes no sense from some row on.
    fn rows(&self, frame: &Frame, batch: &mut Batch, decoded: &mut Decoded) -> bool {
        let payload = &self.bytes[frame.payload.clone()];
        let read = record::read_rows(payload, |ids, t, values| {
            for (&id, &value) in ids.iter().zip(values) {
                let renamed = if self.renamed.is_empty() {
                    None
                } else {
                    self.renamed.get(&id).copied()
                };
                let defined = || self.defined.get(id as usize).copied().unwrap_or(false);
                if let Some(id) = renamed.or_else(|| defined().then_some(id)) {
                    batch.series.push(id);
                    batch.values.push(value);
                } else {
                    decoded.undefined += 1;
                }
            }
            batch.end_row(t);
        });
        read.is_ok()
    }
}
