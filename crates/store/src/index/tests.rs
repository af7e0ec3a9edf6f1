//! The index against asking every series one by one; ids, order, and the limit.

use super::*;
use bellwether_model::MatchOp;

fn index() -> Index {
    let index = Index::new();
    for (metric, host, dc) in [
        ("up", "a", "eu"),
        ("up", "b", "eu"),
        ("up", "c", ""),
        ("load", "a", "eu"),
        ("load", "b", "us"),
    ] {
        let labels = Labels::from_pairs([("__name__", metric), ("host", host), ("dc", dc)]);
        index.find_or_create(&labels, 100).unwrap();
    }
    index
}

fn check(matchers: &[(MatchOp, &str, &str)], expected: &[u32]) {
    let matchers: Vec<Matcher> = matchers
        .iter()
        .map(|(op, n, v)| Matcher::new(*op, n, v).unwrap())
        .collect();
    let index = index();
    assert_eq!(
        index.matching(&matchers, 100).iter().collect::<Vec<_>>(),
        expected
    );
    // The oracle: every series, asked one by one.
    let mut slow = Vec::new();
    index.each_labels(0..index.end(), |id, labels| {
        if matchers.iter().all(|m| m.matches_labels(labels)) {
            slow.push(id);
        }
    });
    assert_eq!(slow, expected);
}

#[test]
fn matchers_select_series_and_missing_labels_are_empty() {
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    check(&[], &[0, 1, 2, 3, 4]);
    check(&[(Equal, "__name__", "up")], &[0, 1, 2]);
    check(&[(Equal, "__name__", "up"), (Equal, "dc", "")], &[2]);
    check(&[(NotEqual, "dc", "")], &[0, 1, 3, 4]);
    check(&[(NotEqual, "dc", "eu")], &[2, 4]);
    check(&[(Regex, "dc", "eu|us")], &[0, 1, 3, 4]);
    check(&[(Regex, "dc", "eu|")], &[0, 1, 2, 3]);
    check(&[(Regex, "dc", "e.*")], &[0, 1, 3]);
    check(&[(NotRegex, "dc", "e.*")], &[2, 4]);
    check(&[(NotRegex, "dc", "eu|us")], &[2]);
    check(
        &[(Regex, "host", ".+"), (NotEqual, "host", "a")],
        &[1, 2, 4],
    );
    check(&[(Equal, "nowhere", "x")], &[]);
    check(&[(NotEqual, "nowhere", "x")], &[0, 1, 2, 3, 4]);
}

#[test]
fn a_view_of_the_index_ends_at_its_ids() {
    let index = index();
    assert_eq!(index.matching(&[], 2).iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn selections_are_sorted_by_labels_whether_few_or_many() {
    let index = Index::new();
    let add = |from: u32, to: u32| {
        for i in from..to {
            let n = i.wrapping_mul(2_654_435_761).to_string();
            index
                .find_or_create(&Labels::from_pairs([("n", n)]), 10_000)
                .unwrap();
        }
        let ids = (0..to).collect::<RoaringBitmap>();
        let sorted = index.sorted(&ids);
        assert_eq!(sorted.len(), to as usize);
        assert!(sorted.windows(2).all(|w| w[0].1 < w[1].1));
    };
    for (from, to) in [(0, 5), (5, 200), (200, 201), (201, 1000), (1000, 1100)] {
        add(from, to);
    }
}

#[test]
fn the_order_is_brought_up_to_date_once_sorting_without_it_has_cost_as_much() {
    let index = Index::new();
    for i in 0..1000 {
        let labels = Labels::from_pairs([("n", i.to_string())]);
        index.find_or_create(&labels, 1000).unwrap();
    }
    let few: RoaringBitmap = (900..964).collect(); // 64 times 7 comparisons.
    let known = |asked: u32| {
        for _ in 0..asked {
            index.sorted(&few);
        }
        index.order.lock().order.end()
    };
    assert_eq!((known(2), known(1)), (0, 1000));
}

#[test]
fn the_series_limit_stops_new_series_only() {
    let index = index();
    let known = Labels::from_pairs([("__name__", "up"), ("host", "a"), ("dc", "eu")]);
    assert_eq!(index.find_or_create(&known, 5), Ok(0));
    let new = Labels::from_pairs([("__name__", "new")]);
    assert_eq!(
        index.find_or_create(&new, 5),
        Err(AppendError::SeriesLimit { max: 5 })
    );
    assert_eq!(
        index.find_or_create(&Labels::empty(), 9),
        Err(AppendError::NoLabels)
    );
}

#[test]
fn restored_ids_stay_unless_taken() {
    let index = Index::new();
    let (a, b) = (
        Labels::from_pairs([("x", "a")]),
        Labels::from_pairs([("x", "b")]),
    );
    assert_eq!(index.restore(7, &a), Some(7));
    assert_eq!(index.restore(9, &a), Some(7));
    assert_eq!(index.restore(7, &b), Some(8));
    assert_eq!(
        index.restore(u32::MAX, &Labels::from_pairs([("x", "z")])),
        None
    );
    index.reserve(21);
    let c = Labels::from_pairs([("x", "c")]);
    assert_eq!(index.find_or_create(&c, 10), Ok(21));
    assert_eq!(index.labels(3), None);
    assert_eq!(index.len(), 3);
}

#[test]
fn an_id_that_cannot_be_true_does_not_blow_up_the_tables() {
    let index = Index::new();
    let labels = |n: u32| Labels::from_pairs([("n", n.to_string())]);
    assert_eq!(index.restore(IDS_MAX - 1, &labels(0)), Some(0));
    assert_eq!(index.restore(IDS_MAX - 1, &labels(0)), Some(0));
    assert_eq!(index.restore(1 << 20, &labels(1)), Some(1));
    assert_eq!(index.end(), 2);
    // As far as gaps go, and where the catalogue says that ids were given out.
    assert_eq!(index.restore(60_000, &labels(2)), Some(60_000));
    index.reserve(1 << 20);
    assert_eq!(
        index.restore((1 << 20) + 5, &labels(3)),
        Some((1 << 20) + 5)
    );
    assert_eq!(
        index.ids().iter().collect::<Vec<_>>(),
        [0, 1, 60_000, (1 << 20) + 5]
    );
}
