//! Faults of single calls, and what is left after them.

use crate::sim::{Crash, Fault, OpKind, is_crash};
use crate::{Disk, DiskFile, OpenMode, SimDisk, read_file, write_file_atomically};
use rustix::io::Errno;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

const EIO: i32 = Errno::IO.raw_os_error();

/// A disk with the synced file `/a` of four bytes, and a handle to it.
fn disk_and_file() -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::new();
    write_file_atomically(&disk, Path::new("/a"), b"old.").unwrap();
    let file = disk.open(Path::new("/a"), OpenMode::ReadWrite).unwrap();
    (disk, file)
}

fn content(disk: &SimDisk) -> Vec<u8> {
    read_file(disk, Path::new("/a"), 100).unwrap()
}

#[test]
fn any_call_fails_with_any_error_and_changes_nothing() {
    let (disk, file) = disk_and_file();
    for errno in [
        Errno::IO,
        Errno::NOSPC,
        Errno::MFILE,
        Errno::ROFS,
        Errno::DQUOT,
    ] {
        disk.fail_at(disk.ops(), Fault::Errno(errno.raw_os_error()));
        let error = file.write_all_at(b"new", 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
        disk.fail_at(disk.ops(), Fault::Errno(errno.raw_os_error()));
        assert!(disk.remove_file(Path::new("/a")).is_err());
        assert_eq!(content(&disk), b"old.");
    }
    file.write_all_at(b"new", 0).unwrap();
    assert_eq!(content(&disk), b"new.");
}

#[test]
fn reads_get_over_short_reads_and_interrupts() {
    let (disk, file) = disk_and_file();
    let ops = disk.ops();
    disk.fail_at(ops, Fault::ShortRead { bytes: 1 });
    disk.fail_at(ops + 1, Fault::Errno(Errno::INTR.raw_os_error()));
    disk.fail_at(ops + 2, Fault::ShortRead { bytes: 2 });
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!((&bytes, disk.ops()), (b"old.", ops + 4));
}

#[test]
fn a_short_write_leaves_its_beginning() {
    let (disk, file) = disk_and_file();
    disk.fail_at(
        disk.ops(),
        Fault::ShortWrite {
            bytes: 2,
            errno: EIO,
        },
    );
    assert!(file.write_all_at(b"NEWER", 0).is_err());
    assert_eq!(content(&disk), b"NEd.");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let (disk, file) = disk_and_file();
    disk.set_free_space(Some(3));
    assert_eq!(disk.free_space(Path::new("/")).unwrap(), 3);
    file.write_all_at(b"over", 0).unwrap(); // Needs no room.
    assert_eq!(
        file.write_all_at(b"123456", 4).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(content(&disk), b"over123");
    assert_eq!(file.allocate(8).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.set_len(8).unwrap_err().kind(), ErrorKind::StorageFull);
    let error = write_file_atomically(&disk, Path::new("/b"), b"b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(
        disk.read_dir(Path::new("/")).unwrap(),
        [Path::new("/a")],
        "no leftover"
    );
    file.set_len(4).unwrap();
    file.write_all_at(b"x", 4).unwrap();
    disk.set_free_space(None);
    file.allocate(1000).unwrap();
}

/// E1 to E3: after a failed sync a second one says `Ok`, and the bytes are lost all the same.
#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    for (fault, told_to_others, seen) in [
        (Fault::SyncKeepsCache, true, b"new."),
        (Fault::SyncRevertsCache, true, b"old."),
        (Fault::SyncToldOnce, false, b"new."),
    ] {
        let (disk, file) = disk_and_file();
        let other = disk.open(Path::new("/a"), OpenMode::ReadWrite).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        disk.fail_at(disk.ops(), fault);
        assert_eq!(
            file.sync_data().unwrap_err().raw_os_error(),
            Some(EIO),
            "{fault:?}"
        );
        assert_eq!(content(&disk), seen, "{fault:?}");
        file.sync_data().unwrap();
        assert_eq!(other.sync_all().is_err(), told_to_others, "{fault:?}");
        other.sync_all().unwrap();
        let later = disk.open(Path::new("/a"), OpenMode::ReadWrite).unwrap();
        later.sync_data().unwrap();
        assert_eq!(
            content(&disk.crash_image(Crash::Drop)),
            b"old.",
            "{fault:?}"
        );
        assert_eq!(
            disk.is_synced(Path::new("/a")),
            fault == Fault::SyncRevertsCache
        );
        // New writes to the same bytes reach the disk again.
        file.write_all_at(b"NEW", 0).unwrap();
        file.sync_data().unwrap();
        assert_eq!(content(&disk.crash_image(Crash::Drop)), b"NEW.");
    }
}

#[test]
fn a_lying_sync_loses_what_it_acknowledged() {
    let (disk, file) = disk_and_file();
    file.write_all_at(b"new", 0).unwrap();
    disk.fail_at(disk.ops(), Fault::LyingSync);
    file.sync_data().unwrap();
    assert_eq!(content(&disk.crash_image(Crash::Drop)), b"old.");
    file.sync_data().unwrap();
    assert_eq!(content(&disk.crash_image(Crash::Drop)), b"new.");

    disk.set_lying_sync(true);
    write_file_atomically(&disk, Path::new("/b"), b"b").unwrap();
    assert!(!disk.is_synced(Path::new("/b")));
    assert!(
        !disk
            .crash_image(Crash::Drop)
            .exists(Path::new("/b"))
            .unwrap()
    );
}

#[test]
fn a_sync_fault_on_another_call_fails_it() {
    let (disk, file) = disk_and_file();
    for fault in [
        Fault::SyncKeepsCache,
        Fault::SyncRevertsCache,
        Fault::SyncToldOnce,
    ] {
        disk.fail_at(disk.ops(), fault);
        assert!(file.write_all_at(b"x", 0).is_err());
        disk.fail_at(disk.ops(), fault);
        assert!(disk.sync_dir(Path::new("/")).is_err());
    }
    disk.fail_at(disk.ops(), Fault::LyingSync);
    file.write_all_at(b"x", 0).unwrap();
}

#[test]
fn a_crashed_disk_answers_nothing_and_changes_nothing() {
    let (disk, file) = disk_and_file();
    disk.crash_after(disk.ops() + 1);
    file.write_all_at(b"new", 0).unwrap();
    let ops = disk.ops();
    assert!(is_crash(&file.write_all_at(b"NEW", 0).unwrap_err()));
    assert!(is_crash(&file.sync_data().unwrap_err()));
    assert!(is_crash(&disk.remove_file(Path::new("/a")).unwrap_err()));
    assert!(is_crash(
        &disk.create_dir_all(Path::new("/x/y")).unwrap_err()
    ));
    assert!(is_crash(&disk.lock(Path::new("/lock")).unwrap_err()));
    assert!(is_crash(&disk.read_dir(Path::new("/")).unwrap_err()));
    assert!(!is_crash(&std::io::Error::other("x")));
    assert_eq!(disk.ops(), ops);
    assert_eq!(content(&disk.crash_image(Crash::Kill)), b"new.");
}

#[test]
fn the_trace_numbers_every_call() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    write_file_atomically(&disk, Path::new("/d/a"), b"x").unwrap();
    let kinds: Vec<OpKind> = disk.trace().into_iter().map(|op| op.kind).collect();
    use OpKind::{Create, MakeDir, Rename, Sync, SyncDir, Write};
    assert_eq!(
        kinds,
        [MakeDir, SyncDir, Create, Write, Sync, Rename, SyncDir]
    );
    assert_eq!(disk.changing_ops(), [0, 1, 2, 3, 4, 5, 6]);
    read_file(&disk, Path::new("/d/a"), 10).unwrap();
    assert_eq!(disk.changing_ops().len(), 7);
}
