//! Which series match: matchers against postings, never against one series after the other.
//!
//! A matcher that a missing label cannot satisfy keeps the series of all matching pairs; one that it can
//! satisfy removes the series of all pairs that do not match. Either way only the values of the label it
//! names are looked at, and of those only the ones that its literals or prefix leave possible.

use super::SegmentError;
use super::layout::Kind;
use super::reader::Segment;
use crate::codec::Corrupt;
use bellwether_model::{MatchOp, Matcher};
use roaring::RoaringBitmap;
use std::ops::Range;

impl Segment {
    /// The series that all `matchers` match, ascending; all series for none.
    pub fn select(&self, matchers: &[Matcher]) -> Result<Vec<u32>, SegmentError> {
        Ok(self.matching(matchers)?.iter().collect())
    }

    /// All values of a label, sorted; empty when no series has it.
    pub fn label_values(&self, name: &str) -> Result<Vec<String>, SegmentError> {
        let pairs = self
            .pairs_of(name)
            .map_err(|_| self.corrupt(Kind::Symbols, None))?;
        let values: Result<Vec<String>, Corrupt> = pairs.map(|pair| self.value(pair)).collect();
        values.map_err(|_| self.corrupt(Kind::Symbols, None))
    }

    /// The values of a label among the series that all `matchers` match, sorted.
    pub fn label_values_where(
        &self,
        name: &str,
        matchers: &[Matcher],
    ) -> Result<Vec<String>, SegmentError> {
        let series = self.matching(matchers)?;
        let values = || {
            let mut values = Vec::new();
            for pair in self.pairs_of(name)? {
                if !self.pairs.series(pair)?.is_disjoint(&series) {
                    values.push(self.value(pair)?);
                }
            }
            Ok(values)
        };
        values().map_err(|_: Corrupt| self.corrupt(Kind::Pairs, None))
    }

    fn matching(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, SegmentError> {
        self.try_matching(matchers)
            .map_err(|_| self.corrupt(Kind::Pairs, None))
    }

    fn try_matching(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, Corrupt> {
        let mut found: Option<RoaringBitmap> = None;
        // Those that keep few come first: removing from few is cheap.
        let (removing, mut keeping): (Vec<_>, Vec<_>) =
            matchers.iter().partition(|matcher| matcher.matches_empty());
        keeping.sort_by_key(|matcher| matcher.op() != MatchOp::Equal);
        for matcher in keeping {
            let series = self.union(&self.matching_pairs(matcher)?)?;
            let kept = found.map_or_else(|| series.clone(), |found| found & &series);
            if kept.is_empty() {
                return Ok(kept);
            }
            found = Some(kept);
        }
        let mut found = found.unwrap_or_else(|| (0..self.series_count()).collect());
        for matcher in removing {
            found -= self.union(&self.refused_pairs(matcher)?)?;
        }
        Ok(found)
    }

    fn union(&self, pairs: &[u32]) -> Result<RoaringBitmap, Corrupt> {
        let mut all = RoaringBitmap::new();
        for &pair in pairs {
            all |= self.pairs.series(pair)?;
        }
        Ok(all)
    }

    fn pairs_of(&self, name: &str) -> Result<Range<u32>, Corrupt> {
        let (symbol, known) = self.symbols.rank(name)?;
        Ok(if known {
            self.pairs.of_name(symbol)
        } else {
            0..0
        })
    }

    fn value(&self, pair: u32) -> Result<String, Corrupt> {
        let symbol = self.pairs.value(pair).ok_or(Corrupt { offset: 0 })?;
        self.symbols.get(symbol)
    }

    fn pair(&self, name: &str, value: &str) -> Result<Option<u32>, Corrupt> {
        let (name, name_known) = self.symbols.rank(name)?;
        let (value, value_known) = self.symbols.rank(value)?;
        Ok(if name_known && value_known {
            self.pairs.find(name, value)
        } else {
            None
        })
    }

    /// Pairs with the matcher's name whose value it matches.
    fn matching_pairs(&self, matcher: &Matcher) -> Result<Vec<u32>, Corrupt> {
        if let Some(literals) = matcher.literals() {
            let mut pairs = Vec::new();
            for literal in literals {
                pairs.extend(self.pair(matcher.name(), literal)?);
            }
            return Ok(pairs);
        }
        let mut pairs = Vec::new();
        for pair in self.with_prefix(self.pairs_of(matcher.name())?, matcher.prefix())? {
            if matcher.matches(&self.value(pair)?) {
                pairs.push(pair);
            }
        }
        Ok(pairs)
    }

    /// Pairs with the matcher's name whose value it does not match.
    fn refused_pairs(&self, matcher: &Matcher) -> Result<Vec<u32>, Corrupt> {
        if matcher.op() == MatchOp::NotEqual {
            return Ok(self
                .pair(matcher.name(), matcher.value())?
                .into_iter()
                .collect());
        }
        let mut pairs = Vec::new();
        for pair in self.pairs_of(matcher.name())? {
            if !matcher.matches(&self.value(pair)?) {
                pairs.push(pair);
            }
        }
        Ok(pairs)
    }

    /// Those of `pairs`, all of one name, whose value starts with `prefix`.
    fn with_prefix(&self, pairs: Range<u32>, prefix: &str) -> Result<Range<u32>, Corrupt> {
        if prefix.is_empty() {
            return Ok(pairs);
        }
        let first = self.partition(&pairs, |value| value < prefix)?;
        let rest = first..pairs.end;
        let end = self.partition(&rest, |value| value.starts_with(prefix))?;
        Ok(first..end)
    }

    /// The first of `pairs` whose value is not `below`, which holds up to some point and not after.
    fn partition(&self, pairs: &Range<u32>, below: impl Fn(&str) -> bool) -> Result<u32, Corrupt> {
        let (mut low, mut high) = (pairs.start, pairs.end);
        while low < high {
            let middle = low.midpoint(high);
            if below(&self.value(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
