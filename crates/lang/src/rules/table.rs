//! Every item and clause of the language, one entry each.
//!
//! The table drives the parsing, the proposals of "did you mean", the answer to what a later version is to
//! bring, and the overview in the docs. A new clause is an entry here, its parser in `clauses.rs`, and its
//! check; a new item is an entry, its type, and its builder.

use std::fmt::Write as _;

use super::address;
use super::clauses::{self, Clause};
use super::diagnostic::Parsed;
use super::lets::Lets;
use super::level_line;
use super::scan::Scan;

/// The version that reads this table.
pub(super) const CURRENT: &str = "0.1";
/// The version that is to bring the rest of the grammar.
const NEXT: &str = "0.2";
/// The version that is to bring the items beyond it.
const AFTER: &str = "0.3";

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
    Channel,
    Route,
}

/// A clause: what is indented below an item.
pub(super) struct ClauseEntry {
    pub(super) word: &'static str,
    pub(super) shape: &'static str,
    pub(super) doc: &'static str,
    pub(super) state: ClauseState,
}

/// Reads what follows a clause's word.
pub(super) type Parse = fn(&mut Scan<'_>, &Lets) -> Parsed<Clause>;

/// Whether a clause is here yet, and how often it may stand.
pub(super) enum ClauseState {
    Once(Parse),
    Many(Parse),
    /// Comes with this version.
    Later(&'static str),
}

const fn once(
    word: &'static str,
    shape: &'static str,
    doc: &'static str,
    parse: Parse,
) -> ClauseEntry {
    ClauseEntry {
        word,
        shape,
        doc,
        state: ClauseState::Once(parse),
    }
}

const fn many(
    word: &'static str,
    shape: &'static str,
    doc: &'static str,
    parse: Parse,
) -> ClauseEntry {
    ClauseEntry {
        word,
        shape,
        doc,
        state: ClauseState::Many(parse),
    }
}

const fn later(word: &'static str, shape: &'static str, doc: &'static str) -> ClauseEntry {
    ClauseEntry {
        word,
        shape,
        doc,
        state: ClauseState::Later(NEXT),
    }
}

const EXPR: ClauseEntry = once(
    "expr",
    "expr PROMQL",
    "the value; over as many lines as it likes",
    clauses::expr,
);
const EVERY: ClauseEntry = once(
    "every",
    "every DUR",
    "distance of two evaluations",
    clauses::every,
);
const DELAY: ClauseEntry = once(
    "delay",
    "delay DUR",
    "looks back by this much, so that late data can arrive",
    clauses::delay,
);
const MAX: ClauseEntry = once("max", "max N", "most instances at a time", clauses::max);
const MISSING: ClauseEntry = once(
    "missing",
    "missing clear | keep DUR | LEVEL after DUR",
    "what a vanished series means",
    clauses::missing,
);
const LABEL: ClauseEntry = many(
    "label",
    "label NAME = \"...\"",
    "a label added to the result",
    clauses::label,
);
const NOTE: ClauseEntry = many(
    "note",
    "note NAME = \"...\"",
    "an annotation",
    clauses::note,
);
const RUNBOOK: ClauseEntry = once(
    "runbook",
    "runbook URL",
    "where the instructions are",
    clauses::runbook,
);

const LEVEL_DOC: &str = "when this level holds; lines with `where` stand above the general one";

const fn level(word: &'static str, shape: &'static str) -> ClauseEntry {
    many(word, shape, LEVEL_DOC, level_line::level)
}

/// Every item there is or is to be, in the order of the docs.
pub(super) const ITEMS: &[Item] = &[
    Item {
        word: "defaults",
        shape: "defaults",
        doc: "clauses every alert and record of this file starts from",
        state: ItemState::Here(Kind::Defaults),
        clauses: &[EVERY, DELAY, MAX, MISSING, LABEL, NOTE, RUNBOOK],
    },
    Item {
        word: "let",
        shape: "let NAME = PROMQL",
        doc: "a named constant or sub-expression, used as `$NAME` in every file of the folder",
        state: ItemState::Here(Kind::Let),
        clauses: &[],
    },
    Item {
        word: "record",
        shape: "record METRIC",
        doc: "a recording rule",
        state: ItemState::Here(Kind::Record),
        clauses: &[EXPR, EVERY, DELAY, MAX, LABEL],
    },
    Item {
        word: "alert",
        shape: "alert NAME",
        doc: "a value, its levels, what a gap means, what to tell people",
        state: ItemState::Here(Kind::Alert),
        clauses: &[
            EXPR,
            level(
                "info",
                "info [CMP NUMBER] [for DUR] [clear CMP NUMBER] [keep DUR] [where {MATCHERS}]",
            ),
            level("warning", "warning ..."),
            level("error", "error ..."),
            level("critical", "critical ... | never where {MATCHERS}"),
            level("emergency", "emergency ..."),
            MISSING,
            EVERY,
            DELAY,
            MAX,
            once(
                "summary",
                "summary \"...\"",
                "one line for people",
                clauses::summary,
            ),
            once(
                "description",
                "description \"...\"",
                "what it means and what to do",
                clauses::description,
            ),
            RUNBOOK,
            LABEL,
            NOTE,
        ],
    },
    Item {
        word: "sla",
        shape: "sla NAME",
        doc: "an objective, its windows, its budget and burn alerts",
        state: ItemState::Later(NEXT),
        clauses: &[],
    },
    Item {
        word: "window",
        shape: "window NAME",
        doc: "named times: maintenance, office hours",
        state: ItemState::Later(NEXT),
        clauses: &[],
    },
    Item {
        word: "mute",
        shape: "mute NAME",
        doc: "what is not told, when, and why",
        state: ItemState::Later(NEXT),
        clauses: &[],
    },
    Item {
        word: "route",
        shape: "route NAME",
        doc: "who is told",
        state: ItemState::Here(Kind::Route),
        clauses: &[
            once(
                "match",
                "match {MATCHERS}",
                "which instances, by their labels; without it, all",
                clauses::matchers,
            ),
            once(
                "to",
                "to CHANNEL, ...",
                "where their messages go",
                clauses::to,
            ),
            later(
                "then",
                "then after DUR to CHANNEL, ...",
                "who is told when nobody acknowledges",
            ),
            later(
                "group",
                "group by (LABEL, ...) | all",
                "which instances share a message",
            ),
            later("wait", "wait DUR", "how long a new group gathers"),
            later(
                "batch",
                "batch DUR",
                "distance of two messages of a group that changes",
            ),
            later(
                "repeat",
                "repeat DUR",
                "distance of two messages of a group that does not",
            ),
            later(
                "limit",
                "limit N per DUR",
                "most messages in a time; the rest goes out as a digest",
            ),
            later("continue", "continue", "the next route is asked too"),
        ],
    },
    Item {
        word: "channel",
        shape: "channel NAME",
        doc: "where a message goes; secrets only by name",
        state: ItemState::Here(Kind::Channel),
        clauses: &[
            once("log", "log", "the server's own log", clauses::log),
            once(
                "webhook",
                "webhook URL [bearer secret(NAME)]",
                "HTTP POST of Alertmanager's JSON",
                address::webhook,
            ),
            later(
                "slack",
                "slack \"#CHANNEL\" token secret(NAME)",
                "a Slack channel",
            ),
            later("email", "email \"ADDRESS\"", "a mail"),
            later(
                "pagerduty",
                "pagerduty key secret(NAME)",
                "PagerDuty events",
            ),
            later(
                "telegram",
                "telegram CHAT token secret(NAME)",
                "a Telegram chat",
            ),
            later("exec", "exec \"COMMAND\"", "a program on this machine"),
            once(
                "retry",
                "retry DUR",
                "how long a message is tried before the fallback",
                clauses::retry,
            ),
            once(
                "fallback",
                "fallback CHANNEL",
                "the channel that takes over",
                clauses::fallback,
            ),
        ],
    },
    Item {
        word: "test",
        shape: "test \"...\"",
        doc: "series in, alerts and notifications out",
        state: ItemState::Later(NEXT),
        clauses: &[],
    },
    Item {
        word: "scrape",
        shape: "scrape NAME",
        doc: "targets to pull",
        state: ItemState::Later(AFTER),
        clauses: &[],
    },
    Item {
        word: "probe",
        shape: "probe NAME",
        doc: "HTTP and TCP checks",
        state: ItemState::Later(AFTER),
        clauses: &[],
    },
    Item {
        word: "expect",
        shape: "expect NAME",
        doc: "a run that has to start or end by a deadline",
        state: ItemState::Later(AFTER),
        clauses: &[],
    },
    Item {
        word: "dashboard",
        shape: "dashboard NAME",
        doc: "panels for an audience",
        state: ItemState::Later(AFTER),
        clauses: &[],
    },
    Item {
        word: "oncall",
        shape: "oncall NAME",
        doc: "rotations",
        state: ItemState::Later(AFTER),
        clauses: &[],
    },
];

/// The version that is to bring routes below routes, `route NAME in PARENT`.
pub(super) const ROUTE_IN: &str = NEXT;

/// The entry of an item's word.
pub(super) fn item(word: &str) -> Option<&'static Item> {
    ITEMS.iter().find(|item| item.word == word)
}

/// True for items whose indented lines all belong to their first one.
pub(super) fn is_whole(word: &str) -> bool {
    item(word).is_some_and(|item| item.state == ItemState::Here(Kind::Let))
}

impl ClauseEntry {
    /// The version that is to bring it; `None` when it is here.
    pub(super) fn later(&self) -> Option<&'static str> {
        match self.state {
            ClauseState::Later(version) => Some(version),
            ClauseState::Once(_) | ClauseState::Many(_) => None,
        }
    }
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
        let since = match item.state {
            ItemState::Here(_) => CURRENT,
            ItemState::Later(version) => version,
        };
        let _ = writeln!(out, "| {} | | {} | {since} |", code(item.shape), item.doc);
        for clause in item.clauses {
            let (since, often) = match clause.state {
                ClauseState::Once(_) => (CURRENT, ""),
                ClauseState::Many(_) => (CURRENT, "; several lines allowed"),
                ClauseState::Later(version) => (version, ""),
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
