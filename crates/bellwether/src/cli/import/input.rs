//! The bytes of a file to import: plain or gzip, from the disk or from standard input.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bellwether_disk::{Disk, DiskFile, OpenMode, RealDisk};
use flate2::read::MultiGzDecoder;

/// What names standard input.
const STDIN: &str = "-";

/// What a gzip file begins with: RFC 1952, 2.3.1.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An open input.
pub(super) struct Opened {
    /// What messages call it.
    pub(super) name: String,
    /// Its bytes, decompressed.
    pub(super) reader: Box<dyn Read>,
    /// Bytes read so far, before decompression.
    pub(super) read: Arc<AtomicU64>,
    /// Its length before decompression, if it has one.
    pub(super) bytes: Option<u64>,
}

/// Opens the file, or standard input for `-`; unpacks it when it begins as gzip does.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let read = Arc::new(AtomicU64::new(0));
    let (name, raw, bytes): (_, Box<dyn Read>, _) = if path == Path::new(STDIN) {
        ("standard input".into(), Box::new(io::stdin().lock()), None)
    } else {
        let name = path.display().to_string();
        let file = RealDisk
            .open(path, OpenMode::Read)
            .with_context(|| format!("opening {name}"))?;
        let len = file.len().with_context(|| format!("opening {name}"))?;
        (name, Box::new(FileReader { file, at: 0 }), Some(len))
    };
    let mut counted = Counted {
        inner: raw,
        read: Arc::clone(&read),
    };
    let mut begin = Vec::new();
    counted
        .by_ref()
        .take(GZIP_MAGIC.len() as u64)
        .read_to_end(&mut begin)
        .with_context(|| format!("reading {name}"))?;
    let gzip = begin == GZIP_MAGIC;
    let whole = io::Cursor::new(begin).chain(counted);
    let reader: Box<dyn Read> = if gzip {
        Box::new(MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    Ok(Opened {
        name,
        reader,
        read,
        bytes,
    })
}

/// A file of the disk as a reader.
struct FileReader {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Read for FileReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
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
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.read.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}
