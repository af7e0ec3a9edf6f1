//! The functions of the query language: names and signatures, one table.
//!
//! Every function of Prometheus 3 is here, those it calls experimental included, and our own additions.
//! The parser checks calls against this table, so an evaluator meets only calls that fit their signature.
//!
//! Not here: aggregations (`ast.rs`, they have a syntax of their own), `step()`, `range()`, `start()` and
//! `end()` (values of the evaluation, a kind of node of their own), and what a function computes (`query`).

use std::fmt;

use super::ast::ValueType::{self, Matrix, Scalar, String, Vector};

/// One function's signature.
#[derive(Clone, Copy)]
pub struct Function {
    /// As written in a query; unique.
    pub name: &'static str,
    /// The types of the arguments, in order.
    pub args: &'static [ValueType],
    /// How many arguments at the end may be left out.
    pub optional: usize,
    /// The last argument may be repeated without end.
    pub variadic: bool,
    /// What a call yields.
    pub returns: ValueType,
    /// Prometheus hides it behind a feature flag; here it is always on.
    pub experimental: bool,
}

/// Names are unique, so they decide.
impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// As documentation writes it: `round(vector, [scalar])`, `label_join(vector, string, string, [string]...)`.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if i >= self.args_min() {
                write!(f, "[{arg}]")?;
            } else {
                write!(f, "{arg}")?;
            }
        }
        if self.variadic {
            f.write_str("...")?;
        }
        f.write_str(")")
    }
}

impl Function {
    /// The least number of arguments of a call.
    pub const fn args_min(&self) -> usize {
        self.args.len() - self.optional
    }

    /// The greatest number of arguments of a call; `None` when there is no such number.
    pub const fn args_max(&self) -> Option<usize> {
        if self.variadic {
            None
        } else {
            Some(self.args.len())
        }
    }

    /// The type of the argument at `index`, from 0; `None` when a call cannot have so many.
    pub fn arg(&self, index: usize) -> Option<ValueType> {
        match self.args.get(index) {
            None if self.variadic => self.args.last().copied(),
            found => found.copied(),
        }
    }

    const fn new(name: &'static str, args: &'static [ValueType], returns: ValueType) -> Function {
        Function {
            name,
            args,
            optional: 0,
            variadic: false,
            returns,
            experimental: false,
        }
    }

    const fn optional(mut self, count: usize) -> Function {
        self.optional = count;
        self
    }

    /// The last argument may come any number of times, also not at all.
    const fn repeated(mut self) -> Function {
        self.optional = 1;
        self.variadic = true;
        self
    }

    const fn experimental(mut self) -> Function {
        self.experimental = true;
        self
    }
}

/// Vector in, vector out: the shape of most of mathematics.
const fn map(name: &'static str) -> Function {
    Function::new(name, &[Vector], Vector)
}

/// One value for each window.
const fn window(name: &'static str) -> Function {
    Function::new(name, &[Matrix], Vector)
}

/// A part of a date; without an argument, of the evaluation's time.
const fn date(name: &'static str) -> Function {
    map(name).optional(1)
}

/// Looks a function up by its exact name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .binary_search_by(|f| f.name.cmp(name))
        .ok()
        .map(|at| &FUNCTIONS[at])
}

/// Every function, sorted by name.
pub const FUNCTIONS: &[Function] = &[
    map("abs"),
    map("absent"),
    window("absent_over_time"),
    map("acos"),
    map("acosh"),
    map("asin"),
    map("asinh"),
    map("atan"),
    map("atanh"),
    window("avg_over_time"),
    map("ceil"),
    window("changes"),
    Function::new("clamp", &[Vector, Scalar, Scalar], Vector),
    Function::new("clamp_max", &[Vector, Scalar], Vector),
    Function::new("clamp_min", &[Vector, Scalar], Vector),
    map("cos"),
    map("cosh"),
    window("count_over_time"),
    date("day_of_month"),
    date("day_of_week"),
    date("day_of_year"),
    date("days_in_month"),
    map("deg"),
    window("delta"),
    window("deriv"),
    Function::new(
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        Vector,
    )
    .experimental(),
    map("exp"),
    window("first_over_time").experimental(),
    map("floor"),
    map("histogram_avg"),
    map("histogram_count"),
    Function::new("histogram_fraction", &[Scalar, Scalar, Vector], Vector),
    Function::new("histogram_quantile", &[Scalar, Vector], Vector),
    // From one to ten quantiles.
    Function::new(
        "histogram_quantiles",
        &[
            Vector, String, Scalar, Scalar, Scalar, Scalar, Scalar, Scalar, Scalar, Scalar, Scalar,
            Scalar,
        ],
        Vector,
    )
    .optional(9)
    .experimental(),
    map("histogram_stddev"),
    map("histogram_stdvar"),
    map("histogram_sum"),
    date("hour"),
    window("idelta"),
    window("increase"),
    // The second argument is a selector that may be nothing but braces: it picks labels, not series.
    Function::new("info", &[Vector, Vector], Vector)
        .optional(1)
        .experimental(),
    window("irate"),
    Function::new("label_join", &[Vector, String, String, String], Vector).repeated(),
    Function::new(
        "label_replace",
        &[Vector, String, String, String, String],
        Vector,
    ),
    window("last_over_time"),
    map("ln"),
    map("log10"),
    map("log2"),
    window("mad_over_time").experimental(),
    Function::new("max_of", &[Scalar, Scalar], Scalar).experimental(),
    window("max_over_time"),
    Function::new("min_of", &[Scalar, Scalar], Scalar).experimental(),
    window("min_over_time"),
    date("minute"),
    date("month"),
    Function::new("pi", &[], Scalar),
    Function::new("predict_linear", &[Matrix, Scalar], Vector),
    window("present_over_time"),
    Function::new("quantile_over_time", &[Scalar, Matrix], Vector),
    map("rad"),
    window("rate"),
    window("resets"),
    Function::new("round", &[Vector, Scalar], Vector).optional(1),
    Function::new("scalar", &[Vector], Scalar),
    map("sgn"),
    map("sin"),
    map("sinh"),
    map("sort"),
    Function::new("sort_by_label", &[Vector, String], Vector)
        .repeated()
        .experimental(),
    Function::new("sort_by_label_desc", &[Vector, String], Vector)
        .repeated()
        .experimental(),
    map("sort_desc"),
    map("sqrt"),
    map("start_timestamp").experimental(),
    window("stddev_over_time"),
    window("stdvar_over_time"),
    window("sum_over_time"),
    map("tan"),
    map("tanh"),
    Function::new("time", &[], Scalar),
    // Ours: seconds until the line fitted to the window reaches the target.
    Function::new("time_to", &[Matrix, Scalar], Vector),
    map("timestamp"),
    window("ts_of_first_over_time").experimental(),
    window("ts_of_last_over_time").experimental(),
    window("ts_of_max_over_time").experimental(),
    window("ts_of_min_over_time").experimental(),
    Function::new("vector", &[Scalar], Vector),
    date("year"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_without_repeats() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for f in FUNCTIONS {
            assert_eq!(function(f.name), Some(f));
            assert!(f.optional <= f.args.len(), "{f}");
        }
        assert_eq!(function("Rate"), None);
        assert_eq!(function("sum"), None);
    }

    #[test]
    fn signatures_tell_what_may_be_left_out() {
        for (name, text, min, max) in [
            ("pi", "pi()", 0, Some(0)),
            ("hour", "hour([instant vector])", 0, Some(1)),
            ("round", "round(instant vector, [scalar])", 1, Some(2)),
            (
                "label_join",
                "label_join(instant vector, string, string, [string]...)",
                3,
                None,
            ),
        ] {
            let f = function(name).unwrap();
            assert_eq!(
                (f.to_string().as_str(), f.args_min(), f.args_max()),
                (text, min, max)
            );
        }
        let join = function("label_join").unwrap();
        assert_eq!(join.arg(17), Some(String));
        let round = function("round").unwrap();
        assert_eq!((round.arg(1), round.arg(2)), (Some(Scalar), None));
        assert_eq!(
            function("histogram_quantiles").unwrap().args_max(),
            Some(12)
        );
    }
}
