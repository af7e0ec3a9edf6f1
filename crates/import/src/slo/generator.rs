//! slo-generator's objectives, as far as they ask Prometheus.

use bellwether_lang::promql;
use bellwether_lang::promql::ast::{Expr, ExprKind, Span};
use bellwether_model::{DurationMs, METRIC_NAME, Matcher};

use super::Held;
use super::query::Counters;
use super::sla::{Burns, Indicator, Period, Sla};
use crate::report::{Reporter, shown};
use crate::write;
use crate::yaml::Fields;

/// The longest window of slo-generator's own error budget policy, which is another file.
const PERIOD: DurationMs = DurationMs(28 * 86_400_000);

pub(super) fn read(fields: &Fields<'_>, held: &mut Held, report: &mut Reporter<'_>) {
    fields.only(
        &["apiVersion", "kind", "metadata", "spec"],
        "the object",
        report,
    );
    let metadata = fields
        .get("metadata")
        .and_then(|node| Fields::of(node, "`metadata`", report));
    let name = metadata.and_then(|m| m.text("name", report)).unwrap_or("");
    if name.is_empty() {
        report.refuse(fields.place, "the object has no name");
    }
    let Some(spec) = fields
        .get("spec")
        .and_then(|node| Fields::of(node, "`spec`", report))
    else {
        report.refuse(fields.place, "the object has no `spec`");
        return;
    };
    spec.only(
        &[
            "description",
            "backend",
            "method",
            "exporters",
            "service_level_indicator",
            "goal",
            "error_budget_policy",
        ],
        "`spec`",
        report,
    );
    let Some(goal) = spec
        .number("goal", report)
        .filter(|goal| *goal > 0.0 && *goal < 1.0)
    else {
        report.refuse(spec.place, "`goal` lies between 0 and 1");
        return;
    };
    for lost in ["exporters", "error_budget_policy"] {
        if let Some((key, _)) = spec.entry(lost) {
            report.lose(key.place, format!("`{lost}`"));
        }
    }
    report.change(
        spec.place,
        format!("the objective is over {PERIOD}: its period stands in another file"),
    );
    let backend = spec.text("backend", report).unwrap_or("");
    if !backend.starts_with("prometheus") {
        report.lose(
            spec.place,
            format!(
                "{} asks {}, not Prometheus: it is left out",
                shown(name),
                shown(backend)
            ),
        );
        return;
    }
    let Some(indicator) = indicator(&spec, report) else {
        return;
    };
    let mut labels = Vec::new();
    for (key, value) in metadata
        .map(|m| m.pairs("labels", report))
        .unwrap_or_default()
    {
        let label = key.text().unwrap_or("");
        if write::legal_label(label).is_some() || label.starts_with("__") || label == "alertname" {
            report.lose(
                key.place,
                format!("the label {}: it cannot be set here", shown(label)),
            );
        } else {
            labels.push((label.to_owned(), value.text().unwrap_or("").to_owned()));
        }
    }
    held.slas.push(Sla {
        name: name.to_owned(),
        place: fields.place,
        percent: ((goal * 100.0) * 1e9).round() / 1e9,
        period: Period::Rolling(PERIOD),
        indicator,
        by: Vec::new(),
        delay: DurationMs::ZERO,
        burns: Burns::Default,
        description: spec.text("description", report).map(str::to_owned),
        runbook: None,
        labels,
        notes: Vec::new(),
    });
}

fn indicator(spec: &Fields<'_>, report: &mut Reporter<'_>) -> Option<Indicator> {
    let method = spec.text("method", report).unwrap_or("");
    let Some(node) = spec.get("service_level_indicator") else {
        report.refuse(spec.place, "`spec` has no `service_level_indicator`");
        return None;
    };
    let fields = Fields::of(node, "`service_level_indicator`", report)?;
    match method {
        "good_bad_ratio" => {
            let good = counter(&fields, "filter_good", report)?;
            let valid = fields.get("filter_valid").is_some();
            let other = counter(
                &fields,
                if valid { "filter_valid" } else { "filter_bad" },
                report,
            )?;
            let total = if valid {
                other
            } else {
                good.clone().and(&other)
            };
            Some(Indicator::Counted {
                word: "good",
                events: good,
                total,
            })
        }
        "distribution_cut" => cut(&fields, report),
        _ => {
            report.lose(
                spec.place,
                format!(
                    "the method {} has no counterpart: the objective is left out",
                    shown(method)
                ),
            );
            None
        }
    }
}

fn counter(fields: &Fields<'_>, name: &str, report: &mut Reporter<'_>) -> Option<Counters> {
    let Some(node) = fields.get(name) else {
        report.refuse(fields.place, format!("`{name}` is missing"));
        return None;
    };
    let written = node.text().unwrap_or("");
    match promql::parse(written) {
        Ok(expr) if matches!(expr.kind, ExprKind::Selector(_)) => Counters::of_selector(&expr),
        Ok(_) => {
            report.lose(
                node.place,
                format!(
                    "{} is not a counter with its labels: the objective is left out",
                    shown(written)
                ),
            );
            None
        }
        Err(error) => {
            report.refuse(
                node.place_of(error.span.start),
                format!("not a metric: {}", error.message),
            );
            None
        }
    }
}

/// Events below a bucket's bound, of all events of the histogram.
fn cut(fields: &Fields<'_>, report: &mut Reporter<'_>) -> Option<Indicator> {
    let bound = fields.text("threshold_bucket", report);
    let Some(node) = fields.get("expression") else {
        report.refuse(fields.place, "`expression` is missing");
        return None;
    };
    let parsed = promql::parse(node.text().unwrap_or("")).ok();
    let selector = parsed.and_then(|expr| match expr.kind {
        ExprKind::Selector(selector) => Some(selector),
        _ => None,
    });
    let name = selector.as_ref().and_then(|s| s.name.clone());
    let base = name
        .as_deref()
        .and_then(|name| name.strip_suffix("_bucket"));
    let (Some(selector), Some(base), Some(bound)) = (selector, base, bound) else {
        report.refuse(
            fields.place,
            "a cut is a histogram's `_bucket` metric and a `threshold_bucket`",
        );
        return None;
    };
    let mut good = selector.clone();
    good.matchers.push(Matcher::equal("le", bound));
    let mut total = selector;
    let count = format!("{base}_count");
    total
        .matchers
        .retain(|m| m.name() != METRIC_NAME && m.name() != "le");
    total
        .matchers
        .insert(0, Matcher::equal(METRIC_NAME, &count));
    total.name = Some(count);
    let expr = |selector| Expr {
        kind: ExprKind::Selector(selector),
        span: Span::default(),
    };
    Some(Indicator::Counted {
        word: "good",
        events: Counters::of_selector(&expr(good))?,
        total: Counters::of_selector(&expr(total))?,
    })
}
