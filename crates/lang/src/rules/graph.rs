//! Who uses whom: an order in which everything comes after what it uses, and the circles that have none.
//!
//! Items are numbers; `uses[i]` are those that item `i` uses. Time and memory grow with the number of uses.

use std::collections::VecDeque;

/// Numbers such that what is used comes before what uses it; those in circles, and behind them, are left out.
pub(super) fn in_order(uses: &[Vec<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = uses.iter().map(Vec::len).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); uses.len()];
    for (user, used) in uses.iter().enumerate() {
        for i in used {
            users[*i].push(user);
        }
    }
    let mut ready: VecDeque<usize> = (0..uses.len()).filter(|i| open[*i] == 0).collect();
    let mut order = Vec::with_capacity(uses.len());
    while let Some(i) = ready.pop_front() {
        order.push(i);
        for user in &users[i] {
            open[*user] -= 1;
            if open[*user] == 0 {
                ready.push_back(*user);
            }
        }
    }
    order
}

/// The circles among those that `in_order` left out, each once, from its first member on.
pub(super) fn circles(uses: &[Vec<usize>], order: &[usize]) -> Vec<Vec<usize>> {
    let mut left = vec![true; uses.len()];
    for i in order {
        left[*i] = false;
    }
    let mut done: Vec<bool> = left.iter().map(|left| !left).collect();
    let mut found = Vec::new();
    for start in 0..uses.len() {
        // Whoever is left uses at least one that is left, so following them ends in a circle or where one was.
        let mut path: Vec<usize> = Vec::new();
        let mut at = start;
        while !done[at] {
            done[at] = true;
            path.push(at);
            match uses[at].iter().find(|i| left[**i]) {
                Some(next) => at = *next,
                None => break,
            }
        }
        if let Some(from) = path.iter().position(|i| *i == at) {
            let mut circle = path.split_off(from);
            let first = circle
                .iter()
                .enumerate()
                .min_by_key(|(_, i)| **i)
                .map_or(0, |(at, _)| at);
            circle.rotate_left(first);
            found.push(circle);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_comes_first_and_circles_have_no_order() {
        let uses = vec![
            vec![1, 2],
            vec![2],
            vec![],
            vec![4],
            vec![3],
            vec![4],
            vec![6],
        ];
        let order = in_order(&uses);
        assert_eq!(order, [2, 1, 0]);
        assert_eq!(circles(&uses, &order), [vec![3, 4], vec![6]]);
    }
}
