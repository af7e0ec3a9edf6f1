//! Fuzz targets: plain functions over bytes, each with an oracle.

use crate::edge::framing::{ChunkFault, Framer, Step};

/// How a connection's bytes ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All passed, and the next byte begins a request.
    AtHead,
    Within,
    Refused(u16),
    Broken(ChunkFault),
}

/// What of a connection passes to `hyper`, and how it ends, is the same wherever the pieces end that the bytes come in.
pub fn http_framing(data: &[u8]) {
    let whole = run(data, data.len().max(1));
    assert!(data.starts_with(&whole.0));
    for piece in [1, 2, 7, 64] {
        assert_eq!(run(data, piece), whole, "in pieces of {piece}");
    }
}

/// Feeds `input` in pieces of `piece` bytes; returns what passed and how it ended.
pub(crate) fn run(input: &[u8], piece: usize) -> (Vec<u8>, End) {
    let mut framer = Framer::new();
    let (mut passed, mut at_hand) = (Vec::new(), Vec::new());
    for part in input.chunks(piece) {
        at_hand.extend_from_slice(part);
        loop {
            match framer.step(&at_hand) {
                Step::Pass(n) => {
                    assert!(n > 0);
                    passed.extend(at_hand.drain(..n));
                }
                Step::More => break,
                Step::Refuse(refusal) => return (passed, End::Refused(refusal.status.as_u16())),
                Step::Broken(fault) => return (passed, End::Broken(fault)),
            }
        }
    }
    let end = if framer.at_head() && at_hand.is_empty() {
        End::AtHead
    } else {
        End::Within
    };
    (passed, end)
}
