//! Level lines: `warning > 5 for 10m clear < 3 keep 5m where {job="a"}`.

use bellwether_model::DurationMs;

use super::clauses::{Clause, matchers_of};
use super::diagnostic::{Mistake, Parsed};
use super::lets::Lets;
use super::near::nearest;
use super::scan::{Placed, Scan, shown};
use super::types::{Condition, Level, LevelLine, LevelRule};
use crate::promql::ast::{BinaryOp, Span};

/// A level line and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct LevelClause {
    pub(super) line: LevelLine,
    /// The level's word.
    pub(super) word: Span,
    /// The comparison and its number.
    pub(super) condition: Option<Span>,
    /// The time after `for`.
    pub(super) hold_for: Option<Span>,
    /// The comparison and its number after `clear`.
    pub(super) clear: Option<Span>,
    /// The matchers after `where`.
    pub(super) only: Option<Span>,
}

pub(super) fn level(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    let word = scan.head();
    // The table sends only the five words here.
    let level = Level::from_word(word.value).unwrap_or(Level::Info);
    let mut read = LevelClause {
        line: LevelLine {
            level,
            rule: LevelRule::Never,
            only: Vec::new(),
        },
        word: word.span,
        condition: None,
        hold_for: None,
        clear: None,
        only: None,
    };
    if scan.word("never").is_some() {
        if scan.word("where").is_some() {
            read.only(scan)?;
        }
        scan.finish("`never` but `where {...}`")?;
        return Ok(Clause::Level(read));
    }
    let condition = condition(scan, lets, word.value)?;
    read.condition = condition.as_ref().map(|c| c.span);
    let mut hold_for = DurationMs::ZERO;
    let mut clear = None;
    let mut keep = DurationMs::ZERO;
    let mut last: Option<usize> = None;
    while !scan.rest().is_empty() {
        let next = scan.next();
        let stage = stage(scan, last, condition.is_some())?;
        last = Some(stage);
        match stage {
            0 => {
                let duration = scan.duration("for")?;
                hold_for = duration.value;
                read.hold_for = Some(duration.span);
            }
            1 => {
                let found = self::condition(scan, lets, "clear")?;
                let Some(found) = found else {
                    let mistake = scan.expected(
                        "a condition is missing after `clear`",
                        "a comparison such as < 1%",
                    );
                    return Err(mistake.into());
                };
                if condition.is_none() {
                    return Err(Mistake::error(next.span, "`clear` without a firing condition")
                        .label("a level without a comparison fires while the series is in the result")
                        .help(format!("put the comparison here: `{} > 5 clear < 3`", word.value))
                        .into());
                }
                clear = Some(found.value);
                read.clear = Some(found.span);
            }
            2 => keep = scan.duration("keep")?.value,
            _ => read.only(scan)?,
        }
    }
    read.line.rule = LevelRule::When {
        condition: condition.map(|c| c.value),
        hold_for,
        clear,
        keep,
    };
    Ok(Clause::Level(read))
}

/// Which of the words of a level line comes next, `for` 0 to `where` 3; each stands once, in this order.
fn stage(scan: &mut Scan<'_>, last: Option<usize>, compared: bool) -> Result<usize, Mistake> {
    const WORDS: [&str; 4] = ["for", "clear", "keep", "where"];
    let next = scan.next();
    let mut probe = *scan;
    let found = probe.any_word();
    let stage = found
        .as_ref()
        .and_then(|f| WORDS.iter().position(|w| *w == f.value));
    match (stage, last) {
        (Some(stage), Some(last)) if stage == last => Err(Mistake::error(
            next.span,
            format!("a second `{}`", WORDS[stage]),
        )
        .label("one is enough")),
        (Some(stage), Some(last)) if stage < last => {
            let message = format!("`{}` stands before `{}`", WORDS[stage], WORDS[last]);
            Err(Mistake::error(next.span, message)
                .label("too late here")
                .help("the order: CMP NUMBER, for, clear, keep, where"))
        }
        (Some(stage), _) => {
            *scan = probe;
            Ok(stage)
        }
        (None, _) => {
            let mistake = Mistake::error(
                next.span,
                format!("{} does not belong on a level line", shown(next.value)),
            );
            Err(match next.value {
                "and" | "or" | "if" | "unless" | "&&" | "||" => {
                    mistake.label("one comparison a line").help(
                        "conditions on other series belong in `expr`: `expr a and on (job) b > 5`",
                    )
                }
                word if word.starts_with('{') => mistake.label("write `where {...}`"),
                word => match nearest(word, WORDS) {
                    Some(near) => mistake.label(format!("did you mean `{near}`?")),
                    None if last.is_none() && !compared => mistake
                        .label("expected a comparison such as > 5, or for, clear, keep, where"),
                    None => mistake.label("expected for, clear, keep or where"),
                },
            })
        }
    }
}

/// `CMP NUMBER`, if a comparison comes next.
fn condition(scan: &mut Scan<'_>, lets: &Lets, after: &str) -> Parsed<Option<Placed<Condition>>> {
    let Some(op) = scan.comparison()? else {
        let next = scan.next();
        if next
            .value
            .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '$'))
        {
            return Err(Mistake::error(next.span, "a comparison is missing")
                .label(format!(
                    "write `{after} > {0}` or `{after} < {0}`",
                    next.value
                ))
                .into());
        }
        return Ok(None);
    };
    let number = number(scan, lets, op.value.text())?;
    Ok(Some(Placed {
        value: Condition {
            op: op.value,
            number: number.value,
        },
        span: Span {
            start: op.span.start,
            end: number.span.end,
        },
    }))
}

/// A number, or the `$name` of one.
fn number(scan: &mut Scan<'_>, lets: &Lets, after: &str) -> Parsed<Placed<f64>> {
    let Some(dollar) = scan.symbol("$") else {
        return Ok(scan.number(after)?);
    };
    let name = scan.label_name("the `let`")?;
    let span = Span {
        start: dollar.start,
        end: name.span.end,
    };
    let value = lets.number(&Placed {
        value: name.value,
        span,
    })?;
    Ok(Placed { value, span })
}

impl LevelClause {
    /// `{...}` after `where`, the last part of a line.
    fn only(&mut self, scan: &mut Scan<'_>) -> Parsed<()> {
        let start = scan.offset();
        self.line.only = matchers_of(scan, "where")?;
        self.only = Some(Span {
            start,
            end: scan.offset(),
        });
        Ok(())
    }
}

/// True for `> >=`, false for `< <=`, `None` for the others.
pub(super) fn upwards(op: BinaryOp) -> Option<bool> {
    match op {
        BinaryOp::Gt | BinaryOp::Ge => Some(true),
        BinaryOp::Lt | BinaryOp::Le => Some(false),
        _ => None,
    }
}
