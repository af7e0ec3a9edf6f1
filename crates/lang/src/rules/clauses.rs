//! One parser for each clause: what follows its word, into types.
//!
//! A parser sees its own clause only. What needs the rest of the item or the folder is checked later
//! (`alerts.rs`, `levels.rs`, `folder.rs`), so what is read here keeps its spans.

use bellwether_model::labels::is_legacy_metric_name;
use bellwether_model::{DurationMs, Matcher, limits};

use super::brackets;
use super::diagnostic::Mistake;
pub(super) use super::diagnostic::Parsed;
use super::lets::Lets;
use super::near::nearest;
use super::scan::{Placed, Scan, shown};
use super::template::{self, ParsedText};
use super::text::Part;
use super::types::{Condition, Level, LevelLine, LevelRule, Missing};
use crate::promql;
use crate::promql::ast::{BinaryOp, Expr, Span};

/// The least distance of two evaluations.
const EVERY_MIN: DurationMs = DurationMs::from_secs(1);

/// A clause that was read.
#[derive(Clone, Debug)]
pub(super) enum Clause {
    Expr(Expr),
    Level(LevelClause),
    Missing(Missing),
    Every(DurationMs),
    Delay(DurationMs),
    Max(usize),
    Summary(ParsedText),
    Description(ParsedText),
    Runbook(String),
    Label(Placed<String>, ParsedText),
    Note(Placed<String>, ParsedText),
    Match(Vec<Matcher>),
    To(Vec<Placed<String>>),
    Log,
    Webhook { url: String, bearer: Option<String> },
    Retry(DurationMs),
    Fallback(Placed<String>),
}

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

pub(super) fn expr(scan: &mut Scan<'_>, lets: &Lets) -> Parsed<Clause> {
    if scan.rest().is_empty() {
        return Err(scan
            .expected("the expression is missing", "PromQL, as on the query page")
            .into());
    }
    if let Some(span) = scan.symbol("=") {
        return Err(Mistake::error(span, "`=` is too much here")
            .label("`expr` is followed by the expression")
            .into());
    }
    let (text, at) = scan.take_rest();
    Ok(Clause::Expr(lets.expr(text, at)?))
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

fn matchers_of(scan: &mut Scan<'_>, after: &str) -> Parsed<Vec<Matcher>> {
    if !scan.rest().starts_with('{') {
        let message = format!("matchers are missing after `{after}`");
        return Err(scan
            .expected(message, "matchers in braces such as {job=\"api\"}")
            .into());
    }
    let (text, at) = scan.take_rest();
    promql::parse_matchers_part(text, at).map_err(|error| {
        brackets::unbalanced(text, at, "the matchers")
            .unwrap_or(error.into())
            .into()
    })
}

pub(super) fn missing(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let what = "clear, keep DUR, or LEVEL after DUR";
    let next = scan.next();
    let Some(word) = scan.any_word() else {
        let mistake = scan.expected("`missing` needs a policy", what);
        return Err(match DurationMs::parse(next.value) {
            Some(_) => mistake.help(format!("did you mean `missing keep {}`?", next.value)),
            None => mistake,
        }
        .into());
    };
    let missing = match (word.value, Level::from_word(word.value)) {
        ("clear", _) => Missing::Clear,
        ("keep", _) => Missing::Keep(scan.duration("keep")?.value),
        (_, Some(level)) => {
            if scan.word("after").is_none() {
                let message = format!("`after` is missing behind `{level}`");
                return Err(scan.expected(message, "`after` and a time").into());
            }
            let after = scan.duration("after")?.value;
            Missing::Raise { level, after }
        }
        (word, None) => {
            let known = ["clear", "keep"]
                .into_iter()
                .chain(Level::ALL.map(Level::word));
            let mistake = Mistake::error(
                next.span,
                format!("{} is not a policy for missing series", shown(word)),
            );
            return Err(match nearest(word, known) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.label(format!("expected {what}")),
            }
            .into());
        }
    };
    scan.finish("the policy")?;
    Ok(Clause::Missing(missing))
}

pub(super) fn every(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let every = scan.duration("every")?;
    scan.finish("the time")?;
    if every.value < EVERY_MIN {
        return Err(
            Mistake::error(every.span, format!("every {} is too often", every.value))
                .label(format!("{EVERY_MIN} is the shortest"))
                .into(),
        );
    }
    Ok(Clause::Every(every.value))
}

pub(super) fn delay(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let delay = scan.duration("delay")?;
    scan.finish("the time")?;
    Ok(Clause::Delay(delay.value))
}

pub(super) fn max(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let max = scan.integer("max")?;
    scan.finish("the number")?;
    let limit = limits::RULES_INSTANCES_MAX;
    if !(1..=limit.value).contains(&max.value) {
        return Err(Mistake::error(
            max.span,
            format!("a rule cannot have {} instances", max.value),
        )
        .label(format!("expected 1 to {} ({})", limit.value, limit.name))
        .into());
    }
    Ok(Clause::Max(max.value as usize))
}

fn text(scan: &mut Scan<'_>, after: &str) -> Parsed<ParsedText> {
    let quoted = scan.quoted(after)?;
    let text = template::parse(&quoted)?;
    scan.finish("the text")?;
    Ok(text)
}

pub(super) fn summary(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    Ok(Clause::Summary(text(scan, "summary")?))
}

pub(super) fn description(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    Ok(Clause::Description(text(scan, "description")?))
}

pub(super) fn runbook(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let url = scan.chunk();
    check_url(&url, "runbook")?;
    scan.finish("the address")?;
    Ok(Clause::Runbook(url.value.to_owned()))
}

/// `NAME = "text"`
fn assignment(scan: &mut Scan<'_>, of: &str) -> Parsed<(Placed<String>, ParsedText)> {
    let name = scan.label_name("the label")?;
    if scan.symbol("=").is_none() {
        let message = format!("`=` is missing after `{of} {}`", name.value);
        let example = format!("`{of} {} = \"...\"`", name.value);
        return Err(scan.expected(message, &example).into());
    }
    let text = text(scan, "=")?;
    let name = Placed {
        value: name.value.to_owned(),
        span: name.span,
    };
    Ok((name, text))
}

pub(super) fn label(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (name, text) = assignment(scan, "label")?;
    if name.value == "alertname" || name.value.starts_with("__") {
        let mistake = Mistake::error(
            name.span,
            format!("the label `{}` cannot be set", name.value),
        );
        return Err(match name.value.as_str() {
            "alertname" => mistake.label("it is the alert's name"),
            "__name__" => mistake.label("it is the metric's name"),
            _ => mistake.label("names that begin with `__` are the server's own"),
        }
        .into());
    }
    let changing = text
        .places
        .iter()
        .filter(|p| !matches!(p.value, Part::Label(_)));
    let mistakes: Vec<Mistake> = changing
        .map(|place| {
            Mistake::error(
                place.span,
                "a label that changes from one evaluation to the next",
            )
            .label("every change would begin a new alert and end the old one")
            .help(format!(
                "labels are made of labels; put it in a `note` or the summary: `note {} = ...`",
                name.value
            ))
        })
        .collect();
    if mistakes.is_empty() {
        return Ok(Clause::Label(name, text));
    }
    Err(mistakes.into())
}

pub(super) fn note(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let (name, text) = assignment(scan, "note")?;
    let clause = match name.value.as_str() {
        "summary" | "description" | "runbook" => name.value.as_str(),
        "runbook_url" => "runbook",
        _ => return Ok(Clause::Note(name, text)),
    };
    Err(Mistake::error(
        name.span,
        format!("`{}` is a clause of its own", name.value),
    )
    .label(format!("write `{clause}` without `note` and `=`"))
    .into())
}

pub(super) fn matchers(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    Ok(Clause::Match(matchers_of(scan, "match")?))
}

pub(super) fn to(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut names: Vec<Placed<String>> = Vec::new();
    loop {
        let name = channel_name(scan, "to")?;
        if names.iter().any(|n| n.value == name.value) {
            return Err(
                Mistake::error(name.span, format!("`{}` is there twice", name.value))
                    .label("one message each is enough")
                    .into(),
            );
        }
        names.push(name);
        if scan.symbol(",").is_none() {
            break;
        }
    }
    if !scan.rest().is_empty() {
        let next = scan.next();
        let mistake = Mistake::error(next.span, "a comma is missing between channels");
        return Err(mistake.label(format!("write `, {}`", next.value)).into());
    }
    Ok(Clause::To(names))
}

fn channel_name(scan: &mut Scan<'_>, after: &str) -> Parsed<Placed<String>> {
    if scan.rest().is_empty() {
        let message = format!("a channel is missing after `{after}`");
        return Err(scan.expected(message, "the name of a channel").into());
    }
    let name = scan.name("the channel")?;
    Ok(Placed {
        value: name.value.to_owned(),
        span: name.span,
    })
}

pub(super) fn fallback(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let name = channel_name(scan, "fallback")?;
    scan.finish("the channel")?;
    Ok(Clause::Fallback(name))
}

pub(super) fn retry(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let retry = scan.duration("retry")?;
    scan.finish("the time")?;
    Ok(Clause::Retry(retry.value))
}

pub(super) fn log(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    scan.finish("`log`")?;
    Ok(Clause::Log)
}

pub(super) fn webhook(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let url = if scan.rest().starts_with(['"', '`']) {
        let quoted = scan.quoted("webhook")?;
        Placed {
            value: template::plain(&quoted)?,
            span: quoted.span,
        }
    } else {
        let chunk = scan.chunk();
        Placed {
            value: chunk.value.to_owned(),
            span: chunk.span,
        }
    };
    check_url(
        &Placed {
            value: url.value.as_str(),
            span: url.span,
        },
        "webhook",
    )?;
    let mut bearer = None;
    if !scan.rest().is_empty() {
        if scan.word("bearer").is_none() {
            let next = scan.next();
            let mistake =
                Mistake::error(next.span, format!("{} is too much here", shown(next.value)));
            return Err(mistake
                .label("after the address: nothing, or `bearer secret(NAME)`")
                .into());
        }
        bearer = Some(secret(scan, "bearer")?);
        scan.finish("the secret")?;
    }
    Ok(Clause::Webhook {
        url: url.value,
        bearer,
    })
}

/// `secret(NAME)`: never the secret itself.
fn secret(scan: &mut Scan<'_>, after: &str) -> Result<String, Mistake> {
    let next = scan.next();
    if scan.word("secret").is_none() {
        let mistake = if next.value.is_empty() {
            scan.expected(
                format!("a secret is missing after `{after}`"),
                "secret(NAME)",
            )
        } else {
            let end = next.span.start + scan.rest().len();
            let span = Span {
                start: next.span.start,
                end,
            };
            Mistake::error(span, "a secret stands outside of rule files")
                .label("write secret(NAME)")
                .hidden()
        };
        return Err(mistake
            .help("rule files are read by many and kept in histories; they name secrets only"));
    }
    if scan.symbol("(").is_none() {
        return Err(scan.expected("`(` is missing after `secret`", "secret(NAME)"));
    }
    let name = scan.name("the secret")?.value.to_owned();
    if scan.symbol(")").is_none() {
        return Err(scan.expected("`)` is missing after the secret's name", "`)`"));
    }
    Ok(name)
}

/// `http` or `https`, a host, no password, no blanks.
fn check_url(url: &Placed<&str>, after: &str) -> Result<(), Mistake> {
    if url.value.is_empty() {
        return Err(
            Mistake::error(url.span, format!("an address is missing after `{after}`"))
                .label("expected https://..."),
        );
    }
    let wrong = |message: String| Mistake::error(url.span, message);
    if url.value.starts_with(['"', '\'', '`']) {
        return Err(wrong("the address stands without quotes".into()).label("write it bare"));
    }
    let Some(rest) = url
        .value
        .strip_prefix("https://")
        .or(url.value.strip_prefix("http://"))
    else {
        return Err(wrong(format!("{} is not a web address", shown(url.value)))
            .label("an address begins with https:// or http://"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if authority.contains('@') {
        // The address is not repeated: it has a password.
        return Err(wrong("an address with user and password".into())
            .label("take the part before `@` out")
            .hidden()
            .help("secrets stand outside of rule files: `webhook URL bearer secret(NAME)`"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']').unwrap_or(("", "")),
        None => authority.split_at(authority.rfind(':').unwrap_or(authority.len())),
    };
    let host_ok = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'));
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| p.parse::<u16>().is_ok());
    if !host_ok || !port_ok {
        return Err(wrong(format!("{} has no valid host", shown(url.value)))
            .label("expected a host such as example.com or 127.0.0.1:8080"));
    }
    match url
        .value
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\\'))
    {
        Some(c) => {
            Err(wrong(format!("{c:?} cannot stand in an address"))
                .label("write it percent-encoded"))
        }
        None => Ok(()),
    }
}

/// The metric of a `record`, from its head.
pub(super) fn metric<'a>(scan: &mut Scan<'a>) -> Result<Placed<&'a str>, Mistake> {
    let found = scan.chunk();
    if found.value.is_empty() {
        return Err(Mistake::error(found.span, "the record has no metric")
            .label("expected a metric's name such as job:errors:rate5m"));
    }
    if is_legacy_metric_name(found.value) {
        return Ok(found);
    }
    let mistake = Mistake::error(
        found.span,
        format!("{} is not a metric's name", shown(found.value)),
    );
    Err(if found.value.contains('{') {
        mistake.label("labels are set by `label NAME = \"...\"` below")
    } else {
        mistake.label("a metric's name has letters, digits, `_` and `:`, no digit first")
    })
}

/// True for `> >=`, false for `< <=`, `None` for the others.
pub(super) fn upwards(op: BinaryOp) -> Option<bool> {
    match op {
        BinaryOp::Gt | BinaryOp::Ge => Some(true),
        BinaryOp::Lt | BinaryOp::Le => Some(false),
        _ => None,
    }
}
