//! What clauses of several items are made of: texts, numbers, matchers, lists of names and of labels, zones.

use bellwether_model::{DurationMs, Matcher};
use chrono_tz::Tz;

use crate::promql;
use crate::promql::ast::Span;
use crate::rules::brackets;
use crate::rules::diagnostic::{Gathered, Mistake, Parsed};
use crate::rules::lets::Lets;
use crate::rules::near::nearest;
use crate::rules::scan::{Placed, Scan, shown};
use crate::rules::template::{self, ParsedText};
use crate::rules::types::Level;

/// Matchers in braces, the rest of the clause.
pub(super) fn matchers_of(scan: &mut Scan<'_>, after: &str) -> Parsed<Vec<Matcher>> {
    if !scan.rest().starts_with('{') {
        let message = format!("matchers are missing after `{after}`");
        return Err(scan
            .expected(message, "matchers in braces such as {job=\"api\"}")
            .into());
    }
    let (text, at) = scan.take_rest();
    promql::parse_matchers_part(text, at).map_err(|errors| {
        match brackets::unbalanced(text, at, "the matchers") {
            Some(bracket) => bracket.into(),
            None => errors.into(),
        }
    })
}

/// A number, or the `$name` of one.
pub(super) fn number(scan: &mut Scan<'_>, lets: &Lets, after: &str) -> Parsed<Placed<f64>> {
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

/// A text with places to fill, the rest of the clause; also when some places are wrong.
pub(super) fn text(
    scan: &mut Scan<'_>,
    after: &str,
    gathered: &mut Gathered,
) -> Option<ParsedText> {
    let quoted = gathered.take(scan.quoted(after))?;
    let (text, mistakes) = template::parse(&quoted);
    for mistake in mistakes {
        gathered.add(mistake);
    }
    gathered.take(scan.finish("the text"));
    Some(text)
}

/// A text without places to fill, such as a reason.
pub(super) fn plain_text(scan: &mut Scan<'_>, after: &str) -> Parsed<Placed<String>> {
    let quoted = scan.quoted(after)?;
    Ok(Placed {
        value: template::plain(&quoted)?,
        span: quoted.span,
    })
}

/// Matchers in braces, with something behind them.
pub(super) fn matchers_then(scan: &mut Scan<'_>, after: &str) -> Parsed<Vec<Matcher>> {
    let rest = scan.rest();
    let Some(len) = brackets::closed(rest) else {
        // Not closed: the rest of the clause, for the message.
        return matchers_of(scan, after);
    };
    let mut braces = scan.part(len);
    matchers_of(&mut braces, after)
}

/// `NAME, NAME, ...`, the rest of the clause; `of` is what they name, such as `channel`. Those that are names.
pub(super) fn names(
    scan: &mut Scan<'_>,
    of: &str,
    after: &str,
    gathered: &mut Gathered,
) -> Vec<Placed<String>> {
    let mut names: Vec<Placed<String>> = Vec::new();
    let mut is_joined = true;
    loop {
        match gathered.take(name(scan, of, after)) {
            // Behind a comma that is missing it has been told of already.
            Some(name) if names.iter().any(|n| n.value == name.value) && !is_joined => {}
            Some(name) if names.iter().any(|n| n.value == name.value) => {
                let message = format!("`{}` is there twice", name.value);
                gathered.add(Mistake::error(name.span, message).label("once is enough"));
            }
            Some(name) => names.push(name),
            None => {
                let behind = scan.here().find(',').unwrap_or(scan.here().len());
                scan.skip(behind);
            }
        }
        is_joined = scan.symbol(",").is_some();
        if is_joined {
            continue;
        }
        if scan.rest().is_empty() {
            return names;
        }
        let next = scan.next();
        let mistake = Mistake::error(next.span, format!("a comma is missing between {of}s"));
        gathered.add(mistake.label(format!("write `, {}`", next.value)));
        if !next.value.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return names;
        }
    }
}

/// The name of another item.
pub(super) fn name(scan: &mut Scan<'_>, of: &str, after: &str) -> Parsed<Placed<String>> {
    if scan.rest().is_empty() {
        let a = if of.starts_with(['a', 'e', 'i', 'o', 'u']) {
            "an"
        } else {
            "a"
        };
        let message = format!("{a} {of} is missing after `{after}`");
        return Err(scan
            .expected(message, &format!("the name of {a} {of}"))
            .into());
    }
    let name = scan.name(&format!("the {of}"))?;
    Ok(Placed {
        value: name.value.to_owned(),
        span: name.span,
    })
}

/// `(label, ...)`; may be empty.
pub(super) fn labels(scan: &mut Scan<'_>, after: &str) -> Parsed<Vec<Placed<String>>> {
    let what = "labels in parentheses such as (job, instance)";
    if scan.symbol("(").is_none() {
        let mistake = scan.expected(format!("labels are missing after `{after}`"), what);
        return Err(match scan.next().value {
            "" => mistake,
            word => mistake.help(format!(
                "write `{after} ({})`",
                word.trim_matches(['[', ']', '{', '}', ',', '\'', '"'])
            )),
        }
        .into());
    }
    let mut gathered = Gathered::default();
    let mut labels: Vec<Placed<String>> = Vec::new();
    let mut is_first = true;
    while scan.symbol(")").is_none() {
        if !is_first && scan.symbol(",").is_none() {
            gathered.add(scan.expected("the labels are not closed", "`,` or `)`"));
            break;
        }
        is_first = false;
        let Some(name) = gathered.take(scan.label_name("the label")) else {
            let Some(behind) = scan.here().find([',', ')']) else {
                break;
            };
            scan.skip(behind);
            continue;
        };
        if labels.iter().any(|label| label.value == name.value) {
            let message = format!("`{}` is there twice", name.value);
            gathered.add(Mistake::error(name.span, message).label("once is enough"));
            continue;
        }
        labels.push(Placed {
            value: name.value.to_owned(),
            span: name.span,
        });
    }
    gathered.whole(labels)
}

/// One of the five levels.
pub(super) fn level(scan: &mut Scan<'_>, after: &str) -> Parsed<Level> {
    let next = scan.next();
    let words = Level::ALL.map(Level::word);
    let Some(word) = scan.any_word() else {
        let message = format!("a level is missing after `{after}`");
        return Err(scan.expected(message, &words.join(", ")).into());
    };
    Level::from_word(word.value).ok_or_else(|| {
        let message = format!("{} is not a level", shown(next.value));
        let mistake = Mistake::error(next.span, message);
        match (word.value, nearest(word.value, words)) {
            ("page" | "crit" | "high", _) => mistake.label("did you mean `critical`?"),
            ("warn" | "ticket", _) => mistake.label("did you mean `warning`?"),
            (_, Some(near)) => mistake.label(format!("did you mean `{near}`?")),
            (_, None) => mistake.label(format!("levels: {}", words.join(", "))),
        }
        .into()
    })
}

/// `in "Europe/Berlin"`; UTC when nothing is left of the clause.
pub(super) fn zone(scan: &mut Scan<'_>) -> Parsed<Tz> {
    if scan.rest().is_empty() {
        return Ok(Tz::UTC);
    }
    if scan.word("in").is_none() {
        let next = scan.next();
        let message = format!("{} is too much here", shown(next.value));
        let mistake = Mistake::error(next.span, message);
        return Err(
            match next.value.trim_matches(['"', '(', ')']).parse::<Tz>() {
                Ok(zone) => mistake.label(format!("write `in \"{zone}\"`")),
                Err(_) => mistake.label("only a zone may follow, such as `in \"Europe/Berlin\"`"),
            }
            .into(),
        );
    }
    let next = scan.next();
    if let Ok(zone) = next.value.parse::<Tz>() {
        return Err(Mistake::error(next.span, "a zone stands in quotes")
            .label(format!("write `in \"{zone}\"`"))
            .into());
    }
    let quoted = plain_text(scan, "in")?;
    let zone = quoted.value.parse::<Tz>().map_err(|_| {
        let message = format!("no time zone is named {}", shown(&quoted.value));
        let mistake = Mistake::error(quoted.span, message);
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        match (quoted.value.as_str(), nearest(&quoted.value, names)) {
            ("local" | "Local", _) => mistake
                .label("rules mean the same on every machine")
                .help("name the zone: `in \"Europe/Berlin\"`"),
            (_, Some(near)) => mistake.label(format!("did you mean `{near}`?")),
            (_, None) => mistake
                .label("expected a name of the tz database such as Europe/Berlin, or UTC")
                .help("abbreviations such as CET and offsets such as +01:00 don't say when clocks change"),
        }
    })?;
    scan.finish("the zone")?;
    Ok(zone)
}

/// A share such as `99.9%`.
pub(super) fn percent(scan: &mut Scan<'_>, lets: &Lets, after: &str) -> Parsed<Placed<f64>> {
    let named = scan.rest().starts_with('$');
    let number = number(scan, lets, after)?;
    let text = scan.text_of(number.span);
    if named || text.ends_with('%') {
        return Ok(number);
    }
    let mistake = Mistake::error(number.span, format!("{} is not a percentage", shown(text)));
    let meant = match number.value {
        v if v > 0.0 && v <= 1.0 => format!("{}%", (v * 1e8).round() / 1e6),
        _ => format!("{text}%"),
    };
    Err(mistake.label(format!("write `{meant}`")).into())
}

/// A time with more behind it. `None` when one word stands in its place that is told to be none: then what follows
/// can be read all the same.
pub(super) fn time_then(
    scan: &mut Scan<'_>,
    after: &str,
    gathered: &mut Gathered,
) -> Parsed<Option<DurationMs>> {
    let before = *scan;
    let time = scan.duration(after);
    if let Err(mistake) = &time {
        *scan = before;
        let is_word = scan.rest().starts_with(|c: char| c.is_ascii_digit())
            && mistake.span.end <= scan.chunk().span.end;
        if !is_word {
            *scan = before;
            return Ok(Some(time?.value));
        }
    }
    Ok(gathered.take(time).map(|time| time.value))
}

/// A mistake at `span` when the time is zero.
pub(super) fn positive(time: &Placed<DurationMs>, what: &str) -> Result<(), Mistake> {
    if time.value.0 > 0 {
        return Ok(());
    }
    Err(Mistake::error(time.span, format!("{what} cannot be 0"))
        .label("expected a time such as 5m"))
}

/// From the start of one span to the end of another.
pub(super) fn between(first: Span, last: Span) -> Span {
    Span {
        start: first.start,
        end: last.end,
    }
}
