//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`: the order of an instant answer.

use std::cmp::Ordering;

use bellwether_model::Labels;

use super::Func;
use crate::error::QueryError;
use crate::vector::Vector;

/// Sorts the rows of a vector with one step.
pub(crate) fn sort(func: Func, vector: &Vector, by: &[&str]) -> Result<Vector, QueryError> {
    let mut order: Vec<usize> = (0..vector.len()).collect();
    let value = |row: usize| vector.get(row, 0).unwrap_or(f64::NAN);
    let labels = |row: usize| &vector.name(row).labels;
    match func {
        Func::Sort => order.sort_by(|a, b| nan_last(value(*a), value(*b), false)),
        Func::SortDesc => order.sort_by(|a, b| nan_last(value(*a), value(*b), true)),
        Func::SortByLabelDesc => order.sort_by(|a, b| by_label(labels(*b), labels(*a), by)),
        _ => order.sort_by(|a, b| by_label(labels(*a), labels(*b), by)),
    }
    vector.reordered(&order)
}

fn nan_last(a: f64, b: f64, descending: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => {
            let ascending = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if descending {
                ascending.reverse()
            } else {
                ascending
            }
        }
        (a, b) => a.cmp(&b),
    }
}

/// By the values of the labels named, as people count (`a2` before `a10`); then by all labels.
fn by_label(a: &Labels, b: &Labels, by: &[&str]) -> Ordering {
    by.iter()
        .map(|name| natural(a.get(name).unwrap_or(""), b.get(name).unwrap_or("")))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.cmp(b))
}

/// Compares runs of digits as numbers and everything else as text.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (run_a, rest_a) = run(a);
        let (run_b, rest_b) = run(b);
        let order = match (is_number(run_a), is_number(run_b)) {
            (true, true) => {
                let (x, y) = (run_a.trim_start_matches('0'), run_b.trim_start_matches('0'));
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
            _ => run_a.cmp(run_b),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.len().cmp(&b.len())
}

fn is_number(run: &str) -> bool {
    run.starts_with(|c: char| c.is_ascii_digit())
}

/// The digits, or the other characters, that `text` starts with, and the rest.
fn run(text: &str) -> (&str, &str) {
    let digits = is_number(text);
    let end = text
        .find(|c: char| c.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_texts_count() {
        for (a, b) in [
            ("4m5", "4m600"),
            ("4m600", "4m1000"),
            ("1.2.3", "1.11.3"),
            ("a", "b"),
            ("a", "a1"),
        ] {
            assert_eq!(natural(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(natural(b, a), Ordering::Greater, "{a} {b}");
        }
        assert_eq!(natural("a007", "a7"), Ordering::Equal);
    }
}
