//! The clauses of objectives.

use bellwether_model::DurationMs;

use super::parts::{between, labels, level, names, percent, positive, time_then, zone};
use crate::promql::ast::{
    Binary, BinaryOp, Expr, ExprKind, Modifiers, Span, UnaryOp, VectorMatching,
};
use crate::rules::clause::Clause;
use crate::rules::diagnostic::{Gathered, Mistake, Parsed};
use crate::rules::lets::Lets;
use crate::rules::near::nearest;
use crate::rules::scan::{Placed, Scan, shown};
use crate::rules::types::{
    Breach, Burn, CalendarUnit, Counter, Counters, Objective, Period, Share, Sign, SlaObjective,
    Slice,
};

/// The shortest slice of time, and the shortest period.
const SHORTEST: DurationMs = DurationMs::from_secs(1);

pub(in crate::rules) fn objective(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let before = *scan;
    let good = gathered.take(promised(scan, lets));
    if good.is_none() {
        *scan = before;
        scan.skip_to(|word| word == "over");
    }
    if scan.word("over").is_none() {
        if good.is_some() {
            let mistake = scan.expected(
                "`over` is missing behind the objective",
                "`over` and a period",
            );
            gathered.add(
                mistake.help("`objective 99.9% over 30d`, or `over month in \"Europe/Berlin\"`"),
            );
        }
        return Err(gathered.spoiled());
    }
    match (good, gathered.take(period(scan))) {
        (Some(good), Some((period, last))) => Ok(Clause::Objective(Placed {
            value: SlaObjective {
                objective: good.value,
                period,
            },
            span: between(good.span, last),
        })),
        _ => Err(gathered.spoiled()),
    }
}

/// The share that is promised.
fn promised(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Placed<Objective>> {
    let good = percent(scan, lets, "objective")?;
    let value = Objective::new(good.value).ok_or_else(|| out_of_range(&good))?;
    Ok(Placed {
        value,
        span: good.span,
    })
}

fn out_of_range(good: &Placed<f64>) -> Mistake {
    let mistake = Mistake::error(good.span, "an objective lies strictly between 0% and 100%");
    if good.value == 1.0 {
        return mistake
            .label("100% leaves no budget: one bad event would break it for the whole period")
            .help("write what you would call good enough, such as 99.99%");
    }
    mistake.label("expected one such as 99.9%")
}

fn period(scan: &mut Scan<'_>) -> Parsed<(Period, Span)> {
    let next = scan.next();
    if next.value.starts_with(|c: char| c.is_ascii_digit()) {
        let length = scan.duration("over")?;
        if length.value < SHORTEST {
            positive(&length, "a period")?;
            return Err(
                Mistake::error(length.span, format!("a period of {}", length.value))
                    .label(format!("{SHORTEST} is the shortest"))
                    .into(),
            );
        }
        if scan.word("in").is_some() {
            return Err(Mistake::error(length.span, "a rolling period has no zone")
                .label("it ends now, wherever one is")
                .help("calendar periods have one: `over month in \"Europe/Berlin\"`")
                .into());
        }
        scan.finish("the period")?;
        return Ok((Period::Rolling(length.value), length.span));
    }
    let words = CalendarUnit::ALL.map(CalendarUnit::word);
    let expected = format!("a time such as 30d, or {}", words.join(", "));
    let Some(word) = scan.any_word() else {
        return Err(scan
            .expected("a period is missing after `over`", &expected)
            .into());
    };
    let Some(unit) = CalendarUnit::from_word(word.value) else {
        let message = format!("{} is not a period", shown(next.value));
        let mistake = Mistake::error(next.span, message);
        return Err(match nearest(word.value, words) {
            Some(near) => mistake.label(format!("did you mean `{near}`?")),
            None => mistake.label(format!("expected {expected}")),
        }
        .into());
    };
    let zone = zone(scan)?;
    Ok((Period::Calendar { unit, zone }, word.span))
}

pub(in crate::rules) fn good(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    of_counters(scan, lets, "good", Clause::Good)
}

pub(in crate::rules) fn bad(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    of_counters(scan, lets, "bad", Clause::Bad)
}

pub(in crate::rules) fn total(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    of_counters(scan, lets, "total", Clause::Total)
}

/// A clause that is a sum of counters.
fn of_counters(
    scan: &mut Scan<'_>,
    lets: &Lets,
    after: &str,
    clause: impl Fn(Counters) -> Clause,
) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    match counters(scan, lets, after, &mut gathered) {
        Some(counters) => gathered.clause(clause(counters)),
        None => Err(gathered.spoiled()),
    }
}

/// Selectors joined with `+` and `-`. They are read as PromQL, so that what is too much can be named.
fn counters(
    scan: &mut Scan<'_>,
    lets: &Lets,
    after: &str,
    gathered: &mut Gathered,
) -> Option<Counters> {
    if scan.rest().is_empty() {
        let message = format!("a counter is missing after `{after}`");
        gathered.add(scan.expected(message, "a metric such as http_requests_total"));
        return None;
    }
    let (text, start) = scan.take_rest();
    let whole = Span {
        start,
        end: start + text.len(),
    };
    let (expr, mut mistakes) = lets.recover(text, start);
    let mut sum = Sum::default();
    if let Some(expr) = &expr {
        sum.add(expr, Sign::Plus);
    }
    let covers = |odd: &Expr, at: Span| odd.span.start <= at.start && at.end <= odd.span.end;
    // A number may stand for what nobody knows, which is told.
    sum.odd.retain(|odd| {
        let is_told = mistakes.iter().any(|mistake| covers(odd, mistake.span));
        !(is_told && matches!(odd.kind, ExprKind::Number(_)))
    });
    // What is no counter is told as that, not by the type that PromQL would want there.
    let is_type_of = |odd: &Expr, at: Span| {
        odd.span == at || odd.children().iter().any(|child| child.span == at)
    };
    mistakes.retain(|mistake| !sum.odd.iter().any(|odd| is_type_of(odd, mistake.span)));
    for mistake in mistakes {
        gathered.add(mistake);
    }
    expr.as_ref()?;
    // What `$name` stands for has the places of another file: one mistake for all of them.
    let is_elsewhere = text.contains('$');
    let told = if is_elsewhere { 1 } else { sum.odd.len() };
    for odd in sum.odd.iter().take(told) {
        let span = if is_elsewhere { whole } else { odd.span };
        gathered.add(no_counter(odd, span, after));
    }
    Some(Counters(sum.counters))
}

/// The terms of a sum.
#[derive(Default)]
struct Sum<'e> {
    counters: Vec<Counter>,
    /// Those that are no counters.
    odd: Vec<&'e Expr>,
}

impl<'e> Sum<'e> {
    /// The parser bounds the depth. A side that is no vector has no matching, and is found odd.
    fn add(&mut self, expr: &'e Expr, sign: Sign) {
        match &expr.kind {
            ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Pos, inner) => self.add(inner, sign),
            ExprKind::Binary(Binary {
                op: op @ (BinaryOp::Add | BinaryOp::Sub),
                lhs,
                rhs,
                matching,
                ..
            }) if matching
                .as_ref()
                .is_none_or(|m| *m == VectorMatching::default()) =>
            {
                self.add(lhs, sign);
                let other = match (op, sign) {
                    (BinaryOp::Add, sign) => sign,
                    (_, Sign::Plus) => Sign::Minus,
                    (_, Sign::Minus) => Sign::Plus,
                };
                self.add(rhs, other);
            }
            ExprKind::Selector(selector)
                if selector.at == Modifiers::default() && selector.extended.is_none() =>
            {
                self.counters.push(Counter {
                    sign,
                    selector: selector.clone(),
                });
            }
            _ => self.odd.push(expr),
        }
    }
}

fn no_counter(odd: &Expr, span: Span, after: &str) -> Mistake {
    let mistake = |message: &str| Mistake::error(span, message.to_owned());
    let plain = "counters stand bare: the exact increase over each window is taken by the engine";
    match &odd.kind {
        ExprKind::Call(call) => {
            let name = call.function.name;
            let found = mistake(&format!("`{name}()` has no place in `{after}`"));
            match name {
                "rate" | "increase" | "irate" => found
                    .label("write the counter alone, without window")
                    .help(plain),
                _ => found
                    .label("expected counters joined with `+` and `-`")
                    .help("what is not counted is judged by slices of time: `ok PROMQL` with `slice 1m`"),
            }
        }
        ExprKind::Aggregate(aggregate) => mistake(&format!(
            "`{}` has no place in `{after}`",
            aggregate.op.text()
        ))
        .label("all series are added up anyway")
        .help("one budget for each: `by (LABEL, ...)` on a line of its own"),
        ExprKind::Range(_) | ExprKind::Subquery(_) => {
            mistake(&format!("a window has no place in `{after}`"))
                .label("write the counter without `[...]`")
                .help(plain)
        }
        ExprKind::Selector(_) => mistake(&format!("`offset` and `@` have no place in `{after}`"))
            .label("expected the counter alone")
            .help("data that comes late is what `delay DUR` is for"),
        _ => mistake(&format!("`{after}` takes counters joined with `+` and `-`"))
            .label("not a counter")
            .help("what is not counted is judged by slices of time: `ok PROMQL` with `slice 1m`"),
    }
}

pub(in crate::rules) fn ok(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    if scan.rest().is_empty() {
        let what = "PromQL that is true when all is well";
        return Err(scan.expected("the expression is missing", what).into());
    }
    let (text, at) = scan.take_rest();
    Ok(Clause::Ok(lets.expr(text, at)?))
}

pub(in crate::rules) fn slice(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let slice = scan.duration("slice")?;
    if slice.value < SHORTEST {
        return Err(
            Mistake::error(slice.span, format!("a slice of {}", slice.value))
                .label(format!("{SHORTEST} is the shortest"))
                .into(),
        );
    }
    scan.finish("the time")?;
    Ok(Clause::Slice(slice.value))
}

pub(in crate::rules) fn missing(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let words = Slice::ALL.map(Slice::word);
    let next = scan.next();
    let Some(word) = scan.any_word() else {
        let what = words.join(", ");
        return Err(scan.expected("`missing` needs a word", &what).into());
    };
    let Some(kind) = Slice::from_word(word.value) else {
        let message = format!(
            "{} is not what a slice without data can be",
            shown(next.value)
        );
        let mistake = Mistake::error(next.span, message);
        return Err(match (word.value, nearest(word.value, words)) {
            ("clear" | "keep", _) => mistake
                .label(format!("here: {}", words.join(", ")))
                .help("`clear` and `keep` are for alerts"),
            ("good", _) => mistake.label("did you mean `ok`?"),
            (_, Some(near)) => mistake.label(format!("did you mean `{near}`?")),
            (_, None) => mistake.label(format!("expected {}", words.join(", "))),
        }
        .into());
    };
    scan.finish("the word")?;
    Ok(Clause::SliceMissing(kind))
}

pub(in crate::rules) fn breach(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let before = *scan;
    let level = gathered.take(level(scan, "breach"));
    if level.is_none() {
        *scan = before;
        scan.skip_to(|word| word == "for");
    }
    let mut hold_for = Some(DurationMs::ZERO);
    if scan.word("for").is_some() {
        hold_for = gathered.take(scan.duration("for")).map(|time| time.value);
    }
    let (Some(level), Some(hold_for)) = (level, hold_for) else {
        return Err(gathered.spoiled());
    };
    gathered.take(scan.finish("the level but `for DUR`"));
    gathered.whole(Clause::Breach(Breach { level, hold_for }))
}

pub(in crate::rules) fn by(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let labels = labels(scan, "by")?;
    scan.finish("the labels")?;
    Ok(Clause::By(labels))
}

pub(in crate::rules) fn burn(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    if scan.word("none").is_some() {
        scan.finish("`burn none`")?;
        return Ok(Clause::Burn(None));
    }
    let starts = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '$' | '.');
    if !scan.rest().starts_with(starts) {
        let mistake = scan.expected(
            "a share of the budget is missing after `burn`",
            "`2% in 1h critical`, or `none`",
        );
        return Err(mistake.into());
    }
    let mut gathered = Gathered::default();
    let before = *scan;
    let share = gathered.take(burnt(scan, lets));
    if share.is_none() {
        *scan = before;
        scan.skip_to(|word| word == "in");
    }
    if scan.word("in").is_none() {
        if share.is_some() {
            let mistake = scan.expected("`in` is missing behind the share", "`in` and a time");
            gathered.add(mistake.help("`burn 2% in 1h critical`"));
        }
        return Err(gathered.spoiled());
    }
    let start = scan.next().span;
    let long = time_then(scan, "in", &mut gathered);
    let Some(long) = gathered.take(long) else {
        return Err(gathered.spoiled());
    };
    if long == Some(DurationMs::ZERO) {
        gathered.take(positive(
            &Placed {
                value: DurationMs::ZERO,
                span: start,
            },
            "the time of a burn line",
        ));
    }
    let level = gathered.take(level(scan, "in ..."));
    if level.is_some() {
        gathered.take(scan.finish("the level"));
    }
    match (share, long, level) {
        (Some(share), Some(long), Some(level)) => {
            gathered.whole(Clause::Burn(Some(Burn { share, long, level })))
        }
        _ => Err(gathered.spoiled()),
    }
}

/// The share of a `burn` line.
fn burnt(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Share> {
    let share = percent(scan, lets, "burn").map_err(|mut spoiled| {
        for mistake in &mut spoiled.mistakes {
            let help =
                "a share of the budget, not a burn rate: 14.4 times over 30d is `burn 2% in 1h`";
            mistake.help.push(help.to_owned());
        }
        spoiled
    })?;
    Share::new(share.value).ok_or_else(|| {
        Mistake::error(
            share.span,
            "a share of the budget is above 0% and at most 100%",
        )
        .label("expected one such as 2%")
        .into()
    })
}

pub(in crate::rules) fn min(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let count = scan.integer("min")?;
    if scan.word("events").is_none() {
        let mistake = scan.expected("`events` is missing behind the number", "`events`");
        return Err(mistake.help(format!("`min {} events`", count.value)).into());
    }
    scan.finish("`events`")?;
    Ok(Clause::Min(count.value))
}

pub(in crate::rules) fn exclude(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let names = names(scan, "window", "exclude", &mut gathered);
    gathered.clause(Clause::Exclude(names))
}
