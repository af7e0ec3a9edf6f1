//! "Did you mean": the known name nearest to a word that is not known.

/// More edits than this are no slip, however long the word.
const EDITS_MAX: usize = 5;

/// Longer words are not compared: the cost grows with the product of the lengths.
const COMPARED_MAX: usize = 64;

/// The name among `names` that `word` is most likely a slip of: the same but for upper and lower case, or a few
/// edits away (one in three characters). The first of equals.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > COMPARED_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = match length {
        0..=2 => 1,
        n => (n / 3).clamp(1, EDITS_MAX),
    };
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        // The difference in length is a lower bound of the distance, and cheap. Bytes are at least characters.
        if name == word || name.len() > 4 * (length + allowed) {
            continue;
        }
        let other = name.to_lowercase();
        if other.chars().count().abs_diff(length) > allowed {
            continue;
        }
        let edits = distance(&lower, &other);
        // A word that shares nothing is no slip, however short.
        if edits <= allowed && edits < length.max(1) && best.is_none_or(|(least, _)| edits < least)
        {
            best = Some((edits, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i);
        for j in 1..=b.len() {
            let replace = old[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(old[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(older[j - 2] + 1);
            }
            row.push(least);
        }
        older = std::mem::replace(&mut old, row);
    }
    old[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_name_and_strangers_none() {
        let names = [
            "summary",
            "description",
            "warning",
            "expr",
            "to",
            "team-chat",
        ];
        for (word, expected) in [
            ("sumary", Some("summary")),
            ("Summary", Some("summary")),
            ("desciprtion", Some("description")),
            ("warn", None),
            ("warnign", Some("warning")),
            ("exp", Some("expr")),
            ("ot", Some("to")),
            ("team-chatt", Some("team-chat")),
            ("groups", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(distance("instnace", "instance"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
