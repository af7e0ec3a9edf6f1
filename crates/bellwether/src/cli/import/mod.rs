//! `bellwether import`: other systems' rules stand in `rules`; here is `lp`, a file of line protocol straight into a data folder.
//!
//! Whole lines are stored as they come, piece by piece, so that a file that breaks off somewhere has given all it had.
//! An import only adds: what is too old for the folder's retention is the server's to drop.

mod input;
mod rules;

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Error, Result, bail};
use bellwether_model::limits;
use bellwether_model::text::counted;
use bellwether_server::ingest::{IngestError, LineFault, LineIngest, LineOptions, LinePlace};
use bellwether_store::{Config, Store, StoreError};
use bellwether_wire::line_protocol::{Mapping, Precision};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args;
use super::{FINDINGS, data, now, print};
use input::{Opened, open};
pub(crate) use rules::{prometheus, run as rules};

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
    let config = Config {
        retention: args.retention,
        ..Config::default()
    };
    let Opened {
        name,
        reader,
        read,
        bytes,
    } = open(&args.file)?;
    let store = data::open(&args.data, config)?;
    let mut loader = Loader {
        ingest: LineIngest::new(store.clone()),
        store,
        options: LineOptions {
            precision,
            mapping: Mapping {
                db: args.db.clone(),
                ..Mapping::default()
            },
            all_or_nothing: false,
        },
        name,
        bar: bar(bytes),
        read,
        totals: Totals::default(),
    };
    let outcome = loader.load(reader);
    let totals = loader.close()?;
    // In any case: what was stored is there to stay.
    print::note(&totals.sentence(&args.data));
    Ok(match outcome? {
        End::Whole if totals.refused == 0 => ExitCode::SUCCESS,
        End::Whole | End::Damaged => ExitCode::from(FINDINGS),
    })
}

/// How the input ended.
enum End {
    Whole,
    /// The rest cannot be read, because the file is not what was once written.
    Damaged,
}

#[derive(Default)]
struct Totals {
    samples: u64,
    /// Lines stored.
    stored: u64,
    refused: u64,
    texts: u64,
    /// Lines handed over, blank ones and comments counted.
    lines: usize,
    /// Bad lines printed.
    shown: u64,
}

impl Totals {
    fn sentence(&self, folder: &Path) -> String {
        let shown = if self.refused > self.shown {
            format!(" ({} of them shown)", self.shown)
        } else {
            String::new()
        };
        format!(
            "{} in {} stored in {}; {} refused{shown}, {} left out",
            counted(self.samples as usize, "sample"),
            counted(self.stored as usize, "line"),
            folder.display(),
            counted(self.refused as usize, "line"),
            counted(self.texts as usize, "text field")
        )
    }
}

struct Loader {
    ingest: LineIngest,
    store: Store,
    options: LineOptions,
    /// What messages call the input.
    name: String,
    bar: ProgressBar,
    /// Bytes of the file read so far, before decompression.
    read: Arc<AtomicU64>,
    totals: Totals,
}

impl Loader {
    fn load(&mut self, mut input: impl Read) -> Result<End> {
        let mut piece = Vec::new();
        loop {
            let before = piece.len();
            let got = input
                .by_ref()
                .take(PIECE_BYTES as u64)
                .read_to_end(&mut piece);
            // The last line may lack its end, but only where the input ends well.
            if matches!(got, Ok(0)) {
                self.write(&piece)?;
                return Ok(End::Whole);
            }
            let whole = piece[before..].iter().rposition(|b| *b == b'\n');
            if let Some(end) = whole {
                let rest = piece.split_off(before + end + 1);
                self.write(&piece)?;
                piece = rest;
            }
            if let Err(error) = got {
                return self.broken_off(error);
            }
            if piece.len() > limits::INGEST_DECODED_MAX.usize() {
                bail!(
                    "{}:{}: the line is longer than {} bytes",
                    self.name,
                    self.totals.lines + 1,
                    limits::INGEST_DECODED_MAX.value
                );
            }
        }
    }

    /// The input cannot be read further: a finding when it is damaged, trouble when the disk is.
    fn broken_off(&self, error: io::Error) -> Result<End> {
        let damaged = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        );
        if !damaged {
            return Err(Error::new(error).context(format!("reading {}", self.name)));
        }
        self.say(&format!(
            "{}: damaged after line {}: {error}; {} stored",
            self.name,
            self.totals.lines,
            counted(self.totals.samples as usize, "sample")
        ));
        Ok(End::Damaged)
    }

    /// Stores whole lines. A store that has no room for more is given it.
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        let now = now();
        let written = match self.ingest.write(lines, &self.options, now) {
            Err(IngestError::Store(StoreError::Busy { .. })) => {
                self.store.flush(now)?;
                self.ingest.write(lines, &self.options, now)?
            }
            other => other?,
        };
        for fault in &written.faults {
            self.report(fault);
        }
        self.totals.lines += lines.split(|b| *b == b'\n').count() - 1;
        self.totals.samples += written.samples;
        self.totals.stored += written.lines;
        self.totals.refused += written.lines_refused;
        self.totals.texts += written.texts_left_out;
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        Ok(())
    }

    /// Prints a bad line, unless enough of them were. Lines of a fault count from the piece's begin.
    fn report(&mut self, fault: &LineFault) {
        if self.totals.shown == FAULTS_SHOWN {
            return;
        }
        self.totals.shown += 1;
        let (name, line) = (&self.name, self.totals.lines + fault.line);
        let reason = &fault.reason;
        self.say(&match &fault.unreadable {
            Some(LinePlace { column, text }) => {
                format!("{name}:{line}:{column}: unable to parse '{text}': {reason}")
            }
            None => format!("{name}:{line}: {reason}"),
        });
    }

    /// A line on standard error that leaves the bar whole.
    fn say(&self, line: &str) {
        self.bar.suspend(|| print::note(line));
    }

    fn close(self) -> Result<Totals> {
        self.bar.finish_and_clear();
        drop(self.ingest);
        self.store.close(now()).context("closing the store")?;
        Ok(self.totals)
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
