//! `bellwether verify`: reads every byte of a data folder against its checksums, and every row against its meaning.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use bellwether_disk::{Disk, RealDisk};
use bellwether_ledger::{Ledger, LedgerError, Verified};
use bellwether_model::text::counted;
use bellwether_server::LEDGER_FILE;
use bellwether_store::{StoreError, VerifyReport};

use super::args;
use super::{FINDINGS, data, print};

pub(crate) fn run(args: &args::Verify) -> Result<ExitCode> {
    let (samples, ledger) = match data::open_existing(&args.data) {
        // The store holds the folder's lock: nobody writes to the ledger while it is read.
        Ok(store) => (store.verify(), verify_ledger(&args.data)?),
        Err(damage @ StoreError::Corrupt { .. }) => (unreadable(&damage), Verified::default()),
        Err(trouble) => return Err(trouble.into()),
    };
    let mut lines = [samples.problems.as_slice(), &ledger.problems].concat();
    let found = lines.len();
    lines.push(format!(
        "{}, {}, {} and {} of the ledger read: {}",
        counted(samples.segments as usize, "segment"),
        counted(samples.chunks as usize, "chunk"),
        counted(samples.logs as usize, "log file"),
        counted(ledger.rows as usize, "row"),
        counted(found, "problem")
    ));
    print::out(&(lines.join("\n") + "\n"))?;
    Ok(if found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDINGS)
    })
}

/// A store that does not open for its damage.
fn unreadable(damage: &StoreError) -> VerifyReport {
    VerifyReport {
        problems: vec![damage.to_string()],
        ..VerifyReport::default()
    }
}

/// The ledger's part, if the folder has one: an import makes none.
fn verify_ledger(folder: &Path) -> Result<Verified> {
    let path = folder.join(LEDGER_FILE);
    if !RealDisk.exists(&path)? {
        return Ok(Verified::default());
    }
    let verified = Ledger::open(RealDisk::shared(), &path).and_then(|ledger| ledger.verify());
    match verified {
        Err(damage @ LedgerError::Damaged { .. }) => Ok(Verified {
            rows: 0,
            problems: vec![damage.to_string()],
        }),
        other => Ok(other?),
    }
}
