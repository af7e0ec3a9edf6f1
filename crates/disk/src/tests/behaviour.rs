//! One suite for every disk: the simulated one is only worth something while it behaves as the real one.

use crate::{Disk, OpenMode, RealDisk, SimDisk, read_file, temp_path, write_file_atomically};
use std::io::{self, ErrorKind};
use std::path::Path;

fn on_both(check: impl Fn(&dyn Disk, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    check(&RealDisk, folder.path());
    let sim = SimDisk::new();
    sim.create_dir_all(Path::new("/data")).unwrap();
    check(&sim, Path::new("/data"));
}

/// The error number where there is one, since kinds are coarser.
fn error<T>(result: io::Result<T>) -> (ErrorKind, Option<i32>) {
    let error = result.err().expect("an error");
    (error.kind(), error.raw_os_error())
}

const ENOENT: (ErrorKind, Option<i32>) = (ErrorKind::NotFound, Some(2));
const EEXIST: (ErrorKind, Option<i32>) = (ErrorKind::AlreadyExists, Some(17));
const EBADF: Option<i32> = Some(9);

#[test]
fn modes_create_or_refuse() {
    on_both(|disk, root| {
        let path = root.join("a");
        assert_eq!(error(disk.open(&path, OpenMode::Read)), ENOENT);
        assert_eq!(error(disk.open(&path, OpenMode::ReadWrite)), ENOENT);
        disk.open(&path, OpenMode::CreateNew)
            .unwrap()
            .write_all_at(b"abc", 0)
            .unwrap();
        assert_eq!(error(disk.open(&path, OpenMode::CreateNew)), EEXIST);
        let again = disk.open(&path, OpenMode::CreateOrOpen).unwrap();
        assert_eq!(again.len().unwrap(), 3, "never truncated");
        let reader = disk.open(&path, OpenMode::Read).unwrap();
        assert_eq!(error(reader.write_all_at(b"x", 0)).1, EBADF);
        assert!(reader.set_len(0).is_err());
        disk.open(&root.join("b"), OpenMode::CreateOrOpen).unwrap();
        assert_eq!(
            disk.read_dir(root).unwrap(),
            [root.join("a"), root.join("b")]
        );
    });
}

#[test]
fn holes_and_ends() {
    on_both(|disk, root| {
        let file = disk.open(&root.join("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(b"end", 5).unwrap();
        let mut all = [9; 10];
        assert_eq!(file.read_at(&mut all, 0).unwrap(), 8);
        assert_eq!(&all[..8], b"\0\0\0\0\0end");
        assert_eq!(file.read_at(&mut all, 8).unwrap(), 0);
        assert_eq!(file.read_at(&mut all, 1 << 40).unwrap(), 0);
        assert_eq!(
            error(file.read_exact_at(&mut all, 0)).0,
            ErrorKind::UnexpectedEof
        );
        file.set_len(6).unwrap();
        file.set_len(8).unwrap();
        file.read_exact_at(&mut all[..8], 0).unwrap();
        assert_eq!(&all[..8], b"\0\0\0\0\0e\0\0");
        file.sync_data().unwrap();
        file.sync_all().unwrap();
    });
}

#[test]
fn allocating_grows_with_zeros_and_never_shrinks() {
    on_both(|disk, root| {
        let file = disk.open(&root.join("a"), OpenMode::CreateNew).unwrap();
        file.allocate(0).unwrap();
        file.write_all_at(b"abc", 0).unwrap();
        file.allocate(4096).unwrap();
        assert_eq!(file.len().unwrap(), 4096);
        let mut bytes = [9; 4096];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes[..3], b"abc");
        assert!(bytes[3..].iter().all(|byte| *byte == 0));
        file.allocate(10).unwrap();
        assert_eq!(file.len().unwrap(), 4096);
    });
}

#[test]
fn names_move_and_go() {
    on_both(|disk, root| {
        let (a, b, gone) = (root.join("a"), root.join("b"), root.join("gone"));
        disk.open(&a, OpenMode::CreateNew)
            .unwrap()
            .write_all_at(b"a", 0)
            .unwrap();
        let old_b = disk.open(&b, OpenMode::CreateNew).unwrap();
        old_b.write_all_at(b"b", 0).unwrap();
        disk.rename(&a, &b).unwrap();
        disk.rename(&b, &b).unwrap();
        disk.sync_dir(root).unwrap();
        assert!(!disk.exists(&a).unwrap());
        assert_eq!(read_file(disk, &b, 10).unwrap(), b"a");
        let mut byte = [0];
        old_b.read_exact_at(&mut byte, 0).unwrap();
        assert_eq!(&byte, b"b", "an open handle outlives its name");
        assert_eq!(error(disk.rename(&gone, &a)), ENOENT);
        assert_eq!(error(disk.remove_file(&gone)), ENOENT);
        assert_eq!(error(disk.rename(&b, &root.join("no/b"))), ENOENT);
        disk.remove_file(&b).unwrap();
        assert_eq!(disk.read_dir(root).unwrap(), [] as [&Path; 0]);
    });
}

#[test]
fn folders() {
    on_both(|disk, root| {
        let deep = root.join("x/y/z");
        disk.create_dir_all(&deep).unwrap();
        disk.create_dir_all(&deep).unwrap();
        assert!(disk.is_dir(&deep).unwrap() && disk.exists(&deep).unwrap());
        assert!(!disk.is_dir(&root.join("no")).unwrap());
        disk.open(&root.join("x/file"), OpenMode::CreateNew)
            .unwrap();
        assert!(!disk.is_dir(&root.join("x/file")).unwrap());
        assert_eq!(
            disk.read_dir(&root.join("x")).unwrap(),
            [root.join("x/file"), root.join("x/y")]
        );
        assert_eq!(error(disk.read_dir(&root.join("no"))), ENOENT);
        assert!(disk.read_dir(&root.join("x/file")).is_err());
        assert!(disk.create_dir_all(&root.join("x/file/under")).is_err());
        assert!(disk.create_dir_all(&root.join("x/file")).is_err());
        assert!(disk.open(&root.join("x"), OpenMode::ReadWrite).is_err());
        assert!(disk.remove_file(&root.join("x")).is_err());
        assert!(
            read_file(disk, &root.join("x"), 10).is_err(),
            "a folder is not a file"
        );
        disk.rename(&root.join("x"), &root.join("moved")).unwrap();
        assert!(disk.is_dir(&root.join("moved/y/z")).unwrap());
        assert!(
            disk.rename(&root.join("moved"), &root.join("moved/y/in"))
                .is_err()
        );
    });
}

#[test]
fn one_lock_holder_at_a_time() {
    on_both(|disk, root| {
        let path = root.join("lock");
        let lock = disk.lock(&path).unwrap();
        let refused = disk.lock(&path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert!(
            refused.to_string().starts_with("held by process "),
            "{refused}"
        );
        drop(lock);
        let pid = String::from_utf8(read_file(disk, &path, 20).unwrap()).unwrap();
        assert!(pid.trim().parse::<u32>().is_ok(), "{pid}");
        disk.lock(&path).unwrap();
    });
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    on_both(|disk, root| {
        let path = root.join("a");
        for len in [0, 1, 65_536, 65_537, 200_000] {
            let bytes = vec![7; len];
            write_file_atomically(disk, &path, &bytes).unwrap();
            assert_eq!(read_file(disk, &path, len as u64).unwrap(), bytes);
        }
        let refused = read_file(disk, &path, 199_999).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
        assert_eq!(refused.to_string(), "longer than the limit of 199999 bytes");
    });
}

#[test]
fn an_atomic_write_gets_past_a_leftover() {
    on_both(|disk, root| {
        let path = root.join("a");
        disk.open(&temp_path(&path), OpenMode::CreateNew)
            .unwrap()
            .write_all_at(b"half a f", 0)
            .unwrap();
        write_file_atomically(disk, &path, b"new").unwrap();
        assert_eq!(read_file(disk, &path, 10).unwrap(), b"new");
        assert_eq!(disk.read_dir(root).unwrap(), [path]);
        let no_folder = root.join("no/a");
        assert_eq!(error(write_file_atomically(disk, &no_folder, b"x")), ENOENT);
    });
}

#[test]
fn free_space_is_told() {
    on_both(|disk, root| {
        assert!(disk.free_space(root).unwrap() > 0);
        assert!(disk.total_space(root).unwrap() >= disk.free_space(root).unwrap());
        assert_eq!(error(disk.free_space(&root.join("no"))), ENOENT);
        assert_eq!(error(disk.total_space(&root.join("no"))), ENOENT);
    });
}

#[test]
fn private_modes_and_no_links_for_writers() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mode = |name: &str| root.join(name).metadata().unwrap().permissions().mode() & 0o777;
    RealDisk.create_dir_all(&root.join("d/e")).unwrap();
    RealDisk.open(&root.join("f"), OpenMode::CreateNew).unwrap();
    RealDisk.lock(&root.join("lock")).unwrap();
    assert_eq!(
        [mode("d"), mode("d/e"), mode("f"), mode("lock")],
        [0o700, 0o700, 0o600, 0o600]
    );

    symlink(root.join("f"), root.join("link")).unwrap();
    RealDisk.open(&root.join("link"), OpenMode::Read).unwrap();
    for mode in [
        OpenMode::ReadWrite,
        OpenMode::CreateNew,
        OpenMode::CreateOrOpen,
    ] {
        assert!(RealDisk.open(&root.join("link"), mode).is_err(), "{mode:?}");
    }
}

#[test]
fn a_pipe_does_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.rules");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    assert!(
        read_file(&RealDisk, &pipe, 10).is_err(),
        "positional reads refuse a pipe"
    );
}
