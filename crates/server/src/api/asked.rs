//! What a request asks: its parameters, from the query and from a form, checked and worded as Prometheus words them.

use std::time::Duration;

use bellwether_lang::promql::{self, Expr, ParseError};
use bellwether_model::limits;
use bellwether_model::text::grouped;
use bellwether_model::{DurationMs, Matcher, TimeRange, TimestampMs};
use bellwether_query::{Options, QueryError, Steps};

use super::run::{self, Patience};
use crate::config::HttpLimits;
use crate::edge::answer::{Exceeded, Refusal};
use crate::edge::body::SizeLimit;
use crate::edge::form;
use crate::edge::params::Params;
use crate::edge::route::Call;

/// A request's parameters.
pub(crate) struct Asked {
    pub(crate) params: Params,
    /// The `{name}` of the path.
    pub(crate) path_part: Option<String>,
    /// When it arrived.
    pub(crate) now: TimestampMs,
}

impl Asked {
    pub(super) async fn read(call: Call, http: &HttpLimits) -> Result<Asked, Refusal> {
        Asked::read_within(call, http, form::MAX).await
    }

    /// As [`Asked::read`], for a form that may be of another size.
    pub(super) async fn read_within(
        mut call: Call,
        http: &HttpLimits,
        max: SizeLimit,
    ) -> Result<Asked, Refusal> {
        let (path_part, now) = (call.path_part.take(), call.now);
        Ok(Asked {
            params: form::params(call, http, max).await?,
            path_part,
            now,
        })
    }

    /// The expression, and the text it was parsed from.
    pub(super) fn query(&self) -> Result<(Expr, &str), Refusal> {
        let text = self.params.get("query").unwrap_or("");
        let expr = promql::parse(text).map_err(|e| bad_text("query", text, &e))?;
        Ok((expr, text))
    }

    /// The selectors of `match[]`, in their order.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Refusal> {
        let parse = |text| promql::parse_selector(text).map_err(|e| bad_text("match[]", text, &e));
        self.params.all("match[]").map(parse).collect()
    }

    /// The value of a parameter; one that is empty is not given, as in Prometheus.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.params.get(name).filter(|text| !text.is_empty())
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<TimestampMs>, Refusal> {
        let Some(text) = self.given(name) else {
            return Ok(None);
        };
        match TimestampMs::parse(text) {
            Some(time) => Ok(Some(time)),
            None => Err(bad(
                name,
                format_args!("cannot parse {text:?} to a valid timestamp"),
            )),
        }
    }

    fn duration(&self, name: &str) -> Result<Option<DurationMs>, Refusal> {
        let Some(text) = self.given(name) else {
            return Ok(None);
        };
        match DurationMs::parse_or_seconds(text) {
            Some(duration) => Ok(Some(duration)),
            None => Err(bad(
                name,
                format_args!("cannot parse {text:?} to a valid duration"),
            )),
        }
    }

    /// `start` and `end`, both included; all of time where they are not given.
    pub(super) fn time_range(&self) -> Result<TimeRange, Refusal> {
        let range = self.bounds()?;
        check_order(range.from, range.to)?;
        Ok(range)
    }

    /// As [`Asked::time_range`], for lists of what there is: an end before the start is a range with nothing in it.
    pub(super) fn bounds(&self) -> Result<TimeRange, Refusal> {
        let from = self.time("start")?.unwrap_or(TimeRange::ALL.from);
        let to = self.time("end")?.unwrap_or(TimeRange::ALL.to);
        Ok(TimeRange { from, to })
    }

    /// `start`, `end` and `step`: all needed, in order, and not too many steps.
    pub(super) fn steps(&self, options: &Options) -> Result<Steps, Refusal> {
        let time = |name: &str| {
            self.time(name)?
                .ok_or_else(|| bad(name, format_args!("cannot parse \"\" to a valid timestamp")))
        };
        let (start, end) = (time("start")?, time("end")?);
        check_order(start, end)?;
        let step = self.duration("step")?;
        let step = step.ok_or_else(|| {
            bad(
                "step",
                format_args!("cannot parse \"\" to a valid duration"),
            )
        })?;
        if step.0 <= 0 {
            let text = self.params.get("step").unwrap_or("");
            if text.parse().is_ok_and(|seconds: f64| seconds > 0.0) {
                return Err(bad(
                    "step",
                    format_args!("{text} s is less than a millisecond"),
                ));
            }
            let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(bad("step", format_args!("{text}")));
        }
        let steps = Steps { start, end, step };
        match steps.points(options.points_max) {
            Ok(_) => Ok(steps),
            Err(error) => Err(too_many_points(&error)),
        }
    }

    /// The most rows wanted; [`usize::MAX`] when that is not said, or said to be 0.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        self.most("limit")
    }

    /// A parameter that says how many at most, as [`Asked::limit`].
    pub(super) fn most(&self, name: &str) -> Result<usize, Refusal> {
        let Some(text) = self.given(name) else {
            return Ok(usize::MAX);
        };
        match text.parse() {
            Ok(0) => Ok(usize::MAX),
            Ok(limit) => Ok(limit),
            Err(_) => Err(bad(
                name,
                format_args!("cannot parse {text:?} to a number that is not negative"),
            )),
        }
    }

    /// `lookback_delta`, when it is given and not 0.
    pub(super) fn lookback(&self) -> Result<Option<DurationMs>, Refusal> {
        match self.duration("lookback_delta")? {
            Some(lookback) if lookback.0 < 0 => Err(bad(
                "lookback_delta",
                format_args!("it must not be negative"),
            )),
            lookback => Ok(lookback.filter(|lookback| lookback.0 > 0)),
        }
    }

    /// `timeout`, if it is less than `max`. One that is over before it begins is refused as one that passed.
    pub(super) fn patience(&self, max: Duration) -> Result<Patience, Refusal> {
        let asked = self.duration("timeout")?;
        let patience = Patience::new(max, asked);
        match asked {
            Some(asked) if asked.0 <= 0 => Err(run::too_late(patience)),
            _ => Ok(patience),
        }
    }
}

/// In the words of Prometheus, some of whose clients look for them.
fn too_many_points(error: &QueryError) -> Refusal {
    let mut refusal = run::refusal(error);
    if let QueryError::PointsLimit { max, .. } = error {
        let max = grouped(*max);
        refusal.message = format!(
            "exceeded maximum resolution of {max} points per timeseries. Try decreasing the query resolution (?step=XX)"
        );
    }
    refusal
}

fn check_order(start: TimestampMs, end: TimestampMs) -> Result<(), Refusal> {
    if end < start {
        return Err(bad(
            "end",
            format_args!("end timestamp must not be before start time"),
        ));
    }
    Ok(())
}

pub(super) fn bad(name: &str, what: std::fmt::Arguments<'_>) -> Refusal {
    Refusal::bad_request(format!("invalid parameter \"{name}\": {what}"))
}

/// A text that is no PromQL. The message names the limit if it was one, so that it can be counted by it.
fn bad_text(name: &str, text: &str, error: &ParseError) -> Refusal {
    let mut refusal = bad(name, format_args!("{}", error.describe(text)));
    let named = |limit: &&limits::Limit| error.message.contains(limit.name);
    refusal.limit = limits::ALL.iter().find(named).map(Exceeded::from);
    refusal
}
