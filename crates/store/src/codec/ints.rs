//! Sequences of integers: common factor out, differences of the cheapest order, frames of 128.
//!
//! ```text
//! sequence = head: u8 | first: signed varint | factor: varint, if bit 3 | tail
//! head = bits 0-1: order | bit 2: line | bit 3: factor | bits 4-7: 0
//! tail of a line = step: signed varint            the values are first + i * step
//! tail of order 0 = frames                         residual i = (x[i] - first) / factor
//! tail of order 1 = frames                         residual i = (x[i] - x[i-1]) / factor
//! tail of order 2 = slope: signed varint | frames  differences of those; slope = residual 1 of order 1
//! tail of order 3 = step: signed varint | frames   order 0's residuals, less (i * step) >> 16
//! ```
//!
//! There is one frame per 128 residuals, and as many residuals as values: those that `first` and
//! `slope` make redundant repeat their successor and are not read. All arithmetic is modulo 2^64, so any
//! integers come back exactly; factors only make residuals smaller. Order 3 is a fitted grid, for clocks
//! that tick at `start + i * step` and jitter around that: differencing would double the noise.
//!
//! Not here: where the number of values is kept (with the caller), and checksums (ditto).

use super::Corrupt;
use super::bitpack::BLOCK;
use super::frame::{self, Window};
use super::varint::{Input, put_signed, put_unsigned};

const ORDER_BITS: u8 = 0x03;
const LINE: u8 = 0x04;
const FACTOR: u8 = 0x08;

/// Sequences encoded with one choice of order before it is weighed again.
const CHOICE_USES: u8 = 16;
/// One block in this many is looked at to weigh the orders.
const WEIGH_ONE_IN: usize = 16;
const WEIGHED_MAX: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Zero,
    One,
    Two,
    Grid,
}

/// The last choice of order, so that the next sequence of the same kind need not weigh them all again.
/// Only size and speed depend on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderHint {
    order: Option<Order>,
    uses: u8,
}

/// Appends the encoding of `ints`; none for an empty slice.
pub fn encode(ints: &[i64], hint: &mut OrderHint, out: &mut Vec<u8>) {
    let Some((&first, rest)) = ints.split_first() else {
        return;
    };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(first));
    let deltas = survey(ints, step);
    if deltas.differing == 0 {
        out.push(LINE);
        put_signed(out, first);
        put_signed(out, step);
        return;
    }
    let plan = Residuals {
        ints,
        factor: common_factor(ints, deltas.all_bits),
    };
    let order = pick_order(&plan, hint);
    let factor = plan.factor.value();
    out.push(order as u8 | if factor == 1 { 0 } else { FACTOR });
    put_signed(out, first);
    if factor != 1 {
        put_unsigned(out, factor);
    }
    let step = plan.step(order);
    if matches!(order, Order::Two | Order::Grid) {
        put_signed(out, step);
    }
    let mut window = Window::default();
    let mut block = [0; BLOCK];
    for at in (0..ints.len()).step_by(BLOCK) {
        let len = plan.fill(order, step, at, &mut block);
        frame::encode(&block[..len], &mut window, out);
    }
}

struct Survey {
    /// The OR of all differences.
    all_bits: u64,
    /// The OR of what tells differences from the first one.
    differing: u64,
}

fn survey(ints: &[i64], first_delta: i64) -> Survey {
    let mut survey = Survey {
        all_bits: 0,
        differing: 0,
    };
    for (next, this) in ints.iter().skip(1).zip(ints) {
        let delta = next.wrapping_sub(*this);
        survey.all_bits |= delta as u64;
        survey.differing |= (delta ^ first_delta) as u64;
    }
    survey
}

/// A factor of all differences, as `odd << shift`.
#[derive(Debug, Clone, Copy)]
struct Factor {
    shift: u32,
    odd: u64,
    /// `odd * inverse == 1`, modulo 2^64: multiplying divides exactly.
    inverse: u64,
}

impl Factor {
    fn new(shift: u32, odd: u64) -> Factor {
        // Newton's iteration doubles the number of right bits; `odd` itself is right in three.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Factor {
            shift,
            odd,
            inverse,
        }
    }

    fn value(self) -> u64 {
        self.odd << self.shift
    }

    fn divide(self, multiple: i64) -> i64 {
        (multiple >> self.shift).wrapping_mul(self.inverse as i64)
    }
}

/// The largest factor that all differences share; its odd part is at most `u64::MAX >> shift`.
fn common_factor(ints: &[i64], all_bits: u64) -> Factor {
    let shift = all_bits.trailing_zeros();
    let odd_part = |delta: i64| (delta >> shift).unsigned_abs();
    let mut odd = 0_u64;
    for (next, this) in ints.iter().skip(1).zip(ints) {
        let delta = odd_part(next.wrapping_sub(*this));
        if odd == 1 {
            break;
        }
        if odd == 0 || !delta.is_multiple_of(odd) {
            odd = gcd(odd, delta);
            odd >>= if odd == 0 { 0 } else { odd.trailing_zeros() };
        }
    }
    // A difference of i64::MIN alone could leave an odd part that does not fit above the shift.
    if odd == 0 || odd > u64::MAX >> shift {
        Factor::new(shift, 1)
    } else {
        Factor::new(shift, odd)
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

struct Residuals<'a> {
    ints: &'a [i64],
    factor: Factor,
}

impl Residuals<'_> {
    /// What the tail stores before the frames.
    fn step(&self, order: Order) -> i64 {
        let from_first = |i: usize| self.factor.divide(self.ints[i].wrapping_sub(self.ints[0]));
        match order {
            Order::Zero | Order::One => 0,
            Order::Two => from_first(1),
            Order::Grid => {
                let last = self.ints.len() - 1;
                let slope = (i128::from(from_first(last)) << 16) / last as i128;
                i64::try_from(slope).unwrap_or(0)
            }
        }
    }

    /// The residuals from index `at`, at most 128, and how many.
    fn fill(&self, order: Order, step: i64, at: usize, block: &mut [i64; BLOCK]) -> usize {
        let len = (self.ints.len() - at).min(BLOCK);
        let ints = &self.ints[at..at + len];
        // Neighbours to the left; at the very start there are none, and the result is made up below.
        let left = |by: usize| &self.ints[at.saturating_sub(by)..];
        match order {
            Order::Zero | Order::Grid => {
                for (to, x) in block.iter_mut().zip(ints) {
                    *to = x.wrapping_sub(self.ints[0]);
                }
            }
            Order::One => {
                let skip = usize::from(at == 0);
                for ((to, x), a) in block.iter_mut().zip(ints).skip(skip).zip(left(1)) {
                    *to = x.wrapping_sub(*a);
                }
            }
            Order::Two => {
                let skip = if at == 0 { 2 } else { 0 };
                let (one, two) = (left(1), left(2));
                let one = if at == 0 { &one[1..] } else { one };
                for (((to, x), a), b) in block.iter_mut().zip(ints).skip(skip).zip(one).zip(two) {
                    *to = x.wrapping_sub(*a).wrapping_sub(a.wrapping_sub(*b));
                }
            }
        }
        let block = &mut block[..len];
        if at == 0 && order == Order::One {
            block[0] = block[1];
        } else if at == 0 && order == Order::Two {
            block[0] = block[2];
            block[1] = block[2];
        }
        if self.factor.value() != 1 {
            for residual in block.iter_mut() {
                *residual = self.factor.divide(*residual);
            }
        }
        if order == Order::Grid {
            for (i, residual) in block.iter_mut().enumerate() {
                *residual = residual.wrapping_sub(grid(at + i, step));
            }
        }
        len
    }

    fn cost(&self, order: Order) -> usize {
        let step = self.step(order);
        let blocks = self.ints.len().div_ceil(BLOCK);
        let weighed = (blocks / WEIGH_ONE_IN).clamp(1, WEIGHED_MAX);
        let mut block = [0; BLOCK];
        let mut cost = 0;
        for i in 0..weighed {
            // Spread out, and never the last block when there is another: it may be short.
            let at = (blocks - 1) * (2 * i + 1) / (2 * weighed);
            let len = self.fill(order, step, at * BLOCK, &mut block);
            cost += frame::cost(&block[..len]);
        }
        cost
    }
}

fn grid(i: usize, step: i64) -> i64 {
    (i as i64).wrapping_mul(step) >> 16
}

fn pick_order(residuals: &Residuals<'_>, hint: &mut OrderHint) -> Order {
    if let Some(order) = hint.order
        && hint.uses < CHOICE_USES
    {
        hint.uses += 1;
        return order;
    }
    // On a tie, the order that is cheaper to decode and spreads damage less.
    let mut best = (Order::One, residuals.cost(Order::One));
    for order in [Order::Zero, Order::Two, Order::Grid] {
        let cost = residuals.cost(order);
        if cost < best.1 {
            best = (order, cost);
        }
    }
    *hint = OrderHint {
        order: Some(best.0),
        uses: 1,
    };
    best.0
}

/// Reads a sequence of `count` integers and hands them to `sink`, up to 128 at a time, with the index
/// of the first of each lot. An empty sequence has no bytes. Stops early once `sink` returns false.
pub fn decode(
    input: &mut Input<'_>,
    count: usize,
    mut sink: impl FnMut(usize, &[i64; BLOCK], usize) -> bool,
) -> Result<(), Corrupt> {
    if count == 0 {
        return Ok(());
    }
    let start = input.corrupt();
    let head = input.byte()?;
    let first = input.signed()?;
    if head == LINE {
        line(first, input.signed()?, count, sink);
        return Ok(());
    }
    if head & !(ORDER_BITS | FACTOR) != 0 {
        return Err(start);
    }
    let Form {
        order,
        factor,
        step,
    } = Form::read(head, input)?;
    let mut block = [0; BLOCK];
    let mut window = Window::default();
    let (mut x, mut slope) = (first, 0_i64);
    for at in (0..count).step_by(BLOCK) {
        let len = (count - at).min(BLOCK);
        frame::decode(input, len, &mut window, &mut block)?;
        match order {
            // Without the multiplication, several at a time.
            Order::Zero if factor == 1 => {
                for x in &mut block {
                    *x = first.wrapping_add(*x);
                }
            }
            Order::Zero => restore(&mut block, factor, first, |_, residual| residual),
            Order::Grid => restore(&mut block, factor, first, |i, residual| {
                residual.wrapping_add(grid(at + i, step))
            }),
            Order::One => {
                if at == 0 {
                    x = x.wrapping_sub(factor.wrapping_mul(block[0]));
                }
                x = sum(&mut block, factor, x);
            }
            Order::Two => {
                if at == 0 {
                    slope = step.wrapping_sub(block[1]).wrapping_sub(block[0]);
                    let before = factor.wrapping_mul(step.wrapping_sub(block[1]));
                    x = x.wrapping_sub(before);
                }
                slope = sum(&mut block, 1, slope);
                x = sum(&mut block, factor, x);
            }
        }
        if !sink(at, &block, len) {
            break;
        }
    }
    Ok(())
}

/// The first of the integers and their step, if they lie on a line: then `input` has been read, else nothing of it.
pub fn decode_line(input: &mut Input<'_>) -> Result<Option<(i64, i64)>, Corrupt> {
    let mut ahead = input.clone();
    if ahead.remaining() == 0 || ahead.byte()? != LINE {
        return Ok(None);
    }
    let line = (ahead.signed()?, ahead.signed()?);
    *input = ahead;
    Ok(Some(line))
}

/// Hands over `first`, `first + step` and so on.
fn line(
    first: i64,
    step: i64,
    count: usize,
    mut sink: impl FnMut(usize, &[i64; BLOCK], usize) -> bool,
) {
    let mut block = [0; BLOCK];
    let mut next = first;
    for at in (0..count).step_by(BLOCK) {
        for to in &mut block {
            *to = next;
            next = next.wrapping_add(step);
        }
        if !sink(at, &block, (count - at).min(BLOCK)) {
            return;
        }
    }
}

/// `first`, `first + step` and so on. By additions: multiplying takes several times as long.
pub fn on_line(first: i64, step: i64, count: usize) -> impl ExactSizeIterator<Item = i64> {
    let mut next = first;
    (0..count).map(move |_| {
        let this = next;
        next = next.wrapping_add(step);
        this
    })
}

/// How the residuals of a sequence are to be read.
struct Form {
    order: Order,
    /// What all of them were divided by.
    factor: i64,
    /// The first difference, or the step of the grid; 0 where the order needs none.
    step: i64,
}

impl Form {
    fn read(head: u8, input: &mut Input<'_>) -> Result<Form, Corrupt> {
        let factor = if head & FACTOR == 0 {
            1
        } else {
            input.unsigned()? as i64
        };
        let order = match head & ORDER_BITS {
            0 => Order::Zero,
            1 => Order::One,
            2 => Order::Two,
            _ => Order::Grid,
        };
        let step = match order {
            Order::Two | Order::Grid => input.signed()?,
            Order::Zero | Order::One => 0,
        };
        Ok(Form {
            order,
            factor,
            step,
        })
    }
}

#[inline(always)]
fn restore(
    block: &mut [i64; BLOCK],
    factor: i64,
    first: i64,
    residual: impl Fn(usize, i64) -> i64,
) {
    for (i, x) in block.iter_mut().enumerate() {
        *x = first.wrapping_add(factor.wrapping_mul(residual(i, *x)));
    }
}

/// Running sums in place, starting from `x`; returns the last.
#[inline(always)]
fn sum(block: &mut [i64; BLOCK], factor: i64, mut x: i64) -> i64 {
    if factor == 1 {
        for to in block.iter_mut() {
            x = x.wrapping_add(*to);
            *to = x;
        }
    } else {
        for to in block.iter_mut() {
            x = x.wrapping_add(factor.wrapping_mul(*to));
            *to = x;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(ints: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(ints, &mut OrderHint::default(), &mut out);
        out
    }

    fn decoded(bytes: &[u8], count: usize) -> Result<Vec<i64>, Corrupt> {
        let mut got = Vec::new();
        let mut input = Input::new(bytes);
        decode(&mut input, count, |at, block, len| {
            assert_eq!(at, got.len());
            got.extend_from_slice(&block[..len]);
            true
        })?;
        input.finish()?;
        Ok(got)
    }

    fn check(ints: &[i64]) -> usize {
        let bytes = encoded(ints);
        assert_eq!(decoded(&bytes, ints.len()).as_deref(), Ok(ints));
        for order in [Order::Zero, Order::One, Order::Two, Order::Grid] {
            let mut out = Vec::new();
            encode(
                ints,
                &mut OrderHint {
                    order: Some(order),
                    uses: 0,
                },
                &mut out,
            );
            assert_eq!(decoded(&out, ints.len()).as_deref(), Ok(ints), "{order:?}");
        }
        bytes.len()
    }

    #[test]
    fn short_and_straight_sequences_take_a_few_bytes() {
        assert_eq!(check(&[]), 0);
        assert_eq!(check(&[7]), 3);
        assert_eq!(check(&[7, 9]), 3);
        assert_eq!(check(&[5; 1000]), 3);
        check(&[i64::MIN, i64::MAX, 0, -1]);
        let line: Vec<i64> = (0..5000).map(|i| 1_700_000_000_000 + 15_000 * i).collect();
        assert!(check(&line) <= 10);
    }

    #[test]
    fn a_common_factor_is_not_paid_for() {
        let plain: Vec<i64> = (0..1024_i64).map(|i| i * i % 37).collect();
        let scaled: Vec<i64> = plain.iter().map(|x| x * 4096 * 3 + 11).collect();
        assert!(check(&scaled) <= check(&plain) + 4);
    }

    #[test]
    fn a_jittering_clock_is_coded_on_its_grid() {
        let ticks: Vec<i64> = (0..2048_i64)
            .map(|i| 1_700_000_000_000 + 15_000 * i + (i * 7919 % 5) - 2)
            .collect();
        // Five values of jitter are 3 bits; their differences take nine values and 4.
        assert!(check(&ticks) <= 2048 * 3 / 8 + 100);
    }

    proptest! {
        #[test]
        fn any_integers_come_back(ints in prop::collection::vec(any::<i64>(), 0..400)) {
            check(&ints);
        }

        #[test]
        fn walks_with_a_factor_come_back(
            steps in prop::collection::vec(-20_i64..20, 1..600),
            factor in any::<i64>(),
            start in any::<i64>(),
        ) {
            let mut x = start;
            let ints: Vec<i64> = steps.iter().map(|step| { x = x.wrapping_add(step.wrapping_mul(factor)); x }).collect();
            check(&ints);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), count in 0_usize..2000) {
            let _ = decoded(&bytes, count);
        }
    }
}
