//! The bytes on disk, byte for byte: whoever changes one of these vectors changes the format.

use super::scenario::{happened, notice, sources};
use crate::codec::{CodecError, Row, VALUE_BYTES_MAX, decode, encode};
use crate::rows::{HistoryRecord, InstanceRecord, MetaRecord, OutboxRecord, Outcome, StatusRecord};
use bellwether_disk::sim::Rng;
use bellwether_model::TimestampMs;
use std::fmt::Debug;

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn check<R: Row + Debug + PartialEq>(row: &R, golden: &str) {
    let value = encode(row).unwrap();
    assert_eq!(hex(&value), golden);
    assert_eq!(&decode::<R>(&value).unwrap(), row);
}

#[test]
fn golden_instance() {
    check(
        &InstanceRecord {
            state: b"abc".to_vec(),
        },
        "010103616263cb6d06b4",
    );
}

#[test]
fn golden_outbox() {
    check(
        &notice("k", 1_700_000_000_000).record(),
        "0101016b04686f6f6b0c6d657373616765206f66206bfd00d0ca9f170300000000fd00d0ca9f1703000000bba818e7",
    );
}

#[test]
fn golden_statuses() {
    let (at, text) = (TimestampMs(-1), || "x".to_owned());
    for (outcome, golden) in [
        (
            Outcome::Retry {
                next_attempt: at,
                error: text(),
            },
            "010100000000fb2c0100010101784f94f785",
        ),
        (
            Outcome::Delivered { at, answer: None },
            "010100000000fb2c01010100202f02db",
        ),
        (
            Outcome::Superseded { at, by: text() },
            "010100000000fb2c01020101782cc2daf8",
        ),
        (
            Outcome::Silenced { at, reason: text() },
            "010100000000fb2c010301017894689f25",
        ),
        (
            Outcome::DeadLetter { at, error: text() },
            "010100000000fb2c01040101785ed09f3c",
        ),
    ] {
        let record = OutboxRecord {
            key: String::new(),
            channel: String::new(),
            payload: Vec::new(),
            created: 0,
            attempts: 300,
            status: StatusRecord::after(&outcome).0,
        };
        check(&record, golden);
    }
}

#[test]
fn golden_history() {
    let value = encode(&happened(0, "fire").record()).unwrap();
    assert_eq!(
        hex(&value),
        "0101084469736b46756c6c1a09616c6572746e616d65084469736b46756c6c04686f737401610466697265010200020000000000f07f0100000000000000800019984ddf"
    );
    let record: HistoryRecord = decode(&value).unwrap();
    assert_eq!(record.value.to_bits(), 0x7ff0_0000_0000_0002);
}

#[test]
fn golden_meta() {
    let meta = MetaRecord {
        last_tick: Some(1_700_000_000_000),
        next_sequence: 8,
        intents: 7,
        delivered: 1,
        superseded: 2,
        silenced: 3,
        dead_letter: 4,
        repeated: u64::MAX,
    };
    check(
        &meta,
        "010101fd00d0ca9f17030000080701020304fdffffffffffffffff3d4e83c8",
    );
}

#[test]
fn golden_rules() {
    check(
        &sources(-1, 3).record(),
        "010101010d72756c65732f612e72756c65730323232365065ac0",
    );
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc32c::crc32c(bytes).to_le_bytes()].concat()
}

#[test]
fn foreign_values_are_refused_by_what_is_wrong() {
    let error = |value: &[u8]| decode::<InstanceRecord>(value).unwrap_err();
    assert_eq!(error(b""), CodecError::Short(0));
    assert_eq!(error(b"12345"), CodecError::Short(5));
    assert_eq!(error(b"123456"), CodecError::Checksum);
    assert_eq!(error(&sealed(&[2, 1, 0])), CodecError::Tag { got: 2 });
    assert_eq!(
        error(&sealed(&[1, 9, 0])),
        CodecError::Schema { got: 9, known: 1 }
    );
    assert_eq!(
        error(&sealed(&[1, 1, 0, 0])).to_string(),
        "a value does not decode: 1 bytes too many"
    );
    assert!(
        matches!(error(&sealed(&[1, 1, 3, 0])), CodecError::Malformed(_)),
        "ends early"
    );
    // A length of 2^63 is refused before anything is allocated.
    let long = [&[1, 1, 253][..], &(1_u64 << 63).to_le_bytes()].concat();
    assert!(matches!(error(&sealed(&long)), CodecError::Malformed(_)));
}

#[test]
fn a_value_that_could_not_be_read_back_is_not_written() {
    let row = InstanceRecord {
        state: vec![0; VALUE_BYTES_MAX - 10],
    };
    assert!(matches!(encode(&row), Err(CodecError::TooLong { .. })));
    let row = InstanceRecord {
        state: vec![0; VALUE_BYTES_MAX - 100],
    };
    assert_eq!(
        decode::<InstanceRecord>(&encode(&row).unwrap()).unwrap(),
        row
    );
}

#[test]
fn every_flipped_bit_is_seen() {
    let value = encode(&notice("k", 5).record()).unwrap();
    for bit in 0..value.len() * 8 {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode::<OutboxRecord>(&flipped), Err(CodecError::Checksum));
    }
}

#[test]
fn mutated_rows_decode_to_what_encodes_to_them() {
    let samples = [
        encode(&InstanceRecord { state: vec![1; 40] }).unwrap(),
        encode(&notice("key", 99).record()).unwrap(),
        encode(&happened(5, "fire").record()).unwrap(),
        encode(&MetaRecord::default()).unwrap(),
        encode(&sources(5, 40).record()).unwrap(),
    ];
    let mut rng = Rng::new(3);
    for n in 0..8000 {
        let sample = &samples[n % samples.len()];
        let mut body = sample[2..sample.len() - 4].to_vec();
        for _ in 0..rng.below(4) {
            let at = rng.index(body.len());
            match rng.below(3) {
                0 => body[at] = rng.next_u64() as u8,
                1 => body.truncate(at.max(1)),
                _ => body.insert(at, [0, 1, 251, 252, 253, 255][rng.index(6)]),
            }
        }
        crate::fuzzing::ledger_rows(&body);
    }
}
