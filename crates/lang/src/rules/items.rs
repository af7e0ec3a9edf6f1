//! The table itself: every item and clause of the language, one entry each.

use super::clauses::{channel, level_line, mute, route, rule, sla, test, window};
use super::table::{ClauseEntry, Item, ItemState, Kind, Layout, Often, Parse};

/// The version that is to bring the items beyond the grammar of today.
const LATER: ItemState = ItemState::Later("0.3");

/// A clause that may stand once.
const fn once(
    word: &'static str,
    shape: &'static str,
    doc: &'static str,
    layout: Layout,
    parse: Parse,
) -> ClauseEntry {
    ClauseEntry {
        word,
        shape,
        doc,
        often: Often::Once,
        layout,
        parse,
    }
}

/// A clause that may stand on several lines.
const fn many(
    word: &'static str,
    shape: &'static str,
    doc: &'static str,
    layout: Layout,
    parse: Parse,
) -> ClauseEntry {
    ClauseEntry {
        often: Often::Many,
        ..once(word, shape, doc, layout, parse)
    }
}

const EXPR: ClauseEntry = once(
    "expr",
    "expr PROMQL",
    "the value; over as many lines as it likes",
    Layout::Expr,
    rule::expr,
);
const EVERY: ClauseEntry = once(
    "every",
    "every DUR",
    "distance of two evaluations",
    Layout::Words,
    rule::every,
);
const DELAY: ClauseEntry = once(
    "delay",
    "delay DUR",
    "looks back by this much, so that late data can arrive",
    Layout::Words,
    rule::delay,
);
const MAX: ClauseEntry = once(
    "max",
    "max N",
    "most instances at a time",
    Layout::Words,
    rule::max,
);
const MISSING: ClauseEntry = once(
    "missing",
    "missing clear | keep DUR | LEVEL after DUR",
    "what a vanished series means",
    Layout::Words,
    rule::missing,
);
const LABEL: ClauseEntry = many(
    "label",
    "label NAME = \"...\"",
    "a label added to the result",
    Layout::Words,
    rule::label,
);
const NOTE: ClauseEntry = many(
    "note",
    "note NAME = \"...\"",
    "an annotation",
    Layout::Words,
    rule::note,
);
const DESCRIPTION: ClauseEntry = once(
    "description",
    "description \"...\"",
    "what it means and what to do",
    Layout::Words,
    rule::description,
);
const RUNBOOK: ClauseEntry = once(
    "runbook",
    "runbook URL",
    "where the instructions are",
    Layout::Bare,
    rule::runbook,
);
const MATCH: ClauseEntry = once(
    "match",
    "match {MATCHERS}",
    "which instances, by their labels; without it, all",
    Layout::Words,
    route::matchers,
);

const fn level(word: &'static str, shape: &'static str) -> ClauseEntry {
    many(
        word,
        shape,
        "when this level holds; lines with `where` stand above the general one",
        Layout::Level,
        level_line::level,
    )
}

/// Every item, in the order of the docs.
pub(super) const ITEMS: &[Item] = &[
    Item {
        word: "defaults",
        shape: "defaults",
        doc: "clauses that every alert, record and sla of this file starts from",
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
                Layout::Words,
                rule::summary,
            ),
            DESCRIPTION,
            RUNBOOK,
            LABEL,
            NOTE,
        ],
    },
    Item {
        word: "sla",
        shape: "sla NAME",
        doc: "an objective, its periods, its budget and burn alerts",
        state: ItemState::Here(Kind::Sla),
        clauses: &[
            many(
                "objective",
                "objective PERCENT over DUR | week | month | quarter | year [in \"ZONE\"]",
                "what is promised, over which period",
                Layout::Words,
                sla::objective,
            ),
            once(
                "good",
                "good COUNTER + COUNTER ...",
                "the events that count as good",
                Layout::Expr,
                sla::good,
            ),
            once(
                "bad",
                "bad COUNTER + COUNTER ...",
                "or those that count as bad",
                Layout::Expr,
                sla::bad,
            ),
            once(
                "total",
                "total COUNTER + COUNTER ...",
                "all events",
                Layout::Expr,
                sla::total,
            ),
            once(
                "ok",
                "ok PROMQL",
                "instead of counters: true when a slice of time is good",
                Layout::Expr,
                sla::ok,
            ),
            once(
                "slice",
                "slice DUR",
                "length of such a slice",
                Layout::Words,
                sla::slice,
            ),
            once(
                "missing",
                "missing ok | bad | skip",
                "what a slice without data is",
                Layout::Words,
                sla::missing,
            ),
            once(
                "breach",
                "breach LEVEL [for DUR]",
                "tell when the newest slice, or the ratio of the period, is below the target",
                Layout::Words,
                sla::breach,
            ),
            once(
                "by",
                "by (LABEL, ...)",
                "one budget for each combination of these labels",
                Layout::Words,
                sla::by,
            ),
            many(
                "burn",
                "burn none | PERCENT in DUR LEVEL",
                "tell when this share of the budget is spent in this time",
                Layout::Words,
                sla::burn,
            ),
            once(
                "min",
                "min N events",
                "below this many, no burn alert",
                Layout::Words,
                sla::min,
            ),
            once(
                "exclude",
                "exclude WINDOW, ...",
                "times that count for nothing",
                Layout::Words,
                sla::exclude,
            ),
            EVERY,
            DELAY,
            DESCRIPTION,
            RUNBOOK,
            LABEL,
            NOTE,
        ],
    },
    Item {
        word: "window",
        shape: "window NAME",
        doc: "named times: maintenance, office hours",
        state: ItemState::Here(Kind::Window),
        clauses: &[
            many(
                "every",
                "every DAYS | month N-N [of ...] [HH:MM-HH:MM] [in \"ZONE\"]",
                "times that come again",
                Layout::Words,
                window::every,
            ),
            many(
                "on",
                "on DATE [HH:MM] to DATE [HH:MM] [in \"ZONE\"]",
                "a time that comes once",
                Layout::Words,
                window::on,
            ),
            many(
                "except",
                "except DATE [to DATE]",
                "days on which no `every` starts",
                Layout::Words,
                window::except,
            ),
        ],
    },
    Item {
        word: "mute",
        shape: "mute NAME",
        doc: "what is not told, when, and why",
        state: ItemState::Here(Kind::Mute),
        clauses: &[
            MATCH,
            once(
                "during",
                "during WINDOW, ...",
                "while one of these windows is open",
                Layout::Words,
                mute::during,
            ),
            once(
                "outside",
                "outside WINDOW, ...",
                "while none of these windows is open",
                Layout::Words,
                mute::outside,
            ),
            once(
                "until",
                "until TIME",
                "ends by itself",
                Layout::Bare,
                mute::until,
            ),
            once(
                "while",
                "while {MATCHERS} [same (LABEL, ...)]",
                "while such an alert fires, with the same values of these labels",
                Layout::Words,
                mute::cause,
            ),
            once(
                "reason",
                "reason \"...\"",
                "why; needed",
                Layout::Words,
                mute::reason,
            ),
        ],
    },
    Item {
        word: "route",
        shape: "route NAME [in PARENT]",
        doc: "who is told, grouped how, escalated how, how often",
        state: ItemState::Here(Kind::Route),
        clauses: &[
            MATCH,
            once(
                "to",
                "to CHANNEL, ...",
                "where their messages go",
                Layout::Words,
                route::to,
            ),
            many(
                "then",
                "then after DUR to CHANNEL, ...",
                "who is told when nobody acknowledges",
                Layout::Words,
                route::then,
            ),
            once(
                "group",
                "group by (LABEL, ...) | by all",
                "which instances share a message",
                Layout::Words,
                route::group,
            ),
            once(
                "wait",
                "wait DUR",
                "how long a new group gathers",
                Layout::Words,
                route::wait,
            ),
            once(
                "batch",
                "batch DUR",
                "distance of two messages of a group that changes",
                Layout::Words,
                route::batch,
            ),
            once(
                "repeat",
                "repeat DUR",
                "distance of two messages of a group that does not",
                Layout::Words,
                route::repeat,
            ),
            once(
                "limit",
                "limit N per DUR",
                "most messages in a time; the rest goes out as a digest",
                Layout::Words,
                route::limit,
            ),
            once(
                "continue",
                "continue",
                "the next route is asked too",
                Layout::Words,
                route::go_on,
            ),
        ],
    },
    Item {
        word: "channel",
        shape: "channel NAME",
        doc: "where a message goes; secrets only by name",
        state: ItemState::Here(Kind::Channel),
        clauses: &[
            once(
                "log",
                "log",
                "the server's own log",
                Layout::Words,
                channel::log,
            ),
            once(
                "webhook",
                "webhook URL [bearer secret(NAME)]",
                "HTTP POST of Alertmanager's JSON",
                Layout::Bare,
                channel::webhook,
            ),
            once(
                "slack",
                "slack \"#CHANNEL\" token secret(NAME) | webhook secret(NAME)",
                "a message in Slack",
                Layout::Words,
                channel::slack,
            ),
            once(
                "email",
                "email \"ADDRESS\", ...",
                "a mail",
                Layout::Words,
                channel::email,
            ),
            once(
                "pagerduty",
                "pagerduty key secret(NAME)",
                "an event for PagerDuty",
                Layout::Words,
                channel::pagerduty,
            ),
            once(
                "telegram",
                "telegram CHAT token secret(NAME)",
                "a message in Telegram",
                Layout::Bare,
                channel::telegram,
            ),
            once(
                "exec",
                "exec \"PROGRAM\" [\"ARGUMENT\" ...]",
                "a program on this machine",
                Layout::Bare,
                channel::exec,
            ),
            once(
                "retry",
                "retry DUR",
                "how long a message is tried before the fallback",
                Layout::Words,
                channel::retry,
            ),
            once(
                "fallback",
                "fallback CHANNEL",
                "the channel that takes over",
                Layout::Words,
                channel::fallback,
            ),
        ],
    },
    Item {
        word: "test",
        shape: "test \"...\"",
        doc: "series in, alerts and notifications out",
        state: ItemState::Here(Kind::Test),
        clauses: &[
            once(
                "start",
                "start TIME",
                "time zero; without it, 1970",
                Layout::Bare,
                test::start,
            ),
            many(
                "load",
                "load DUR",
                "series and their values on the lines below, one value each DUR",
                Layout::Lines,
                test::load,
            ),
            many(
                "eval",
                "eval DUR PROMQL",
                "what the expression yields: `{labels} value` on the lines below",
                Layout::Lines,
                test::eval,
            ),
            many(
                "at",
                "at DUR",
                "every pending or firing instance on the lines below, or `none`",
                Layout::Lines,
                test::at,
            ),
            many(
                "notify",
                "notify DUR CHANNEL [resolved] ALERT{LABELS}",
                "this reached the channel by then",
                Layout::Words,
                test::notify,
            ),
            many(
                "silent",
                "silent DUR CHANNEL",
                "nothing reached the channel up to then",
                Layout::Words,
                test::silent,
            ),
            many(
                "ack",
                "ack DUR ALERT{LABELS}",
                "someone acknowledges",
                Layout::Words,
                test::ack,
            ),
        ],
    },
    Item {
        word: "scrape",
        shape: "scrape NAME",
        doc: "targets to pull",
        state: LATER,
        clauses: &[],
    },
    Item {
        word: "probe",
        shape: "probe NAME",
        doc: "HTTP and TCP checks",
        state: LATER,
        clauses: &[],
    },
    Item {
        word: "expect",
        shape: "expect NAME",
        doc: "a run that has to start or end by a deadline",
        state: LATER,
        clauses: &[],
    },
    Item {
        word: "dashboard",
        shape: "dashboard NAME",
        doc: "panels for an audience",
        state: LATER,
        clauses: &[],
    },
    Item {
        word: "oncall",
        shape: "oncall NAME",
        doc: "rotations",
        state: LATER,
        clauses: &[],
    },
];
