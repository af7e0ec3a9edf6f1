//! Where the answers of Prometheus 2.42 may differ from ours, each with its reason.
//!
//! Most are rules that Prometheus 3 changed: the naive evaluator knows both ways, so such a difference is allowed only where the old
//! rule gives exactly what Prometheus said and the new one what we said.

use bellwether_lang::promql::Expr;

use crate::compare::{Said, When, by_definition, same};
use crate::data::Data;
use crate::naive::{Naive, Rules};

/// One expression and what came of it.
pub(crate) struct Case<'a> {
    pub(crate) expr: &'a Expr,
    pub(crate) data: &'a Data,
    pub(crate) when: When,
    pub(crate) theirs: &'a Said,
    pub(crate) ours: &'a Said,
}

/// Rules of Prometheus 2, by themselves and all together.
const OLD_RULES: [(&str, Rules); 4] = [
    (
        "old rule: windows are closed on the left (samples are never on an edge here, steps of subqueries are)",
        Rules {
            left_open: false,
            ..Rules::PROMETHEUS_3
        },
    ),
    (
        "old rule: each function drops the name, so what is told apart by it alone is an error or one group",
        Rules {
            late_names: false,
            ..Rules::PROMETHEUS_3
        },
    ),
    (
        "old rule: rate asks for a counter's zero before it decides how far to extend",
        Rules {
            zero_last: false,
            ..Rules::PROMETHEUS_3
        },
    ),
    (
        "old rules, more than one of them",
        Rules {
            left_open: false,
            late_names: false,
            zero_last: false,
        },
    ),
];

/// Why the answers may differ; none when they may not.
pub(crate) fn explanation(case: &Case<'_>) -> Option<String> {
    if let Said::Error(message) = case.theirs
        && message.contains("parse error")
    {
        return Some("not in the language of 2.42".into());
    }
    let naive = |rules| Naive::new(case.data, case.when.0, rules);
    let new = by_definition(&naive(Rules::PROMETHEUS_3), case.expr, case.when);
    let is_new_ours = match &new {
        Err(open) => return Some(format!("open: {open}")),
        Ok(new) => same(new, case.ours, 1e-10).is_ok(),
    };
    for (name, rules) in OLD_RULES {
        let old = by_definition(&naive(rules), case.expr, case.when);
        match old {
            Ok(old) if is_new_ours && same(&old, case.theirs, 1e-9).is_ok() => {
                return Some(name.into());
            }
            Err(open) if is_new_ours => return Some(format!("open by an old rule: {open}")),
            _ => {}
        }
    }
    if let (true, Said::Error(message)) = (is_new_ours, case.theirs)
        && message.contains("same labelset")
    {
        return Some(
            "old rule: series that become the same are an error also where they never meet in time"
                .into(),
        );
    }
    let is_steady = |seed| {
        let moved = by_definition(
            &naive(Rules::PROMETHEUS_3).noisy(seed),
            case.expr,
            case.when,
        );
        moved.is_ok_and(|moved| same(case.ours, &moved, 1e-11).is_ok())
    };
    if !(1..=3).all(is_steady) {
        return Some("the answer hangs by a rounding error".into());
    }
    let text = case.expr.to_string();
    let is_known = |known: &&Known| (known.applies)(&text, case.ours);
    let known = KNOWN.iter().find(is_known).filter(|_| is_new_ours);
    known.map(|known| known.reason.into())
}

/// Something that Prometheus has mended since.
struct Known {
    reason: &'static str,
    /// Of the expression, and of what we said.
    applies: fn(&str, &Said) -> bool,
}

/// What has changed by itself. Our answer is that of the definitions, or it is not allowed.
const KNOWN: [Known; 6] = [
    Known {
        reason: "atan2: 2.42 forgets to drop the name",
        applies: |text, _| text.contains("atan2"),
    },
    Known {
        reason: "stddev and stdvar: of a single NaN or infinity 2.42 says 0",
        applies: |text, _| text.contains("stddev") || text.contains("stdvar"),
    },
    Known {
        reason: "avg and avg_over_time: the mean of 2.42 is not compensated",
        applies: |text, _| text.contains("avg"),
    },
    Known {
        reason: "timestamp: pinned with @, Prometheus forgets the offset",
        applies: |text, _| {
            text.contains("timestamp(") && text.contains(" @ ") && text.contains(" offset ")
        },
    },
    Known {
        reason: "comparisons: 2.42 looks for ambiguous matches only among what they let through",
        applies: |_, ours| matches!(ours, Said::Error(message) if message.contains("multiple matches for labels")),
    },
    Known {
        reason: "predict_linear of a pinned window: after its first step a range of 2.42 differs from its own instants",
        applies: |text, _| text.contains("predict_linear") && text.contains(" @ "),
    },
];
