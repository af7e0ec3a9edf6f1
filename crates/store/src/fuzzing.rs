//! Fuzz targets of the log and of the catalogue's rows; those of codec and segment are with them.

use crate::meta_codec::{self, ProgressRow, SegmentRow, SeriesRow, StoreRow, Value};
use crate::wal::frame::{FILE_HEADER_BYTES, FIRST, FileHeader, Framer, Kind, LAST};
use crate::wal::record::{self, DefinitionWriter, ROW_SAMPLES_MAX, RowWriter};
use crate::wal::scan::{Scan, scan};
use bellwether_model::Labels;
use std::collections::BTreeSet;
use std::sync::OnceLock;

const FILE: FileHeader = FileHeader {
    store: 0x5eed,
    number: 3,
};

/// One sample: id, time, bits of the value.
type Sample = (u32, i64, u64);

/// Reads a log file.
///
/// The first byte chooses: 0 mod 3, the rest is the file's body; 1 mod 3, the rest damages a good file (three
/// bytes of place, one of change, again and again); 2 mod 3, the same, and then checksums are made right
/// again, so that what lies behind them is reached. Oracles: no panic; frames ascend and do not meet the
/// damage reported; without mended checksums, nothing is read that was not written; a frame that
/// was not touched is read, unless the end was cut.
pub fn wal_read(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else {
        return;
    };
    let good = good_file();
    let mut file = good.to_vec();
    let mut touched = BTreeSet::new();
    if mode % 3 == 0 {
        file.truncate(FILE_HEADER_BYTES);
        file.extend_from_slice(rest);
    } else {
        for damage in rest.chunks_exact(4).take(64) {
            let at = u32::from_le_bytes([damage[0], damage[1], damage[2], 0]) as usize % file.len();
            file[at] ^= damage[3];
            touched.insert(at);
        }
    }
    if mode % 3 == 2 {
        mend(&mut file, good);
    }
    for newest in [false, true] {
        let found = scan(&file, &FILE, newest);
        check_scan(&found, &file);
        let samples = samples_of(&found, &file);
        if mode % 3 != 1 {
            continue;
        }
        let written = scan(good, &FILE, false);
        let all: BTreeSet<Sample> = samples_of(&written, good).into_iter().collect();
        assert!(
            samples.iter().all(|sample| all.contains(sample)),
            "read what was never written"
        );
        let seqs: BTreeSet<u64> = found.frames.iter().map(|f| f.seq).collect();
        for frame in &written.frames {
            let untouched = touched.range(frame.at..frame.payload.end).next().is_none();
            let cut = newest && frame.at >= found.end;
            assert!(
                !untouched || cut || seqs.contains(&frame.seq),
                "a sound frame is lost"
            );
        }
    }
}

fn check_scan(found: &Scan, file: &[u8]) {
    assert!(
        found
            .frames
            .windows(2)
            .all(|f| f[0].seq < f[1].seq && f[0].end <= f[1].at)
    );
    assert!(
        found
            .frames
            .iter()
            .all(|f| f.payload.end <= file.len() && f.end <= found.end)
    );
    for lost in &found.damage {
        assert!(lost.start < lost.end && lost.end <= file.len());
        assert!(
            found
                .frames
                .iter()
                .all(|f| f.end <= lost.start || f.at >= lost.end)
        );
    }
}

fn samples_of(found: &Scan, file: &[u8]) -> Vec<Sample> {
    let mut samples = Vec::new();
    for frame in &found.frames {
        let payload = &file[frame.payload.clone()];
        if frame.kind == Some(Kind::Rows) {
            let _ = record::read_rows(payload, |ids, t, values| {
                samples.extend(ids.iter().zip(values).map(|(&id, v)| (id, t, v.to_bits())));
            });
        } else {
            let _ = record::read_definitions(payload, |_, _| {});
        }
    }
    samples
}

/// Some groups of some batches of some frames, and the zeros of a file that is not full.
fn good_file() -> &'static [u8] {
    static FILE_BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    FILE_BYTES.get_or_init(|| {
        let mut framer = Framer::new(&FILE, 1);
        let mut bytes = FILE.encode().to_vec();
        for group in 0..8_u32 {
            framer.set_synced(bytes.len() as u64);
            for batch in 0..3 {
                framer.begin();
                let mut definitions = DefinitionWriter::default();
                for id in 0..3 {
                    let labels = Labels::from_pairs([("n", (group + id).to_string())]);
                    definitions.write(group + id, &labels, &mut framer.bytes);
                }
                framer.end(Kind::Series, FIRST);
                framer.begin();
                let (mut rows, mut scratch) = (RowWriter::default(), Vec::new());
                for row in 0..5 {
                    let values = [f64::from(group * row), 0.25, f64::from(batch)];
                    let t = i64::from(group * 100 + row);
                    rows.write(
                        t,
                        &[group, group + 1, group + 2],
                        &values,
                        &mut scratch,
                        &mut framer.bytes,
                    );
                }
                framer.end(Kind::Rows, LAST);
            }
            bytes.append(&mut framer.bytes);
        }
        bytes.resize(bytes.len() + 256, 0);
        bytes
    })
}

/// Makes the checksums right again of the frames that stood in the good file.
fn mend(file: &mut [u8], good: &[u8]) {
    for frame in scan(good, &FILE, false).frames {
        // The length may have been changed: the sum goes over as much as it says, if that is there.
        let len = u32::from_le_bytes([
            file[frame.at + 4],
            file[frame.at + 5],
            file[frame.at + 6],
            file[frame.at + 7],
        ]);
        let end = frame.payload.start.saturating_add(len as usize);
        if let Some(checked) = file.get(frame.at + 4..end) {
            let crc = crc32c::crc32c_append(FILE.salt(), checked);
            file[frame.at..frame.at + 4].copy_from_slice(&crc.to_le_bytes());
        }
    }
}

/// Reads the payload of a rows frame, and writes what it says again. Oracle: reading that gives the same.
pub fn wal_rows(data: &[u8]) {
    let mut rows: Vec<(Vec<u32>, i64, Vec<f64>)> = Vec::new();
    let _ = record::read_rows(data, |ids, t, values| {
        assert!(ids.len() == values.len() && ids.len() <= ROW_SAMPLES_MAX);
        rows.push((ids.to_vec(), t, values.to_vec()));
    });
    rows.retain(|(ids, ..)| !ids.is_empty());
    let (mut writer, mut scratch, mut bytes) = (RowWriter::default(), Vec::new(), Vec::new());
    for (ids, t, values) in &rows {
        writer.write(*t, ids, values, &mut scratch, &mut bytes);
    }
    let mut expected = rows.iter();
    let read = record::read_rows(&bytes, |ids, t, values| {
        let same = |row: &(Vec<u32>, i64, Vec<f64>)| {
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            row.0 == ids && row.1 == t && bits(&row.2) == bits(values)
        };
        assert!(expected.next().is_some_and(same));
    });
    assert!(read.is_ok() && expected.next().is_none());
}

/// Reads definitions of series, and writes them again. Oracle: reading that gives the same.
pub fn wal_definitions(data: &[u8]) {
    let mut definitions = Vec::new();
    let _ = record::read_definitions(data, |id, labels| definitions.push((id, labels)));
    let (mut writer, mut bytes) = (DefinitionWriter::default(), Vec::new());
    for (id, labels) in &definitions {
        writer.write(*id, labels, &mut bytes);
    }
    let mut again = Vec::new();
    let read = record::read_definitions(&bytes, |id, labels| again.push((id, labels)));
    assert!(read.is_ok() && again == definitions);
}

/// Reads a value of the catalogue as each of its structures. Oracle: what is read is written as the same bytes
/// again, or at least as bytes that mean the same.
pub fn catalog_rows(data: &[u8]) {
    fn one<V: Value + PartialEq + std::fmt::Debug>(data: &[u8]) {
        if let Ok(value) = meta_codec::decode::<V>(data) {
            assert_eq!(
                meta_codec::decode::<V>(&meta_codec::encode(&value)),
                Ok(value)
            );
        }
    }
    one::<StoreRow>(data);
    one::<ProgressRow>(data);
    one::<SegmentRow>(data);
    one::<SeriesRow>(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutations of samples that are close to what is accepted, the same in every run.
    fn smoke(target: fn(&[u8]), samples: &[Vec<u8>]) {
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below.max(1)
        };
        for sample in samples {
            target(sample);
        }
        for _ in 0..3000 {
            let mut bytes = samples[next(samples.len())].clone();
            for _ in 0..=next(6) {
                let at = next(bytes.len());
                match next(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, next(256) as u8),
                    _ if bytes.is_empty() => {}
                    2 => bytes[at] ^= 1 << next(8),
                    _ => bytes[at] = next(256) as u8,
                }
            }
            target(&bytes);
        }
    }

    #[test]
    fn the_log_reader_withstands_mutations() {
        let body = good_file()[FILE_HEADER_BYTES..].to_vec();
        let damage: Vec<u8> = (0..40_u32)
            .flat_map(|i| ((i * 97) | 0x5500_0000).to_le_bytes())
            .collect();
        let samples = [
            [vec![0], body].concat(),
            [vec![1], damage.clone()].concat(),
            [vec![2], damage].concat(),
        ];
        smoke(wal_read, &samples);
    }

    #[test]
    fn rows_and_definitions_withstand_mutations() {
        let frames = scan(good_file(), &FILE, false).frames;
        let payloads: Vec<Vec<u8>> = frames
            .iter()
            .map(|f| good_file()[f.payload.clone()].to_vec())
            .collect();
        smoke(wal_rows, &payloads);
        smoke(wal_definitions, &payloads);
    }

    #[test]
    fn rows_of_the_catalogue_withstand_mutations() {
        let segment = SegmentRow {
            first: -5,
            last: 1 << 40,
            samples: 7,
            series: 1,
            bytes: 99,
            quarantined: Some("why".into()),
        };
        let progress = ProgressRow {
            wal_first: 3,
            segment_next: 300,
            series_end: 70_000,
            clock: 1,
            clean: false,
        };
        let samples = [
            meta_codec::encode(&segment),
            meta_codec::encode(&progress),
            meta_codec::encode(&StoreRow {
                format: 1,
                id: 1 << 100,
            }),
            meta_codec::encode(&SeriesRow {
                definitions: vec![0, 0, 0, 4, 1, b'a', 1, b'b'],
            }),
        ];
        smoke(catalog_rows, &samples);
    }
}
