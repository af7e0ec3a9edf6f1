//! An objective as it will be written.

use std::collections::BTreeSet;

use bellwether_lang::promql;
use bellwether_lang::promql::ast::{BinaryOp, Expr, ExprKind};
use bellwether_lang::rules::{self, Level, Produced};
use bellwether_model::DurationMs;

use super::query::{self, Counters};
use super::sloth::Windows;
use crate::report::{Reporter, shown};
use crate::write::{self, Item};
use crate::yaml::Place;

/// An objective.
#[derive(Clone, Debug)]
pub(super) struct Sla {
    pub(super) name: String,
    pub(super) place: Place,
    /// The promise, in percent.
    pub(super) percent: f64,
    pub(super) period: Period,
    pub(super) indicator: Indicator,
    pub(super) by: Vec<String>,
    /// How late it is looked at.
    pub(super) delay: DurationMs,
    pub(super) burns: Burns,
    pub(super) description: Option<String>,
    pub(super) runbook: Option<String>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) notes: Vec<(String, String)>,
}

/// The time it is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Period {
    Rolling(DurationMs),
    /// `month in "Europe/Berlin"`
    Calendar {
        unit: &'static str,
        zone: String,
    },
}

impl Period {
    fn text(&self) -> String {
        match self {
            Period::Rolling(length) => length.to_string(),
            Period::Calendar { unit, zone } => format!("{unit} in \"{zone}\""),
        }
    }

    /// The length that burn factors are about.
    fn nominal(&self) -> DurationMs {
        let days = match self {
            Period::Rolling(length) => return *length,
            Period::Calendar { unit: "week", .. } => 7,
            Period::Calendar { unit: "month", .. } => 30,
            Period::Calendar {
                unit: "quarter", ..
            } => 91,
            Period::Calendar { .. } => 365,
        };
        DurationMs(days * 86_400_000)
    }
}

/// How good and bad are told apart.
#[derive(Clone, Debug)]
pub(super) enum Indicator {
    Counted {
        /// `good` or `bad`
        word: &'static str,
        events: Counters,
        total: Counters,
    },
    /// An expression that is true when a slice is good.
    Sliced { ok: String, slice: DurationMs },
    /// A ratio of bad events for which there are no counters: judged slice by slice.
    Ratio { query: String },
}

/// Which burn lines it has.
#[derive(Clone, Debug)]
pub(super) enum Burns {
    None,
    /// Those of Sloth: its page and ticket alerts, as far as they are on.
    Sloth {
        page: bool,
        ticket: bool,
    },
    Lines(Vec<Burn>),
    /// Those of the language.
    Default,
}

/// `burn SHARE in LONG LEVEL`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Burn {
    /// Of the budget, in percent.
    pub(super) percent: f64,
    pub(super) long: DurationMs,
    pub(super) level: Level,
}

/// How long a slice of a ratio is, and the window its query looks at.
const RATIO_SLICE: &str = "5m";

impl Sla {
    /// The items; `path` is where it came from.
    pub(super) fn items(
        &self,
        path: &str,
        windows: &[Windows],
        report: &mut Reporter<'_>,
    ) -> Vec<Item> {
        let mut items = Vec::new();
        let mut item = Item::new(format!("sla {}", self.name));
        let file = path.rsplit('/').next().unwrap_or(path);
        item.comments.push(format!("{file}:{}", self.place.line));
        let percent = write::number(self.percent);
        item.clause(
            "objective",
            format!("{percent}% over {}", self.period.text()),
        );
        match &self.indicator {
            Indicator::Counted {
                word,
                events,
                total,
            } => {
                let (Some(events), Some(total)) = (events.text(), total.text()) else {
                    report.lose(self.place, format!("{} counts nothing", shown(&self.name)));
                    return items;
                };
                item.clause(word, events);
                item.clause("total", total);
            }
            Indicator::Sliced { ok, slice } => {
                item.clause("ok", ok.clone());
                item.clause("slice", slice.to_string());
            }
            Indicator::Ratio { query } => {
                let budget = write::number(((100.0 - self.percent) * 1e9).round() / 1e11);
                item.clause("ok", format!("{} <= {budget}", ratio_text(query)));
                item.clause("slice", RATIO_SLICE);
                report.change(
                    self.place,
                    format!(
                        "{} has no counters: each {RATIO_SLICE} whose ratio is within the budget is good, instead of an average of ratios{}",
                        shown(&self.name),
                        if is_empty_without_events(query) { FILL_OFFER } else { "" }
                    ),
                );
            }
        }
        self.tell_recorded(&item, report);
        let by = self.by();
        if !by.is_empty() {
            item.clause("by", format!("({})", by.join(", ")));
        }
        if self.delay.0 > 0 {
            item.clause("delay", self.delay.to_string());
        }
        self.burn_clauses(windows, &mut item, report);
        if let Some(text) = &self.description {
            item.clause("description", write::quoted(&write::escaped_braces(text)));
        }
        if let Some(link) = &self.runbook {
            item.clause("runbook", link.clone());
        }
        for (word, pairs) in [("label", &self.labels), ("note", &self.notes)] {
            for (name, text) in pairs {
                let text = write::quoted(&write::escaped_braces(text));
                item.clause(word, format!("{name} = {text}"));
            }
        }
        items.push(item);
        items
    }

    /// Tells of recorded metrics that it reads, which go by the form of their names: they have no past here, so neither
    /// has the objective.
    fn tell_recorded(&self, item: &Item, report: &mut Reporter<'_>) {
        let mut recorded = BTreeSet::new();
        for (_, text) in &item.clauses {
            if let Ok(expr) = promql::parse(text) {
                recorded_metrics(&expr, &mut recorded);
            }
        }
        if recorded.is_empty() {
            return;
        }
        let names: Vec<String> = recorded.iter().map(|name| shown(name)).collect();
        report.change(
            self.place,
            format!(
                "{} reads recorded metrics ({}): here they begin when their rules do, and so does what is known of the objective",
                shown(&self.name),
                names.join(", ")
            ),
        );
    }

    /// The labels of which each combination has a budget: those that are named, or those that its query keeps.
    fn by(&self) -> Vec<String> {
        let query = match &self.indicator {
            Indicator::Sliced { ok, .. } => ok.clone(),
            Indicator::Ratio { query } => query::with_window(query, RATIO_SLICE),
            Indicator::Counted { .. } => return self.by.clone(),
        };
        let kept = promql::parse(&query).map(|expr| rules::produced(&expr, &|_| None));
        match kept {
            Ok(Produced::Only(labels)) if self.by.is_empty() => labels.into_iter().collect(),
            _ => self.by.clone(),
        }
    }

    fn burn_clauses(&self, windows: &[Windows], item: &mut Item, report: &mut Reporter<'_>) {
        let period = self.period.nominal();
        let lines = match &self.burns {
            Burns::None => Vec::new(),
            Burns::Default => workbook(),
            Burns::Lines(lines) => lines.clone(),
            Burns::Sloth { page, ticket } => {
                let own = windows.iter().find(|w| w.period == period);
                let lines = own.map_or_else(workbook, |w| w.lines.clone());
                let on = |line: &Burn| {
                    if line.level == Level::Critical {
                        *page
                    } else {
                        *ticket
                    }
                };
                lines.into_iter().filter(on).collect()
            }
        };
        let budget = 1.0 - self.percent / 100.0;
        let fires = |line: &Burn| {
            line.percent / 100.0 * period.0 as f64 / line.long.0 as f64 * budget <= 1.0
        };
        let (can, never): (Vec<Burn>, Vec<Burn>) = lines.iter().partition(|line| fires(line));
        for line in &never {
            report.change(
                self.place,
                format!(
                    "the burn alert {} never fires with this objective, and is left out",
                    line.text()
                ),
            );
        }
        if can.is_empty() {
            item.clause("burn", "none");
        } else if can != workbook() {
            for line in can {
                item.clause("burn", line.text());
            }
        }
    }
}

/// Names with a colon are those of recording rules, as all the world has it.
fn recorded_metrics(expr: &Expr, into: &mut BTreeSet<String>) {
    let name = match &expr.kind {
        ExprKind::Selector(selector) => &selector.name,
        ExprKind::Range(range) => &range.selector.name,
        _ => &None,
    };
    into.extend(name.iter().filter(|name| name.contains(':')).cloned());
    for child in expr.children() {
        recorded_metrics(child, into);
    }
}

/// What is proposed for a ratio that is empty, and not 0, as long as nothing bad has happened.
const FILL_OFFER: &str = "; where no bad event is stored the ratio is empty and the slice does not count: with `/ fill_left(0)` it is 0, and good";

/// True for a quotient of vectors: without a series above the line there is no result.
fn is_empty_without_events(query: &str) -> bool {
    let expr = promql::parse(&query::with_window(query, RATIO_SLICE));
    let Ok(expr) = expr.as_ref().map(Expr::unparenthesized) else {
        return false;
    };
    match &expr.kind {
        ExprKind::Binary(binary) if binary.op == BinaryOp::Div => binary
            .matching
            .as_ref()
            .is_some_and(|matching| matching.fill.left.is_none()),
        _ => false,
    }
}

/// The query with the window put in, as one operand.
fn ratio_text(query: &str) -> String {
    let query = query::with_window(query, RATIO_SLICE);
    match promql::parse(&query) {
        // One line, in which a comparison binds weaker than a ratio: but for sets, no parentheses are needed.
        Ok(expr) => match &expr.kind {
            ExprKind::Binary(binary) if binary.op.is_set() || binary.op.is_comparison() => {
                format!("({expr})")
            }
            _ => expr.to_string(),
        },
        Err(_) => format!("({query})"),
    }
}

/// The lines of the SRE workbook, which the language has by default.
fn workbook() -> Vec<Burn> {
    let hour = 3_600_000;
    let line = |percent, hours: i64, level| Burn {
        percent,
        long: DurationMs(hours * hour),
        level,
    };
    vec![
        line(2.0, 1, Level::Critical),
        line(5.0, 6, Level::Critical),
        line(10.0, 24, Level::Warning),
        line(10.0, 72, Level::Warning),
    ]
}

impl Burn {
    fn text(&self) -> String {
        let percent = write::number((self.percent * 1e4).round() / 1e4);
        format!("{percent}% in {} {}", self.long, self.level)
    }
}

/// True when an address can stand behind `runbook`.
pub(super) fn is_link(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '"' | '`' | '@'))
}
