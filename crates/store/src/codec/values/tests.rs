//! Values of every kind come back bit for bit, in few bytes; damaged bytes are refused or read, never worse.

use super::*;
use proptest::prelude::*;

fn encoded(values: &[f64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(values, &mut Hint::default(), &mut out);
    out
}

fn same_bits(got: &[f64], want: &[f64]) -> bool {
    got.len() == want.len()
        && got
            .iter()
            .zip(want)
            .all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Encodes, decodes whole and in parts, compares every bit; returns the size.
fn check(values: &[f64]) -> usize {
    let bytes = encoded(values);
    assert!(bytes.len() <= 1 + 8 * values.len());
    let mut got = vec![0.5];
    decode(&bytes, values.len(), &mut got).unwrap();
    assert_eq!(got[0].to_bits(), 0.5_f64.to_bits());
    assert!(
        same_bits(&got[1..], values),
        "{values:?} came back as {:?}",
        &got[1..]
    );
    let n = values.len();
    for range in [0..n / 2, n / 3..n, n / 3..n / 2, n..n] {
        let mut got = Vec::new();
        decode_range(&bytes, n, range.clone(), &mut got).unwrap();
        assert!(
            same_bits(&got, &values[range.clone()]),
            "{range:?} of {values:?}"
        );
    }
    bytes.len()
}

#[test]
fn golden_bytes() {
    let check = |values: &[f64], want: &[u8]| {
        assert_eq!(encoded(values), want, "{values:?}");
        let mut got = Vec::new();
        decode(want, values.len(), &mut got).unwrap();
        assert!(same_bits(&got, values));
    };
    check(&[], &[]);
    check(&[42.0; 500], &[0, 4, 84, 0]);
    check(&[0.25; 2], &[2, 4, 50, 0]);
    check(
        &[1.0 / 3.0; 9],
        &[29, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xd5, 0x3f],
    );
    check(&[1.0, 2.0, 4.0, 8.0], &[0, 1, 2, 2, 2, 0b11_01_00_00]);
    check(
        &[3.0, 3.0, 3.0, f64::from_bits(STALE)],
        &[0x20, 1, 7, 4, 6, 0],
    );
    check(
        &[-0.0, 1.5],
        &[0x21, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 4, 30, 0],
    );
}

#[test]
fn special_values_come_back() {
    let special = [
        f64::NAN,
        f64::from_bits(STALE),
        f64::from_bits(0xfff8_dead_beef_0001),
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        5e-324,
        -5e-324,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::MIN,
        f64::EPSILON,
        1e308,
        0.1 + 0.2,
        9_007_199_254_740_993.0,
    ];
    check(&special);
    for value in special {
        check(&[value]);
        check(&[value; 300]);
        let mut amid: Vec<f64> = (0..300).map(f64::from).collect();
        for at in [0, 1, 127, 128, 299] {
            amid[at] = value;
            check(&amid);
        }
    }
}

#[test]
fn a_marker_of_staleness_costs_a_few_bytes() {
    let mut values = vec![7.0; 1000];
    let before = check(&values);
    values[999] = f64::from_bits(STALE);
    assert!(check(&values) <= before + 4);
    // A gap of markers: a byte each.
    for value in &mut values[500..600] {
        *value = f64::from_bits(STALE);
    }
    assert!(check(&values) <= before + 4 + 104);
}

#[test]
fn a_counter_that_restarts_costs_a_few_bytes_more() {
    let steady: Vec<f64> = (0..4096).map(|i| 1e9 + f64::from(i * 50 + i % 7)).collect();
    let mut restarted = steady.clone();
    for value in &mut restarted[1000..] {
        *value -= 1e9 + 50_000.0;
    }
    for value in &mut restarted[3000..] {
        *value -= 100_000.0;
    }
    assert!(check(&restarted) <= check(&steady) + 16);
}

#[test]
fn a_few_misfits_do_not_spoil_the_rest() {
    let mut values: Vec<f64> = (0..2400).map(|i| f64::from(i % 50)).collect();
    let before = check(&values);
    for i in (0..2400).step_by(600) {
        values[i] = 1.0 / 3.0;
    }
    assert!(check(&values) <= before + 4 * 12);
}

#[test]
fn noisy_sums_take_two_small_numbers() {
    let mut sum = 0.0;
    let step = |i: u32| {
        sum += f64::from(i * i % 10) / 1000.0;
        sum
    };
    let mut values: Vec<f64> = (0..4000).map(step).collect();
    assert!(check(&values) < 4000 * 3);
    values[7] = f64::from_bits(STALE);
    values[3999] = 1e300;
    for value in &mut values[2000..3000] {
        *value -= 9.0;
    }
    check(&values);
}

#[test]
fn single_precision_values_take_half() {
    let values: Vec<f64> = (1..2000).map(|i| f64::from((i as f32).sqrt())).collect();
    assert!(check(&values) < 2000 * 9 / 2);
}

#[test]
fn a_used_hint_changes_no_value() {
    let mut hint = Hint::default();
    let chunks: [&[f64]; 5] = [
        &[1.5, 2.25, 3.125],
        &[1.0, 2.0],
        &[1.0 / 3.0, 2.0 / 7.0],
        &[-0.0, 1e300],
        &[5.0; 4],
    ];
    for chunk in chunks.iter().cycle().take(100) {
        let mut bytes = Vec::new();
        encode(chunk, &mut hint, &mut bytes);
        let mut got = Vec::new();
        decode(&bytes, chunk.len(), &mut got).unwrap();
        assert!(same_bits(&got, chunk));
    }
}

#[test]
fn missing_and_surplus_bytes_are_refused() {
    let values = [1.0, 5.25, f64::NAN, 6.0, 90.5, 91.0, 17.0];
    let mut bytes = encoded(&values);
    let mut out = Vec::new();
    for len in 0..bytes.len() {
        assert!(
            decode(&bytes[..len], values.len(), &mut out).is_err(),
            "{len} bytes"
        );
    }
    bytes.push(0);
    assert!(decode(&bytes, values.len(), &mut out).is_err());
    assert!(decode(&encoded(&[1.0]), 70_000, &mut out).is_err());
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn any_bits_come_back(bits in prop::collection::vec(any::<u64>(), 0..300)) {
        check(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>());
    }

    #[test]
    fn decimals_with_specials_come_back(
        picks in prop::collection::vec((0_u8..40, -1000_i32..1000), 0..500),
        decimals in 0_i32..5,
    ) {
        let values: Vec<f64> = picks.into_iter().map(|(pick, d)| match pick {
            0 => f64::from_bits(STALE),
            1 => -0.0,
            2 => f64::INFINITY,
            3 => f64::from(d) / 7.0,
            4..20 => f64::from(d) / 10_f64.powi(decimals) * 1.1,
            _ => f64::from(d) / 10_f64.powi(decimals),
        }).collect();
        check(&values);
    }

    #[test]
    fn counters_come_back(steps in prop::collection::vec((0_u16..100, 0_i64..5000), 0..600)) {
        let mut count = 0;
        let values: Vec<f64> = steps.into_iter().map(|(reset, step)| {
            count = if reset == 0 { 0 } else { count + step };
            count as f64
        }).collect();
        check(&values);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        count in 0_usize..2000,
    ) {
        let mut out = Vec::new();
        match decode(&bytes, count, &mut out) {
            Ok(()) => prop_assert_eq!(out.len(), count),
            Err(_) => prop_assert!(out.is_empty()),
        }
    }
}
