//! Each class of crash image can show what it is there for, and never loses what was synced.

use crate::sim::{Crash, Damage, Rng};
use crate::{Disk, OpenMode, SimDisk, read_file, write_file_atomically};
use std::collections::BTreeSet;
use std::path::Path;

const A: &str = "/d/a";

/// A folder `/d` with the file `a`, name and `bytes` synced.
fn disk_with(bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    write_file_atomically(&disk, Path::new(A), bytes).unwrap();
    assert!(disk.is_synced(Path::new(A)));
    disk
}

fn write(disk: &SimDisk, path: &str, offset: u64, bytes: &[u8]) {
    disk.open(Path::new(path), OpenMode::CreateOrOpen)
        .unwrap()
        .write_all_at(bytes, offset)
        .unwrap();
}

fn bytes(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    read_file(disk, Path::new(path), u64::MAX).ok()
}

/// Everything that `path` may hold after crashes of one class.
fn outcomes(disk: &SimDisk, path: &str, crash: impl Fn(u64) -> Crash) -> BTreeSet<Option<Vec<u8>>> {
    (0..300)
        .map(|seed| bytes(&disk.crash_image(crash(seed)), path))
        .collect()
}

#[test]
fn kill_keeps_everything_and_drop_only_what_was_synced() {
    let disk = disk_with(b"old");
    write(&disk, A, 0, b"newer");
    write(&disk, "/d/b", 0, b"b");
    assert_eq!(
        (disk.is_synced(Path::new(A)), disk.synced_len(Path::new(A))),
        (false, Some(3))
    );
    let killed = disk.crash_image(Crash::Kill);
    assert_eq!(
        (bytes(&killed, A), bytes(&killed, "/d/b")),
        (Some(b"newer".into()), Some(b"b".into()))
    );
    let dropped = disk.crash_image(Crash::Drop);
    assert_eq!(
        (bytes(&dropped, A), bytes(&dropped, "/d/b")),
        (Some(b"old".into()), None)
    );
    assert!(dropped.is_synced(Path::new(A)) && dropped.unsynced_changes() == 0);
    assert_eq!(
        bytes(&disk, A),
        Some(b"newer".into()),
        "the crashed disk itself is left alone"
    );
}

#[test]
fn a_synced_file_whose_name_is_not_synced_is_lost() {
    let disk = disk_with(b"old");
    write(&disk, "/d/b", 0, b"b");
    disk.open(Path::new("/d/b"), OpenMode::ReadWrite)
        .unwrap()
        .sync_all()
        .unwrap();
    assert!(!disk.is_synced(Path::new("/d/b")));
    assert_eq!(bytes(&disk.crash_image(Crash::Drop), "/d/b"), None);
    disk.sync_dir(Path::new("/d")).unwrap();
    assert!(disk.is_synced(Path::new("/d/b")));
    assert_eq!(
        bytes(&disk.crash_image(Crash::Drop), "/d/b"),
        Some(b"b".into())
    );
}

#[test]
fn a_prefix_cuts_the_order_issued_anywhere() {
    let disk = disk_with(b"....");
    write(&disk, A, 0, b"1");
    write(&disk, A, 4, b"2"); // Two changes: the length, then the byte.
    write(&disk, A, 2, b"3");
    assert_eq!(disk.unsynced_changes(), 4);
    let seen: Vec<_> = (0..6)
        .map(|n| bytes(&disk.crash_image(Crash::Prefix(n)), A).unwrap())
        .collect();
    assert_eq!(
        seen,
        [
            &b"...."[..],
            b"1...",
            b"1...\0",
            b"1...2",
            b"1.3.2",
            b"1.3.2"
        ]
    );
}

#[test]
fn sectors_survive_in_any_combination() {
    let disk = disk_with(&[0; 1536]);
    write(&disk, A, 0, &[1; 1536]);
    let all = outcomes(&disk, A, Crash::Sectors);
    assert_eq!(all.len(), 8, "every subset of three sectors");
    for content in all.into_iter().flatten() {
        assert!(
            content
                .chunks(512)
                .all(|sector| sector.iter().all(|byte| *byte == sector[0]))
        );
    }
}

#[test]
fn a_write_is_torn_with_old_zero_and_garbage_rests() {
    let disk = disk_with(&[7; 100]);
    write(&disk, A, 0, &[8; 100]);
    let (mut old, mut zero, mut garbage) = (0, 0, 0);
    for content in outcomes(&disk, A, Crash::Torn).into_iter().flatten() {
        let cut = content.iter().take_while(|byte| **byte == 8).count();
        match &content[cut..] {
            [] => {}
            rest if rest.iter().all(|byte| *byte == 7) => old += 1,
            rest if rest.iter().all(|byte| *byte == 0) => zero += 1,
            _ => garbage += 1,
        }
    }
    assert!(
        old > 10 && zero > 10 && garbage > 10,
        "{old} {zero} {garbage}"
    );
}

#[test]
fn a_rename_leaves_old_new_or_both() {
    let disk = disk_with(b"old");
    disk.rename(Path::new(A), Path::new("/d/b")).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let image = disk.crash_image(Crash::Names(seed));
        let names: Vec<_> = image.read_dir(Path::new("/d")).unwrap();
        assert!(!names.is_empty(), "never neither");
        seen.insert(names);
    }
    let (a, b) = (Path::new(A).to_owned(), Path::new("/d/b").to_owned());
    assert_eq!(
        seen,
        BTreeSet::from([vec![a.clone()], vec![a, b.clone()], vec![b]])
    );
}

#[test]
fn a_removal_may_come_back_and_a_name_may_come_without_bytes() {
    let disk = disk_with(b"old");
    disk.remove_file(Path::new(A)).unwrap();
    write(&disk, "/d/b", 0, b"bytes");
    assert_eq!(
        outcomes(&disk, A, Crash::Names),
        BTreeSet::from([None, Some(b"old".to_vec())])
    );
    let b = BTreeSet::from([None, Some(vec![]), Some(b"bytes".to_vec())]);
    assert_eq!(outcomes(&disk, "/d/b", Crash::Names), b);
}

#[test]
fn a_rename_between_folders_keeps_a_name_whichever_folder_is_synced() {
    for synced in ["/d", "/e"] {
        let disk = disk_with(b"old");
        disk.create_dir_all(Path::new("/e")).unwrap();
        disk.rename(Path::new(A), Path::new("/e/a")).unwrap();
        disk.sync_dir(Path::new(synced)).unwrap();
        assert_eq!(
            bytes(&disk.crash_image(Crash::Drop), "/e/a"),
            Some(b"old".into())
        );
        assert_eq!(
            bytes(&disk.crash_image(Crash::Drop), A).is_none(),
            synced == "/d"
        );
        disk.sync_dir(Path::new("/d")).unwrap();
        assert!(disk.is_synced(Path::new("/e/a")));
    }
}

#[test]
fn length_runs_ahead_of_data_and_behind() {
    let disk = disk_with(b"old");
    write(&disk, A, 3, &[9; 2000]);
    let lens: BTreeSet<usize> = outcomes(&disk, A, Crash::Size)
        .into_iter()
        .flatten()
        .map(|content| content.len())
        .collect();
    assert!(lens.len() > 50, "lengths between old and new");
    let full: Vec<_> = outcomes(&disk, A, Crash::Size)
        .into_iter()
        .flatten()
        .filter(|content| content.len() == 2003)
        .map(|content| content[3..].to_vec())
        .collect();
    assert!(full.contains(&vec![0; 2000]) && full.contains(&vec![9; 2000]));
    assert!(
        full.iter()
            .any(|rest| rest.iter().any(|byte| ![0, 9].contains(byte))),
        "garbage"
    );
}

#[test]
fn rot_damages_synced_bytes_in_every_way() {
    let disk = disk_with(&[0xff; 1100]);
    write(&disk, A, 0, b"unsynced");
    let (mut flipped, mut zeroed, mut cut, mut gone) = (0, 0, 0, 0);
    for seed in 0..200 {
        match bytes(&disk.crash_image(Crash::Rot(seed)), A) {
            None => gone += 1,
            Some(content) if content.len() < 1100 => cut += 1,
            Some(content) => match content.iter().filter(|byte| **byte != 0xff).count() {
                0 => {} // A sector astray over an equal one.
                1 => flipped += 1,
                n => {
                    assert!(n == 512 || n == 1100 - 1024, "whole sectors, got {n}");
                    zeroed += 1;
                }
            },
        }
    }
    assert!(
        flipped > 10 && zeroed > 10 && cut > 5 && gone > 5,
        "{flipped} {zeroed} {cut} {gone}"
    );
}

#[test]
fn damage_is_done_where_it_is_asked_for() {
    let disk = disk_with(&[0; 600]);
    assert!(disk.damage(
        Path::new(A),
        Damage::FlipBit {
            offset: 599,
            bit: 3
        }
    ));
    assert_eq!(bytes(&disk, A).unwrap()[599], 8);
    assert!(disk.damage(Path::new(A), Damage::CopySector { from: 512, to: 0 }));
    assert_eq!(bytes(&disk, A).unwrap()[87], 8);
    assert!(!disk.damage(Path::new(A), Damage::ZeroSector { offset: 600 }));
    assert!(!disk.damage(Path::new(A), Damage::Truncate { len: 600 }));
    assert!(disk.damage(Path::new(A), Damage::Truncate { len: 1 }));
    assert_eq!(disk.synced_len(Path::new(A)), Some(1));
    assert!(disk.damage(Path::new(A), Damage::Remove) && !disk.exists(Path::new(A)).unwrap());
    assert!(!disk.damage(Path::new(A), Damage::Remove));
}

#[test]
fn locks_end_with_the_process() {
    let disk = disk_with(b"old");
    let _lock = disk.lock(Path::new("/d/lock")).unwrap();
    let image = disk.crash_image(Crash::Kill);
    image.lock(Path::new("/d/lock")).unwrap();
}

/// `write_file_atomically` and `create_dir_all` at every crash point, in every class, twice in a row.
#[test]
fn an_atomic_write_is_old_or_new_and_new_once_acknowledged() {
    let workload = |disk: &SimDisk| -> usize {
        let mut acknowledged = 0;
        for content in CONTENTS {
            let write = || {
                disk.create_dir_all(Path::new("/d/e"))?;
                write_file_atomically(disk, Path::new("/d/e/a"), content)
            };
            match write() {
                Ok(()) => acknowledged += 1,
                Err(_) => break,
            }
        }
        acknowledged
    };
    const CONTENTS: [&[u8]; 3] = [b"first", &[2; 3000], &[3; 700]];
    let whole = SimDisk::new();
    assert_eq!(workload(&whole), 3);
    let mut rng = Rng::new(1);
    for n in whole.changing_ops().into_iter().chain([whole.ops()]) {
        let disk = SimDisk::new();
        disk.crash_after(n);
        let acknowledged = workload(&disk);
        for _ in 0..60 {
            let image = disk.any_crash_image(rng.next_u64());
            let found = bytes(&image, "/d/e/a");
            let allowed = CONTENTS
                .iter()
                .enumerate()
                .skip(acknowledged.saturating_sub(1))
                .take(2);
            let new_or_old = allowed
                .into_iter()
                .any(|(_, content)| found.as_deref() == Some(*content));
            assert!(
                new_or_old || (acknowledged == 0 && found.is_none()),
                "op {n}: {found:?}"
            );

            // A restart that crashes as well, and the one after it.
            image.crash_after(image.ops() + rng.below(12));
            let _ = write_file_atomically(&image, Path::new("/d/e/a"), b"again");
            let second = image.any_crash_image(rng.next_u64());
            let after = bytes(&second, "/d/e/a");
            assert!(
                after == found || after.as_deref() == Some(b"again"),
                "op {n}"
            );
        }
    }
}

/// The same protocol with one step left out fails: the harness sees what it is built to see.
#[test]
fn each_step_of_the_atomic_write_is_needed() {
    for left_out in 0..3 {
        let disk = disk_with(b"old");
        let (temp, path) = (Path::new("/d/a.new"), Path::new(A));
        let target = if left_out == 0 { path } else { temp };
        let file = disk.open(target, OpenMode::CreateOrOpen).unwrap();
        file.write_all_at(b"NEW BYTES", 0).unwrap();
        if left_out != 1 {
            file.sync_all().unwrap();
        }
        if left_out != 0 {
            disk.rename(temp, path).unwrap();
        }
        let before_ack = (0..400).map(|seed| bytes(&disk.any_crash_image(seed), A));
        let torn = before_ack
            .flatten()
            .any(|content| content != b"old" && content != b"NEW BYTES");
        let lost = bytes(&disk.crash_image(Crash::Drop), A) == Some(b"old".into());
        match left_out {
            0 => assert!(!lost, "written in place and synced"),
            1 => assert!(torn, "renamed before the bytes were synced"),
            _ => assert!(lost && !torn, "the folder was not synced"),
        }
    }
}
