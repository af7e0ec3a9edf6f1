//! SYMS: every label name and value of the segment once, sorted by bytes; a symbol's number is its rank.
//!
//! ```text
//! group of 16 = for each: shared: varint | rest: varint | rest bytes
//! ```
//!
//! `shared` bytes are taken from the symbol before, 0 at the start of a group. All symbols are UTF-8.

use super::SegmentError;
use super::groups::{Groups, GroupsWriter};
use crate::codec::Corrupt;
use crate::codec::varint::{Input, put_unsigned};

const PER_GROUP: usize = 16;
/// Longer than any text that ingest accepts; what bounds the memory for one symbol.
const SYMBOL_BYTES_MAX: usize = 1 << 28;

/// Packs `symbols`, which are sorted and distinct.
pub(super) fn write(symbols: &[&str]) -> Result<Vec<u8>, SegmentError> {
    let mut groups = GroupsWriter::default();
    for group in symbols.chunks(PER_GROUP) {
        groups.push(group.len(), |out| {
            let mut last: &str = "";
            for symbol in group {
                let pairs = last.bytes().zip(symbol.bytes());
                let shared = pairs.take_while(|(a, b)| a == b).count();
                put_unsigned(out, shared as u64);
                put_unsigned(out, (symbol.len() - shared) as u64);
                out.extend_from_slice(&symbol.as_bytes()[shared..]);
                last = symbol;
            }
        });
    }
    groups.finish("symbols")
}

/// The table, packed.
#[derive(Debug)]
pub(super) struct Symbols(Groups);

impl Symbols {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Symbols, Corrupt> {
        Ok(Symbols(Groups::open(bytes, PER_GROUP)?))
    }

    pub(super) fn len(&self) -> usize {
        self.0.rows()
    }

    pub(super) fn memory(&self) -> usize {
        self.0.memory()
    }

    /// The text of symbol `number`.
    pub(super) fn get(&self, number: u32) -> Result<String, Corrupt> {
        let number = number as usize;
        let (mut input, rows) = self.0.group(number / PER_GROUP);
        if number % PER_GROUP >= rows {
            return Err(input.corrupt());
        }
        let mut text = Vec::new();
        for _ in 0..=number % PER_GROUP {
            next(&mut input, &mut text)?;
        }
        String::from_utf8(text).map_err(|_| input.corrupt())
    }

    /// The number of the first symbol that is not below `text`, and whether it is `text`.
    pub(super) fn rank(&self, text: &str) -> Result<(u32, bool), Corrupt> {
        // The last group whose first symbol is not above `text`.
        let (mut low, mut high) = (0, self.0.len());
        while low < high {
            let middle = low.midpoint(high);
            let mut first = Vec::new();
            next(&mut self.0.group(middle).0, &mut first)?;
            if first.as_slice() <= text.as_bytes() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(group) = low.checked_sub(1) else {
            return Ok((0, false));
        };
        let (mut input, rows) = self.0.group(group);
        let mut symbol = Vec::new();
        for i in 0..rows {
            next(&mut input, &mut symbol)?;
            if symbol.as_slice() >= text.as_bytes() {
                return Ok(((group * PER_GROUP + i) as u32, symbol == text.as_bytes()));
            }
        }
        Ok(((group * PER_GROUP + rows) as u32, false))
    }

    /// Checks every symbol: readable, UTF-8, ascending.
    pub(super) fn verify(&self) -> Result<(), Corrupt> {
        let mut last = None;
        for number in 0..self.len() as u32 {
            let symbol = self.get(number)?;
            if last.as_ref().is_some_and(|last| *last >= symbol) {
                return Err(Corrupt { offset: 0 });
            }
            last = Some(symbol);
        }
        Ok(())
    }
}

fn next(input: &mut Input<'_>, text: &mut Vec<u8>) -> Result<(), Corrupt> {
    let shared = input.count(text.len())?;
    let rest = input.count(SYMBOL_BYTES_MAX)?;
    text.truncate(shared);
    text.extend_from_slice(input.take(rest)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_found_by_number_and_text() {
        let mut texts: Vec<String> = (0..100).map(|i| format!("host_{i}")).collect();
        texts.extend([String::new(), "zürich".into(), "a".repeat(5000)]);
        texts.sort();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let symbols = Symbols::open(write(&texts).unwrap()).unwrap();
        symbols.verify().unwrap();
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(symbols.get(i as u32).unwrap(), *text);
            assert_eq!(symbols.rank(text), Ok((i as u32, true)));
            let after = format!("{text}\0");
            assert_eq!(symbols.rank(&after), Ok((i as u32 + 1, false)), "{after}");
        }
        assert!(symbols.get(103).is_err());
    }

    #[test]
    fn no_symbols() {
        let symbols = Symbols::open(write(&[]).unwrap()).unwrap();
        assert_eq!(symbols.rank("a"), Ok((0, false)));
        assert!(symbols.get(0).is_err());
    }
}
