//! The level lines of one alert against each other: reachable, ordered, and cleared on the safe side.

use super::clause::LevelClause;
use super::diagnostic::Mistake;
use super::lint::Lint;
use super::types::{Condition, Level, LevelRule};
use crate::promql::ast::{BinaryOp, Span};
use bellwether_model::DurationMs;

/// The mistakes in the lines of an alert, in the order written.
pub(super) fn check(lines: &[&LevelClause]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        mistakes.extend(clear_overlaps(line));
        match lines[..i].iter().find(|above| hides(above, line)) {
            Some(above) => mistakes.push(hidden(line, above)),
            None => mistakes.extend(lines.iter().find_map(|lower| too_easy(line, lower))),
        }
    }
    if let [first, ..] = lines
        && lines.iter().all(|line| line.line.rule == LevelRule::Never)
    {
        mistakes.push(
            Mistake::error(first.word, "this alert can never fire")
                .label("every level is switched off")
                .help("delete the alert, or give a level a condition"),
        );
    }
    mistakes
}

/// True when `above` takes every series that `below` is for.
fn hides(above: &LevelClause, below: &LevelClause) -> bool {
    above.line.level == below.line.level
        && (above.line.only.is_empty() || above.line.only == below.line.only)
}

fn hidden(line: &LevelClause, above: &LevelClause) -> Mistake {
    let level = line.line.level;
    let mistake = Mistake::error(line.word, format!("this `{level}` line is never reached"));
    match (line.line.only.is_empty(), above.line.only.is_empty()) {
        (true, true) => mistake
            .label(format!("the `{level}` line above takes every series"))
            .help("for two sides of one value write two alerts, or compare a distance: `expr abs(x - 50)`"),
        (false, true) => mistake
            .label(format!("the `{level}` line above takes every series"))
            .help("overrides with `where` stand above the general line"),
        _ => mistake.label(format!("the `{level}` line above is for the same series")),
    }
}

/// What a line asks for, when it asks.
struct Asked {
    level: Level,
    condition: Option<Condition>,
    hold_for: DurationMs,
}

fn asked(line: &LevelClause) -> Option<Asked> {
    match line.line.rule {
        LevelRule::When {
            condition,
            hold_for,
            ..
        } => Some(Asked {
            level: line.line.level,
            condition,
            hold_for,
        }),
        LevelRule::Never => None,
    }
}

/// A mistake when the higher level of two is easier to reach than the lower one.
fn too_easy(high_line: &LevelClause, low_line: &LevelClause) -> Option<Mistake> {
    let (high, low) = (asked(high_line)?, asked(low_line)?);
    if high.level <= low.level || high_line.line.only != low_line.line.only {
        return None;
    }
    let span = high_line.condition.unwrap_or(high_line.word);
    let sooner = high.hold_for <= low.hold_for;
    let (h, l) = match (high.condition, low.condition) {
        (Some(h), Some(l)) => (h, l),
        (None, Some(_)) if sooner => {
            return Some(easier(span, &high, &low).label("fires whatever the value is"));
        }
        (None, None) if sooner => return Some(unseen(span, &high, &low)),
        _ => return None,
    };
    let same = h.number == l.number
        && (h.op == l.op || upwards(h.op).is_some() && upwards(h.op) == upwards(l.op));
    if same {
        return sooner.then(|| unseen(span, &high, &low));
    }
    let up = upwards(h.op)?;
    let is_easier = upwards(l.op) == Some(up)
        && if up {
            h.number < l.number
        } else {
            h.number > l.number
        };
    is_easier.then(|| {
        let text = |c: Condition| {
            format!(
                "{} {}",
                c.op.text(),
                bellwether_model::value::format_value(c.number)
            )
        };
        easier(span, &high, &low).label(format!("`{}` holds wherever `{}` does", text(h), text(l)))
    })
}

fn easier(span: Span, high: &Asked, low: &Asked) -> Mistake {
    Mistake::error(
        span,
        format!("`{}` is easier to reach than `{}`", high.level, low.level),
    )
    .help(format!(
        "swap the two, or make `{}` the harder one",
        high.level
    ))
}

fn unseen(span: Span, high: &Asked, low: &Asked) -> Mistake {
    Mistake::warning(
        Lint::LevelNeverSeen,
        span,
        format!("`{}` is never seen", low.level),
    )
    .label(format!(
        "`{}` is reached at the same value, no later",
        high.level
    ))
    .help(format!(
        "give `{}` a harder condition or a longer `for`, or drop `{}`",
        high.level, low.level
    ))
}

/// A mistake when the value can fire and clear at once.
fn clear_overlaps(line: &LevelClause) -> Option<Mistake> {
    let LevelRule::When {
        condition: Some(fire),
        clear: Some(clear),
        ..
    } = line.line.rule
    else {
        return None;
    };
    let value = overlap(fire, clear)?;
    let value = bellwether_model::value::format_value(value);
    let text = |c: Condition| {
        format!(
            "{} {}",
            c.op.text(),
            bellwether_model::value::format_value(c.number)
        )
    };
    let mistake = Mistake::error(
        line.clear.unwrap_or(line.word),
        "`clear` is on the wrong side of its threshold",
    )
    .label(format!("a value of {value} would fire and clear at once"));
    let opposite = match fire.op {
        BinaryOp::Gt => "<=",
        BinaryOp::Ge => "<",
        BinaryOp::Lt => ">=",
        BinaryOp::Le => ">",
        BinaryOp::Eq => "!=",
        _ => "==",
    };
    let number = bellwether_model::value::format_value(fire.number);
    Some(match upwards(fire.op) {
        Some(true) => mistake.help(format!(
            "after `{}`, clear at or below {number}: `clear {opposite} {number}` or lower",
            text(fire)
        )),
        Some(false) => mistake.help(format!(
            "after `{}`, clear at or above {number}: `clear {opposite} {number}` or higher",
            text(fire)
        )),
        None => mistake.help(format!(
            "after `{}`, write `clear {opposite} {number}`, or no `clear`",
            text(fire)
        )),
    })
}

/// A value that satisfies both. The regions end at the two numbers, so these, a point between and one on each
/// side decide.
fn overlap(a: Condition, b: Condition) -> Option<f64> {
    let (low, high) = (a.number.min(b.number), a.number.max(b.number));
    let step = 1.0_f64.max(high.abs()).max(low.abs());
    [low, high, low + (high - low) / 2.0, high + step, low - step]
        .into_iter()
        .find(|v| a.holds(*v) && b.holds(*v))
}

/// True for `> >=`, false for `< <=`, `None` for the others.
fn upwards(op: BinaryOp) -> Option<bool> {
    match op {
        BinaryOp::Gt | BinaryOp::Ge => Some(true),
        BinaryOp::Lt | BinaryOp::Le => Some(false),
        _ => None,
    }
}
