//! Sloth: specs, the same as objects of Kubernetes, and files of alert windows.
//!
//! Sloth does not mind fields that it does not know, so neither do we: they are told as lost.

use bellwether_lang::rules::Level;
use bellwether_model::DurationMs;

use super::Held;
use super::query;
use super::sla::{Burn, Burns, Indicator, Period, Sla, is_link};
use crate::report::{Reporter, shown};
use crate::write;
use crate::yaml::{Fields, Place};

/// Sloth's own period, which a spec does not name.
const PERIOD: DurationMs = DurationMs(30 * 86_400_000);

/// How fields are called.
pub(super) struct Words {
    plugins: &'static str,
    slo_plugins: &'static str,
    error_query: &'static str,
    total_query: &'static str,
    ratio_query: &'static str,
    page: &'static str,
    ticket: &'static str,
}

/// In files.
pub(super) const SNAKE: Words = Words {
    plugins: "slo_plugins",
    slo_plugins: "plugins",
    error_query: "error_query",
    total_query: "total_query",
    ratio_query: "error_ratio_query",
    page: "page_alert",
    ticket: "ticket_alert",
};

/// In objects of Kubernetes.
const CAMEL: Words = Words {
    plugins: "sloPlugins",
    slo_plugins: "plugins",
    error_query: "errorQuery",
    total_query: "totalQuery",
    ratio_query: "errorRatioQuery",
    page: "pageAlert",
    ticket: "ticketAlert",
};

/// Burn lines for one period.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub(super) period: DurationMs,
    pub(super) lines: Vec<Burn>,
}

/// Tells fields that nobody knows as lost.
fn others(fields: &Fields<'_>, known: &[&str], what: &str, report: &mut Reporter<'_>) {
    for (key, value) in fields.entries() {
        let name = key.text().unwrap_or("");
        if !known.contains(&name) && !value.is_null() {
            report.lose(
                key.place,
                format!("{what} has no field {}, Sloth passes over it", shown(name)),
            );
        }
    }
}

/// An object: the spec inside.
pub(super) fn object(fields: &Fields<'_>, held: &mut Held, report: &mut Reporter<'_>) {
    others(
        fields,
        &["apiVersion", "kind", "metadata", "spec", "status"],
        "the object",
        report,
    );
    let Some(node) = fields.get("spec") else {
        report.refuse(fields.place, "the object has no `spec`");
        return;
    };
    if let Some(inner) = Fields::of(node, "`spec`", report) {
        spec(&inner, &CAMEL, held, report);
    }
}

/// A spec and its objectives.
pub(super) fn spec(fields: &Fields<'_>, words: &Words, held: &mut Held, report: &mut Reporter<'_>) {
    let known = ["version", "service", "labels", "slos", words.plugins];
    others(fields, &known, "the spec", report);
    if let Some((key, _)) = fields.entry(words.plugins) {
        report.lose(
            key.place,
            format!(
                "`{}`: plugins of Sloth change what it generates",
                words.plugins
            ),
        );
    }
    let service = fields.text("service", report).unwrap_or("");
    if service.is_empty() {
        let place = fields
            .get("service")
            .map_or(fields.place, |node| node.place);
        report.refuse(place, "the spec has no `service`");
    }
    let labels = pairs(fields, "labels", report);
    let nodes = fields.list("slos", report);
    if nodes.is_empty() {
        report.refuse(fields.place, "the spec has no `slos`");
    }
    let mut seen: Vec<(String, Place)> = Vec::new();
    for node in nodes {
        let Some(fields) = Fields::of(node, "an objective", report) else {
            continue;
        };
        let name = fields.text("name", report).unwrap_or("").to_owned();
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
            let first = first.line;
            report.refuse(
                fields.place,
                format!(
                    "the objective {} stands here and in line {first}",
                    shown(&name)
                ),
            );
        }
        seen.push((name, fields.place));
        held.slas
            .extend(slo(&fields, service, &labels, words, report));
    }
}

fn slo(
    fields: &Fields<'_>,
    service: &str,
    shared: &[(String, String)],
    words: &Words,
    report: &mut Reporter<'_>,
) -> Option<Sla> {
    let known = [
        "name",
        "description",
        "objective",
        "labels",
        "sli",
        "alerting",
        "interval",
        words.slo_plugins,
    ];
    others(fields, &known, "an objective", report);
    if let Some((key, _)) = fields.entry("interval") {
        report.lose(
            key.place,
            "`interval`: how often generated rules run; none are generated here",
        );
    }
    if let Some((key, _)) = fields.entry(words.slo_plugins) {
        report.lose(
            key.place,
            "`plugins`: plugins of Sloth change what it generates",
        );
    }
    let name = fields.text("name", report).unwrap_or("");
    if name.is_empty() {
        report.refuse(fields.place, "an objective has no `name`");
    }
    let percent = objective(fields, report);
    let indicator = sli(fields, words, report);
    let mut sla = Sla {
        name: format!("{service}-{name}"),
        place: fields.place,
        percent: percent?,
        period: Period::Rolling(PERIOD),
        by: Vec::new(),
        indicator: indicator?,
        delay: DurationMs::ZERO,
        burns: Burns::Default,
        description: fields
            .text("description", report)
            .filter(|d| !d.is_empty())
            .map(str::to_owned),
        runbook: None,
        labels: merged(shared, &pairs(fields, "labels", report)),
        notes: Vec::new(),
    };
    if let Indicator::Counted { total, .. } = &sla.indicator {
        sla.by.clone_from(&total.by);
    }
    alerting(fields, words, &mut sla, report);
    Some(sla)
}

/// The promise in percent: above 0, at most 100 there, below 100 here.
fn objective(fields: &Fields<'_>, report: &mut Reporter<'_>) -> Option<f64> {
    let Some(percent) = fields.number("objective", report) else {
        if fields.get("objective").is_none() {
            report.refuse(fields.place, "an objective has no `objective`");
        }
        return None;
    };
    let place = fields
        .get("objective")
        .map_or(fields.place, |node| node.place);
    if percent <= 0.0 || percent > 100.0 {
        report.refuse(
            place,
            format!("`objective: {percent}` does not lie between 0 and 100"),
        );
        return None;
    }
    if percent == 100.0 {
        report.lose(
            place,
            "an objective of 100% leaves no budget, and is left out",
        );
        return None;
    }
    Some(percent)
}

fn sli(fields: &Fields<'_>, words: &Words, report: &mut Reporter<'_>) -> Option<Indicator> {
    let Some(node) = fields.get("sli") else {
        report.refuse(fields.place, "an objective has no `sli`");
        return None;
    };
    let sli = Fields::of(node, "`sli`", report)?;
    others(&sli, &["raw", "events", "plugin"], "`sli`", report);
    let kinds = ["raw", "events", "plugin"].map(|kind| sli.get(kind));
    match kinds {
        [Some(raw), None, None] => {
            let raw = Fields::of(raw, "`raw`", report)?;
            let query = windowed(&raw, words.ratio_query, report)?;
            query::parse(query).ok()?;
            Some(Indicator::Ratio {
                query: query.to_owned(),
            })
        }
        [None, Some(events), None] => {
            events_of(&Fields::of(events, "`events`", report)?, words, report)
        }
        [None, None, Some(plugin)] => {
            report.lose(
                plugin.place,
                "an indicator that a plugin of Sloth makes: the objective is left out",
            );
            None
        }
        _ => {
            report.refuse(sli.place, "`sli` is one of `events`, `raw` and `plugin`");
            None
        }
    }
}

fn events_of(fields: &Fields<'_>, words: &Words, report: &mut Reporter<'_>) -> Option<Indicator> {
    let error = windowed(fields, words.error_query, report);
    let total = windowed(fields, words.total_query, report);
    let (error, total) = (error?, total?);
    let (error_expr, total_expr) = (query::parse(error).ok()?, query::parse(total).ok()?);
    let counted = query::counters(&error_expr, false).zip(query::counters(&total_expr, false));
    Some(match counted {
        Some((events, total)) if events.by == total.by => {
            // `all - good` bad ones of all are `good` ones of all.
            let good = total.clone().without(&events);
            if events.text().is_some_and(|t| t.contains('\n'))
                && good.text().is_some_and(|t| !t.contains('\n'))
            {
                Indicator::Counted {
                    word: "good",
                    events: good,
                    total,
                }
            } else {
                Indicator::Counted {
                    word: "bad",
                    events,
                    total,
                }
            }
        }
        _ => Indicator::Ratio {
            query: format!("({})\n/\n({})", error.trim(), total.trim()),
        },
    })
}

/// A query that names the window and is PromQL; told when not.
fn windowed<'a>(fields: &Fields<'a>, name: &str, report: &mut Reporter<'_>) -> Option<&'a str> {
    let query = fields.text(name, report).filter(|q| !q.trim().is_empty());
    let Some(query) = query else {
        report.refuse(fields.place, format!("`{name}` is missing"));
        return None;
    };
    let place = fields.get(name).map_or(fields.place, |node| node.place);
    if !query::names_window(query) {
        report.refuse(place, format!("`{name}` has no {{{{.window}}}}"));
        return None;
    }
    match query::parse(query) {
        Ok(_) => Some(query),
        Err(error) => {
            match crate::prometheus::only_in_metricsql(query) {
                Some(what) => report.lose(
                    place,
                    format!("the objective is left out: only MetricsQL has {what}"),
                ),
                None => report.lose(
                    place,
                    format!(
                        "the objective is left out, `{name}` is not PromQL: {}",
                        error.message
                    ),
                ),
            }
            None
        }
    }
}

fn alerting(fields: &Fields<'_>, words: &Words, sla: &mut Sla, report: &mut Reporter<'_>) {
    let Some(node) = fields.get("alerting") else {
        // Sloth makes alerts unless told otherwise, and then wants a name for them.
        report.refuse(
            fields.place,
            "an objective has no `alerting`: a name for its alerts, or both switched off",
        );
        return;
    };
    let Some(alerting) = Fields::of(node, "`alerting`", report) else {
        return;
    };
    others(
        &alerting,
        &["name", "labels", "annotations", words.page, words.ticket],
        "`alerting`",
        report,
    );
    let page = alert(&alerting, words.page, report);
    let ticket = alert(&alerting, words.ticket, report);
    let name = alerting.text("name", report).unwrap_or("");
    if name.is_empty() && (page || ticket) {
        let place = alerting
            .get("name")
            .map_or(alerting.place, |node| node.place);
        report.refuse(place, "`alerting` has no `name`");
    } else if page || ticket {
        report.change(
            alerting.place,
            format!(
                "the alerts are called after the objective, not {}",
                shown(name)
            ),
        );
    }
    sla.labels = merged(&sla.labels, &pairs(&alerting, "labels", report));
    for (name, text) in pairs(&alerting, "annotations", report) {
        match name.as_str() {
            "runbook" | "runbook_url" if is_link(&text) => sla.runbook = Some(text),
            "description" | "summary" | "runbook" | "runbook_url" if sla.description.is_none() => {
                sla.description = Some(text);
            }
            _ => {
                let reserved = matches!(
                    name.as_str(),
                    "description" | "summary" | "runbook" | "runbook_url"
                );
                let legal = write::legal_label(&name).unwrap_or(name);
                let name = if reserved {
                    format!("{legal}_text")
                } else {
                    legal
                };
                sla.notes.push((name, text));
            }
        }
    }
    sla.burns = if page || ticket {
        Burns::Sloth { page, ticket }
    } else {
        Burns::None
    };
}

/// True when the alert is on; its own labels and annotations are lost.
fn alert(alerting: &Fields<'_>, name: &str, report: &mut Reporter<'_>) -> bool {
    let Some(fields) = alerting
        .get(name)
        .and_then(|node| Fields::of(node, &format!("`{name}`"), report))
    else {
        return true;
    };
    others(
        &fields,
        &["disable", "labels", "annotations"],
        &format!("`{name}`"),
        report,
    );
    let on = !fields.flag("disable", report).unwrap_or(false);
    for own in ["labels", "annotations"] {
        let list = pairs(&fields, own, report);
        // The level says it already.
        let said = |(name, text): &(String, String)| {
            name == "severity" && Level::from_word(text).is_some()
        };
        if on && !list.iter().all(said) {
            let names: Vec<String> = list.iter().map(|(name, _)| format!("`{name}`")).collect();
            report.lose(
                fields.place,
                format!("{own} of one alert of an objective: {}", names.join(", ")),
            );
        }
    }
    on
}

fn pairs(fields: &Fields<'_>, name: &str, report: &mut Reporter<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, value) in fields.pairs(name, report) {
        let label = key.text().unwrap_or("");
        let odd = name == "labels"
            && (write::legal_label(label).is_some()
                || label.starts_with("__")
                || label == "alertname");
        if odd {
            report.lose(
                key.place,
                format!("the label {}: it cannot be set here", shown(label)),
            );
        } else {
            found.push((label.to_owned(), value.text().unwrap_or("").to_owned()));
        }
    }
    found
}

/// Both lists; the second one wins.
fn merged(first: &[(String, String)], second: &[(String, String)]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = first
        .iter()
        .filter(|(name, _)| second.iter().all(|(other, _)| other != name))
        .cloned()
        .collect();
    all.extend(second.iter().cloned());
    all
}

/// A file of alert windows: burn lines for the objectives of one period.
pub(super) fn windows(fields: &Fields<'_>, held: &mut Held, report: &mut Reporter<'_>) {
    others(
        fields,
        &["apiVersion", "kind", "metadata", "spec"],
        "the object",
        report,
    );
    let Some(spec) = fields
        .get("spec")
        .and_then(|node| Fields::of(node, "`spec`", report))
    else {
        report.refuse(fields.place, "the object has no `spec`");
        return;
    };
    others(&spec, &["sloPeriod", "page", "ticket"], "`spec`", report);
    let period = spec.duration("sloPeriod", report).filter(|p| p.0 > 0);
    let mut lines = Vec::new();
    for (group, level) in [("page", Level::Critical), ("ticket", Level::Warning)] {
        let Some(fields) = spec
            .get(group)
            .and_then(|node| Fields::of(node, group, report))
        else {
            report.refuse(spec.place, format!("`spec` has no `{group}`"));
            continue;
        };
        for speed in ["quick", "slow"] {
            let Some(window) = fields
                .get(speed)
                .and_then(|node| Fields::of(node, speed, report))
            else {
                report.refuse(fields.place, format!("`{group}` has no `{speed}`"));
                continue;
            };
            lines.extend(window_line(&window, level, report));
        }
    }
    match period {
        Some(period) => {
            report.change(
                fields.place,
                format!("burn lines for objectives over {period} that are imported together with this file"),
            );
            held.windows.push(Windows { period, lines });
        }
        None if spec.get("sloPeriod").is_none() => {
            report.refuse(spec.place, "`spec` has no `sloPeriod`");
        }
        None => {}
    }
}

fn window_line(window: &Fields<'_>, level: Level, report: &mut Reporter<'_>) -> Option<Burn> {
    let percent = window.number("errorBudgetPercent", report);
    let (short, long) = (
        window.duration("shortWindow", report),
        window.duration("longWindow", report),
    );
    let (Some(percent), Some(short), Some(long)) = (percent, short, long) else {
        report.refuse(
            window.place,
            "a window has `errorBudgetPercent`, `shortWindow` and `longWindow`",
        );
        return None;
    };
    if percent <= 0.0 || percent > 100.0 || short.0 <= 0 || long <= short {
        report.refuse(
            window.place,
            "a window spends part of a budget, and its short window is the shorter one",
        );
        return None;
    }
    if short.0 * 12 != long.0 {
        let twelfth = DurationMs(long.0 / 12);
        report.change(
            window.place,
            format!("the short window is {twelfth} here, a twelfth of {long}, not {short}"),
        );
    }
    Some(Burn {
        percent,
        long,
        level,
    })
}
