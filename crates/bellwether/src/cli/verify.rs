//! `bellwether verify`: reads every byte of a data folder against its checksums.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bellwether_disk::{Disk, RealDisk};
use bellwether_store::{Config, Store};

use super::args;
use super::{FINDINGS, now};

pub(crate) fn run(args: &args::Verify) -> Result<ExitCode> {
    let folder = &args.data;
    if !RealDisk.exists(folder)? {
        bail!("{}: no such folder", folder.display());
    }
    let (store, _) = Store::open(RealDisk::shared(), folder, Config::default(), now())
        .with_context(|| format!("opening {}", folder.display()))?;
    let report = store.verify();
    for problem in &report.problems {
        println!("{problem}");
    }
    let found = report.problems.len();
    println!(
        "{} segments, {} chunks, {} log files read: {found} problems",
        report.segments, report.chunks, report.logs
    );
    Ok(if found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDINGS)
    })
}
