//! The head by itself: what each group knew, what views are spared, where samples go, what memory it takes.

use super::slot::partition_near;
use super::*;
use crate::config::DuplicatePolicy;
use crate::error::RejectReason;
use crate::selection::settle_captured;
use bellwether_model::STALE_NAN;

/// A head and what fills it; samples are compressed as early as can be.
struct Head {
    generation: Generation,
    writer: Writer,
    newest: Newest,
}

impl Head {
    fn new() -> Head {
        Head {
            generation: Generation::new(1),
            writer: Writer::new(0),
            newest: Newest::default(),
        }
    }

    /// Places and inserts samples (series, time, value) as one group, none of them refused.
    fn insert(&mut self, group: u64, living: Option<Living>, samples: &[(u32, i64, f64)]) {
        let mut batch = batch_of(samples);
        self.newest.place_replayed(&mut batch, |_, _| None);
        self.writer.insert(&self.generation, &batch, group, living);
    }

    /// What group `at` knew of a series.
    fn read(&self, series: u32, at: u64, range: TimeRange) -> Vec<(i64, f64)> {
        let Some(captured) = self.generation.capture(series, at, range) else {
            return Vec::new();
        };
        let (mut times, mut values) = (Vec::new(), Vec::new());
        settle_captured(captured, DuplicatePolicy::LastWins, &mut times, &mut values).unwrap();
        times.into_iter().zip(values).collect()
    }

    fn present(&self, at: u64, range: TimeRange) -> Vec<u32> {
        let mut present = Vec::new();
        self.generation
            .each_present(self.generation.ids(), at, range, |id| present.push(id));
        present
    }
}

fn batch_of(samples: &[(u32, i64, f64)]) -> Batch {
    let mut batch = Batch::default();
    for &(series, t, value) in samples {
        batch.push(series, t, value);
    }
    batch
}

fn living(oldest: u64, newest: u64) -> Living {
    Living { oldest, newest }
}

#[test]
fn every_group_sees_what_it_knew() {
    let mut head = Head::new();
    let mut known: Vec<Vec<(i64, f64)>> = vec![Vec::new()];
    for group in 1..200_i64 {
        // Every third group brings a late one, some of them for a time that is there.
        let mut samples = vec![(5, group * 10, group as f64)];
        if group % 3 == 0 {
            samples.push((5, group * 10 - 20 - group % 2 * 5, -group as f64));
        }
        head.insert(group as u64, Some(living(0, group as u64 - 1)), &samples);
        let mut next = known[known.len() - 1].clone();
        for (_, t, v) in samples {
            match next.binary_search_by_key(&t, |s| s.0) {
                Ok(at) => next[at].1 = v,
                Err(at) => next.insert(at, (t, v)),
            }
        }
        known.push(next);
    }
    for (group, expected) in known.iter().enumerate() {
        let seen = head.read(5, group as u64, TimeRange::ALL);
        assert_eq!(&seen, expected, "group {group}");
    }
    for (from, to) in [(0, 0), (15, 35), (100, 1500), (1985, 9999)] {
        let inside = known[150].iter().filter(|s| from <= s.0 && s.0 <= to);
        let expected: Vec<_> = inside.copied().collect();
        assert_eq!(head.read(5, 150, TimeRange::new(from, to)), expected);
    }
}

#[test]
fn a_group_in_the_making_shows_nothing_until_it_is_published() {
    let mut head = Head::new();
    head.insert(1, None, &[(1, 10, 1.0), (2, 10, 2.0)]);
    // A view of group 1 looks between the batches of group 2.
    let view = Some(living(1, 1));
    head.insert(2, view, &[(1, 20, 1.5), (1, 5, 0.5)]);
    assert_eq!(head.read(1, 1, TimeRange::ALL), [(10, 1.0)]);
    assert_eq!(head.present(1, TimeRange::new(0, 5)), []);
    head.insert(2, view, &[(2, 10, 9.0), (3, 20, 3.0)]);
    assert_eq!(head.read(1, 1, TimeRange::ALL), [(10, 1.0)]);
    assert_eq!(head.read(2, 1, TimeRange::ALL), [(10, 2.0)]);
    assert_eq!(head.read(3, 1, TimeRange::ALL), []);
    assert_eq!(head.present(1, TimeRange::ALL), [1, 2]);
    // Published, all of it is there.
    assert_eq!(
        head.read(1, 2, TimeRange::ALL),
        [(5, 0.5), (10, 1.0), (20, 1.5)]
    );
    assert_eq!(head.read(2, 2, TimeRange::ALL), [(10, 9.0)]);
    assert_eq!(head.present(2, TimeRange::new(20, 20)), [1, 3]);
    assert_eq!(head.generation.bounds(), Some(TimeRange::new(5, 20)));
}

#[test]
fn what_a_view_shows_outlives_compression_underneath() {
    let mut head = Head::new();
    let mut shown = Vec::new();
    for group in 1..=40 {
        head.insert(
            group,
            Some(living(0, 20)),
            &[(0, group as i64, group as f64)],
        );
        if group <= 20 {
            shown.push((group as i64, group as f64));
        }
    }
    // 32 samples became a block, of which the view shows a part.
    head.insert(41, Some(living(20, 20)), &[(0, 41, 0.0), (0, 3, -3.0)]);
    assert_eq!(head.read(0, 20, TimeRange::ALL), shown);
    assert_eq!(head.read(0, 20, TimeRange::new(19, 33)), shown[18..]);
    assert_eq!(
        head.read(0, 41, TimeRange::new(2, 4)),
        [(2, 2.0), (3, -3.0), (4, 4.0)]
    );
}

#[test]
fn states_that_no_view_shows_are_forgotten() {
    let bytes = |of: &dyn Fn(u64) -> Option<Living>| {
        let mut head = Head::new();
        for group in 1..1000 {
            head.insert(group, of(group), &[(0, group as i64, 1.0)]);
        }
        head.generation.memory()
    };
    let alone = bytes(&|_| None);
    let followed = bytes(&|group| Some(living(group.saturating_sub(2), group.saturating_sub(1))));
    let held = bytes(&|group| Some(living(1, group - 1)));
    assert!(followed <= alone + 200, "{followed} bytes, {alone} without");
    assert!(held > alone + 10_000, "a view of the first group needs all");
}

#[test]
fn samples_of_many_pages_find_their_slots_in_any_order() {
    let mut head = Head::new();
    let at = |t: i64| {
        (0..3000)
            .rev()
            .map(move |id| (id * 7, t, f64::from(id) + t as f64))
    };
    let samples: Vec<(u32, i64, f64)> = (0..5).flat_map(at).collect();
    head.insert(1, None, &samples);
    head.insert(2, None, &[(70_000, 9, 1.0), (3, 9, 2.0)]);
    assert_eq!(head.generation.samples(), 15_002);
    for id in (0..3000_u32).step_by(97) {
        let expected: Vec<_> = (0..5).map(|t| (t, f64::from(id) + t as f64)).collect();
        assert_eq!(head.read(id * 7, 1, TimeRange::ALL), expected);
    }
    assert_eq!(head.read(70_000, 1, TimeRange::ALL), []);
    assert_eq!(head.present(2, TimeRange::new(9, 9)), [3, 70_000]);
    assert_eq!(head.present(2, TimeRange::new(10, 99)), []);
}

#[test]
fn ids_that_rest_take_no_memory() {
    let mut head = Head::new();
    head.insert(1, None, &[(60_000_000, 1, 1.0), (7, 1, 1.0)]);
    let page = Page::BYTES;
    assert!(head.generation.memory() < 2 * page + 1000);
    assert_eq!(head.generation.ids().count(), 2 * PAGE_SLOTS);
    assert_eq!(head.present(1, TimeRange::ALL), [7, 60_000_000]);
    // A sample that is refused makes no page either.
    let mut batch = batch_of(&[(1000, 1, 1.0)]);
    batch.placements = vec![Placement::Dropped];
    head.writer.insert(&head.generation, &batch, 2, None);
    assert_eq!(head.generation.ids().count(), 2 * PAGE_SLOTS);
    assert!(head.generation.capture(1000, 2, TimeRange::ALL).is_none());
}

#[test]
fn a_round_of_samples_does_not_fill_the_head_however_many_series_there_are() {
    let mut head = Head::new();
    let flush_bytes = 1 << 20; // As if 2 M series met the default.
    let round = |t: i64| (0..20_000).map(|id| (id, t, 0.5)).collect::<Vec<_>>();
    for t in 1..=4 {
        head.insert(t as u64, None, &round(t));
        assert_eq!(head.generation.fillings(flush_bytes), 0, "round {t}");
    }
    assert!(head.generation.memory() > flush_bytes);
    for t in 5..=8 {
        head.insert(t as u64, None, &round(t));
    }
    assert_eq!(head.generation.fillings(flush_bytes), 1);
    for t in 9..=16 {
        head.insert(t as u64, None, &round(t));
    }
    assert_eq!(head.generation.fillings(flush_bytes), 2);
}

#[test]
fn a_guess_does_not_change_what_is_found() {
    for len in 0..20_usize {
        let items: Vec<usize> = (0..len).collect();
        for guess in 0..=len + 1 {
            for point in 0..=len {
                assert_eq!(partition_near(&items, guess, |i| *i < point), point);
            }
        }
    }
}

#[test]
fn a_slot_stays_small() {
    assert!(size_of::<Slot>() <= 104, "{} bytes", size_of::<Slot>());
}

#[test]
fn a_stale_marker_is_a_sample_like_any_other() {
    let mut head = Head::new();
    let samples: Vec<_> = (0..100)
        .map(|t| (0, t, if t % 10 == 9 { STALE_NAN } else { 1.0 }))
        .collect();
    head.insert(1, None, &samples);
    let read = head.read(0, 1, TimeRange::ALL);
    for ((t, value), (_, expected_t, expected)) in read.iter().zip(&samples) {
        assert_eq!((t, value.to_bits()), (expected_t, expected.to_bits()));
    }
    // Sent again it is a no-op, although it does not equal itself.
    let mut again = batch_of(&[(0, 99, STALE_NAN)]);
    let (decided, past) = head.newest.decide(&mut again, rules(), |_, _| None);
    assert_eq!((decided.duplicates, past.len()), (1, 0));
}

const WINDOW: i64 = 100;

fn rules() -> Rules {
    Rules {
        ooo_window: WINDOW,
        duplicates: DuplicatePolicy::LastWins,
    }
}

/// Decides about samples of series 0 (time, value, what is stored there) after one at 1000; shows where each went.
fn decide(
    duplicates: DuplicatePolicy,
    trusted: i64,
    samples: &[(i64, f64, Option<f64>)],
) -> String {
    let rules = Rules {
        duplicates,
        ..rules()
    };
    let samples_only: Vec<_> = samples.iter().map(|(t, v, _)| (0, *t, *v)).collect();
    let mut batch = batch_of(&samples_only);
    batch.trusted = trusted;
    let mut newest = Newest::default();
    let in_segments = Some((1000, 1_f64.to_bits()));
    let (mut decided, mut past) = newest.decide(&mut batch, rules, |_, _| in_segments);
    for past in &mut past {
        let stored = samples.iter().find(|s| s.0 == past.t).and_then(|s| s.2);
        if let Some(value) = stored {
            past.found(value.to_bits(), duplicates);
        }
    }
    settle(&mut batch, &past, rules, &mut decided);
    let told = |index: usize| {
        let rejected = decided.rejected.iter().find(|r| r.index == index);
        match (rejected, batch.placements[index]) {
            (Some(rejected), Placement::Dropped) => rejected.reason.code(),
            (None, Placement::Dropped) => "no-op",
            (None, Placement::InOrder) => "in order",
            (None, Placement::Late) => "late",
            (Some(_), _) => "both",
        }
    };
    let told: Vec<_> = (0..samples.len()).map(told).collect();
    let counts = (
        decided.accepted as usize,
        decided.duplicates as usize,
        decided.rejected.len(),
    );
    let count = |words: &[&str]| told.iter().filter(|t| words.contains(t)).count();
    let refused = [RejectReason::TooOld.code(), RejectReason::Duplicate.code()];
    let expected = (
        count(&["in order", "late"]),
        count(&["no-op"]),
        count(&refused),
    );
    assert_eq!(counts, expected);
    told.join(", ")
}

#[test]
fn every_sample_has_its_place() {
    use DuplicatePolicy::{FirstWins, LastWins, Reject};
    let check = |policy, samples: &[(i64, f64, Option<f64>)], expected: &str| {
        assert_eq!(decide(policy, i64::MAX, samples), expected, "{policy:?}");
    };
    let none = None;
    // The newest, the ends of the window, and what lies before it.
    let order = [
        (1001, 0.0, none),
        (901, 0.0, none),
        (900, 0.0, none),
        (i64::MIN + 1, 0.0, none),
    ];
    check(LastWins, &order, "in order, late, too_old, too_old");
    // The newest again, as it was and otherwise.
    let newest = [(1000, 1.0, none), (1000, 2.0, none), (1000, 2.0, none)];
    check(LastWins, &newest, "no-op, late, no-op");
    check(FirstWins, &newest, "no-op, no-op, no-op");
    check(Reject, &newest, "no-op, duplicate, duplicate");
    // What is stored inside the window.
    let inside = [
        (950, 7.0, Some(7.0)),
        (951, 8.0, Some(7.0)),
        (952, 9.0, none),
    ];
    check(LastWins, &inside, "no-op, late, late");
    check(FirstWins, &inside, "no-op, no-op, late");
    check(Reject, &inside, "no-op, duplicate, late");
    // What is stored before it.
    let before = [(5, 7.0, Some(7.0)), (6, 8.0, Some(7.0)), (7, 9.0, none)];
    check(LastWins, &before, "no-op, too_old, too_old");
    check(FirstWins, &before, "no-op, no-op, too_old");
    check(Reject, &before, "no-op, duplicate, too_old");
    // The same late time twice in one batch.
    let twice = [(960, 1.0, none), (960, 1.0, none), (960, 2.0, none)];
    check(LastWins, &twice, "late, no-op, late");
    check(FirstWins, &twice, "late, no-op, no-op");
    check(Reject, &twice, "late, no-op, duplicate");
}

#[test]
fn a_newest_sample_that_the_clock_does_not_allow_moves_no_window() {
    let samples = [(501, 0.0, None), (500, 0.0, None), (399, 0.0, None)];
    let last_wins = DuplicatePolicy::LastWins;
    assert_eq!(decide(last_wins, 500, &samples), "late, late, too_old");
    assert_eq!(
        decide(last_wins, 5000, &samples),
        "too_old, too_old, too_old"
    );
}
