//! Bit masks that say at which steps a column has a value. NaN is a value like any other.

/// Words of a mask over `steps` steps.
pub(crate) fn words(steps: usize) -> usize {
    steps.div_ceil(64)
}

pub(crate) fn get(mask: &[u64], step: usize) -> bool {
    mask[step / 64] >> (step % 64) & 1 == 1
}

pub(crate) fn set(mask: &mut [u64], step: usize) {
    mask[step / 64] |= 1 << (step % 64);
}

pub(crate) fn clear(mask: &mut [u64], step: usize) {
    mask[step / 64] &= !(1 << (step % 64));
}

/// Sets the first `steps` bits.
pub(crate) fn fill(mask: &mut [u64], steps: usize) {
    mask.fill(u64::MAX);
    if !steps.is_multiple_of(64)
        && let Some(last) = mask.last_mut()
    {
        *last = (1 << (steps % 64)) - 1;
    }
}

/// How many steps have a value.
pub(crate) fn count(mask: &[u64]) -> usize {
    mask.iter().map(|word| word.count_ones() as usize).sum()
}

pub(crate) fn is_empty(mask: &[u64]) -> bool {
    mask.iter().all(|word| *word == 0)
}

/// The steps whose bit is set, ascending.
pub(crate) fn ones(mask: &[u64]) -> impl Iterator<Item = usize> + '_ {
    mask.iter().enumerate().flat_map(|(i, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                i * 64 + bit
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back() {
        for steps in [1, 63, 64, 65, 200] {
            let mut mask = vec![0; words(steps)];
            fill(&mut mask, steps);
            assert_eq!(
                ones(&mask).collect::<Vec<_>>(),
                (0..steps).collect::<Vec<_>>()
            );
            clear(&mut mask, steps - 1);
            assert!(!get(&mask, steps - 1));
            assert_eq!(ones(&mask).count(), steps - 1);
            set(&mut mask, steps - 1);
            assert!(get(&mask, steps - 1) && !is_empty(&mask));
        }
    }
}
