//! Crashes at every call, every call failing, a full disk, damage.

use super::scenario::{PATH, contents, disk, expected, open, sources, steps};
use crate::codec::CodecError;
use crate::error::Failure;
use crate::{LedgerError, TickCommit, set_aside};
use bellwether_disk::sim::{Crash, Damage, Fault, Rng};
use bellwether_disk::{Disk, SimDisk};
use std::path::Path;

/// Runs the steps until an error; how many were acknowledged.
fn run(disk: &SimDisk) -> usize {
    let Ok(ledger) = open(disk) else {
        return 0;
    };
    steps()
        .iter()
        .take_while(|step| step.run(&ledger).is_ok())
        .count()
}

/// The calls of a whole run that change the disk, and one past the end.
fn calls_of_a_run() -> Vec<u64> {
    let whole = disk();
    assert_eq!(run(&whole), steps().len());
    whole
        .changing_ops()
        .into_iter()
        .chain([whole.ops()])
        .collect()
}

#[test]
fn after_a_crash_at_any_call_the_last_acknowledged_step_is_back() {
    let expected = expected(&steps());
    let mut rng = Rng::new(1);
    let mut in_doubt = 0;
    for n in calls_of_a_run() {
        let disk = disk();
        disk.crash_after(n);
        let acknowledged = run(&disk);
        for _ in 0..4 {
            let mut image = disk.any_crash_image(rng.next_u64());
            if rng.chance(1, 3) {
                // The start after the crash crashes too.
                image.crash_after(image.ops() + rng.below(40));
                let _ = open(&image);
                image = image.any_crash_image(rng.next_u64());
            }
            let ledger = open(&image).unwrap();
            let found = contents(&ledger).unwrap();
            let reached = expected.iter().position(|state| *state == found);
            let reached = reached
                .unwrap_or_else(|| panic!("call {n}: no state of the run: {:?}", found.balance));
            assert!(
                reached == acknowledged || reached == acknowledged + 1,
                "call {n}: {acknowledged} steps acknowledged, {reached} found"
            );
            assert!(ledger.balance().unwrap().holds());
            in_doubt += usize::from(reached == acknowledged + 1);

            // It goes on from there to the same end, and that survives as well.
            for step in &steps()[reached..] {
                step.run(&ledger).unwrap();
            }
            let end = image.crash_image(Crash::Drop);
            let reopened = contents(&open(&end).unwrap()).unwrap();
            assert!(Some(&reopened) == expected.last(), "call {n}: another end");
            assert_eq!(
                image.read_dir(Path::new("/d")).unwrap(),
                [Path::new(PATH)],
                "no leftover"
            );
        }
    }
    assert!(
        in_doubt > 0,
        "no crash fell between durable and acknowledged"
    );
}

#[test]
fn an_error_at_any_call_loses_nothing_acknowledged() {
    let expected = expected(&steps());
    for n in calls_of_a_run() {
        for fault in [
            Fault::Errno(5),
            Fault::Errno(28),
            Fault::ShortWrite {
                bytes: 300,
                errno: 28,
            },
            Fault::SyncKeepsCache,
            Fault::SyncRevertsCache,
            Fault::SyncToldOnce,
        ] {
            let disk = disk();
            disk.fail_at(n, fault);
            let acknowledged = run(&disk);
            // Opening checks the whole file; the two take turns to keep this test quick.
            let crash = [Crash::Drop, Crash::Kill][n as usize % 2];
            let found = contents(&open(&disk.crash_image(crash)).unwrap()).unwrap();
            let reached = expected.iter().position(|state| *state == found);
            let reached =
                reached.unwrap_or_else(|| panic!("call {n}, {fault:?}: {:?}", found.balance));
            assert!(
                reached == acknowledged || reached == acknowledged + 1,
                "call {n}, {fault:?}, {crash:?}: {acknowledged} acknowledged, {reached} found"
            );
        }
    }
}

#[test]
fn a_full_disk_refuses_and_room_is_all_it_takes_to_go_on() {
    let expected = expected(&steps());
    for room in (0..60).map(|n| n * 4096) {
        let disk = disk();
        let ledger = open(&disk).unwrap();
        disk.set_free_space(Some(room));
        for (done, step) in steps().iter().enumerate() {
            if let Err(e) = step.run(&ledger) {
                assert!(e.is_disk_full(), "{e:?}");
                // Reading may need room too, to open the file again; it gets it or says so.
                match contents(&ledger) {
                    Ok(found) => assert!(found == expected[done], "room {room}, step {done}"),
                    Err(e) => assert!(e.is_disk_full(), "{e:?}"),
                }
                disk.set_free_space(None);
                assert!(
                    contents(&ledger).unwrap() == expected[done],
                    "room {room}, step {done}"
                );
                step.run(&ledger).unwrap();
            }
        }
        assert!(
            Some(&contents(&ledger).unwrap()) == expected.last(),
            "room {room}: another end"
        );
    }
}

#[test]
fn damage_is_refused_and_never_misread() {
    let whole = disk();
    run(&whole);
    let expected = expected(&steps());
    let len = whole.synced_len(Path::new(PATH)).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let image = whole.crash_image(Crash::Kill);
        let damage = match rng.below(4) {
            0 => Damage::FlipBit {
                offset: rng.below(len),
                bit: rng.below(8) as u8,
            },
            1 => Damage::ZeroSector {
                offset: rng.below(len),
            },
            2 => Damage::CopySector {
                from: rng.below(len),
                to: rng.below(len),
            },
            _ => Damage::Truncate {
                len: rng.below(len),
            },
        };
        assert!(image.damage(Path::new(PATH), damage));
        match open(&image).and_then(|ledger| contents(&ledger)) {
            Err(LedgerError::Damaged { path, .. }) => {
                assert_eq!(path, Path::new(PATH));
                refused += 1;
            }
            Err(e) => panic!("{damage:?}: {e:?}"),
            Ok(found) => {
                // Free pages, or one of the two headers, whose other one is a transaction older at most.
                assert!(
                    expected[expected.len() - 2..].contains(&found),
                    "{damage:?}"
                );
                harmless += 1;
            }
        }
    }
    assert!(refused > 20 && harmless > 20, "{refused} {harmless}");
}

#[test]
fn what_is_no_ledger_is_refused_by_name() {
    for bytes in [vec![], b"text".to_vec(), vec![0; 100_000]] {
        let disk = disk();
        bellwether_disk::write_file_atomically(&disk, Path::new(PATH), &bytes).unwrap();
        let refused = open(&disk).unwrap_err();
        assert!(
            matches!(refused, LedgerError::Damaged { .. }),
            "{refused:?}"
        );
        assert!(
            refused
                .to_string()
                .starts_with("/d/ledger.redb: the ledger is damaged: "),
            "{refused}"
        );
        assert_eq!(
            disk.synced_bytes(Path::new(PATH)).unwrap(),
            bytes,
            "left as it was"
        );
    }
}

#[test]
fn another_version_is_refused_clearly() {
    let disk = disk();
    let database =
        bellwether_disk::open_database(&disk, Path::new(PATH), &redb::Database::builder()).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(crate::tables::FORMAT_TABLE)
        .unwrap()
        .insert(crate::tables::ONLY, 7)
        .unwrap();
    txn.commit().unwrap();
    drop(database);
    let refused = open(&disk).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "/d/ledger.redb: the ledger has format 7, this program reads 1"
    );
}

#[test]
fn another_programs_database_is_refused() {
    let disk = disk();
    let database =
        bellwether_disk::open_database(&disk, Path::new(PATH), &redb::Database::builder()).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("theirs"))
        .unwrap();
    txn.commit().unwrap();
    drop(database);
    assert!(matches!(
        open(&disk).unwrap_err(),
        LedgerError::Damaged { .. }
    ));
}

#[test]
fn a_missing_folder_is_an_error_of_the_disk() {
    let refused = open(&SimDisk::new()).unwrap_err();
    assert!(
        matches!(
            refused,
            LedgerError::Storage {
                action: "opening",
                ..
            }
        ),
        "{refused:?}"
    );
    assert!(!refused.is_disk_full());
}

/// Not damage: setting it aside would lose what a later program kept.
#[test]
fn a_row_of_a_later_program_is_another_version() {
    let error = CodecError::Schema { got: 2, known: 1 };
    let refused = Failure::unreadable("instances", error).into_error("loading", Path::new(PATH));
    assert!(
        matches!(refused, LedgerError::Version { got: 2, .. }),
        "{refused:?}"
    );
}

#[test]
fn a_ledger_from_before_rules_were_kept_has_none_and_takes_some() {
    let disk = disk();
    drop(open(&disk).unwrap());
    let ledger = open(&disk).unwrap();
    assert_eq!(ledger.load().unwrap().rules, None);
    let rules = Some(sources(1, 9));
    ledger
        .commit(&TickCommit {
            rules: rules.clone(),
            ..TickCommit::default()
        })
        .unwrap();
    drop(ledger);
    assert_eq!(open(&disk).unwrap().load().unwrap().rules, rules);
}

#[test]
fn a_damaged_ledger_set_aside_is_found_again_after_any_crash() {
    let damaged = || {
        let disk = disk();
        bellwether_disk::write_file_atomically(&disk, Path::new(PATH), b"damaged").unwrap();
        disk
    };
    let aside = Path::new("/d/quarantine/ledger.redb");
    let whole = damaged();
    let before = whole.ops();
    set_aside(&whole, Path::new(PATH), "a \"checksum\"\n").unwrap();
    for n in before..=whole.ops() {
        let disk = damaged();
        disk.crash_after(n);
        let done = set_aside(&disk, Path::new(PATH), "why").is_ok();
        let image = disk.crash_image(Crash::Drop);
        let places = [Path::new(PATH), aside].map(|place| image.synced_bytes(place));
        assert!(
            places.iter().flatten().any(|bytes| bytes == b"damaged"),
            "call {n}: lost"
        );
        if done {
            assert!(places[0].is_none(), "call {n}: still there");
        } else if places[0].is_some() {
            set_aside(&image, Path::new(PATH), "why").unwrap();
        }
    }
    let report = whole.synced_bytes(Path::new("/d/quarantine/ledger.redb.json"));
    assert_eq!(
        String::from_utf8(report.unwrap()).unwrap(),
        "{\n  \"file\": \"/d/ledger.redb\",\n  \"error\": \"a \\\"checksum\\\"\\u000a\"\n}\n"
    );

    // The next one does not take its place, and a new ledger begins where it was.
    open(&whole).unwrap();
    let second = set_aside(&whole, Path::new(PATH), "why").unwrap();
    assert_eq!(second, Path::new("/d/quarantine/ledger.redb.2"));
    assert_eq!(whole.synced_bytes(aside).as_deref(), Some(&b"damaged"[..]));
}
