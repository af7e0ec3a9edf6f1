//! Looks for damage in an open segment, and for directories that disagree with the data.

use super::layout::Kind;
use super::reader::{Segment, read_section};
use super::zone::Zone;
use super::{ReadBuf, SegmentError};
use bellwether_model::TimeRange;

/// Something wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The series it belongs to, if to one only.
    pub series: Option<u64>,
    /// What and where, for a person to read.
    pub what: String,
}

impl Problem {
    fn new(series: Option<u64>, what: impl ToString) -> Problem {
        Problem {
            series,
            what: what.to_string(),
        }
    }
}

impl Segment {
    /// All damage that can be found: the directories' checksums on the disk once more and, if `deep`, every
    /// label set, posting and chunk, each against the others. Empty for a sound segment.
    pub fn verify(&self, deep: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        for kind in [
            Kind::Symbols,
            Kind::Pairs,
            Kind::Series,
            Kind::Columns,
            Kind::ChunkDir,
            Kind::Zones,
        ] {
            if let Err(error) = read_section(&*self.file, &self.path, &self.layout, kind) {
                problems.push(Problem::new(None, error));
            }
        }
        if deep {
            if self.symbols.verify().is_err() {
                problems.push(Problem::new(None, self.corrupt(Kind::Symbols, None)));
            }
            self.verify_postings(&mut problems);
            self.verify_series(&mut problems);
        }
        problems
    }

    /// Each series must be in the lists of exactly its own pairs: each is in those, and there are no more.
    fn verify_postings(&self, problems: &mut Vec<Problem>) {
        let mut listed = 0;
        for pair in 0..self.pairs.len() as u32 {
            match self.pairs.series(pair) {
                Ok(series) => listed += series.len(),
                Err(_) => problems.push(Problem::new(None, self.corrupt(Kind::Pairs, None))),
            }
        }
        let mut labels = 0;
        for ix in 0..self.series_count() {
            let Ok((rows, at)) = self.series.labels(ix) else {
                continue;
            };
            labels += rows.pairs(at).map_or(0, <[u32]>::len) as u64;
        }
        if listed != labels {
            let what = format!("postings name {listed} series, labels {labels}");
            problems.push(Problem::new(None, what));
        }
    }

    fn verify_series(&self, problems: &mut Vec<Problem>) {
        let mut buf = ReadBuf::ahead();
        let (mut samples, mut min_ts, mut max_ts) = (0, i64::MAX, i64::MIN);
        let mut last_id = None;
        for ix in 0..self.series_count() {
            let id = self.series_id(ix).ok();
            if id.is_none() || last_id.is_some_and(|last| Some(last) >= id) {
                problems.push(Problem::new(id, "series ids do not ascend"));
            }
            last_id = id.or(last_id);
            match self.verify_one(&mut buf, ix) {
                Ok((n, first, last)) => {
                    samples += n;
                    min_ts = min_ts.min(first);
                    max_ts = max_ts.max(last);
                }
                Err(error) => problems.push(Problem::new(id, error)),
            }
        }
        if problems.is_empty()
            && (samples, min_ts, max_ts) != (self.sample_count(), self.min_ts(), self.max_ts())
        {
            problems.push(Problem::new(
                None,
                "samples and times differ from those that the file states",
            ));
        }
    }

    /// Number of samples, first and last time of a series whose parts all agree.
    fn verify_one(&self, buf: &mut ReadBuf, ix: u32) -> Result<(u64, i64, i64), SegmentError> {
        let id = Some(self.series_id(ix)?);
        self.labels(ix)?;
        let (mut samples, mut min_ts, mut max_ts) = (0, i64::MAX, i64::MIN);
        let (mut ts, mut vals) = (Vec::new(), Vec::new());
        let mut before = None;
        for chunk in self.chunks(ix)? {
            ts.clear();
            vals.clear();
            if before.is_some_and(|before| before >= chunk.t_first) {
                return Err(self.corrupt(Kind::ChunkDir, id));
            }
            before = Some(chunk.t_last);
            let range = TimeRange::new(chunk.t_first, chunk.t_last);
            self.read_with(buf, ix, range, &mut ts, &mut vals)?;
            let agrees = match (self.zone(&chunk)?, Zone::of(&vals)) {
                (None, None) => true,
                (Some(kept), Some(found)) => kept.agrees_with(&found),
                _ => false,
            };
            if !agrees {
                return Err(self.corrupt(Kind::Zones, id));
            }
            samples += ts.len() as u64;
            min_ts = min_ts.min(chunk.t_first);
            max_ts = max_ts.max(chunk.t_last);
        }
        Ok((samples, min_ts, max_ts))
    }
}
