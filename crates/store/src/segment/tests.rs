use super::fuzzing::{good_file, good_layout};
use super::layout::Kind;
use super::*;
use bellwether_disk::{Disk, OpenMode, SimDisk};
use bellwether_model::{Labels, MatchOp, Matcher, STALE_NAN, TimeRange};
use proptest::prelude::*;
use std::path::Path;

const PATH: &str = "/a.seg";
const META: SegmentMeta = SegmentMeta {
    store_id: 1 << 100 | 5,
    seg_id: 42,
    level: 3,
};

type Input = (u64, Labels, Vec<i64>, Vec<f64>);

fn path() -> &'static Path {
    Path::new(PATH)
}

fn write(disk: &SimDisk, series: &[Input]) -> SegmentSummary {
    let mut writer = SegmentWriter::create(disk, path(), META).unwrap();
    for (id, labels, ts, vals) in series {
        writer.add_series(*id, labels, ts, vals).unwrap();
    }
    writer.finish().unwrap()
}

fn segment(series: &[Input]) -> Segment {
    let disk = SimDisk::new();
    write(&disk, series);
    Segment::open(&disk, path()).unwrap()
}

fn bytes_of(disk: &SimDisk) -> Vec<u8> {
    let file = disk.open(path(), OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn open_bytes(bytes: &[u8]) -> Result<Segment, SegmentError> {
    let disk = SimDisk::new();
    disk.open(path(), OpenMode::CreateNew)
        .unwrap()
        .write_all_at(bytes, 0)
        .unwrap();
    Segment::open(&disk, path())
}

fn read(segment: &Segment, ix: u32, range: TimeRange) -> Vec<(i64, u64)> {
    let (mut ts, mut vals) = (Vec::new(), Vec::new());
    segment.read(ix, range, &mut ts, &mut vals).unwrap();
    assert_eq!(ts.len(), vals.len());
    ts.into_iter()
        .zip(vals.into_iter().map(f64::to_bits))
        .collect()
}

fn mixed() -> Vec<Input> {
    let mut series = Vec::new();
    for id in 0..300_u64 {
        let labels = Labels::from_pairs([
            ("__name__", if id % 2 == 0 { "cpu" } else { "mem" }),
            ("host", &*format!("host-{}", id / 2)),
            ("zone", if id < 100 { "a" } else { "" }),
        ]);
        let n = [0, 1, 3, 100, 300, 9000][(id % 6) as usize];
        let step = |i: i64| i * 1000 + if id % 7 == 0 { i * i % 11 } else { 0 };
        let ts: Vec<i64> = (0..n).map(|i| 1_700_000_000_000 + step(i)).collect();
        let mut vals: Vec<f64> = (0..n)
            .map(|i| ((i + id as i64) % 50) as f64 / 10.0)
            .collect();
        if let Some(last) = vals.last_mut() {
            *last = STALE_NAN;
        }
        series.push((id * 3 + 1, labels, ts, vals));
    }
    series
}

#[test]
fn what_was_written_is_read() {
    let disk = SimDisk::new();
    let series = mixed();
    let summary = write(&disk, &series);
    let segment = Segment::open(&disk, path()).unwrap();
    assert_eq!(segment.verify(true), []);
    assert_eq!(segment.meta(), META);
    assert_eq!(summary.bytes, segment.file_bytes());
    assert_eq!(
        (summary.series, summary.samples),
        (300, segment.sample_count())
    );
    assert_eq!(
        (summary.min_ts, summary.max_ts),
        (segment.min_ts(), segment.max_ts())
    );
    assert_eq!(
        segment.sample_count(),
        series.iter().map(|one| one.2.len() as u64).sum::<u64>()
    );
    let listed: Vec<SeriesEntry> = segment.series().map(Result::unwrap).collect();
    assert_eq!(listed.len(), series.len());
    let mut ahead = ReadBuf::ahead();
    for (ix, (id, labels, ts, vals)) in series.iter().enumerate() {
        assert_eq!(
            listed[ix],
            SeriesEntry {
                ix: ix as u32,
                id: *id,
                labels: labels.clone()
            }
        );
        let ix = ix as u32;
        let all: Vec<(i64, u64)> = ts
            .iter()
            .copied()
            .zip(vals.iter().map(|v| v.to_bits()))
            .collect();
        assert_eq!(read(&segment, ix, TimeRange::ALL), all);
        assert_eq!(
            segment.newest(ix, TimeRange::ALL).unwrap(),
            all.last().copied()
        );
        for at in [0, all.len() / 3, all.len() / 2, all.len()] {
            // Between two samples, on one, before the first.
            let end = all.get(at).map_or(i64::MAX, |sample| sample.0);
            for end in [end - 1, end] {
                let range = TimeRange::new(i64::MIN, end);
                let expected = all.iter().rev().find(|sample| sample.0 <= end);
                assert_eq!(segment.newest(ix, range).unwrap(), expected.copied());
            }
        }
        let (mut more_ts, mut more_vals) = (Vec::new(), Vec::new());
        segment
            .read_with(&mut ahead, ix, TimeRange::ALL, &mut more_ts, &mut more_vals)
            .unwrap();
        assert_eq!(&more_ts, ts);
        // A range that starts and ends amid chunks, both ends on a sample.
        if let (Some(&from), Some(&to)) = (ts.get(ts.len() / 3), ts.get(ts.len() * 2 / 3)) {
            let part = &all[ts.len() / 3..=ts.len() * 2 / 3];
            assert_eq!(read(&segment, ix, TimeRange::new(from, to)), part);
            assert_eq!(read(&segment, ix, TimeRange::new(to, from - 1)), []);
        }
        let chunks = segment.chunks(ix).unwrap();
        assert_eq!(
            chunks.iter().map(|chunk| chunk.n as usize).sum::<usize>(),
            ts.len()
        );
        assert!(
            chunks
                .iter()
                .all(|chunk| segment.zone(chunk).unwrap().is_some() == (chunk.n >= 256))
        );
    }
}

#[test]
fn a_segment_without_series_or_labels() {
    let empty = segment(&[]);
    assert_eq!(
        (empty.series_count(), empty.select(&[]).unwrap()),
        (0, vec![])
    );
    assert!(empty.min_ts() > empty.max_ts());
    assert_eq!(empty.verify(true), []);
    let bare = segment(&[(
        0,
        Labels::empty(),
        vec![i64::MIN, 0, i64::MAX],
        vec![1.0, 2.0, f64::NAN],
    )]);
    assert_eq!(bare.labels(0).unwrap(), Labels::empty());
    assert_eq!(read(&bare, 0, TimeRange::ALL).len(), 3);
    assert_eq!(bare.verify(true), []);
}

#[test]
fn equal_inputs_give_equal_files() {
    let (one, two) = (SimDisk::new(), SimDisk::new());
    write(&one, &mixed());
    write(&two, &mixed());
    assert!(bytes_of(&one) == bytes_of(&two));
}

#[test]
fn the_file_is_synced_when_finish_returns() {
    let disk = SimDisk::new();
    let summary = write(&disk, &mixed());
    // The name is the caller's to make durable; then all bytes must be there.
    disk.sync_dir(Path::new("/")).unwrap();
    assert!(disk.is_synced(path()));
    assert_eq!(disk.synced_len(path()), Some(summary.bytes));
}

#[test]
fn disorder_is_refused() {
    let disk = SimDisk::new();
    let mut writer = SegmentWriter::create(&disk, path(), META).unwrap();
    let labels = Labels::empty();
    let refused = writer
        .add_series(5, &labels, &[1, 3, 3], &[0.0; 3])
        .unwrap_err();
    assert_eq!(refused.to_string(), "time 3 does not come after 3");
    writer.add_series(5, &labels, &[1, 3], &[0.0; 2]).unwrap();
    let refused = writer.add_series(5, &labels, &[1], &[0.0]).unwrap_err();
    assert_eq!(refused.to_string(), "series 5 does not come after 5");
}

#[test]
fn a_corrupt_chunk_is_named_and_the_others_are_read() {
    let disk = SimDisk::new();
    let vals: Vec<f64> = (0..20_000).map(|i| f64::from(i * i % 1000)).collect();
    let ts: Vec<i64> = (0..20_000).collect();
    let one = |id: u64| {
        (
            id,
            Labels::from_pairs([("id", id.to_string())]),
            ts.clone(),
            vals.clone(),
        )
    };
    write(&disk, &[one(10), one(11), one(12)]);
    let mut bytes = bytes_of(&disk);
    let victim = Segment::open(&disk, path()).unwrap().chunks(1).unwrap()[1];
    bytes[victim.offset as usize + 100] ^= 4;
    let segment = open_bytes(&bytes).unwrap();
    let (mut got_ts, mut got_vals) = (Vec::new(), Vec::new());
    let error = segment
        .read(1, TimeRange::ALL, &mut got_ts, &mut got_vals)
        .unwrap_err();
    match error {
        SegmentError::Corrupt {
            offset,
            series,
            what,
            ..
        } => {
            assert_eq!((offset, series, what), (victim.offset, Some(11), "chunk"));
        }
        other => panic!("{other}"),
    }
    let want: Vec<i64> = ts
        .iter()
        .copied()
        .filter(|t| *t < victim.t_first || *t > victim.t_last)
        .collect();
    assert_eq!(got_ts, want);
    assert_eq!(got_vals.len(), want.len());
    assert_eq!(read(&segment, 0, TimeRange::ALL).len(), 20_000);
    assert_eq!(read(&segment, 2, TimeRange::ALL).len(), 20_000);
    let problems = segment.verify(true);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].series, Some(11));
    assert_eq!(segment.verify(false), []);
}

#[test]
fn a_corrupt_timestamp_column_is_found() {
    let mut bytes = good_file().to_vec();
    // The first series has a column of its own, and so the file's first payload.
    bytes[70] ^= 1;
    let segment = open_bytes(&bytes).unwrap();
    let error = segment
        .read(0, TimeRange::ALL, &mut Vec::new(), &mut Vec::new())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("corrupt timestamp column at byte 64 (series 0)"),
        "{error}"
    );
}

#[test]
fn damage_outside_chunks_prevents_opening() {
    let good = good_file();
    let data = good_layout().section(Kind::Chunks).unwrap();
    assert!(open_bytes(good).is_ok());
    let outside = (0..64).chain((data.offset + data.len) as usize..good.len());
    for at in outside {
        let mut bytes = good.to_vec();
        bytes[at] ^= 0x10;
        assert!(open_bytes(&bytes).is_err(), "byte {at}");
    }
    for len in (0..good.len()).step_by(97) {
        assert!(open_bytes(&good[..len]).is_err(), "cut to {len}");
    }
    let mut longer = good.to_vec();
    longer.push(0);
    assert!(open_bytes(&longer).is_err());
}

#[test]
fn an_unknown_major_version_is_refused_by_name() {
    let mut bytes = good_file().to_vec();
    bytes[8] = 9;
    let error = open_bytes(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/a.seg: segment format 9, this program knows up to 1"
    );
    let error = open_bytes(b"#!/bin/sh\necho no segment").unwrap_err();
    assert_eq!(error.to_string(), "/a.seg: not a segment file");
}

/// Written by version 1.0 and never again: what it holds must stay readable.
#[test]
fn the_first_release_s_file_is_still_read() {
    let segment = open_bytes(include_bytes!("testdata/v1.seg")).unwrap();
    assert_eq!(segment.verify(true), []);
    let expected = small();
    let listed: Vec<SeriesEntry> = segment.series().map(Result::unwrap).collect();
    assert_eq!(listed.len(), expected.len());
    for (entry, (id, labels, ts, vals)) in listed.iter().zip(&expected) {
        assert_eq!((entry.id, &entry.labels), (*id, labels));
        let want: Vec<(i64, u64)> = ts
            .iter()
            .copied()
            .zip(vals.iter().map(|v| v.to_bits()))
            .collect();
        assert_eq!(read(&segment, entry.ix, TimeRange::ALL), want);
    }
    assert_eq!(
        segment
            .zone(&segment.chunks(2).unwrap()[0])
            .unwrap()
            .unwrap()
            .sum,
        300.0 * 37.0
    );
}

fn small() -> Vec<Input> {
    let labels = |host| Labels::from_pairs([("__name__", "up"), ("host", host), ("zone", "a")]);
    let noisy: Vec<f64> = (0..300)
        .map(|i| [36.5, 37.5, 35.25, 38.75][i % 4])
        .collect();
    vec![
        (
            3,
            labels("h1"),
            vec![1000, 2000, 3000],
            vec![1.0, 1.0, STALE_NAN],
        ),
        (
            4,
            labels("h2"),
            vec![1000, 2001, 2999, 4000],
            vec![0.1, -0.0, f64::INFINITY, 1e300],
        ),
        (9, labels("h3"), (0..300).map(|i| 500 * i).collect(), noisy),
        (12, Labels::empty(), vec![-5, 5], vec![0.1 + 0.2, 1.0 / 3.0]),
    ]
}

#[test]
fn a_section_of_unknown_kind_is_ignored() {
    let layout = good_layout();
    let good = good_file();
    let toc_at = layout
        .sections
        .iter()
        .map(|section| section.offset + section.len)
        .max()
        .unwrap();
    let mut extended = layout.clone();
    extended.sections.insert(
        2,
        layout::Section {
            kind: 999,
            crc: 1,
            offset: 64,
            len: 3,
        },
    );
    let mut bytes = good[..toc_at as usize].to_vec();
    bytes.extend_from_slice(&extended.toc_and_tail(toc_at));
    let segment = open_bytes(&bytes).unwrap();
    assert_eq!(segment.verify(true), []);
}

#[test]
fn label_values_are_sorted_and_narrowed() {
    let segment = segment(&mixed());
    assert_eq!(segment.label_names(), ["__name__", "host", "zone"]);
    assert_eq!(segment.label_values("__name__").unwrap(), ["cpu", "mem"]);
    assert_eq!(
        segment.label_values("nothing").unwrap(),
        Vec::<String>::new()
    );
    let narrow = [Matcher::equal("host", "host-3")];
    assert_eq!(segment.label_values_where("zone", &narrow).unwrap(), ["a"]);
    assert!(segment.label_values("host").unwrap().is_sorted());
}

fn bytes_per_sample(series: &[Input]) -> f64 {
    let summary = write(&SimDisk::new(), series);
    summary.bytes as f64 / summary.samples as f64
}

/// A cheap stand-in for the walk of a CPU gauge: steps of -3..=3, small ones more often.
fn walk(seed: u64, n: usize) -> Vec<f64> {
    let (mut state, mut value) = (seed, 50_i64);
    let mut step = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        let bits = (state >> 40) as u32 & 0x3f;
        value = (value + i64::from(bits.count_ones()) - 3).clamp(0, 100);
        value as f64
    };
    (0..n).map(|_| step()).collect()
}

fn devops(hosts: usize, n: usize) -> Vec<Input> {
    let ts: Vec<i64> = (0..n as i64)
        .map(|i| 1_700_000_000_000 + 10_000 * i)
        .collect();
    let metrics = [
        "user",
        "system",
        "idle",
        "nice",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guest_nice",
    ];
    let one = |i: usize| {
        let labels = Labels::from_pairs([
            ("__name__", &*format!("cpu_usage_{}", metrics[i % 10])),
            ("hostname", &*format!("host_{}", i / 10)),
            (
                "region",
                ["us-east-1", "eu-west-1", "ap-south-1"][i / 10 % 3],
            ),
            ("datacenter", &*format!("dc-{}", i / 10 % 8)),
            ("rack", &*(i / 10 % 97).to_string()),
            ("os", "Ubuntu16.04LTS"),
            ("arch", "x64"),
            ("team", ["NYC", "SF", "LON", "CHI"][i / 10 % 4]),
            ("service", &*(i / 10 % 19).to_string()),
            ("service_version", &*(i / 10 % 2).to_string()),
            (
                "service_environment",
                ["production", "staging", "test"][i / 10 % 3],
            ),
        ]);
        (i as u64, labels, ts.clone(), walk(i as u64, n))
    };
    (0..10 * hosts).map(one).collect()
}

#[test]
fn directories_of_long_chunks_cost_next_to_nothing() {
    let size = bytes_per_sample(&devops(4, 8640));
    assert!(size < 0.40, "{size} bytes a sample");
}

#[test]
fn directories_of_short_chunks_stay_below_the_chunks() {
    let size = bytes_per_sample(&devops(100, 100));
    assert!(size < 0.75, "{size} bytes a sample");
}

#[test]
fn fuzz_targets_hold_on_mutated_files() {
    let mut state = 99_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        state >> 33
    };
    for round in 0..400 {
        let mut mended = vec![1];
        mended.extend((0..4 * (1 + round % 8)).map(|_| noise() as u8));
        fuzzing::segment_read(&mended);
    }
    for _ in 0..100 {
        let mut raw = vec![0];
        raw.extend_from_slice(good_file());
        for _ in 0..3 {
            let at = 1 + noise() as usize % (raw.len() - 1);
            raw[at] = noise() as u8;
        }
        fuzzing::segment_read(&raw);
    }
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let pair = (
        prop::sample::select(vec!["__name__", "a", "b"]),
        prop::sample::select(vec!["", "x", "xy", "y", "zz"]),
    );
    prop::collection::vec(pair, 0..4).prop_map(Labels::from_pairs)
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let op = prop::sample::select(vec![
        MatchOp::Equal,
        MatchOp::NotEqual,
        MatchOp::Regex,
        MatchOp::NotRegex,
    ]);
    let name = prop::sample::select(vec!["__name__", "a", "b", "c"]);
    let value = prop::sample::select(vec![
        "", "x", "xy", "nope", "x|y", "x.*", ".+", ".*", "x?", "(x|z).+",
    ]);
    (op, name, value).prop_map(|(op, name, value)| Matcher::new(op, name, value).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn selection_agrees_with_looking_at_every_label_set(
        sets in prop::collection::vec(any_labels(), 0..40),
        matchers in prop::collection::vec(any_matcher(), 0..4),
    ) {
        let one = |(id, labels): (usize, &Labels)| (id as u64, labels.clone(), vec![0], vec![0.0]);
        let segment = segment(&sets.iter().enumerate().map(one).collect::<Vec<_>>());
        let matches = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches_labels(labels));
        let want: Vec<u32> =
            (0..sets.len() as u32).filter(|&ix| matches(&sets[ix as usize])).collect();
        prop_assert_eq!(segment.select(&matchers).unwrap(), want);
        prop_assert_eq!(segment.verify(true), []);
    }

    #[test]
    fn any_samples_come_back(
        series in prop::collection::vec(prop::collection::vec((1_i64..1 << 40, any::<u64>()), 0..600), 1..5),
        start in -1_i64 << 50..1 << 50,
    ) {
        let mut inputs: Vec<Input> = Vec::new();
        for (id, steps) in series.iter().enumerate() {
            let mut t = start;
            let ts = steps.iter().map(|(step, _)| { t += step; t }).collect();
            let vals = steps.iter().map(|(_, bits)| f64::from_bits(*bits)).collect();
            inputs.push((id as u64, Labels::empty(), ts, vals));
        }
        let segment = segment(&inputs);
        for (ix, (_, _, ts, vals)) in inputs.iter().enumerate() {
            let want: Vec<(i64, u64)> = ts.iter().copied().zip(vals.iter().map(|v| v.to_bits())).collect();
            prop_assert_eq!(read(&segment, ix as u32, TimeRange::ALL), want);
        }
    }
}
