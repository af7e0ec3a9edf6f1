//! Logs and catalogues that only a fault, or someone who means harm, could have made.

use super::folder::catalog_path;
use crate::catalog::{Catalog, Change};
use crate::config::Config;
use crate::store::Store;
use crate::wal::file;
use crate::wal::frame::{FIRST, FileHeader, Framer, Kind, LAST};
use crate::wal::record::{DefinitionWriter, RowWriter};
use crate::{RecoveryReport, Selection};
use bellwether_disk::{Disk, SimDisk, write_file_atomically};
use bellwether_model::{Labels, TimeRange, TimestampMs};
use std::path::Path;
use std::sync::Arc;

const FOLDER: &str = "data";
const NOW: TimestampMs = TimestampMs(1_793_491_200_000);

fn open(disk: &SimDisk) -> (Store, RecoveryReport) {
    let config = Config {
        wal_file_bytes: 64 << 10,
        ..Config::default()
    };
    Store::open(Arc::new(disk.clone()), Path::new(FOLDER), config, NOW).expect("opens")
}

fn labels(n: u32) -> Labels {
    Labels::from_pairs([("n", n.to_string())])
}

fn append(store: &Store, n: u32) {
    let mut appender = store.appender();
    let series = appender.series(&labels(n)).expect("below the limit");
    appender.push(series, NOW, f64::from(n));
    appender.commit(NOW).expect("commits");
}

/// The labels of all series with a sample, and its value.
fn dump(store: &Store) -> Vec<(String, f64)> {
    let selection: Selection = store
        .view()
        .select(&[], TimeRange::ALL, 100)
        .expect("selects");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut all = Vec::new();
    for (index, labels) in selection.labels.iter().enumerate() {
        selection
            .read(index, TimeRange::ALL, &mut times, &mut values)
            .expect("reads");
        all.extend(values.iter().map(|value| (labels.to_string(), *value)));
    }
    all
}

/// A store whose log says that ids stand for labels, and has a sample of each id of `rows`.
fn with_log(definitions: &[(u32, u32)], rows: &[u32]) -> SimDisk {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    let header = FileHeader {
        store: store.inner().shared.store_id,
        number: 1,
    };
    drop(store);
    let mut framer = Framer::new(&header, 1);
    framer.begin();
    let mut writer = DefinitionWriter::default();
    for &(id, n) in definitions {
        writer.write(id, &labels(n), &mut framer.bytes);
    }
    framer.end(Kind::Series, FIRST);
    framer.begin();
    let mut writer = RowWriter::default();
    for &id in rows {
        let value = [f64::from(id)];
        writer.write(NOW.0, &[id], &value, &mut Vec::new(), &mut framer.bytes);
    }
    framer.end(Kind::Rows, LAST);
    let bytes = [&header.encode()[..], &framer.bytes].concat();
    let path = file::path_of(&Path::new(FOLDER).join("wal"), 1);
    write_file_atomically(&disk, &path, &bytes).expect("writes");
    disk
}

#[test]
fn an_id_that_cannot_be_true_costs_no_memory_and_no_sample() {
    let highest = (1 << 26) - 1;
    let disk = with_log(&[(highest, 7), (3, 8)], &[highest, 3]);
    for _ in 0..2 {
        let (store, report) = open(&disk);
        assert!(!report.has_damage(), "{report:?}");
        let expected = [(r#"{n="7"}"#, f64::from(highest)), (r#"{n="8"}"#, 3.0)];
        assert_eq!(dump(&store), expected.map(|(n, v)| (n.to_owned(), v)));
        assert!(store.inner().shared.index.end() < 10);
    }
    let (store, _) = open(&disk);
    append(&store, 9);
    store.flush(NOW).expect("flushes");
    drop(store);
    assert_eq!(dump(&open(&disk).0).len(), 3);
}

#[test]
fn samples_without_a_definition_are_counted_and_never_given_to_another_series() {
    let highest = (1 << 26) - 1;
    // Nothing defines 0 and the highest.
    let disk = with_log(&[(1, 1)], &[0, 1, highest]);
    let (store, report) = open(&disk);
    assert_eq!(report.undefined_samples, 2);
    assert_eq!(dump(&store).len(), 1);
    for n in 10..15 {
        append(&store, n);
    }
    drop(store);
    let (store, report) = open(&disk);
    assert_eq!(report.undefined_samples, 2);
    assert_eq!(dump(&store).len(), 6);
    assert!(store.inner().shared.index.end() < 10);
}

#[test]
fn series_that_the_catalogue_lost_are_named_by_their_segments() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    (0..5).for_each(|n| append(&store, n));
    store.close(NOW).expect("closes");
    let before = dump(&open(&disk).0);
    assert_eq!(before.len(), 5);
    forget_series(&disk);
    for _ in 0..2 {
        let (store, report) = open(&disk);
        assert!(!report.has_damage(), "{report:?}");
        assert_eq!(dump(&store), before);
    }
}

#[test]
fn a_series_whose_labels_went_to_another_id_is_damage() {
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    (0..5).for_each(|n| append(&store, n));
    store.close(NOW).expect("closes");
    // Id 0 loses its name, and another one gets it.
    forget_series(&disk);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut catalog = Catalog::open(&shared, &catalog_path(Path::new(FOLDER)))
        .ok()
        .expect("opens");
    let mut rows = crate::catalog::SeriesRows::default();
    rows.add(4, &labels(0));
    catalog
        .commit(&Change {
            series: rows.into_rows(),
            ..Change::default()
        })
        .expect("commits");
    drop(catalog);
    let (store, report) = open(&disk);
    assert!(report.has_damage());
    assert_eq!(report.unnamed_series, 1);
    assert_eq!(dump(&store).len(), 4);
}

/// Takes every series out of the catalogue.
fn forget_series(disk: &SimDisk) {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut catalog = Catalog::open(&shared, &catalog_path(Path::new(FOLDER)))
        .ok()
        .expect("opens");
    catalog
        .commit(&Change {
            series_replaced: true,
            ..Change::default()
        })
        .expect("commits");
}
