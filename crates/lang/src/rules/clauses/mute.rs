//! The clauses of mutes.

use super::parts::{labels, matchers_then, names, plain_text};
use super::window::moment;
use crate::rules::clause::Clause;
use crate::rules::diagnostic::{Gathered, Mistake, Parsed};
use crate::rules::lets::Lets;
use crate::rules::scan::{Placed, Scan, shown};

pub(in crate::rules) fn during(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let names = names(scan, "window", "during", &mut gathered);
    gathered.clause(Clause::During(names))
}

pub(in crate::rules) fn outside(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let names = names(scan, "window", "outside", &mut gathered);
    gathered.clause(Clause::Outside(names))
}

pub(in crate::rules) fn until(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let time = moment(scan, "until")?;
    scan.finish("the time")?;
    Ok(Clause::Until(time.value))
}

pub(in crate::rules) fn cause(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let braces = scan.next().span;
    let matchers = matchers_then(scan, "while")?;
    if matchers.is_empty() {
        return Err(Mistake::error(braces, "`while {}` holds for every alert")
            .label("name the cause: `{alertname=\"InstanceDown\"}`")
            .into());
    }
    let mut same = Vec::new();
    if !scan.rest().is_empty() {
        if scan.word("same").is_none() {
            let next = scan.next();
            let message = format!("{} is too much here", shown(next.value));
            return Err(Mistake::error(next.span, message)
                .label("after the matchers: nothing, or `same (LABEL, ...)`")
                .into());
        }
        same = labels(scan, "same")?;
        scan.finish("the labels")?;
    }
    Ok(Clause::While(matchers, same))
}

pub(in crate::rules) fn reason(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let text: Placed<String> = plain_text(scan, "reason")?;
    scan.finish("the text")?;
    if text.value.trim().is_empty() {
        return Err(Mistake::error(text.span, "an empty reason")
            .label("say why, for those who wonder at night")
            .into());
    }
    Ok(Clause::Reason(text.value))
}
