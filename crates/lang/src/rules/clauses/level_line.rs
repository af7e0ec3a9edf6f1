//! Level lines: `warning > 5 for 10m clear < 3 keep 5m where {job="a"}`.

use bellwether_model::DurationMs;

use super::parts::{matchers_of, number};
use crate::promql::ast::Span;
use crate::rules::clause::{Clause, LevelClause};
use crate::rules::diagnostic::{Gathered, Mistake, Parsed, Spoiled};
use crate::rules::lets::Lets;
use crate::rules::near::nearest;
use crate::rules::scan::{Placed, Scan, shown};
use crate::rules::types::{Condition, Level, LevelLine, LevelRule};

pub(in crate::rules) fn level(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    let word = scan.head();
    // The table sends only the five words here.
    let level = Level::from_word(word.value).unwrap_or(Level::Info);
    let mut read = LevelClause::new(level, word.span);
    let mut gathered = Gathered::default();
    if scan.word("never").is_some() {
        if !scan.rest().is_empty() && !scan.rest().starts_with("where") {
            gathered.take(scan.finish("`never` but `where {...}`"));
            scan.skip_to(|word| word == "where");
        }
        if scan.word("where").is_some() {
            gathered.take(read.only(scan));
        }
        return read.clause(gathered);
    }
    let before = *scan;
    let condition = gathered.take(condition(scan, lets, word.value));
    let is_compared = !matches!(condition, Some(None));
    if condition.is_none() {
        resume(scan, before);
    }
    let condition = condition.flatten();
    read.condition = condition.as_ref().map(|c| c.span);
    let mut when = When {
        condition: condition.map(|c| c.value),
        ..When::default()
    };
    let mut last = None;
    while !scan.rest().is_empty() {
        let before = *scan;
        let Some(part) = part(scan, last, is_compared, &mut gathered) else {
            resume(scan, before);
            continue;
        };
        last = last.max(Some(part));
        let behind = *scan;
        let found = match part {
            Part::For => scan.duration("for").map_err(Spoiled::from).map(|duration| {
                when.hold_for = duration.value;
                read.hold_for = Some(duration.span);
            }),
            Part::Clear => {
                let at = before.next().span;
                clear(scan, lets, at, is_compared, word.value).map(|found| {
                    when.clear = Some(found.value);
                    read.clear = Some(found.span);
                })
            }
            Part::Keep => scan
                .duration("keep")
                .map_err(Spoiled::from)
                .map(|duration| {
                    when.keep = duration.value;
                }),
            Part::Where => read.only(scan),
        };
        if gathered.take(found).is_none() {
            resume(scan, behind);
        }
    }
    read.line.rule = when.rule();
    read.clause(gathered)
}

/// Goes on at the next part of the line, from a place before one that could not be read.
fn resume<'a>(scan: &mut Scan<'a>, before: Scan<'a>) {
    *scan = before;
    let begins = scan.next().value;
    // Words inside of texts are no parts; matchers are the last part anyway.
    if begins.starts_with('{') {
        scan.take_rest();
    } else if Part::from_word(begins).is_none() {
        scan.skip_to(|word| Part::from_word(word).is_some());
    }
}

/// When a level holds, as far as the line has been read.
#[derive(Default)]
struct When {
    condition: Option<Condition>,
    hold_for: DurationMs,
    clear: Option<Condition>,
    keep: DurationMs,
}

impl When {
    fn rule(self) -> LevelRule {
        LevelRule::When {
            condition: self.condition,
            hold_for: self.hold_for,
            clear: self.clear,
            keep: self.keep,
        }
    }
}

/// The comparison behind `clear`, whose word is at `word`. It needs one that it ends.
fn clear(
    scan: &mut Scan<'_>,
    lets: &Lets,
    word: Span,
    is_compared: bool,
    level: &str,
) -> Parsed<Placed<Condition>> {
    let Some(found) = condition(scan, lets, "clear")? else {
        let mistake = scan.expected(
            "a condition is missing after `clear`",
            "a comparison such as < 1%",
        );
        return Err(mistake.into());
    };
    if !is_compared {
        return Err(Mistake::error(word, "`clear` without a firing condition")
            .label("a level without a comparison fires while the series is in the result")
            .help(format!("put the comparison here: `{level} > 5 clear < 3`"))
            .into());
    }
    Ok(found)
}

/// A part of a level line behind the comparison, in the order in which they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    For,
    Clear,
    Keep,
    Where,
}

impl Part {
    const WORDS: [(&'static str, Part); 4] = [
        ("for", Part::For),
        ("clear", Part::Clear),
        ("keep", Part::Keep),
        ("where", Part::Where),
    ];

    fn from_word(word: &str) -> Option<Part> {
        let found = Part::WORDS.iter().find(|(w, _)| *w == word);
        found.map(|(_, part)| *part)
    }

    fn word(self) -> &'static str {
        Part::WORDS[self as usize].0
    }
}

/// Which part of the line comes next; each stands once, in their order, and is read also where it should not stand.
/// `compared`: the line has a comparison.
fn part(
    scan: &mut Scan<'_>,
    last: Option<Part>,
    compared: bool,
    gathered: &mut Gathered,
) -> Option<Part> {
    let next = scan.next();
    let mut probe = *scan;
    let found = probe.any_word().and_then(|f| Part::from_word(f.value));
    match (found, last) {
        (Some(part), Some(last)) if part == last => {
            let message = format!("a second `{}`", part.word());
            gathered.add(Mistake::error(next.span, message).label("one is enough"));
        }
        (Some(part), Some(last)) if part < last => {
            let message = format!("`{}` stands before `{}`", part.word(), last.word());
            gathered.add(
                Mistake::error(next.span, message)
                    .label("too late here")
                    .help("the order: CMP NUMBER, for, clear, keep, where"),
            );
        }
        (Some(_), _) => {}
        (None, _) => gathered.add(no_part(&next, last.is_none() && !compared)),
    }
    if found.is_some() {
        *scan = probe;
    }
    found
}

/// Something that does not belong on a level line. `first`: nothing but the level stands before it.
fn no_part(next: &Placed<&str>, first: bool) -> Mistake {
    let mistake = Mistake::error(
        next.span,
        format!("{} does not belong on a level line", shown(next.value)),
    );
    match next.value {
        "and" | "or" | "if" | "unless" | "&&" | "||" => mistake
            .label("one comparison a line")
            .help("conditions on other series belong in `expr`: `expr a and on (job) b > 5`"),
        word if word.starts_with('{') => mistake.label("write `where {...}`"),
        "percent" | "pct" | "%" => mistake.label("the `%` stands at the number: `5%`"),
        word => match nearest(word, Part::WORDS.map(|(word, _)| word)) {
            Some(near) => mistake.label(format!("did you mean `{near}`?")),
            None if first => {
                mistake.label("expected a comparison such as > 5, or for, clear, keep, where")
            }
            None => mistake.label("expected for, clear, keep or where"),
        },
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

impl LevelClause {
    /// One that never holds, until its parts are read.
    fn new(level: Level, word: Span) -> LevelClause {
        LevelClause {
            line: LevelLine {
                level,
                rule: LevelRule::Never,
                only: Vec::new(),
            },
            word,
            condition: None,
            hold_for: None,
            clear: None,
            only: None,
            is_broken: false,
        }
    }

    /// The line, or what is left of it.
    fn clause(mut self, gathered: Gathered) -> Parsed<Clause> {
        self.is_broken = !gathered.is_clean();
        gathered.clause(Clause::Level(self))
    }

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
