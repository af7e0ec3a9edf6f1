//! The clauses of objectives.

use bellwether_model::DurationMs;

use super::parts::{between, labels, level, names, percent, positive, zone};
use crate::promql::ast::{
    Binary, BinaryOp, Expr, ExprKind, Modifiers, Span, UnaryOp, VectorMatching,
};
use crate::rules::clause::Clause;
use crate::rules::diagnostic::{Mistake, Parsed};
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
    let good = percent(scan, lets, "objective")?;
    let objective = Objective::new(good.value).ok_or_else(|| out_of_range(&good))?;
    if scan.word("over").is_none() {
        let mistake = scan.expected(
            "`over` is missing behind the objective",
            "`over` and a period",
        );
        return Err(mistake
            .help("`objective 99.9% over 30d`, or `over month in \"Europe/Berlin\"`")
            .into());
    }
    let (period, last) = period(scan)?;
    Ok(Clause::Objective(Placed {
        value: SlaObjective { objective, period },
        span: between(good.span, last),
    }))
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
    Ok(Clause::Good(counters(scan, lets, "good")?))
}

pub(in crate::rules) fn bad(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    Ok(Clause::Bad(counters(scan, lets, "bad")?))
}

pub(in crate::rules) fn total(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    Ok(Clause::Total(counters(scan, lets, "total")?))
}

/// Selectors joined with `+` and `-`. They are read as PromQL, so that what is too much can be named.
fn counters(scan: &mut Scan<'_>, lets: &Lets, after: &str) -> Parsed<Counters> {
    if scan.rest().is_empty() {
        let message = format!("a counter is missing after `{after}`");
        return Err(scan
            .expected(message, "a metric such as http_requests_total")
            .into());
    }
    let (text, start) = scan.take_rest();
    let whole = Span {
        start,
        end: start + text.len(),
    };
    let expr = lets.expr(text, start)?;
    let mut counters = Vec::new();
    flatten(&expr, Sign::Plus, &mut counters).map_err(|odd| {
        // What `$name` stands for has the places of another file.
        let span = if text.contains('$') { whole } else { odd.span };
        no_counter(odd, span, after)
    })?;
    Ok(Counters(counters))
}

/// Appends the selectors of a sum; what is none comes back. The parser bounds the depth.
fn flatten<'e>(expr: &'e Expr, sign: Sign, into: &mut Vec<Counter>) -> Result<(), &'e Expr> {
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Pos, inner) => flatten(inner, sign, into),
        ExprKind::Binary(Binary {
            op: op @ (BinaryOp::Add | BinaryOp::Sub),
            lhs,
            rhs,
            matching: Some(matching),
            ..
        }) if *matching == VectorMatching::default() => {
            flatten(lhs, sign, into)?;
            let other = match (op, sign) {
                (BinaryOp::Add, sign) => sign,
                (_, Sign::Plus) => Sign::Minus,
                (_, Sign::Minus) => Sign::Plus,
            };
            flatten(rhs, other, into)
        }
        ExprKind::Selector(selector)
            if selector.at == Modifiers::default() && selector.extended.is_none() =>
        {
            into.push(Counter {
                sign,
                selector: selector.clone(),
            });
            Ok(())
        }
        _ => Err(expr),
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
    let level = level(scan, "breach")?;
    let mut hold_for = DurationMs::ZERO;
    if scan.word("for").is_some() {
        hold_for = scan.duration("for")?.value;
    }
    scan.finish("the level but `for DUR`")?;
    Ok(Clause::Breach(Breach { level, hold_for }))
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
    let share = percent(scan, lets, "burn")?;
    let Some(part) = Share::new(share.value) else {
        return Err(Mistake::error(
            share.span,
            "a share of the budget is above 0% and at most 100%",
        )
        .label("expected one such as 2%")
        .into());
    };
    if scan.word("in").is_none() {
        let mistake = scan.expected("`in` is missing behind the share", "`in` and a time");
        return Err(mistake.help("`burn 2% in 1h critical`").into());
    }
    let long = scan.duration("in")?;
    positive(&long, "the time of a burn line")?;
    let level = level(scan, "in ...")?;
    scan.finish("the level")?;
    Ok(Clause::Burn(Some(Burn {
        share: part,
        long: long.value,
        level,
    })))
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
    Ok(Clause::Exclude(names(scan, "window", "exclude")?))
}
