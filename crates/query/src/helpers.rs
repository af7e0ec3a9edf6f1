//! Threads that help with queries: for all queries of the process together, one less than the machine has processors.
//!
//! They start with the first query that wants one, and wait between queries instead of being made for each: a new thread
//! may stay for milliseconds on the processor of the one that made it, which is longer than most queries take. A helper serves
//! one query at a time. A query that finds all of them taken goes on alone, so none waits for another's work.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// Calls `job` on this thread and, at the same time, on as many helpers as are idle: at most `threads` calls in all. Returns when
/// all calls have.
pub(crate) fn run(threads: usize, job: impl Fn() + Sync) {
    let wanted = threads.saturating_sub(1);
    match HELPERS.as_ref().and_then(|all| all.lend(wanted)) {
        Some(lent) => lent.run(job),
        None => job(),
    }
}

/// `None` on a system that has no thread left: every query goes alone.
static HELPERS: LazyLock<Option<Helpers>> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, NonZero::get);
    Helpers::new(processors.saturating_sub(1).max(1))
});

struct Helpers {
    pool: ThreadPool,
    idle: AtomicUsize,
}

/// Helpers that serve nobody else until this is dropped.
struct Lent<'a> {
    all: &'a Helpers,
    count: usize,
}

impl Helpers {
    fn new(count: usize) -> Option<Helpers> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|number| format!("query-{number}"))
            .build()
            .ok()?;
        Some(Helpers {
            pool,
            idle: AtomicUsize::new(count),
        })
    }

    /// As many as are idle, `wanted` at most; `None` when that is none.
    fn lend(&self, wanted: usize) -> Option<Lent<'_>> {
        let taken = |idle: usize| idle.min(wanted);
        let left = |idle: usize| Some(idle - taken(idle));
        let relaxed = Ordering::Relaxed; // The pool orders everything that matters.
        let idle = self.idle.fetch_update(relaxed, relaxed, left).ok()?;
        let lent = Lent {
            all: self,
            count: taken(idle),
        };
        (lent.count > 0).then_some(lent)
    }
}

impl Lent<'_> {
    fn run(&self, job: impl Fn() + Sync) {
        self.all.pool.in_place_scope(|scope| {
            for _ in 0..self.count {
                scope.spawn(|_| job());
            }
            job();
        });
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.all.idle.fetch_add(self.count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn helpers_are_lent_once_and_come_back() {
        let helpers = Helpers::new(3).unwrap();
        assert!(helpers.lend(0).is_none());
        let two = helpers.lend(2).unwrap();
        let one = helpers.lend(2).unwrap();
        assert_eq!((two.count, one.count), (2, 1));
        assert!(helpers.lend(1).is_none());
        drop(two);
        assert_eq!(helpers.lend(7).unwrap().count, 2);
    }

    #[test]
    fn all_calls_run_at_the_same_time() {
        let helpers = Helpers::new(2).unwrap();
        let meeting = Barrier::new(3);
        helpers.lend(2).unwrap().run(|| _ = meeting.wait());
        assert_eq!(helpers.idle.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn one_thread_is_this_one() {
        let here = std::thread::current().id();
        run(1, || assert_eq!(std::thread::current().id(), here));
    }

    #[test]
    fn helpers_come_back_from_a_job_that_panics() {
        let helpers = Helpers::new(1).unwrap();
        let fails = || helpers.lend(1).unwrap().run(|| panic!("as wanted"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(fails)).is_err());
        assert!(helpers.lend(1).is_some());
    }
}
