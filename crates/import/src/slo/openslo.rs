//! OpenSLO, `openslo/v1` and `openslo/v1alpha`, as far as its objectives ask Prometheus.

use bellwether_model::DurationMs;

use super::Held;
use super::query;
use super::sla::{Burns, Indicator, Period, Sla};
use crate::report::{Reporter, shown};
use crate::write;
use crate::yaml::{Fields, Node};

/// How long a slice is where nothing says so.
const SLICE: DurationMs = DurationMs::from_mins(1);

/// Divided as they stand, counters give the ratio since their start, which hardly moves any more.
const NO_COUNTERS: &str = "the objective is left out: it would divide the heights of counters. With `counter: true`, \
    `good`, `bad` and `total` are counters, as they are or in `sum(...)`; with `counter: false` they are divided";

const METADATA: &[&str] = &["name", "displayName", "labels", "annotations"];

/// Keeps the indicators of a document, for objectives that name them.
pub(super) fn collect_indicators(node: &Node, into: &mut Vec<(String, Node)>) {
    let is = |key: &str, text: &str| node.get(key).and_then(Node::text) == Some(text);
    if is("kind", "SLI")
        && let Some(name) = node
            .get("metadata")
            .and_then(|m| m.get("name"))
            .and_then(Node::text)
        && let Some(spec) = node.get("spec")
    {
        into.push((name.to_owned(), spec.clone()));
    }
}

/// Any object: objectives become ours, the others are checked.
pub(super) fn read(
    fields: &Fields<'_>,
    version: &str,
    kind: &str,
    held: &mut Held,
    report: &mut Reporter<'_>,
) {
    fields.only(
        &["apiVersion", "kind", "metadata", "spec"],
        "the object",
        report,
    );
    let metadata = fields
        .get("metadata")
        .and_then(|node| Fields::of(node, "`metadata`", report));
    let mut name = "";
    if let Some(metadata) = &metadata {
        metadata.only(METADATA, "`metadata`", report);
        name = metadata.text("name", report).unwrap_or("");
        let others = metadata
            .entries()
            .filter_map(|(key, _)| key.text())
            .filter(|key| *key != "name");
        let others: Vec<String> = others.map(shown).collect();
        if kind == "SLO" && !others.is_empty() {
            report.lose(
                metadata.place,
                format!("{} of the object", others.join(", ")),
            );
        }
    }
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
    let known: &[&str] = match kind {
        "SLO" => return slo(&spec, version, name, held, report),
        "Service" => &["description"],
        "SLI" => &["description", "thresholdMetric", "ratioMetric"],
        "DataSource" => &["description", "type", "connectionDetails"],
        "AlertPolicy" => &[
            "description",
            "alertWhenNoData",
            "alertWhenBreaching",
            "alertWhenResolved",
            "conditions",
            "notificationTargets",
        ],
        "AlertCondition" => &["description", "severity", "condition"],
        "AlertNotificationTarget" => &["description", "target"],
        _ => {
            let place = fields.get("kind").map_or(fields.place, |node| node.place);
            return report.refuse(place, format!("OpenSLO has no kind {}", shown(kind)));
        }
    };
    spec.only(known, "`spec`", report);
    let meaning = match kind {
        // Its objectives bring it.
        "SLI" => return,
        "Service" => "a service is a name here: objectives say theirs as a label",
        "DataSource" => "where data comes from is a server's configuration",
        _ => {
            "alerts of objectives are their `burn` and `breach` lines, and who is told is a `route`"
        }
    };
    report.lose(
        fields.place,
        format!("the {kind} {}: {meaning}", shown(name)),
    );
}

fn slo(spec: &Fields<'_>, version: &str, name: &str, held: &mut Held, report: &mut Reporter<'_>) {
    spec.only(
        &[
            "description",
            "service",
            "indicator",
            "indicatorRef",
            "timeWindow",
            "timeWindows",
            "budgetingMethod",
            "objectives",
            "alertPolicies",
        ],
        "`spec`",
        report,
    );
    if let Some((key, _)) = spec.entry("alertPolicies") {
        report.lose(
            key.place,
            "`alertPolicies`: the burn alerts of the language apply",
        );
    }
    let service = spec.text("service", report).unwrap_or("");
    if service.is_empty() {
        report.refuse(spec.place, "the objective has no `service`");
    }
    let method = spec
        .text("budgetingMethod", report)
        .unwrap_or("Occurrences");
    if !matches!(method, "Occurrences" | "Timeslices" | "RatioTimeslices") {
        let place = spec
            .get("budgetingMethod")
            .map_or(spec.place, |node| node.place);
        report.refuse(
            place,
            format!("no budgeting method is called {}", shown(method)),
        );
    }
    let period = period(spec, version, report);
    let shared = indicator_of(spec, held, report);
    let objectives = spec.list("objectives", report);
    if objectives.is_empty() {
        report.refuse(spec.place, "the objective has no `objectives`");
    }
    for node in objectives {
        let Some(fields) = Fields::of(node, "an objective", report) else {
            continue;
        };
        fields.only(
            &[
                "displayName",
                "op",
                "value",
                "target",
                "targetPercent",
                "timeSliceTarget",
                "timeSliceWindow",
                "ratioMetrics",
                "ratioMetric",
                "indicator",
                "indicatorRef",
                "compositeWeight",
            ],
            "an objective",
            report,
        );
        if let Some((key, _)) = fields.entry("compositeWeight") {
            report.lose(
                key.place,
                "`compositeWeight`: objectives stand for themselves here",
            );
        }
        let own = indicator_of(&fields, held, report);
        let source = fields.get("ratioMetrics").or(fields.get("ratioMetric"));
        let source = match (source, own.or_else(|| shared.clone())) {
            // The objective itself holds the ratio, as the first version has it.
            (Some(_), _) => Some(node.clone()),
            (None, shared) => shared,
        };
        let percent = target(&fields, report);
        let (Some(percent), Some(period)) = (percent, period.clone()) else {
            continue;
        };
        let Some(source) = source else {
            report.refuse(
                fields.place,
                "nothing says what is measured: no `indicator`",
            );
            continue;
        };
        let way = Way {
            method,
            percent,
            fields: &fields,
        };
        let Some(indicator) = way.indicator(&source, report) else {
            continue;
        };
        let by = match &indicator {
            Indicator::Counted { total, .. } => total.by.clone(),
            _ => Vec::new(),
        };
        held.slas.push(Sla {
            name: format!("{service}-{name}"),
            place: fields.place,
            percent,
            period,
            indicator,
            by,
            delay: DurationMs::ZERO,
            burns: Burns::Default,
            description: spec
                .text("description", report)
                .filter(|d| !d.is_empty())
                .map(str::to_owned),
            runbook: None,
            labels: vec![("service".to_owned(), service.to_owned())],
            notes: Vec::new(),
        });
    }
}

/// What an objective measures: its own indicator, or one that it names.
fn indicator_of(fields: &Fields<'_>, held: &Held, report: &mut Reporter<'_>) -> Option<Node> {
    if let Some(node) = fields.get("indicator") {
        let inner = Fields::of(node, "`indicator`", report)?;
        inner.only(
            &["metadata", "spec", "thresholdMetric", "ratioMetric"],
            "`indicator`",
            report,
        );
        return Some(inner.get("spec").unwrap_or(node).clone());
    }
    let named = fields.text("indicatorRef", report)?;
    let found = held.indicators.iter().find(|(name, _)| name == named);
    if found.is_none() {
        let place = fields
            .get("indicatorRef")
            .map_or(fields.place, |node| node.place);
        report.refuse(place, format!("no indicator is called {}", shown(named)));
    }
    found.map(|(_, node)| node.clone())
}

/// The promise in percent.
fn target(fields: &Fields<'_>, report: &mut Reporter<'_>) -> Option<f64> {
    let (name, scale) = match fields.get("target") {
        Some(_) => ("target", 100.0),
        None => ("targetPercent", 1.0),
    };
    let Some(node) = fields.get(name) else {
        report.refuse(fields.place, "the objective has no `target`");
        return None;
    };
    let percent = (fields.number(name, report)? * scale * 1e9).round() / 1e9;
    if !(0.0..=100.0).contains(&percent) {
        report.refuse(
            node.place,
            format!("`{name}` does not lie between 0 and 100%"),
        );
        return None;
    }
    if percent == 0.0 || percent == 100.0 {
        report.lose(
            node.place,
            format!("an objective of {percent}% is left out"),
        );
        return None;
    }
    Some(percent)
}

fn period(spec: &Fields<'_>, version: &str, report: &mut Reporter<'_>) -> Option<Period> {
    let list = if version == "openslo/v1" {
        "timeWindow"
    } else {
        "timeWindows"
    };
    let list = if spec.get(list).is_some() {
        list
    } else {
        "timeWindow"
    };
    let nodes = spec.list(list, report);
    let [node, ..] = nodes else {
        report.refuse(spec.place, format!("the objective has no `{list}`"));
        return None;
    };
    let fields = Fields::of(node, "a time window", report)?;
    fields.only(
        &["duration", "count", "unit", "isRolling", "calendar"],
        "a time window",
        report,
    );
    let calendar = fields
        .get("calendar")
        .and_then(|node| Fields::of(node, "`calendar`", report));
    let rolling = fields
        .flag("isRolling", report)
        .unwrap_or(calendar.is_none());
    let (count, unit) = if let Some(text) = fields.text("duration", report) {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        (count.parse::<i64>().ok(), unit.to_owned())
    } else {
        let unit = fields.text("unit", report).unwrap_or("").to_owned();
        (fields.integer("count", report), unit)
    };
    let Some(count) = count.filter(|n| (1..=10_000).contains(n)) else {
        report.refuse(fields.place, "a time window has a duration such as 28d");
        return None;
    };
    let Some((days, word)) = unit_of(&unit, rolling) else {
        report.refuse(
            fields.place,
            format!("{} is not a unit of a time window", shown(&unit)),
        );
        return None;
    };
    if let (false, Some(word), 1) = (rolling, word, count) {
        let zone = calendar
            .and_then(|c| c.text("timeZone", report))
            .unwrap_or("UTC")
            .to_owned();
        if zone.parse::<chrono_tz::Tz>().is_err() {
            report.refuse(
                fields.place,
                format!("no time zone is called {}", shown(&zone)),
            );
            return None;
        }
        if word != "month" {
            report.change(
                fields.place,
                format!("the {word} begins where the calendar has it, not at `startTime`"),
            );
        }
        return Some(Period::Calendar { unit: word, zone });
    }
    let millis = (days * 86_400_000.0 * count as f64) as i64;
    if !rolling {
        report.change(
            fields.place,
            "a rolling period: no unit of the calendar is that long",
        );
    } else if word.is_some() && matches!(word, Some("month" | "quarter" | "year")) {
        let length = DurationMs(millis);
        report.change(fields.place, format!("the period is {length} long"));
    }
    Some(Period::Rolling(DurationMs(millis)))
}

/// Days of a unit, and the calendar's word for it. A minute that does not roll is meant to be a month.
fn unit_of(unit: &str, rolling: bool) -> Option<(f64, Option<&'static str>)> {
    Some(match unit {
        "m" if !rolling => (30.0, Some("month")),
        "m" | "Minute" | "minute" => (1.0 / 1440.0, None),
        "h" | "Hour" | "hour" => (1.0 / 24.0, None),
        "d" | "Day" | "day" => (1.0, None),
        "w" | "Week" | "week" => (7.0, Some("week")),
        "M" | "Month" | "month" => (30.0, Some("month")),
        "Q" | "Quarter" | "quarter" => (91.0, Some("quarter")),
        "Y" | "Year" | "year" => (365.0, Some("year")),
        _ => return None,
    })
}

/// How one objective judges its indicator.
struct Way<'a> {
    method: &'a str,
    percent: f64,
    fields: &'a Fields<'a>,
}

impl Way<'_> {
    fn indicator(&self, source: &Node, report: &mut Reporter<'_>) -> Option<Indicator> {
        let fields = Fields::of(source, "the indicator", report)?;
        let ratio = ["ratioMetric", "ratioMetrics"]
            .iter()
            .find_map(|name| fields.get(name));
        if let Some(node) = ratio {
            return self.ratio(&Fields::of(node, "`ratioMetric`", report)?, report);
        }
        let Some(node) = fields.get("thresholdMetric") else {
            report.refuse(
                fields.place,
                "the indicator has neither `ratioMetric` nor `thresholdMetric`",
            );
            return None;
        };
        let metric = Fields::of(node, "`thresholdMetric`", report)?;
        let query = prometheus(&metric, report)?;
        let op = match self.fields.text("op", report) {
            Some("lte") => "<=",
            Some("lt") => "<",
            Some("gte") => ">=",
            Some("gt") => ">",
            _ => {
                report.refuse(
                    self.fields.place,
                    "a threshold has an `op`: lt, lte, gt or gte",
                );
                return None;
            }
        };
        let Some(value) = self.fields.number("value", report) else {
            report.refuse(self.fields.place, "a threshold has a `value`");
            return None;
        };
        let slice = self.slice(report);
        if self.method == "Occurrences" {
            report.change(
                self.fields.place,
                format!("each {slice} counts, not each measurement"),
            );
        }
        let query = query::with_window(&query, &slice.to_string());
        Some(Indicator::Sliced {
            ok: format!("({query}) {op} {}", write::number(value)),
            slice,
        })
    }

    fn slice(&self, report: &mut Reporter<'_>) -> DurationMs {
        let written = self.fields.get("timeSliceWindow").and_then(Node::text);
        let found = match written.and_then(|text| text.parse::<i64>().ok()) {
            // A number alone is one of minutes.
            Some(minutes) => Some(DurationMs::from_mins(minutes.clamp(0, 525_600))),
            None => self.fields.duration("timeSliceWindow", report),
        };
        found.filter(|slice| slice.0 >= 1000).unwrap_or(SLICE)
    }

    fn ratio(&self, fields: &Fields<'_>, report: &mut Reporter<'_>) -> Option<Indicator> {
        fields.only(
            &[
                "counter",
                "good",
                "bad",
                "total",
                "rawType",
                "raw",
                "incremental",
            ],
            "`ratioMetric`",
            report,
        );
        // `incremental` in `openslo/v1alpha`.
        let says = |name, report: &mut Reporter<'_>| fields.flag(name, report);
        let declared = match (says("counter", report), says("incremental", report)) {
            (None, None) => None,
            (a, b) => Some(a == Some(true) || b == Some(true)),
        };
        let bare = declared == Some(true);
        let (word, node) = match (fields.get("good"), fields.get("bad")) {
            (Some(good), None) => ("good", good),
            (None, Some(bad)) => ("bad", bad),
            _ => {
                if let Some(raw) = fields.get("raw") {
                    return self.raw(fields, raw, report);
                }
                report.refuse(
                    fields.place,
                    "`ratioMetric` has `good` or `bad`, and `total`",
                );
                return None;
            }
        };
        let Some(total) = fields.get("total") else {
            report.refuse(fields.place, "`ratioMetric` has no `total`");
            return None;
        };
        let events = prometheus(&Fields::of(node, &format!("`{word}`"), report)?, report);
        let total = prometheus(&Fields::of(total, "`total`", report)?, report);
        let (events, total) = (events?, total?);
        let (events_expr, total_expr) = (query::parse(&events).ok()?, query::parse(&total).ok()?);
        let counted = query::counters(&events_expr, bare)
            .zip(query::counters(&total_expr, bare))
            .filter(|(events, total)| events.by == total.by);
        let heights = query::reads_heights(&events_expr) || query::reads_heights(&total_expr);
        if heights && declared != Some(false) && counted.is_none() {
            report.lose(fields.place, NO_COUNTERS);
            return None;
        }
        let slice = self.slice(report);
        match (self.method, counted) {
            ("Occurrences", Some((events, total))) => Some(Indicator::Counted {
                word,
                events,
                total,
            }),
            ("Occurrences", _) => {
                let bad = if word == "bad" {
                    String::new()
                } else {
                    "1 - ".to_owned()
                };
                Some(Indicator::Ratio {
                    query: format!("{bad}({})\n/\n({})", events.trim(), total.trim()),
                })
            }
            (method, counted) => {
                if method == "RatioTimeslices" {
                    report.change(
                        self.fields.place,
                        "each slice is good or bad here, instead of an average of their ratios",
                    );
                }
                let part = |counters: Option<&query::Counters>, query: &str| match counters {
                    Some(counters) => counters.increase(&slice.to_string()),
                    None => format!("({})", query::with_window(query.trim(), &slice.to_string())),
                };
                let ratio = format!(
                    "{} / {}",
                    part(counted.as_ref().map(|(e, _)| e), &events),
                    part(counted.as_ref().map(|(_, t)| t), &total)
                );
                let ok = self.within_budget(&ratio, word == "good", report);
                Some(Indicator::Sliced { ok, slice })
            }
        }
    }
}

impl Way<'_> {
    /// A ratio that is measured as such.
    fn raw(&self, fields: &Fields<'_>, raw: &Node, report: &mut Reporter<'_>) -> Option<Indicator> {
        let is_good = match fields.text("rawType", report) {
            Some("success") => true,
            Some("failure") => false,
            _ => {
                report.refuse(fields.place, "`rawType` is `success` or `failure`");
                return None;
            }
        };
        let query = prometheus(&Fields::of(raw, "`raw`", report)?, report)?;
        let query = query.trim();
        if self.method == "Occurrences" {
            let query = if is_good {
                format!("1 - ({query})")
            } else {
                query.to_owned()
            };
            return Some(Indicator::Ratio { query });
        }
        let slice = self.slice(report);
        let ok = self.within_budget(&format!("({query})"), is_good, report);
        Some(Indicator::Sliced { ok, slice })
    }

    /// When a slice of this ratio is good.
    fn within_budget(&self, ratio: &str, is_good: bool, report: &mut Reporter<'_>) -> String {
        let default = self.percent / 100.0;
        let target = self.fields.number("timeSliceTarget", report);
        let target = target.unwrap_or(default);
        if is_good {
            return format!("{ratio} >= {}", write::number(target));
        }
        let budget = ((1.0 - target) * 1e9).round() / 1e9;
        format!("{ratio} <= {}", write::number(budget))
    }
}

/// The query of a metric that Prometheus answers; told when it is another system's, or no PromQL.
fn prometheus(fields: &Fields<'_>, report: &mut Reporter<'_>) -> Option<String> {
    let source = fields
        .get("metricSource")
        .map(|node| Fields::of(node, "`metricSource`", report));
    let fields = match source {
        None => *fields,
        Some(source) => source?,
    };
    let kind = ["type", "source"]
        .iter()
        .find_map(|name| fields.get(name))
        .and_then(Node::text);
    let named = fields.get("metricSourceRef").is_some();
    let asks = kind.map_or(named, |kind| kind.eq_ignore_ascii_case("prometheus"));
    if !asks {
        let kind = shown(kind.unwrap_or("nothing"));
        report.lose(
            fields.place,
            format!("the objective is left out: it asks {kind}, not Prometheus"),
        );
        return None;
    }
    let spec = fields
        .get("spec")
        .map(|node| Fields::of(node, "`spec`", report));
    let inner = match spec {
        None => fields,
        Some(spec) => spec?,
    };
    let node = ["query", "promql"].iter().find_map(|name| inner.get(name));
    let Some((node, query)) = node.and_then(|node| Some((node, node.text()?))) else {
        report.refuse(inner.place, "the metric has no `query`");
        return None;
    };
    if let Err(error) = query::parse(query) {
        report.lose(
            node.place,
            format!(
                "the objective is left out, its query is not PromQL: {}",
                error.message
            ),
        );
        return None;
    }
    Some(query.to_owned())
}
