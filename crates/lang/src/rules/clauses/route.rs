//! The clauses of routes.

use bellwether_model::DurationMs;

use super::parts::{labels, matchers_of, names, positive};
use crate::rules::clause::{Clause, GroupClause};
use crate::rules::diagnostic::{Gathered, Mistake, Parsed};
use crate::rules::lets::Lets;
use crate::rules::scan::{Placed, Scan};
use crate::rules::types::Digest;

pub(in crate::rules) fn matchers(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    Ok(Clause::Match(matchers_of(scan, "match")?))
}

pub(in crate::rules) fn to(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut gathered = Gathered::default();
    let names = names(scan, "channel", "to", &mut gathered);
    gathered.clause(Clause::To(names))
}

pub(in crate::rules) fn then(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    if scan.word("after").is_none() {
        let mistake = scan.expected("`after` is missing behind `then`", "`after` and a time");
        return Err(mistake.help("`then after 10m to CHANNEL`").into());
    }
    let mut gathered = Gathered::default();
    let before = *scan;
    let after = gathered.take(escalates_after(scan));
    if after.is_none() {
        *scan = before;
        scan.skip_to(|word| word == "to");
    }
    if scan.word("to").is_none() {
        if after.is_some() {
            gathered.add(scan.expected("`to` is missing behind the time", "`to` and a channel"));
        }
        return Err(gathered.spoiled());
    }
    let to = names(scan, "channel", "to", &mut gathered);
    let after = after.unwrap_or(Placed {
        value: DurationMs::ZERO,
        span: before.next().span,
    });
    gathered.clause(Clause::Then(after, to))
}

/// The time behind `after`.
fn escalates_after(scan: &mut Scan<'_>) -> Parsed<Placed<DurationMs>> {
    let after = scan.duration("after")?;
    positive(&after, "the time of an escalation")
        .map_err(|mistake| mistake.help("what is told at once stands behind `to`"))?;
    Ok(after)
}

pub(in crate::rules) fn group(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    if scan.word("by").is_none() {
        let mistake = scan.expected(
            "`by` is missing behind `group`",
            "`by (LABEL, ...)` or `by all`",
        );
        return Err(mistake.help("`group by (alertname, job)`").into());
    }
    let group = if scan.word("all").is_some() {
        GroupClause::All
    } else {
        if scan.rest().starts_with("['...']") || scan.rest().starts_with("...") {
            let next = scan.next();
            return Err(
                Mistake::error(next.span, "`...` is Alertmanager's word for every label")
                    .label("write `group by all`")
                    .into(),
            );
        }
        GroupClause::Labels(labels(scan, "by")?)
    };
    scan.finish("the labels")?;
    Ok(Clause::Group(group))
}

pub(in crate::rules) fn wait(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let wait = scan.duration("wait")?;
    scan.finish("the time")?;
    Ok(Clause::Wait(wait.value))
}

pub(in crate::rules) fn batch(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let batch = scan.duration("batch")?;
    positive(&batch, "`batch`")?;
    scan.finish("the time")?;
    Ok(Clause::Batch(batch.value))
}

pub(in crate::rules) fn repeat(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let repeat = scan.duration("repeat")?;
    positive(&repeat, "`repeat`")?;
    scan.finish("the time")?;
    Ok(Clause::Repeat(repeat.value))
}

pub(in crate::rules) fn limit(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let messages = scan.integer("limit")?;
    if scan.word("per").is_none() {
        let mistake = scan.expected("`per` is missing behind the number", "`per` and a time");
        return Err(mistake
            .help(format!("`limit {} per 1h`", messages.value))
            .into());
    }
    let per = scan.duration("per")?;
    positive(&per, "the time of a limit")?;
    scan.finish("the time")?;
    let count = u32::try_from(messages.value)
        .ok()
        .filter(|count| *count > 0);
    let Some(count) = count else {
        let message = format!("a limit of {} messages", messages.value);
        let mistake = Mistake::error(messages.span, message);
        return Err(match messages.value {
            0 => mistake
                .label("nobody would be told anything")
                .help("who is not to be told is muted: `mute NAME` with a reason"),
            _ => mistake.label("is none: leave it out"),
        }
        .into());
    };
    Ok(Clause::Limit(Digest {
        messages: count,
        per: per.value,
    }))
}

pub(in crate::rules) fn go_on(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let next = scan.next();
    match next.value {
        "true" => Err(Mistake::error(next.span, "`true` is too much here")
            .label("the word `continue` alone")
            .into()),
        "false" => Err(Mistake::error(next.span, "`false` is too much here")
            .label("leave the clause out")
            .into()),
        _ => {
            scan.finish("`continue`")?;
            Ok(Clause::Continue)
        }
    }
}
