//! Work in chunks over a few threads, results taken in the order of the chunks.
//!
//! The partition does not depend on the number of threads and neither does the order of the results, so floats
//! come out the same to the last bit. The error of the first chunk that failed wins.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::QueryError;
use crate::helpers;

/// Runs `work` for `0..count` and hands the results to `take`, chunk 0 first. Each thread makes itself one `M` to work with.
pub(crate) fn in_order<M, T: Send>(
    count: usize,
    threads: usize,
    memory: impl Fn() -> Result<M, QueryError> + Sync,
    work: impl Fn(&mut M, usize) -> Result<T, QueryError> + Sync,
    mut take: impl FnMut(T) -> Result<(), QueryError> + Send,
) -> Result<(), QueryError> {
    let threads = threads.min(count);
    let work = |own: &mut Option<M>, chunk| match own {
        Some(own) => work(own, chunk),
        none => work(none.insert(memory()?), chunk),
    };
    if threads <= 1 {
        let mut own = None;
        return (0..count).try_for_each(|chunk| take(work(&mut own, chunk)?));
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let taker = Mutex::new(Taker {
        next: 0,
        waiting: BTreeMap::new(),
        take,
        error: None,
    });
    let worker = || {
        let mut own = None;
        while !failed.load(Ordering::Relaxed) {
            let chunk = next.fetch_add(1, Ordering::Relaxed);
            if chunk >= count {
                break;
            }
            let result = work(&mut own, chunk);
            let mut taker = taker.lock().unwrap_or_else(PoisonError::into_inner);
            taker.offer(chunk, result);
            if taker.error.is_some() {
                failed.store(true, Ordering::Relaxed);
            }
        }
    };
    helpers::run(threads, worker);
    let taker = taker.into_inner().unwrap_or_else(PoisonError::into_inner);
    taker.error.map_or(Ok(()), Err)
}

/// Holds results back until those before them have been taken.
struct Taker<T, F> {
    next: usize,
    waiting: BTreeMap<usize, Result<T, QueryError>>,
    take: F,
    error: Option<QueryError>,
}

impl<T, F: FnMut(T) -> Result<(), QueryError>> Taker<T, F> {
    fn offer(&mut self, chunk: usize, result: Result<T, QueryError>) {
        self.waiting.insert(chunk, result);
        while self.error.is_none()
            && let Some(result) = self.waiting.remove(&self.next)
        {
            self.next += 1;
            self.error = result.and_then(&mut self.take).err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        for threads in [1, 2, 7] {
            let mut got = Vec::new();
            in_order(
                50,
                threads,
                || Ok(()),
                |(), i| Ok(i * i),
                |v| {
                    got.push(v);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(got, (0..50).map(|i| i * i).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_chunk_that_fails_decides() {
        for threads in [1, 3] {
            let error = in_order(
                20,
                threads,
                || Ok(()),
                |(), i| {
                    if i < 5 {
                        Ok(i)
                    } else {
                        Err(QueryError::MemoryLimit { max: i })
                    }
                },
                |_| Ok(()),
            )
            .unwrap_err();
            assert!(matches!(error, QueryError::MemoryLimit { max: 5 }));
        }
    }
}
