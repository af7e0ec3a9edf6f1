//! `bellwether import lp`: a file of line protocol straight into a data folder.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use bellwether_disk::{Disk, DiskFile, OpenMode, RealDisk};
use bellwether_model::{DurationMs, limits};
use bellwether_server::ingest::{IngestError, LineIngest, LineOptions, Written};
use bellwether_store::{Config, Store, StoreError};
use bellwether_wire::line_protocol::{Mapping, Precision};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args;
use super::{FINDINGS, now};

/// Lines are handed to the store in pieces of about this size, each durable before the next is read.
const PIECE_BYTES: usize = 4 << 20;

/// Bad lines that are printed; the others are counted.
const FAULTS_SHOWN: u64 = 20;

pub(crate) fn run(args: &args::ImportLp) -> Result<ExitCode> {
    let Some(precision) = Precision::parse(&args.precision) else {
        bail!(
            "--precision {}: not one of ns, us, ms, s, m, h",
            args.precision
        );
    };
    let mut config = Config::default();
    if let Some(text) = &args.retention {
        config.retention = DurationMs::parse(text)
            .with_context(|| format!("--retention {text}: not a duration such as 90d"))?;
    }
    let (input, read, total) = open(&args.file)?;
    let (store, _) = Store::open(RealDisk::shared(), &args.data, config, now())
        .with_context(|| format!("opening {}", args.data.display()))?;
    let mapping = Mapping {
        db: args.db.clone(),
        ..Mapping::default()
    };
    let options = LineOptions {
        precision,
        mapping,
        all_or_nothing: false,
    };
    let mut loader = Loader {
        ingest: LineIngest::new(store.clone()),
        store,
        options,
        bar: bar(total),
        read,
        line: 0,
        totals: Totals::default(),
    };
    let outcome = loader.load(input);
    loader.bar.finish_and_clear();
    let Loader {
        store,
        ingest,
        totals,
        ..
    } = loader;
    drop(ingest);
    store.close(now()).context("closing the store")?;
    outcome?;
    eprintln!(
        "{} samples in {} lines stored in {}; {} lines refused, {} text fields left out",
        totals.samples,
        totals.lines,
        args.data.display(),
        totals.refused,
        totals.texts
    );
    Ok(if totals.refused > 0 {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

#[derive(Default)]
struct Totals {
    samples: u64,
    lines: u64,
    refused: u64,
    texts: u64,
}

struct Loader {
    ingest: LineIngest,
    store: Store,
    options: LineOptions,
    bar: ProgressBar,
    /// Bytes of the file read so far, before decompression.
    read: Arc<AtomicU64>,
    /// Lines handed over so far.
    line: usize,
    totals: Totals,
}

impl Loader {
    fn load(&mut self, mut input: Box<dyn Read>) -> Result<()> {
        let mut piece = Vec::new();
        loop {
            let before = piece.len();
            let got = input
                .by_ref()
                .take(PIECE_BYTES as u64)
                .read_to_end(&mut piece)
                .context("reading the file")?;
            if got == 0 {
                return self.write(&piece); // The last line may lack its end.
            }
            let Some(end) = piece[before..].iter().rposition(|b| *b == b'\n') else {
                if piece.len() > limits::INGEST_DECODED_MAX.usize() {
                    bail!(
                        "line {}: longer than {} bytes",
                        self.line + 1,
                        limits::INGEST_DECODED_MAX.value
                    );
                }
                continue;
            };
            let rest = piece.split_off(before + end + 1);
            self.write(&piece)?;
            piece = rest;
        }
    }

    /// Stores whole lines. A store that is busy flushing is waited for by flushing here.
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        let now = now();
        let written = match self.ingest.write(lines, &self.options, now) {
            Err(IngestError::Store(StoreError::Busy { .. })) => {
                self.store.flush(now)?;
                self.ingest.write(lines, &self.options, now)?
            }
            other => other?,
        };
        self.store.maintain(now)?;
        self.report(&written);
        self.line += lines.split(|b| *b == b'\n').count() - 1;
        self.totals.samples += written.samples;
        self.totals.lines += written.lines;
        self.totals.texts += written.texts_left_out;
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        Ok(())
    }

    fn report(&mut self, written: &Written) {
        for (shown, fault) in (self.totals.refused..FAULTS_SHOWN).zip(&written.faults) {
            self.bar
                .suspend(|| eprintln!("line {}: {}", self.line + fault.line, fault.message));
            if shown + 1 == FAULTS_SHOWN {
                self.bar
                    .suspend(|| eprintln!("further bad lines are only counted"));
            }
        }
        self.totals.refused += written.lines_refused;
    }
}

/// The decompressed bytes, a counter of bytes read, and the file's length if it has one.
type Opened = (Box<dyn Read>, Arc<AtomicU64>, Option<u64>);

/// Opens the file, or standard input for `-`; unpacks it when it begins as gzip does.
fn open(path: &Path) -> Result<Opened> {
    let read = Arc::new(AtomicU64::new(0));
    let (raw, total): (Box<dyn Read>, _) = if path == Path::new("-") {
        (Box::new(std::io::stdin().lock()), None)
    } else {
        let file = RealDisk
            .open(path, OpenMode::Read)
            .with_context(|| format!("opening {}", path.display()))?;
        let len = file.len()?;
        (Box::new(FileReader { file, at: 0 }), Some(len))
    };
    let mut counted = Counted {
        inner: raw,
        read: Arc::clone(&read),
    };
    let mut magic = [0; 2];
    let mut have = 0;
    while have < magic.len() {
        match counted.read(&mut magic[have..])? {
            0 => break,
            n => have += n,
        }
    }
    let whole = std::io::Cursor::new(magic[..have].to_vec()).chain(counted);
    let input: Box<dyn Read> = if magic[..have] == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    Ok((input, read, total))
}

/// A file of the disk as a reader.
struct FileReader {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Read for FileReader {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let got = self.file.read_at(buf, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

/// Counts the bytes that pass.
struct Counted {
    inner: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.read.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(total, target);
    let style = "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
