//! Bit-packing of 128 values at one width, laid out so that plain loops become vector code.
//!
//! Layout at width `w`: value `i` belongs to lane `i % 2`, row `i / 2`. Each lane is a stream of 64
//! values of `w` bits, low bits first, in `w` little-endian 64-bit words; the words of the two lanes
//! alternate. So row `r` of both lanes is shifted by the same amount, and lands in two neighbouring
//! values: one 128-bit shift does both. The whole takes exactly `16 * w` bytes.
//!
//! Fewer than 128 values ([`pack_tail`]) are one plain stream, low bits first, `ceil(n * w / 8)` bytes.
//!
//! Not here: which width to use, and what to do about values that do not fit (`frame.rs`).

/// Values in one packed block.
pub const BLOCK: usize = 128;
const ROWS: usize = BLOCK / 2;

/// Bytes that `count` values of `width` bits take, packed.
pub fn packed_len(width: u32, count: usize) -> usize {
    (count * width as usize).div_ceil(8)
}

fn mask(width: u32) -> u64 {
    if width == 0 {
        0
    } else {
        u64::MAX >> (64 - width)
    }
}

/// Appends the low `width` bits of each value, `16 * width` bytes. `width` is at most 64.
pub fn pack(width: u32, values: &[u64; BLOCK], out: &mut Vec<u8>) {
    assert!(width <= 64);
    let mask = mask(width);
    // One row more than needed: the last value's upper part, always zero, has somewhere to go.
    let mut words = [[0_u64; 2]; ROWS + 1];
    for (row, pair) in values.as_chunks::<2>().0.iter().enumerate() {
        let bit = row * width as usize;
        let (word, shift) = (bit / 64, bit % 64);
        for lane in 0..2 {
            let value = pair[lane] & mask;
            words[word][lane] |= value << shift;
            // Two shifts, since a shift by 64 is not a shift. Zero when the value fits in this word.
            words[word + 1][lane] |= (value >> 1) >> (63 - shift);
        }
    }
    for word in &words[..width as usize] {
        out.extend_from_slice(&word[0].to_le_bytes());
        out.extend_from_slice(&word[1].to_le_bytes());
    }
}

/// Reads what [`pack`] wrote, each value added to `base`. `packed` holds `16 * width` bytes, or the result is
/// unspecified.
pub fn unpack(width: u32, packed: &[u8], base: i64, values: &mut [i64; BLOCK]) {
    macro_rules! by_width {
        ($($w:literal)*) => {
            match width {
                $($w => unpack_fixed::<$w>(packed, base, values),)*
                _ => unpack_any(width, packed, base, values),
            }
        };
    }
    // Wider than this, the bytes to move cost more than the shifts to compute.
    by_width!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24);
}

fn unpack_any(width: u32, packed: &[u8], base: i64, values: &mut [i64; BLOCK]) {
    let mut words = [[0_u64; 2]; ROWS + 1];
    for (word, bytes) in words.iter_mut().zip(packed.as_chunks::<16>().0).take(ROWS) {
        *word = load(bytes);
    }
    let mask = mask(width);
    for (row, pair) in values.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let bit = row * width as usize;
        let (word, shift) = ((bit / 64).min(ROWS - 1), bit % 64);
        for lane in 0..2 {
            let low = words[word][lane] >> shift;
            let high = (words[word + 1][lane] << 1) << (63 - shift);
            pair[lane] = base.wrapping_add(((low | high) & mask) as i64);
        }
    }
}

/// The same with every shift a constant of the compiled code, 64 rows unrolled.
fn unpack_fixed<const W: usize>(packed: &[u8], base: i64, values: &mut [i64; BLOCK]) {
    if packed.len() != 16 * W {
        return;
    }
    if W == 0 {
        *values = [base; BLOCK];
        return;
    }
    macro_rules! rows {
        ($($r:literal)*) => { $( row::<W, $r>(packed, base, values); )* };
    }
    rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    rows!(32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61);
    rows!(62 63);
}

#[inline(always)]
fn row<const W: usize, const R: usize>(packed: &[u8], base: i64, values: &mut [i64; BLOCK]) {
    let (word, shift) = (R * W / 64, R * W % 64);
    let mask = u64::MAX >> (64 - W);
    let at = |word: usize| packed[16 * word..].first_chunk::<16>().map_or([0; 2], load);
    let mut pair = at(word).map(|lane| lane >> shift);
    if shift + W > 64 {
        let next = at(word + 1);
        for lane in 0..2 {
            pair[lane] |= next[lane] << (64 - shift);
        }
    }
    values[2 * R] = base.wrapping_add((pair[0] & mask) as i64);
    values[2 * R + 1] = base.wrapping_add((pair[1] & mask) as i64);
}

#[inline(always)]
fn load(bytes: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(*bytes);
    [both as u64, (both >> 64) as u64]
}

/// Appends the low `width` bits of fewer than 128 values, one after the other.
pub fn pack_tail(width: u32, values: &[u64], out: &mut Vec<u8>) {
    let mask = mask(width);
    let (mut word, mut used) = (0_u64, 0_u32);
    for value in values.iter().map(|value| value & mask) {
        word |= value << used;
        used += width;
        if used >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            used -= 64;
            // What did not fit: the top `used` bits of the value's `width`.
            word = if used == 0 {
                0
            } else {
                value >> (width - used)
            };
        }
    }
    out.extend_from_slice(&word.to_le_bytes()[..used.div_ceil(8) as usize]);
}

/// Reads what [`pack_tail`] wrote, each value added to `base`. `packed` holds `packed_len(width, values.len())`
/// bytes; any that are missing read as zero.
pub fn unpack_tail(width: u32, packed: &[u8], base: i64, values: &mut [i64]) {
    let mask = mask(width);
    for (i, value) in values.iter_mut().enumerate() {
        let bit = i * width as usize;
        let (start, shift) = (bit / 8, bit % 8);
        let rest = packed.get(start..).unwrap_or_default();
        // Up to 7 bits stand before the value: one word holds all of it, if it is not among the last bytes.
        let low = match rest.first_chunk::<8>() {
            Some(word) if width <= 57 => u64::from_le_bytes(*word) >> shift,
            _ => wide_or_last(rest, shift),
        };
        *value = base.wrapping_add((low & mask) as i64);
    }
}

/// The bits from `shift` on, where up to nine bytes are involved or fewer than eight are left.
#[cold]
fn wide_or_last(rest: &[u8], shift: usize) -> u64 {
    let window = rest.first_chunk::<16>().copied().unwrap_or_else(|| {
        let mut padded = [0; 16];
        padded[..rest.len()].copy_from_slice(rest);
        padded
    });
    (u128::from_le_bytes(window) >> shift) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64) -> [u64; BLOCK] {
        let mut state = seed;
        std::array::from_fn(|_| {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            state ^ (state >> 29)
        })
    }

    #[test]
    fn every_width_comes_back_by_both_readers() {
        for width in 0..=64 {
            let values = noise(u64::from(width) + 1);
            let base = -3_i64;
            let expected = values.map(|value| base.wrapping_add((value & mask(width)) as i64));
            let mut packed = Vec::new();
            pack(width, &values, &mut packed);
            assert_eq!(packed.len(), packed_len(width, BLOCK));
            let mut got = [1; BLOCK];
            unpack(width, &packed, base, &mut got);
            assert_eq!(got, expected, "width {width}");
            unpack_any(width, &packed, base, &mut got);
            assert_eq!(got, expected, "width {width}, the general reader");
        }
    }

    #[test]
    fn tails_of_every_length_and_width_come_back() {
        for width in 0..=64 {
            for len in [0, 1, 2, 7, 8, 63, 64, 65, 100, 127] {
                let values = &noise(77)[..len];
                let mut packed = Vec::new();
                pack_tail(width, values, &mut packed);
                assert_eq!(
                    packed.len(),
                    packed_len(width, len),
                    "width {width}, {len} values"
                );
                let mut got = vec![1; len];
                unpack_tail(width, &packed, 5, &mut got);
                let expected: Vec<i64> = (values.iter())
                    .map(|value| ((value & mask(width)) as i64).wrapping_add(5))
                    .collect();
                assert_eq!(got, expected, "width {width}, {len} values");
            }
        }
    }

    #[test]
    fn layout_is_pinned() {
        let mut values = [0; BLOCK];
        values[..6].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        let mut packed = Vec::new();
        pack(3, &values, &mut packed);
        // Lane 0 holds 1, 3, 5 and lane 1 holds 2, 4, 6, three bits each.
        assert_eq!(packed[..8], (1_u64 | 3 << 3 | 5 << 6).to_le_bytes());
        assert_eq!(packed[8..16], (2_u64 | 4 << 3 | 6 << 6).to_le_bytes());
        assert!(packed[16..].iter().all(|&byte| byte == 0));
    }
}
