//! One objective: is it complete, can its alerts fire, and can its labels be there?

use std::collections::BTreeSet;

use bellwether_model::DurationMs;
use bellwether_model::value::format_value;

use super::alerts::{Subject, wrong_type};
use super::build::{Draft, Entry};
use super::clause::Clause;
use super::diagnostic::Mistake;
use super::labels::{self, Produced, Recorded};
use super::near::nearest;
use super::scan::Placed;
use super::texts::Texts;
use super::types::{Burn, Counted, Counters, Indicator, Period, Place, Sla, SlaObjective, Slice};
use crate::promql::ast::{Binary, BinaryOp, Expr, ExprKind, Span};

/// The windows an objective leaves out.
pub(super) fn excluded(draft: &Draft) -> &[Placed<String>] {
    let named = draft.clauses.iter().find_map(|entry| match &entry.clause {
        Clause::Exclude(names) => Some(names.as_slice()),
        _ => None,
    });
    named.unwrap_or_default()
}

/// The objective, unless there is an error.
pub(super) fn sla(
    subject: &Subject<'_>,
    place: Place,
    recorded: Recorded<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Sla> {
    let draft = subject.draft;
    let clauses = SlaClauses::of(draft);
    let objectives: Vec<SlaObjective> = clauses.objectives.iter().map(|o| o.value).collect();
    mistakes.extend(same_period(&clauses.objectives));
    let indicator = clauses.indicator(draft, mistakes);
    if objectives.is_empty() && !draft.spoiled {
        mistakes.push(needs(draft, "objective", "objective 99.9% over 30d"));
    }
    mistakes.extend(clauses.by_possible(recorded));
    check_texts(subject, &clauses, mistakes);
    mistakes.extend(clauses.burns_with_none());
    for (word, burn) in &clauses.burns {
        mistakes.extend(burn.and_then(|burn| never_burns(*word, &burn, &objectives)));
    }
    Some(Sla {
        name: draft.name.value.clone(),
        indicator: indicator?,
        burns: clauses.burn_lines(&objectives),
        objectives,
        by: clauses.by.iter().map(|label| label.value.clone()).collect(),
        breach: subject.first(|clause| match clause {
            Clause::Breach(breach) => Some(*breach),
            _ => None,
        }),
        events_min: subject
            .first(|clause| match clause {
                Clause::Min(count) => Some(*count),
                _ => None,
            })
            .unwrap_or(0),
        exclude: excluded(draft)
            .iter()
            .map(|name| name.value.clone())
            .collect(),
        every: subject.every(),
        delay: subject.delay(),
        description: subject.first(|clause| match clause {
            Clause::Description(text) => Some(text.text.clone()),
            _ => None,
        }),
        runbook: subject.first(|clause| match clause {
            Clause::Runbook(url) => Some(url.clone()),
            _ => None,
        }),
        labels: subject.labels(),
        notes: subject.notes(),
        place,
    })
}

/// What the clauses of one objective say, with their words.
#[derive(Default)]
struct SlaClauses<'d> {
    objectives: Vec<&'d Placed<SlaObjective>>,
    good: Option<(Span, &'d Counters)>,
    bad: Option<(Span, &'d Counters)>,
    total: Option<(Span, &'d Counters)>,
    ok: Option<(Span, &'d Expr)>,
    slice: Option<(Span, DurationMs)>,
    missing: Option<(Span, Slice)>,
    by: &'d [Placed<String>],
    burns: Vec<(Span, Option<Burn>)>,
}

impl<'d> SlaClauses<'d> {
    fn of(draft: &'d Draft) -> SlaClauses<'d> {
        let mut clauses = SlaClauses::default();
        for Entry { word, clause } in &draft.clauses {
            match clause {
                Clause::Objective(objective) => clauses.objectives.push(objective),
                Clause::Good(counters) => clauses.good = Some((*word, counters)),
                Clause::Bad(counters) => clauses.bad = Some((*word, counters)),
                Clause::Total(counters) => clauses.total = Some((*word, counters)),
                Clause::Ok(expr) => clauses.ok = Some((*word, expr)),
                Clause::Slice(length) => clauses.slice = Some((*word, *length)),
                Clause::SliceMissing(kind) => clauses.missing = Some((*word, *kind)),
                Clause::By(labels) => clauses.by = labels,
                Clause::Burn(burn) => clauses.burns.push((*word, *burn)),
                _ => {}
            }
        }
        clauses
    }

    /// By events or by slices, never both, and complete.
    fn indicator(&self, draft: &Draft, mistakes: &mut Vec<Mistake>) -> Option<Indicator> {
        if let Some((word, expr)) = self.ok {
            let counted = [
                ("good", self.good),
                ("bad", self.bad),
                ("total", self.total),
            ];
            for (name, clause) in counted {
                mistakes.extend(clause.map(|(span, _)| {
                    Mistake::error(span, format!("`{name}` beside `ok`"))
                        .label("events are counted, or slices of time are judged, not both")
                        .help("write two objectives")
                }));
            }
            mistakes.extend(wrong_type(draft, expr, "objective"));
            mistakes.extend(vanishing(word, expr));
            let Some((_, slice)) = self.slice else {
                if !draft.spoiled {
                    mistakes.push(
                        Mistake::error(word, "`ok` without `slice`")
                            .label("how long is a slice of time? add a line such as `slice 1m`"),
                    );
                }
                return None;
            };
            return Some(Indicator::Sliced {
                ok: with_bool(expr),
                slice,
                missing: self.missing.map(|(_, kind)| kind).unwrap_or_default(),
            });
        }
        for (name, span) in [
            ("slice", self.slice.map(|(span, _)| span)),
            ("missing", self.missing.map(|(span, _)| span)),
        ] {
            mistakes.extend(span.filter(|_| !draft.spoiled).map(|span| {
                Mistake::error(span, format!("`{name}` without `ok`"))
                    .label("counted objectives have no slices: no events are no events")
            }));
        }
        if let (Some(_), Some((span, _))) = (self.good, self.bad) {
            mistakes.push(
                Mistake::error(span, "`good` and `bad` in one objective")
                    .label("one of them beside `total` is enough"),
            );
        }
        let (counted, events) = match (self.good, self.bad) {
            (Some((_, counters)), _) => (Counted::Good, counters),
            (None, Some((_, counters))) => (Counted::Bad, counters),
            (None, None) if draft.spoiled => return None,
            (None, None) => {
                mistakes.push(
                    needs(draft, "measure", "bad http_requests_total{code=~\"5..\"}")
                        .help("per event: `good` or `bad`, and `total`; per slice of time: `ok` and `slice`"),
                );
                return None;
            }
        };
        let Some((_, total)) = self.total else {
            if !draft.spoiled {
                mistakes.push(needs(draft, "`total`", "total http_requests_total"));
            }
            return None;
        };
        Some(Indicator::Counted {
            counted,
            events: events.clone(),
            total: total.clone(),
        })
    }

    /// Labels of `by` that what is measured cannot have.
    fn by_possible(&self, recorded: Recorded<'_>) -> Vec<Mistake> {
        let counters = [self.good, self.bad, self.total];
        let of_counters = counters
            .iter()
            .flatten()
            .flat_map(|(_, counters)| &counters.0)
            .map(|counter| labels::of_selector(&counter.selector, recorded));
        let mut produced: Vec<Produced> = of_counters.collect();
        produced.extend(self.ok.map(|(_, expr)| labels::produced(expr, recorded)));
        let impossible = self.by.iter().filter_map(|label| {
            let without = produced.iter().find(|p| !p.can(&label.value))?;
            let message = format!("`{}` is not a label of what is measured", label.value);
            let mistake = Mistake::error(label.span, message);
            Some(match without {
                Produced::Only(names) if names.is_empty() => mistake.label("it has no labels"),
                Produced::Only(names) => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    match nearest(&label.value, names.iter().copied()) {
                        Some(near) => mistake.label(format!("did you mean `{near}`?")),
                        None => mistake.label(format!("labels here: {}", names.join(", "))),
                    }
                }
                Produced::AllBut(_) => mistake.label("the expression takes this label away"),
            })
        });
        impossible.collect()
    }

    fn burns_with_none(&self) -> Option<Mistake> {
        let (span, _) = self.burns.iter().find(|(_, burn)| burn.is_none())?;
        (self.burns.len() > 1).then(|| {
            Mistake::error(*span, "`burn none` beside other `burn` lines")
                .label("what is written replaces the four lines of the language anyway")
        })
    }

    /// Those written, or those of the language that can fire.
    fn burn_lines(&self, objectives: &[SlaObjective]) -> Vec<Burn> {
        if !self.burns.is_empty() {
            return self.burns.iter().filter_map(|(_, burn)| *burn).collect();
        }
        let fires = |burn: &Burn| objectives.iter().any(|of| burn.can_fire(of));
        Burn::defaults().into_iter().filter(fires).collect()
    }
}

fn needs(draft: &Draft, what: &str, example: &str) -> Mistake {
    let name = &draft.name;
    Mistake::error(name.span, format!("`{}` has no {what}", name.value))
        .label(format!("it needs a line such as `{example}`"))
}

fn same_period(objectives: &[&Placed<SlaObjective>]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (i, objective) in objectives.iter().enumerate() {
        let period = objective.value.period;
        // Series and reports tell periods apart by this name.
        let same =
            |other: &&&Placed<SlaObjective>| other.value.period.to_string() == period.to_string();
        if objectives[..i].iter().any(|other| same(&other)) {
            mistakes.push(
                Mistake::error(objective.span, format!("a second objective over {period}"))
                    .label("one for each period"),
            );
        }
    }
    mistakes
}

/// A mistake when a line can fire for none of the objectives.
fn never_burns(word: Span, burn: &Burn, objectives: &[SlaObjective]) -> Option<Mistake> {
    let of = objectives.first()?;
    if objectives.iter().any(|of| burn.can_fire(of)) {
        return None;
    }
    let mistake = Mistake::error(word, "this burn alert can never fire");
    let short = |v: f64| format_value((v * 1e4).round() / 1e4);
    let percent = |v: f64| format!("{}%", short(v * 100.0));
    let zone = |period: Period| match period {
        Period::Rolling(length) => length.to_string(),
        Period::Calendar { unit, .. } => format!("a {}", unit.word()),
    };
    if burn.long > of.period.nominal() {
        return Some(mistake.label(format!(
            "{} is longer than the period of the objective, {}",
            burn.long,
            zone(of.period)
        )));
    }
    let mistake = mistake.label(format!(
        "with objective {} over {} it needs {} errors (factor {} x budget {}); 100% is the most there is",
        percent(of.objective.good()),
        zone(of.period),
        percent(burn.threshold(of)),
        short(burn.factor(of.period)),
        percent(of.objective.error_budget())
    ));
    let share = percent(burn.share.get());
    Some(match reachable(burn, of) {
        Some(long) => mistake.help(format!(
            "`burn {share} in {long} {}`, or a stricter objective",
            burn.level
        )),
        None => mistake.help("a smaller share, or a stricter objective"),
    })
}

/// The shortest whole number of hours in which the line could fire.
fn reachable(burn: &Burn, of: &SlaObjective) -> Option<DurationMs> {
    const HOUR: i64 = 3_600_000;
    let hours = (burn.threshold(of) * burn.long.0 as f64 / HOUR as f64).floor() as i64 + 1;
    let long = DurationMs(hours.checked_mul(HOUR)?);
    Burn { long, ..*burn }.can_fire(of).then_some(long)
}

/// An expression that takes away what is bad instead of saying so.
fn vanishing(word: Span, expr: &Expr) -> Option<Mistake> {
    let ExprKind::Binary(Binary {
        op: op @ (BinaryOp::And | BinaryOp::Unless | BinaryOp::Or),
        lhs,
        rhs,
        ..
    }) = &expr.unparenthesized().kind
    else {
        return None;
    };
    (filters(lhs) || filters(rhs)).then(|| {
        Mistake::error(
            word,
            format!(
                "a bad slice would be missing instead of bad: `{}` over comparisons",
                op.text()
            ),
        )
        .label("where the comparison is false there is no value")
        .help("let both say 0 or 1 and multiply: `(a < bool 1) * (b < bool 2)`")
    })
}

fn filters(expr: &Expr) -> bool {
    match &expr.unparenthesized().kind {
        ExprKind::Binary(binary) if binary.op.is_comparison() => !binary.return_bool,
        ExprKind::Binary(binary) if binary.op.is_set() => {
            filters(&binary.lhs) || filters(&binary.rhs)
        }
        _ => false,
    }
}

/// The expression with `bool` given to a comparison on top.
fn with_bool(expr: &Expr) -> Expr {
    let kind = match &expr.kind {
        ExprKind::Paren(inner) => ExprKind::Paren(Box::new(with_bool(inner))),
        ExprKind::Binary(binary) if binary.op.is_comparison() => ExprKind::Binary(Binary {
            return_bool: true,
            ..binary.clone()
        }),
        kind => kind.clone(),
    };
    Expr {
        kind,
        span: expr.span,
    }
}

/// Every label that texts name has to be possible.
fn check_texts(subject: &Subject<'_>, clauses: &SlaClauses<'_>, mistakes: &mut Vec<Mistake>) {
    let by: BTreeSet<String> = clauses.by.iter().map(|label| label.value.clone()).collect();
    let mut extra: BTreeSet<String> = subject.labels().into_iter().map(|(name, _)| name).collect();
    extra.extend(["alertname", "severity", "sla", "period"].map(str::to_owned));
    let of_series = Texts::only(&by, BTreeSet::new());
    let of_instance = Texts::only(&by, extra);
    for entry in &subject.draft.clauses {
        match &entry.clause {
            Clause::Label(_, text) => mistakes.extend(of_series.impossible(text, "objective")),
            Clause::Description(text) | Clause::Note(_, text) => {
                mistakes.extend(of_instance.impossible(text, "objective"));
            }
            _ => {}
        }
    }
}
