//! A file that the store knows nothing of: rules for something that is not there yet, or called otherwise here.
//!
//! One warning says so, in place of one for each metric. It stands where the first of them would, and what silences it
//! there silences it for the file.

use std::collections::BTreeSet;

use super::Lint;
use super::store::StoreFacts;
use crate::rules::diagnostic::Mistake;
use crate::rules::near::nearest;

/// So many names are told, the rest is counted.
const NAMED_MAX: usize = 3;

/// Puts one warning in the place of those about metrics never seen, when a file reads several and the store has none of
/// them, nor any with nearly such a name. `read` is what the folder does not record itself.
pub(in crate::rules) fn fold(
    read: &BTreeSet<&str>,
    facts: &StoreFacts,
    of_file: Vec<Mistake>,
) -> Vec<Mistake> {
    let known = || facts.metrics.keys().map(String::as_str);
    let is_strange =
        |name: &&str| !facts.metrics.contains_key(*name) && nearest(name, known()).is_none();
    if read.len() < 2 || !read.iter().all(is_strange) {
        return of_file;
    }
    let (told, mut others): (Vec<_>, Vec<_>) = of_file
        .into_iter()
        .partition(|mistake| mistake.lint == Some(Lint::UnknownMetric));
    let first = told.into_iter().min_by_key(|m| m.span.start);
    others.extend(first.map(|first| {
        let count = read.len();
        let message =
            format!("the store has seen none of the {count} metrics that this file reads");
        Mistake::warning(Lint::UnknownMetric, first.span, message)
            .label("the first of them")
            .help(format!("they are {}", names(read)))
            .help("nothing sends them yet, or they are called otherwise here")
    }));
    others
}

/// The first names, and how many more there are.
fn names(read: &BTreeSet<&str>) -> String {
    let mut names: Vec<String> = read.iter().map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
