//! Small questions, answered on the thread that serves the connection: handing one over to another thread and
//! waiting for it takes longer than most dashboards' single lines take to evaluate.
//!
//! A question counts as small by how it looks (names known, labels compared with texts, few steps), and is tried with
//! limits so low that it costs a few milliseconds at most to be wrong: limits to what is read and held, and one to the work, since
//! few samples can be gone through again and again. Whatever goes wrong then, a limit or an error, is left to the usual
//! way (`run.rs`), which has the time, the limits and the words for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{DurationExpr, ExprKind};
use bellwether_model::{METRIC_NAME, Matcher};
use bellwether_query::{Answer, Control, Options, When};

use super::query::Question;
use super::run::Measured;
use super::state::Api;

const SERIES_MAX: usize = 256;
const SAMPLES_MAX: u64 = 60_000;
const STEPS_MAX: i64 = 5000;
/// Steps of all series of a selector.
const POINTS_MAX: i64 = 64_000;
const MEMORY_MAX: usize = 4 << 20;
/// Looks at the control, each for some ten microseconds of work at most.
const LOOKS_MAX: u64 = 400;
/// Parts of the expression: a dashboard's union over ten metrics has about a hundred.
const NODES_MAX: usize = 128;
/// How far apart samples are taken to be, milliseconds.
const USUAL_INTERVAL: i64 = 10_000;

/// The answer, if the question is small, and nothing is in its way.
pub(super) fn answer(api: &Api, question: &Question) -> Option<Answer> {
    if !is_small(question) {
        return None;
    }
    let _place = api.gate.enter_at_once()?;
    let measured = Measured::new(api);
    let options = limited(question);
    let control = Control::stopping_after(LOOKS_MAX);
    let evaluate = || question.evaluate_with(&options, &api.store, &control);
    let answer = catch_unwind(AssertUnwindSafe(evaluate)).ok()?.ok();
    if answer.is_none() {
        measured.forget();
    }
    answer
}

fn limited(question: &Question) -> Options {
    let options = &question.options;
    let few = POINTS_MAX / steps(question).max(1);
    let series_max = usize::try_from(few).map_or(1, |few| few.clamp(1, SERIES_MAX));
    Options {
        series_max: options.series_max.min(series_max),
        samples_max: options.samples_max.min(SAMPLES_MAX),
        memory_max: options.memory_max.min(MEMORY_MAX),
        threads: 1,
        ..options.clone()
    }
}

fn is_small(question: &Question) -> bool {
    let mut size = Size {
        span: span(question),
        nodes: 0,
        samples: 0,
    };
    steps(question) <= STEPS_MAX
        && size.add(&question.expr)
        && size.samples <= i64::try_from(SAMPLES_MAX).unwrap_or(i64::MAX)
}

/// From the first step to the last, milliseconds.
fn span(question: &Question) -> i64 {
    match question.when {
        When::At(_) => 0,
        When::Over(steps) => steps.end.0.saturating_sub(steps.start.0),
    }
}

/// After the first.
fn steps(question: &Question) -> i64 {
    match question.when {
        When::At(_) => 0,
        When::Over(steps) => span(question) / steps.step.0.max(1),
    }
}

/// What the parts of an expression amount to, as far as it was looked at.
struct Size {
    /// From the first step to the last, milliseconds.
    span: i64,
    nodes: usize,
    /// Samples that will be read, if there is one series for each choice of the texts that labels are compared with.
    samples: i64,
}

impl Size {
    /// Adds an expression; true when nothing in it takes long before the first series is read.
    fn add(&mut self, expr: &Expr) -> bool {
        self.nodes += 1;
        let is_plain = match &expr.kind {
            ExprKind::Subquery(_) => false,
            ExprKind::Selector(selector) => self.add_series(&selector.matchers, 0),
            ExprKind::Range(range) => {
                let reach = match range.range {
                    DurationExpr::Const(range) => range.0,
                    DurationExpr::Dynamic(_) => 0,
                };
                self.add_series(&range.selector.matchers, reach)
            }
            _ => true,
        };
        self.nodes <= NODES_MAX
            && is_plain
            && expr.children().into_iter().all(|child| self.add(child))
    }

    /// Adds the samples of a selector that reaches back so far, milliseconds. True when its series are looked up by texts alone: an
    /// expression may have to be tried on very many label values.
    fn add_series(&mut self, matchers: &[Matcher], reach: i64) -> bool {
        let mut series: i64 = 1;
        for matcher in matchers {
            let Some(texts) = matcher.literals() else {
                return false;
            };
            series = series.saturating_mul(texts.len() as i64);
        }
        let each = self.span.saturating_add(reach) / USUAL_INTERVAL;
        self.samples = self.samples.saturating_add(series.saturating_mul(each));
        matchers.iter().any(|m| m.name() == METRIC_NAME)
    }
}

#[cfg(test)]
mod tests {
    use bellwether_model::{DurationMs, TimestampMs};
    use bellwether_query::{Steps, Value};

    use super::*;
    use crate::api::testing::World;

    fn question(api: &Api, text: &str, when: When) -> Question {
        let expr = bellwether_lang::promql::parse(text).unwrap();
        Question::new(api, expr, text, when)
    }

    #[test]
    fn what_counts_as_small() {
        let world = World::new();
        let now = When::At(TimestampMs(60_000));
        let small = |text, when| is_small(&question(&world.api, text, when));
        assert!(small("1 + 1", now));
        assert!(small("sum by (job) (rate(up{job=~\"a|b\"}[5m])) > 2", now));
        assert!(!small("{job=\"a\"}", now));
        assert!(!small("up{job=~\"a.*\"}", now));
        assert!(!small("up{job!=\"a\"}", now));
        assert!(!small("max_over_time(up[1h:1s])", now));
        // What it would read is more than a small question may.
        assert!(small("max_over_time(up[6d])", now));
        assert!(!small("max_over_time(up[8d])", now));
        assert!(!small("max_over_time(up{job=~\"a|b\"}[6d])", now));
        assert!(!small("max_over_time(up[6d]) + max_over_time(up[6d])", now));
        let many_parts = ["up"; 80].join(" + ");
        assert!(!small(&many_parts, now));
        let over = |end| {
            When::Over(Steps {
                start: TimestampMs(0),
                end: TimestampMs(end),
                step: DurationMs(1000),
            })
        };
        assert!(small("up", over(1_000_000)));
        assert!(!small("up", over(6_000_000)));
        let all_time = When::Over(Steps {
            start: TimestampMs(i64::MIN),
            end: TimestampMs(i64::MAX),
            step: DurationMs(1),
        });
        assert!(!small("up", all_time));
    }

    #[test]
    fn it_is_answered_and_counted_or_left_alone() {
        let world = World::filled();
        let now = When::At(TimestampMs(60_000));
        let answered = answer(&world.api, &question(&world.api, "up", now)).unwrap();
        assert!(matches!(answered.value, Value::Vector(rows) if rows.len() == 2));
        assert_eq!(world.api.counters.query_totals().0, 1);
        let fails = question(&world.api, "up * on() up", now);
        assert!(answer(&world.api, &fails).is_none());
        assert_eq!(world.api.counters.query_totals().0, 1);
    }
}
