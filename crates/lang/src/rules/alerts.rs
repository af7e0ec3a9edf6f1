//! One alert or record: is it complete, and does it mean what was meant?
//!
//! A draft with its defaults becomes an [`Alert`] or a [`Record`], or mistakes. Not here: the level lines against
//! each other (`levels.rs`), names across the folder (`folder.rs`).

use std::collections::BTreeSet;

use bellwether_model::{DurationMs, limits};

use super::build::{Draft, Entry};
use super::clause::{Clause, LevelClause};
use super::diagnostic::Mistake;
use super::labels::{self, Produced, Recorded};
use super::levels;
use super::lint::{self, Lint};
use super::scan::Placed;
use super::template::ParsedText;
use super::text::Text;
use super::texts::{Texts, check_texts};
use super::types::{Alert, LevelRule, Missing, Place, Record};
use crate::promql::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Expr, ExprKind, Span, ValueType,
};

/// A draft and what its file's `defaults` say.
pub(super) struct Subject<'a> {
    pub(super) draft: &'a Draft,
    defaults: &'a [Entry],
}

impl<'a> Subject<'a> {
    pub(super) fn new(draft: &'a Draft, defaults: &'a [Entry]) -> Subject<'a> {
        Subject { draft, defaults }
    }

    /// The first thing `pick` finds: in the item, else in the defaults.
    pub(super) fn first<T>(&self, pick: impl Fn(&'a Clause) -> Option<T>) -> Option<T> {
        let clauses = self.draft.clauses.iter().chain(self.defaults);
        clauses.map(|entry| &entry.clause).find_map(pick)
    }

    pub(super) fn expr(&self) -> Option<&'a Expr> {
        self.first(|clause| match clause {
            Clause::Expr(expr) => Some(expr),
            _ => None,
        })
    }

    pub(super) fn levels(&self) -> Vec<&'a LevelClause> {
        let lines = self
            .draft
            .clauses
            .iter()
            .filter_map(|entry| match &entry.clause {
                Clause::Level(line) if !line.is_broken => Some(line),
                _ => None,
            });
        lines.collect()
    }

    pub(super) fn every(&self) -> DurationMs {
        self.first(|clause| match clause {
            Clause::Every(every) => Some(*every),
            _ => None,
        })
        .unwrap_or(DurationMs(limits::RULES_EVERY.millis()))
    }

    pub(super) fn delay(&self) -> DurationMs {
        self.first(|clause| match clause {
            Clause::Delay(delay) => Some(*delay),
            _ => None,
        })
        .unwrap_or(DurationMs::ZERO)
    }

    fn max(&self) -> usize {
        self.first(|clause| match clause {
            Clause::Max(max) => Some(*max),
            _ => None,
        })
        .unwrap_or(limits::RULES_INSTANCES_MAX.usize())
    }

    /// `label` or `note` lines: those of the defaults first, each replaced by the item's own of the same name.
    fn pairs(&self, pick: Pick) -> Vec<(String, Text)> {
        let mut pairs: Vec<(String, Text)> = Vec::new();
        for (name, parsed) in self
            .defaults
            .iter()
            .chain(&self.draft.clauses)
            .filter_map(|e| pick(&e.clause))
        {
            let text = parsed.text.clone();
            match pairs.iter_mut().find(|(known, _)| *known == name.value) {
                Some(pair) => pair.1 = text,
                None => pairs.push((name.value.clone(), text)),
            }
        }
        pairs
    }

    pub(super) fn labels(&self) -> Vec<(String, Text)> {
        self.pairs(as_label)
    }

    pub(super) fn notes(&self) -> Vec<(String, Text)> {
        self.pairs(as_note)
    }

    /// Labels the item's results can have, its own `label` lines included.
    pub(super) fn produced(&self, recorded: Recorded<'_>) -> Option<Produced> {
        let found = labels::produced(self.expr()?, recorded);
        Some(
            self.labels()
                .iter()
                .fold(found, |found, (name, _)| found.with(name)),
        )
    }
}

/// Picks the lines of one word out of the clauses.
type Pick = fn(&Clause) -> Option<(&Placed<String>, &ParsedText)>;

fn as_label(clause: &Clause) -> Option<(&Placed<String>, &ParsedText)> {
    match clause {
        Clause::Label(name, text) => Some((name, text)),
        _ => None,
    }
}

fn as_note(clause: &Clause) -> Option<(&Placed<String>, &ParsedText)> {
    match clause {
        Clause::Note(name, text) => Some((name, text)),
        _ => None,
    }
}

/// Names of `label` and of `note` lines, each once.
pub(super) fn repeated_pairs(entries: &[Entry]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (word, pick) in [("label", as_label as Pick), ("note", as_note)] {
        let mut seen = BTreeSet::new();
        for (name, _) in entries.iter().filter_map(|entry| pick(&entry.clause)) {
            if !seen.insert(name.value.as_str()) {
                let message = format!("a second `{word} {}`", name.value);
                mistakes.push(Mistake::error(name.span, message).label("one is allowed"));
            }
        }
    }
    mistakes
}

/// The record, unless there is an error. `recorded` knows what the folder's records produce.
pub(super) fn record(
    subject: &Subject<'_>,
    place: Place,
    recorded: Recorded<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Record> {
    let Some(expr) = subject.expr() else {
        if !subject.draft.spoiled {
            mistakes.push(incomplete(
                subject.draft,
                "`expr`",
                "expr sum by (job) (rate(x[5m]))",
            ));
        }
        return None;
    };
    mistakes.extend(wrong_type(subject.draft, expr, "record"));
    let found = labels::produced(expr, recorded);
    let texts = Texts::new(expr, found, BTreeSet::new());
    for (_, text) in subject
        .draft
        .clauses
        .iter()
        .filter_map(|e| as_label(&e.clause))
    {
        mistakes.extend(texts.impossible(text, "record"));
    }
    Some(Record {
        metric: subject.draft.name.value.clone(),
        expr: expr.clone(),
        every: subject.every(),
        delay: subject.delay(),
        max: subject.max(),
        labels: subject.labels(),
        place,
    })
}

/// The alert, unless there is an error.
pub(super) fn alert(
    subject: &Subject<'_>,
    place: Place,
    recorded: Recorded<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Alert> {
    let lines = subject.levels();
    mistakes.extend(levels::check(&lines));
    let draft = subject.draft;
    if !draft.spoiled && lines.is_empty() {
        mistakes.push(incomplete(draft, "level", "critical > 5 for 10m"));
    }
    let Some(expr) = subject.expr() else {
        if !draft.spoiled {
            mistakes.push(incomplete(draft, "`expr`", "expr up"));
        }
        return None;
    };
    mistakes.extend(wrong_type(draft, expr, "alert"));
    mistakes.extend(value_and_levels(expr, &lines, draft));
    mistakes.extend(too_short(&lines, subject.every()));
    check_texts(subject, expr, recorded, &lines, mistakes);
    Some(Alert {
        name: draft.name.value.clone(),
        expr: expr.clone(),
        levels: lines.iter().map(|line| line.line.clone()).collect(),
        missing: missing(subject, &lines),
        every: subject.every(),
        delay: subject.delay(),
        max: subject.max(),
        summary: subject.first(|clause| match clause {
            Clause::Summary(text) => Some(text.text.clone()),
            _ => None,
        }),
        description: subject.first(|clause| match clause {
            Clause::Description(text) => Some(text.text.clone()),
            _ => None,
        }),
        runbook: subject.first(|clause| match clause {
            Clause::Runbook(url) => Some(url.clone()),
            _ => None,
        }),
        labels: subject.labels(),
        notes: subject.notes(),
        place,
    })
}

/// What was written, or what follows from the levels: a value that is compared is expected to be there, while
/// leaving the result is how a condition inside the expression turns false.
fn missing(subject: &Subject<'_>, lines: &[&LevelClause]) -> Missing {
    let written = subject.first(|clause| match clause {
        Clause::Missing(missing) => Some(*missing),
        _ => None,
    });
    let compares = lines.iter().any(|line| has_condition(line));
    written.unwrap_or(if compares {
        Missing::Keep(DurationMs(limits::RULES_MISSING_KEEP.millis()))
    } else {
        Missing::Clear
    })
}

pub(super) fn has_condition(line: &LevelClause) -> bool {
    matches!(
        line.line.rule,
        LevelRule::When {
            condition: Some(_),
            ..
        }
    )
}

fn is_bare(line: &LevelClause) -> bool {
    matches!(
        line.line.rule,
        LevelRule::When {
            condition: None,
            ..
        }
    )
}

fn incomplete(draft: &Draft, what: &str, example: &str) -> Mistake {
    let name = &draft.name.value;
    Mistake::error(draft.name.span, format!("`{name}` has no {what}"))
        .label(format!("it needs a line such as `{example}`"))
}

pub(super) fn wrong_type(draft: &Draft, expr: &Expr, kind: &str) -> Option<Mistake> {
    let (what, help) = match expr.value_type() {
        ValueType::Vector | ValueType::Scalar => return None,
        ValueType::Matrix => (
            "a window of samples",
            "a function makes one value of it: `rate(x[5m])`, `max_over_time(x[5m])`",
        ),
        ValueType::String => ("a text", "a text has nothing to compare or to record"),
    };
    let word = draft
        .clauses
        .iter()
        .find(|e| matches!(e.clause, Clause::Expr(_) | Clause::Ok(_)))?
        .word;
    // An expanded `$name` has the places of another file, so only what stands here is pointed at.
    Some(
        Mistake::error(word, format!("the value of this {kind} is {what}"))
            .label("expected one number for each series")
            .help(help),
    )
}

/// Conditions in the expression and on the level lines: neither twice nor nowhere.
fn value_and_levels(expr: &Expr, lines: &[&LevelClause], draft: &Draft) -> Vec<Mistake> {
    let is_expr = |e: &&Entry| matches!(e.clause, Clause::Expr(_));
    let Some(expr_word) = draft.clauses.iter().find(is_expr).map(|e| e.word) else {
        return Vec::new();
    };
    let found = [
        compared_twice_or_never(expr, lines),
        absent_at_once(expr, lines),
        counter_as_it_is(expr, lines, expr_word),
    ];
    let out_of_reach = lint::reach::judge(expr, lines, expr_word);
    found.into_iter().flatten().chain(out_of_reach).collect()
}

/// The first line that compares what `expr` has compared already, or that holds whatever the value.
fn compared_twice_or_never(expr: &Expr, lines: &[&LevelClause]) -> Option<Mistake> {
    let filters = compares_value(expr);
    let judge = |line: &&LevelClause| {
        let span = line.condition.unwrap_or(line.word);
        let level = line.line.level;
        if has_condition(line) && filters {
            return Some(
                Mistake::warning(Lint::ComparesTwice, span, "a comparison in `expr` and on the level")
                    .label("sees only the values that `expr` lets through")
                    .help("keep the one here and take the other out of `expr`, so that the value stays visible when all is well"),
            );
        }
        (is_bare(line) && !can_be_empty(expr)).then(|| {
            Mistake::warning(Lint::FiresAlways, span, format!("`{level}` fires always"))
                .label("no condition here, and no comparison in `expr`")
                .help(format!("write when it is bad: `{level} > 5`"))
        })
    };
    lines.iter().find_map(judge)
}

/// `absent()` that does not wait.
fn absent_at_once(expr: &Expr, lines: &[&LevelClause]) -> Option<Mistake> {
    let fires_at_once = |line: &&&LevelClause| {
        matches!(
            line.line.rule,
            LevelRule::When {
                hold_for: DurationMs::ZERO,
                ..
            }
        )
    };
    let line = lines
        .iter()
        .find(fires_at_once)
        .filter(|_| is_absent(expr))?;
    Some(
        Mistake::warning(
            Lint::AbsentWithoutFor,
            line.word,
            "`absent()` without `for`",
        )
        .label("fires at the first evaluation after a restart or a short gap")
        .help(format!("give it time: `{} for 5m`", line.line.level)),
    )
}

/// A counter's height compared, which says nothing.
fn counter_as_it_is(expr: &Expr, lines: &[&LevelClause], expr_word: Span) -> Option<Mistake> {
    let metric = bare_metric(expr).filter(|metric| metric.ends_with("_total"))?;
    let compares = lines.iter().any(|line| has_condition(line));
    let place = bare_place(expr, metric).unwrap_or(expr_word);
    compares.then(|| compared_counter(metric, place))
}

pub(super) fn compared_counter(metric: &str, expr_word: Span) -> Mistake {
    Mistake::warning(
        Lint::CounterWithoutRate,
        expr_word,
        format!("`{metric}` is a counter: it only grows"),
    )
    .label("compared as it is, it fires once and for ever")
    .help(format!(
        "compare its speed: `rate({metric}[5m])`, or `increase({metric}[1h])`"
    ))
}

/// True when a comparison decides which values come out.
fn compares_value(expr: &Expr) -> bool {
    match &expr.unparenthesized().kind {
        ExprKind::Binary(binary) if binary.op.is_comparison() => !binary.return_bool,
        ExprKind::Binary(Binary {
            op: BinaryOp::And | BinaryOp::Unless,
            lhs,
            ..
        }) => compares_value(lhs),
        ExprKind::Binary(Binary {
            op: BinaryOp::Or,
            lhs,
            rhs,
            ..
        }) => compares_value(lhs) || compares_value(rhs),
        _ => false,
    }
}

/// True when the result can be empty although there are series: somewhere a comparison, a set operation or an
/// `absent` filters, or the series themselves come and go (`ALERTS`).
fn can_be_empty(expr: &Expr) -> bool {
    let here = match &expr.kind {
        ExprKind::Binary(binary) => {
            binary.op.is_comparison() && !binary.return_bool
                || matches!(binary.op, BinaryOp::And | BinaryOp::Unless)
        }
        ExprKind::Call(call) => matches!(call.function.name, "absent" | "absent_over_time"),
        ExprKind::Selector(selector) => selector
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with("ALERTS")),
        _ => false,
    };
    here || expr.children().into_iter().any(can_be_empty)
}

/// Whether what `absent` yields comes out, compared or not.
fn is_absent(expr: &Expr) -> bool {
    match &expr.unparenthesized().kind {
        ExprKind::Call(call) => call.function.name == "absent",
        ExprKind::Binary(Binary { op, lhs, rhs, .. }) => match op {
            BinaryOp::Or => is_absent(lhs) || is_absent(rhs),
            BinaryOp::And | BinaryOp::Unless => is_absent(lhs),
            op => op.is_comparison() && (is_absent(lhs) || is_absent(rhs)),
        },
        _ => false,
    }
}

/// The metric whose value comes out as it is, summed at most.
pub(super) fn bare_metric(expr: &Expr) -> Option<&str> {
    match &expr.unparenthesized().kind {
        ExprKind::Selector(selector) => selector.name.as_deref(),
        ExprKind::Aggregate(Aggregate {
            op: AggregateOp::Count | AggregateOp::Group | AggregateOp::CountValues,
            ..
        }) => None,
        ExprKind::Aggregate(aggregate) => bare_metric(&aggregate.expr),
        ExprKind::Binary(Binary {
            op: BinaryOp::And | BinaryOp::Unless,
            lhs,
            ..
        }) => bare_metric(lhs),
        _ => None,
    }
}

/// Where [`bare_metric`] stands; `None` when it comes from a `let`, whose places are those of another text.
fn bare_place(expr: &Expr, metric: &str) -> Option<Span> {
    let mut expr = expr;
    loop {
        let inner = match &expr.kind {
            ExprKind::Selector(_) => {
                let start = expr.span.start;
                let end = start + metric.len();
                return (end <= expr.span.end).then_some(Span { start, end });
            }
            ExprKind::Paren(inner) => inner,
            ExprKind::Aggregate(aggregate) => &aggregate.expr,
            ExprKind::Binary(binary) => &binary.lhs,
            _ => return None,
        };
        let is_inside = expr.span.start <= inner.span.start && inner.span.end <= expr.span.end;
        // A real parenthesis is one wider on both sides.
        let is_let = matches!(expr.kind, ExprKind::Paren(_)) && expr.span.start >= inner.span.start;
        if !is_inside || is_let {
            return None;
        }
        expr = inner;
    }
}

/// A `for` that ends before the next evaluation.
fn too_short(lines: &[&LevelClause], every: DurationMs) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for line in lines {
        if let (LevelRule::When { hold_for, .. }, Some(span)) = (line.line.rule, line.hold_for)
            && DurationMs::ZERO < hold_for
            && hold_for < every
        {
            mistakes.push(
                Mistake::warning(
                    Lint::ForShorterThanEvery,
                    span,
                    format!("`for {hold_for}` is shorter than `every {every}`"),
                )
                .label(format!("the second look comes after {every}"))
                .help(format!("write `for {every}` or a smaller `every`")),
            );
        }
    }
    mistakes
}
