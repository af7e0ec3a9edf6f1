//! Opening a data folder from the command line.

use std::path::Path;

use bellwether_disk::{Disk, RealDisk};
use bellwether_store::{Config, Store, StoreError};

use super::now;

/// Opens the store in `folder`, or makes one where `config` allows it.
pub(crate) fn open(folder: &Path, config: Config) -> Result<Store, StoreError> {
    Store::open(RealDisk::shared(), folder, config, now()).map(|(store, _)| store)
}

/// Opens the store in `folder`; a folder that holds none is not made one.
pub(crate) fn open_existing(folder: &Path) -> Result<Store, StoreError> {
    // What is no folder is no store either, and needs no other words.
    if matches!(RealDisk.is_dir(folder), Ok(false)) {
        return Err(StoreError::NotAStore {
            path: folder.to_owned(),
        });
    }
    let config = Config {
        create: false,
        ..Config::default()
    };
    open(folder, config)
}
