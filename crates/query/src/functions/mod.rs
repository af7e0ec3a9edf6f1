//! What the functions of the language compute: one entry a function.
//!
//! Names and signatures are `lang`'s; [`entry`] says which kernel a name stands for. A function that treats
//! each value by itself is a [`MapKind`] and streams with its series; a window function is a [`WindowFn`];
//! the rest, [`Func`], see the whole vector.

pub(crate) mod buckets;
pub(crate) mod call;
pub(crate) mod dates;
pub(crate) mod info;
pub(crate) mod labels;
pub(crate) mod map;
pub(crate) mod sort;

use bellwether_lang::promql::ast::BinaryOp;

use crate::source::Need;
use crate::window::{self, WindowFn, digested, extended, order, rate, regression, totals};

/// How a function is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// Over the samples of a window.
    Window(WindowFn),
    /// Each value by itself; further arguments are scalars.
    Map(MapKind),
    /// Each value by itself, as a date; without an argument, the step's time.
    Date(fn(f64) -> f64),
    /// Of two scalars.
    Pick(fn(f64, f64) -> f64),
    Pi,
    Time,
    ToScalar,
    Timestamp,
    Absent,
    AbsentOverTime,
    Info,
    /// Over a whole vector.
    Call(Func),
}

/// What is done to each value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MapKind {
    /// A function of the value alone.
    Math(fn(f64) -> f64),
    Clamp,
    ClampMin,
    ClampMax,
    Round,
    /// An operator with a scalar on one side.
    Arith {
        op: BinaryOp,
        scalar_left: bool,
        return_bool: bool,
    },
    /// The scalar in place of the value.
    Replace,
    /// Functions of native histograms: a float has no answer.
    Nothing,
}

/// Functions that see the whole vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Func {
    Vector,
    LabelReplace,
    LabelJoin,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    HistogramQuantile,
    HistogramQuantiles,
    HistogramFraction,
}

/// `present_over_time`, which `absent_over_time` asks too.
pub(crate) const PRESENCE: WindowFn =
    WindowFn::new(window::presence).digested(Need::Count, |_| Some(1.0));

/// The kernel of the function called `name`.
pub(crate) fn entry(name: &str) -> Option<Entry> {
    use Entry::{Call, Date, Map, Pick, Window};
    use MapKind::Math;
    Some(match name {
        "abs" => Map(Math(f64::abs)),
        "absent" => Entry::Absent,
        "absent_over_time" => Entry::AbsentOverTime,
        "acos" => Map(Math(f64::acos)),
        "acosh" => Map(Math(f64::acosh)),
        "asin" => Map(Math(f64::asin)),
        "asinh" => Map(Math(f64::asinh)),
        "atan" => Map(Math(f64::atan)),
        "atanh" => Map(Math(f64::atanh)),
        "avg_over_time" => {
            Window(WindowFn::new(totals::means).digested(Need::Totals, digested::mean))
        }
        "ceil" => Map(Math(f64::ceil)),
        "changes" => Window(WindowFn {
            anchored: Some(extended::changes),
            ..WindowFn::new(totals::changes)
        }),
        "clamp" => Map(MapKind::Clamp),
        "clamp_max" => Map(MapKind::ClampMax),
        "clamp_min" => Map(MapKind::ClampMin),
        "cos" => Map(Math(f64::cos)),
        "cosh" => Map(Math(f64::cosh)),
        "count_over_time" => Window(
            WindowFn::new(window::counts).digested(Need::Count, |window| Some(window.count())),
        ),
        "day_of_month" => Date(dates::day_of_month),
        "day_of_week" => Date(dates::day_of_week),
        "day_of_year" => Date(dates::day_of_year),
        "days_in_month" => Date(dates::days_in_month),
        "deg" => Map(Math(|v| v * 180.0 / std::f64::consts::PI)),
        "delta" => Window(WindowFn {
            anchored: Some(extended::deltas),
            smoothed: Some(extended::deltas),
            ..WindowFn::new(rate::deltas).digested(Need::Course, rate::digested_delta)
        }),
        "deriv" => Window(WindowFn::new(regression::slopes)),
        "double_exponential_smoothing" => Window(WindowFn::new(regression::smoothed)),
        "exp" => Map(Math(f64::exp)),
        "first_over_time" => Window(WindowFn {
            keeps_name: true,
            ..WindowFn::new(window::first).digested(Need::Course, digested::first)
        }),
        "floor" => Map(Math(f64::floor)),
        "histogram_avg" | "histogram_count" | "histogram_stddev" | "histogram_stdvar"
        | "histogram_sum" => Map(MapKind::Nothing),
        "histogram_fraction" => Call(Func::HistogramFraction),
        "histogram_quantile" => Call(Func::HistogramQuantile),
        "histogram_quantiles" => Call(Func::HistogramQuantiles),
        "hour" => Date(dates::hour),
        "idelta" => Window(WindowFn::new(rate::instant_deltas)),
        "increase" => Window(WindowFn {
            anchored: Some(extended::increases),
            smoothed: Some(extended::increases),
            wants_counter: true,
            ..WindowFn::new(rate::increases).digested(Need::Increase, rate::digested_increase)
        }),
        "info" => Entry::Info,
        "irate" => Window(WindowFn::new(rate::instant_rates)),
        "label_join" => Call(Func::LabelJoin),
        "label_replace" => Call(Func::LabelReplace),
        "last_over_time" => Window(WindowFn {
            keeps_name: true,
            ..WindowFn::new(window::last).digested(Need::Course, digested::last)
        }),
        "ln" => Map(Math(f64::ln)),
        "log10" => Map(Math(f64::log10)),
        "log2" => Map(Math(f64::log2)),
        "mad_over_time" => Window(WindowFn::new(order::median_deviations)),
        "max_of" => Pick(map::max),
        "max_over_time" => {
            Window(WindowFn::new(order::maxima).digested(Need::Totals, digested::maximum))
        }
        "min_of" => Pick(map::min),
        "min_over_time" => {
            Window(WindowFn::new(order::minima).digested(Need::Totals, digested::minimum))
        }
        "minute" => Date(dates::minute),
        "month" => Date(dates::month),
        "pi" => Entry::Pi,
        "predict_linear" => Window(WindowFn {
            looks_at_now: true,
            ..WindowFn::new(regression::predictions)
        }),
        "present_over_time" => Window(PRESENCE),
        "quantile_over_time" => Window(WindowFn::new(order::quantiles)),
        "rad" => Map(Math(|v| v * std::f64::consts::PI / 180.0)),
        "rate" => Window(WindowFn {
            anchored: Some(extended::rates),
            smoothed: Some(extended::rates),
            wants_counter: true,
            ..WindowFn::new(rate::rates).digested(Need::Increase, rate::digested_rate)
        }),
        "resets" => Window(WindowFn {
            anchored: Some(extended::resets),
            ..WindowFn::new(totals::resets).digested(Need::Course, digested::resets)
        }),
        "round" => Map(MapKind::Round),
        "scalar" => Entry::ToScalar,
        "sgn" => Map(Math(map::sign)),
        "sin" => Map(Math(f64::sin)),
        "sinh" => Map(Math(f64::sinh)),
        "sort" => Call(Func::Sort),
        "sort_by_label" => Call(Func::SortByLabel),
        "sort_by_label_desc" => Call(Func::SortByLabelDesc),
        "sort_desc" => Call(Func::SortDesc),
        "sqrt" => Map(Math(f64::sqrt)),
        "stddev_over_time" => Window(WindowFn::new(totals::deviations)),
        "stdvar_over_time" => Window(WindowFn::new(totals::variances)),
        "sum_over_time" => {
            Window(WindowFn::new(totals::sums).digested(Need::Totals, digested::sum))
        }
        "tan" => Map(Math(f64::tan)),
        "tanh" => Map(Math(f64::tanh)),
        "time" => Entry::Time,
        "time_to" => Window(WindowFn {
            looks_at_now: true,
            ..WindowFn::new(regression::times_to)
        }),
        "timestamp" => Entry::Timestamp,
        "ts_of_first_over_time" => {
            Window(WindowFn::new(window::first_time).digested(Need::Course, digested::first_time))
        }
        "ts_of_last_over_time" => {
            Window(WindowFn::new(window::last_time).digested(Need::Course, digested::last_time))
        }
        "ts_of_max_over_time" => Window(WindowFn::new(order::maximum_times)),
        "ts_of_min_over_time" => Window(WindowFn::new(order::minimum_times)),
        "vector" => Call(Func::Vector),
        "year" => Date(dates::year),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_function_of_the_language_has_a_kernel() {
        // Samples carry no start timestamps here, so there is nothing this one could return.
        let without = ["start_timestamp"];
        for function in bellwether_lang::promql::FUNCTIONS {
            let name = function.name;
            assert_eq!(
                super::entry(name).is_some(),
                !without.contains(&name),
                "{name}"
            );
        }
    }
}
