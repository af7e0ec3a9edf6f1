//! redb on the crashing disk: a committed transaction survives whatever the crash leaves.

use crate::sim::{Crash, Damage, Fault, Rng};
use crate::{Disk, RealDisk, SimDisk, open_database};
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTableMetadata,
    StorageError, TableDefinition,
};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const PATH: &str = "/d/state.redb";
const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const COMMITS: u64 = 6;

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(1 << 20);
    builder
}

/// Commit number `n`: replaces row `n % 4` and says so in `meta`.
fn commit(database: &Database, n: u64) -> Result<(), redb::Error> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate).unwrap();
    txn.set_quick_repair(true);
    {
        txn.open_table(ROWS)?
            .insert(n % 4, vec![n as u8; 700 * n as usize].as_slice())?;
        txn.open_table(META)?.insert("last", n)?;
    }
    Ok(txn.commit()?)
}

/// The number of the last commit in the database, after checking that all its rows belong to it.
fn last_commit(database: &Database) -> u64 {
    let txn = database.begin_read().unwrap();
    let Ok(meta) = txn.open_table(META) else {
        return 0;
    };
    let last = meta.get("last").unwrap().unwrap().value();
    let rows = txn.open_table(ROWS).unwrap();
    let expected: Vec<u64> = (0..=3)
        .filter(|row| (1..=last).any(|n| n % 4 == *row))
        .collect();
    assert_eq!(rows.len().unwrap(), expected.len() as u64);
    for row in expected {
        let n = (1..=last).rev().find(|n| n % 4 == row).unwrap();
        assert_eq!(
            rows.get(row).unwrap().unwrap().value(),
            vec![n as u8; 700 * n as usize]
        );
    }
    last
}

/// Runs the workload until an error; the number of acknowledged commits.
fn workload(disk: &SimDisk) -> u64 {
    let opened = disk
        .create_dir_all(Path::new("/d"))
        .map_err(DatabaseError::from)
        .and_then(|()| open_database(disk, Path::new(PATH), &builder()));
    let Ok(database) = opened else {
        return 0;
    };
    (1..=COMMITS)
        .take_while(|n| commit(&database, *n).is_ok())
        .last()
        .unwrap_or(0)
}

#[test]
fn committed_transactions_survive_crashes_at_every_call() {
    let whole = SimDisk::new();
    assert_eq!(workload(&whole), COMMITS);
    let mut rng = Rng::new(7);
    let mut images = 0;
    for n in whole.changing_ops().into_iter().chain([whole.ops()]) {
        let disk = SimDisk::new();
        disk.crash_after(n);
        let acknowledged = workload(&disk);
        for _ in 0..12 {
            let mut image = disk.any_crash_image(rng.next_u64());
            image.create_dir_all(Path::new("/d")).unwrap();
            if rng.chance(1, 3) {
                // Recovery crashes as well.
                image.crash_after(image.ops() + rng.below(30));
                let _ = open_database(&image, Path::new(PATH), &builder());
                image = image.any_crash_image(rng.next_u64());
                image.create_dir_all(Path::new("/d")).unwrap();
            }
            let database = open_database(&image, Path::new(PATH), &builder()).unwrap();
            let last = last_commit(&database);
            assert!(
                last == acknowledged || last == acknowledged + 1,
                "call {n}: {last} found, {acknowledged} acknowledged"
            );
            commit(&database, last + 1).unwrap();
            drop(database);
            let rest = image.read_dir(Path::new("/d")).unwrap();
            assert_eq!(rest, [Path::new(PATH)], "no leftover");
            images += 1;
        }
    }
    assert!(images > 200, "{images}");
}

#[test]
fn a_failed_sync_is_never_followed_by_an_acknowledgement() {
    let whole = SimDisk::new();
    workload(&whole);
    for n in whole.changing_ops() {
        for fault in [
            Fault::SyncKeepsCache,
            Fault::SyncRevertsCache,
            Fault::SyncToldOnce,
            Fault::Errno(5),
        ] {
            let disk = SimDisk::new();
            disk.fail_at(n, fault);
            let acknowledged = workload(&disk);
            let image = disk.crash_image(Crash::Drop);
            image.create_dir_all(Path::new("/d")).unwrap();
            let database = open_database(&image, Path::new(PATH), &builder()).unwrap();
            assert!(
                last_commit(&database) >= acknowledged,
                "call {n}, {fault:?}"
            );
        }
    }
}

#[test]
fn damage_is_refused_and_never_becomes_a_new_database() {
    let disk = SimDisk::new();
    workload(&disk);
    let len = disk.synced_len(Path::new(PATH)).unwrap();
    let open = |image: &SimDisk| {
        let mut builder = builder();
        builder.set_check_integrity_on_open(true);
        open_database(image, Path::new(PATH), &builder)
    };

    let image = disk.crash_image(Crash::Kill);
    image.damage(Path::new(PATH), Damage::Truncate { len: 0 });
    let refused = open(&image).unwrap_err();
    assert!(
        matches!(refused, DatabaseError::Storage(StorageError::Corrupted(_))),
        "{refused}"
    );

    let image = disk.crash_image(Crash::Kill);
    // The header is there twice.
    image.damage(Path::new(PATH), Damage::ZeroSector { offset: 0 });
    assert!(last_commit(&open(&image).unwrap()) + 1 >= COMMITS);
    image.damage(Path::new(PATH), Damage::ZeroSector { offset: 0 });
    image.damage(Path::new(PATH), Damage::ZeroSector { offset: 4096 });
    assert!(open(&image).is_err());

    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let image = disk.crash_image(Crash::Kill);
        let damage = match rng.below(3) {
            0 => Damage::FlipBit {
                offset: rng.below(len),
                bit: rng.below(8) as u8,
            },
            1 => Damage::ZeroSector {
                offset: rng.below(len),
            },
            _ => Damage::Truncate {
                len: rng.below(len),
            },
        };
        assert!(image.damage(Path::new(PATH), damage));
        if let Ok(database) = open(&image) {
            let last = last_commit(&database);
            assert!(last + 1 >= COMMITS, "{damage:?}: back to {last}");
        }
    }
}

/// A store of eight million samples is to stay below four megabytes: the catalogue must not eat them.
#[test]
fn a_small_database_is_a_small_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let size = || {
        let metadata = path.metadata().unwrap();
        (metadata.len(), metadata.blocks() * 512)
    };
    let database = open_database(&RealDisk, &path, &builder()).unwrap();
    let created = size();
    for n in 1..=50 {
        let mut txn = database.begin_write().unwrap();
        txn.set_quick_repair(true);
        txn.open_table(ROWS)
            .unwrap()
            .insert(n, [n as u8; 100].as_slice())
            .unwrap();
        txn.open_table(META).unwrap().insert("last", n).unwrap();
        txn.commit().unwrap();
    }
    let used = size();
    drop(database);
    let closed = size();
    println!("(len, allocated): created {created:?}, 50 commits {used:?}, closed {closed:?}");
    assert!(used.1 <= 256 << 10 && closed.1 <= 256 << 10);
}
