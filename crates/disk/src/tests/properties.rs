//! Random runs: the simulated disk against the real one, and synced bytes against every crash.

use crate::sim::Rng;
use crate::{Disk, OpenMode, RealDisk, SimDisk, read_file};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
enum Step {
    Write {
        file: u8,
        offset: u16,
        len: u16,
        byte: u8,
    },
    SetLen {
        file: u8,
        len: u16,
    },
    Allocate {
        file: u8,
        len: u16,
    },
    Sync {
        file: u8,
    },
    Create {
        file: u8,
    },
    Rename {
        from: u8,
        to: u8,
    },
    Remove {
        file: u8,
    },
    SyncDir {
        folder: u8,
    },
    MakeDir {
        folder: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let file = 0..8_u8;
    prop_oneof![
        4 => (file.clone(), 0..3000_u16, 0..2000_u16, 1..=255_u8)
            .prop_map(|(file, offset, len, byte)| Step::Write { file, offset, len, byte }),
        1 => (file.clone(), 0..4000_u16).prop_map(|(file, len)| Step::SetLen { file, len }),
        1 => (file.clone(), 0..4000_u16).prop_map(|(file, len)| Step::Allocate { file, len }),
        2 => file.clone().prop_map(|file| Step::Sync { file }),
        2 => file.clone().prop_map(|file| Step::Create { file }),
        2 => (file.clone(), file.clone()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => file.prop_map(|file| Step::Remove { file }),
        2 => (0..3_u8).prop_map(|folder| Step::SyncDir { folder }),
        1 => (0..3_u8).prop_map(|folder| Step::MakeDir { folder }),
    ]
}

/// Three folders, one inside another, and eight names spread over them.
fn folder(root: &Path, n: u8) -> PathBuf {
    root.join(["", "x", "x/y"][n as usize % 3])
}

fn name(root: &Path, n: u8) -> PathBuf {
    folder(root, n).join(format!("f{}", n / 3))
}

/// What the step did: nothing on success, the error number else.
fn run(disk: &dyn Disk, root: &Path, step: &Step) -> Result<(), Option<i32>> {
    let open = |file: u8| disk.open(&name(root, file), OpenMode::ReadWrite);
    let done = match *step {
        Step::Write {
            file,
            offset,
            len,
            byte,
        } => {
            let bytes = vec![byte; len as usize];
            open(file).and_then(|file| file.write_all_at(&bytes, u64::from(offset)))
        }
        Step::SetLen { file, len } => open(file).and_then(|file| file.set_len(u64::from(len))),
        Step::Allocate { file, len } => open(file).and_then(|file| file.allocate(u64::from(len))),
        Step::Sync { file } => open(file).and_then(|file| file.sync_data()),
        Step::Create { file } => disk
            .open(&name(root, file), OpenMode::CreateNew)
            .map(|_| ()),
        Step::Rename { from, to } => disk.rename(&name(root, from), &name(root, to)),
        Step::Remove { file } => disk.remove_file(&name(root, file)),
        Step::SyncDir { folder: n } => disk.sync_dir(&folder(root, n)),
        Step::MakeDir { folder: n } => disk.create_dir_all(&folder(root, n)),
    };
    done.map_err(|e| e.raw_os_error())
}

/// Every name below `root` with its bytes; folders have none.
fn listing(disk: &dyn Disk, root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in disk.read_dir(&folder).unwrap() {
            let relative = path.strip_prefix(root).unwrap().to_owned();
            if disk.is_dir(&path).unwrap() {
                found.push((relative, None));
                folders.push(path);
            } else {
                found.push((relative, Some(read_file(disk, &path, 1 << 20).unwrap())));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_simulated_disk_does_what_the_real_one_does(steps in prop::collection::vec(step(), 1..60)) {
        let real_root = tempfile::tempdir().unwrap();
        let sim = SimDisk::new();
        let sim_root = Path::new("/");
        for step in &steps {
            let on_real = run(&RealDisk, real_root.path(), step);
            prop_assert_eq!(run(&sim, sim_root, step), on_real, "{:?}", step);
        }
        prop_assert_eq!(listing(&sim, sim_root), listing(&RealDisk, real_root.path()));
    }

    #[test]
    fn what_is_synced_survives_every_crash(
        steps in prop::collection::vec(step(), 1..80),
        seed in any::<u64>(),
    ) {
        let disk = SimDisk::new();
        let root = Path::new("/");
        for step in &steps {
            let _ = run(&disk, root, step);
        }
        let synced: Vec<_> = listing(&disk, root)
            .into_iter()
            .filter(|(path, bytes)| bytes.is_some() && disk.is_synced(&root.join(path)))
            .collect();
        let before = listing(&disk, root);
        let mut rng = Rng::new(seed);
        for _ in 0..20 {
            let choice = rng.next_u64();
            let image = disk.any_crash_image(choice);
            let survived = listing(&image, root);
            for file in &synced {
                prop_assert!(survived.contains(file), "{:?} lost with seed {choice}", file.0);
            }
            prop_assert_eq!(&listing(&disk.any_crash_image(choice), root), &survived, "same seed");
            for (path, bytes) in &survived {
                prop_assert!(bytes.is_none() || image.is_synced(&root.join(path)));
            }
        }
        prop_assert_eq!(listing(&disk, root), before);
    }
}
