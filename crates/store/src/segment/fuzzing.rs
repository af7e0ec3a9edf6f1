//! Fuzz target of segments.

use super::layout::{HEADER_LEN, fix_header_crc};
use super::{Segment, SegmentMeta, SegmentWriter};
use bellwether_disk::{Disk, OpenMode, SimDisk};
use bellwether_model::{Labels, Matcher, TimeRange};
use std::path::Path;
use std::sync::OnceLock;

const PATH: &str = "/fuzz.seg";

/// Opens a segment and reads all of it.
///
/// The first byte chooses: even, the rest *is* the file; odd, the rest damages a good file (three bytes of
/// place, one of change, again and again), whose checksums are then made right again, so that what lies
/// behind them is reached. Oracle: no panic; samples lie in the range asked for, strictly ascending, as many
/// times as values; `select` agrees with the labels.
pub fn segment_read(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else {
        return;
    };
    if mode % 2 == 0 {
        read_all(rest, true);
        return;
    }
    let mut file = good_file().to_vec();
    for damage in rest.chunks_exact(4).take(64) {
        let at = u32::from_le_bytes([damage[0], damage[1], damage[2], 0]) as usize % file.len();
        file[at] ^= damage[3];
    }
    mend(&mut file);
    read_all(&file, false);
}

fn read_all(bytes: &[u8], check_payloads: bool) {
    let disk = SimDisk::new();
    let written = disk
        .open(Path::new(PATH), OpenMode::CreateNew)
        .and_then(|file| file.write_all_at(bytes, 0));
    assert!(written.is_ok(), "the simulated disk takes the file");
    let Ok(mut segment) = Segment::open(&disk, Path::new(PATH)) else {
        return;
    };
    segment.check_payloads = check_payloads;
    let range = TimeRange::new(segment.min_ts().saturating_add(7), segment.max_ts());
    let (mut ts, mut vals) = (Vec::new(), Vec::new());
    // A small file can claim many series; some are enough.
    for ix in 0..segment.series_count().min(300) {
        ts.clear();
        vals.clear();
        let _ = segment.read(ix, range, &mut ts, &mut vals);
        assert_eq!(ts.len(), vals.len());
        assert!(ts.iter().all(|&t| range.contains(t)));
        if let Ok(chunks) = segment.chunks(ix)
            && chunks
                .windows(2)
                .all(|pair| pair[0].t_last < pair[1].t_first)
        {
            assert!(ts.windows(2).all(|pair| pair[0] < pair[1]));
        }
        let _ = segment.newest(ix, TimeRange::ALL);
    }
    let _ = segment.verify(segment.series_count() <= 300);
    let matcher = Matcher::equal("host", "h1");
    if let Ok(found) = segment.select(&[matcher]) {
        assert!(found.iter().all(|&ix| ix < segment.series_count()));
    }
    for name in segment.label_names() {
        let _ = segment.label_values(name);
    }
}

/// Makes the checksums of header, sections and table of contents right again.
fn mend(file: &mut [u8]) {
    if let Some(header) = file.first_chunk_mut::<{ HEADER_LEN as usize }>() {
        fix_header_crc(header);
    }
    let word = |file: &[u8], at: usize| {
        file.get(at..)
            .and_then(|rest| rest.first_chunk::<4>())
            .map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let Some(tail) = file.len().checked_sub(24) else {
        return;
    };
    let Some(toc) = tail.checked_sub(word(file, tail) as usize) else {
        return;
    };
    for entry in (toc + 24..tail.saturating_sub(23)).step_by(24) {
        let kind = word(file, entry);
        let (start, len) = (
            word(file, entry + 8) as usize,
            word(file, entry + 16) as usize,
        );
        let crc = file
            .get(start..start.saturating_add(len))
            .map_or(0, crc32c::crc32c);
        // CHUNKS, the first kind, has no checksum of its own.
        let crc = if kind == 1 { 0 } else { crc };
        file[entry + 4..entry + 8].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32c::crc32c(&file[toc..tail]);
    file[tail + 4..tail + 8].copy_from_slice(&crc.to_le_bytes());
}

/// A segment with shared and own timestamp columns, long and short chunks.
pub(super) fn good_file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let disk = SimDisk::new();
        let meta = SegmentMeta {
            store_id: 0xbe11,
            seg_id: 7,
            level: 0,
        };
        let build = || -> Result<Vec<u8>, super::SegmentError> {
            let mut writer = SegmentWriter::create(&disk, Path::new(PATH), meta)?;
            for id in 0..140_u64 {
                let host = format!("h{}", id % 9);
                let labels = Labels::from_pairs([
                    ("__name__", "m"),
                    ("host", &*host),
                    ("id", &*id.to_string()),
                ]);
                let n = if id % 20 == 0 { 700 } else { 5 };
                let jitter = |i: i64| if id % 3 == 0 { i * i % 3 } else { 0 };
                let ts: Vec<i64> = (0..n).map(|i| 1000 + 10 * i + jitter(i)).collect();
                let vals: Vec<f64> = (0..n)
                    .map(|i| (i * (id as i64 + 1) % 17) as f64 / 4.0)
                    .collect();
                writer.add_series(id * 2, &labels, &ts, &vals)?;
            }
            let len = writer.finish()?.bytes;
            let mut bytes = vec![0; len as usize];
            let read = disk
                .open(Path::new(PATH), OpenMode::Read)
                .and_then(|file| file.read_exact_at(&mut bytes, 0));
            read.map_err(super::SegmentError::io("read", Path::new(PATH)))?;
            Ok(bytes)
        };
        build().unwrap_or_default()
    })
}

/// The layout of [`good_file`], for tests that damage a certain section.
#[cfg(test)]
pub(super) fn good_layout() -> super::layout::Layout {
    let disk = SimDisk::new();
    let file = disk.open(Path::new(PATH), OpenMode::CreateNew).unwrap();
    file.write_all_at(good_file(), 0).unwrap();
    super::layout::Layout::read(&*file, Path::new(PATH)).unwrap()
}
