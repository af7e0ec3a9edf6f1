//! What the language consists of: the shape of the table of items and clauses, and what is asked of it.
//!
//! The table (`items.rs`) drives the parsing, the formatter, the JSON form, the proposals of "did you mean", the
//! answer to what a later version is to bring, and the overview in the docs. A new clause is an entry there, its
//! parser in `clauses`, its type, and its check; a new item is an entry, its type, and its checks.

use std::fmt::Write as _;

use super::clause::Clause;
use super::diagnostic::Parsed;
use super::items::ITEMS;
use super::lets::Lets;
use super::scan::Scan;

/// The version that reads this table.
pub(super) const CURRENT: &str = "0.1";

/// An item: what starts in column 1.
pub(super) struct Item {
    pub(super) word: &'static str,
    /// Its first line, for messages and docs.
    pub(super) shape: &'static str,
    pub(super) doc: &'static str,
    pub(super) state: ItemState,
    pub(super) clauses: &'static [ClauseEntry],
}

/// Whether an item is here yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemState {
    Here(Kind),
    /// Comes with this version.
    Later(&'static str),
}

/// The items of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Defaults,
    Let,
    Record,
    Alert,
    Sla,
    Window,
    Mute,
    Route,
    Channel,
    Test,
}

impl Kind {
    /// What items of this kind are called in messages: "the alert has no name".
    pub(super) fn noun(self) -> &'static str {
        match self {
            Kind::Defaults => "defaults",
            Kind::Let => "`let`",
            Kind::Record => "record",
            Kind::Alert => "alert",
            Kind::Sla => "objective",
            Kind::Window => "window",
            Kind::Mute => "mute",
            Kind::Route => "route",
            Kind::Channel => "channel",
            Kind::Test => "test",
        }
    }
}

/// A clause: what is indented below an item.
pub(super) struct ClauseEntry {
    pub(super) word: &'static str,
    pub(super) shape: &'static str,
    pub(super) doc: &'static str,
    pub(super) often: Often,
    pub(super) layout: Layout,
    pub(super) parse: Parse,
}

/// Reads what follows a clause's word.
pub(super) type Parse = fn(&mut Scan<'_>, &Lets) -> Parsed<Clause>;

/// How often a clause may stand in its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Often {
    Once,
    Many,
}

/// How the formatter writes a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// PromQL: its lines stay, their indentation is moved.
    Expr,
    /// Words with one blank between them, lists with one behind each comma.
    Words,
    /// As `Words`, with two blanks before the parts of a level line.
    Level,
    /// Words between blanks, nothing in them looked at: addresses.
    Bare,
    /// A first line, and lines below it.
    Lines,
}

/// The entry of an item's word.
pub(super) fn item(word: &str) -> Option<&'static Item> {
    ITEMS.iter().find(|item| item.word == word)
}

/// The entry of a kind of item; every kind has one.
pub(super) fn item_of(kind: Kind) -> Option<&'static Item> {
    ITEMS
        .iter()
        .find(|item| item.state == ItemState::Here(kind))
}

/// True for items whose indented lines all belong to their first one.
pub(super) fn is_whole(word: &str) -> bool {
    item(word).is_some_and(|item| item.state == ItemState::Here(Kind::Let))
}

impl Item {
    /// The version that is to bring it; `None` when it is here.
    pub(super) fn later(&self) -> Option<&'static str> {
        match self.state {
            ItemState::Later(version) => Some(version),
            ItemState::Here(_) => None,
        }
    }

    /// The entry of a clause's word.
    pub(super) fn clause(&self, word: &str) -> Option<&'static ClauseEntry> {
        self.clauses.iter().find(|clause| clause.word == word)
    }
}

/// The language at a glance, as Markdown: every item and clause, what it is, and since when. For the docs.
pub fn overview() -> String {
    let mut out =
        String::from("| item | clause | what it is | version |\n| --- | --- | --- | --- |\n");
    // A bar inside a cell would end it; writing to a String cannot fail.
    let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
    for item in ITEMS {
        let since = item.later().unwrap_or(CURRENT);
        let _ = writeln!(out, "| {} | | {} | {since} |", code(item.shape), item.doc);
        for clause in item.clauses {
            let often = match clause.often {
                Often::Once => "",
                Often::Many => "; several lines allowed",
            };
            let _ = writeln!(
                out,
                "| | {} | {}{often} | {since} |",
                code(clause.shape),
                clause.doc
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique() {
        for (i, item) in ITEMS.iter().enumerate() {
            assert!(ITEMS[..i].iter().all(|other| other.word != item.word));
            assert!(item.shape.starts_with(item.word) && !item.doc.is_empty());
            for (j, clause) in item.clauses.iter().enumerate() {
                assert!(
                    item.clauses[..j]
                        .iter()
                        .all(|other| other.word != clause.word)
                );
                assert!(clause.shape.starts_with(clause.word) && !clause.doc.is_empty());
            }
        }
    }

    #[test]
    fn the_overview_names_everything() {
        let text = overview();
        assert!(
            text.contains("| `alert NAME` |") && text.contains("| `sla NAME` | | an objective")
        );
        assert_eq!(
            text.lines().count(),
            2 + ITEMS.iter().map(|i| 1 + i.clauses.len()).sum::<usize>()
        );
    }
}
