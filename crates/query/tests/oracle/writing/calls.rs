//! Calls of functions.

use super::Writer;

const WINDOW_FUNCTIONS: [&str; 18] = [
    "rate",
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "avg_over_time",
    "sum_over_time",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
];

const NEWER_WINDOW_FUNCTIONS: [&str; 6] = [
    "first_over_time",
    "mad_over_time",
    "ts_of_min_over_time",
    "ts_of_max_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
];

const MAPS: [&str; 23] = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "deg", "exp",
    "floor", "ln", "log10", "log2", "rad", "sgn", "sin", "sinh", "sqrt", "tan", "tanh",
];

const DATES: [&str; 8] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "year",
];

const NATIVE_HISTOGRAMS: [&str; 5] = [
    "histogram_avg",
    "histogram_count",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
];

impl Writer<'_> {
    pub(super) fn over_window(&mut self, depth: u64) -> String {
        let stable = self.scope.stable;
        match self.rng.weighted(&[10, 3, 2, 2, 1, 1, 1]) {
            0 => format!(
                "{}({})",
                self.rng.pick(&WINDOW_FUNCTIONS),
                self.matrix(depth)
            ),
            1 if !stable => format!(
                "{}({})",
                self.rng.pick(&NEWER_WINDOW_FUNCTIONS),
                self.matrix(depth)
            ),
            2 => {
                let q = self.quantile(depth);
                format!("quantile_over_time({q}, {})", self.matrix(depth))
            }
            3 => {
                let matrix = self.matrix(depth);
                format!("predict_linear({matrix}, {})", self.scalar(depth))
            }
            4 if !stable => {
                let matrix = self.matrix(depth);
                let [level, trend] = [0, 1].map(|_| self.rng.pick(&["0.1", "0.5", "0.9", "0.99"]));
                format!("double_exponential_smoothing({matrix}, {level}, {trend})")
            }
            5 if !stable => {
                let matrix = self.matrix(depth);
                format!("time_to({matrix}, {})", self.scalar(depth))
            }
            6 if !stable => {
                let (name, conditions) = self.series();
                let (extended, function) = if self.rng.chance(50) {
                    let functions = ["rate", "increase", "delta", "changes", "resets"];
                    ("anchored", self.rng.pick(&functions))
                } else {
                    ("smoothed", self.rng.pick(&["rate", "increase", "delta"]))
                };
                let range = self.range();
                format!(
                    "{function}({name}{{{}}}[{range}] {extended})",
                    conditions.join(", ")
                )
            }
            _ => format!(
                "{}({})",
                self.rng.pick(&WINDOW_FUNCTIONS),
                self.matrix(depth)
            ),
        }
    }

    pub(super) fn quantile(&mut self, depth: u64) -> String {
        if self.rng.chance(15) {
            return self.scalar(depth);
        }
        self.rng
            .pick(&["0", "0.1", "0.5", "0.9", "0.99", "1"])
            .into()
    }

    pub(super) fn map(&mut self, depth: u64) -> String {
        let vector = self.vector(depth);
        match self.rng.below(6) {
            0 => format!(
                "clamp({vector}, {}, {})",
                self.scalar(depth),
                self.scalar(depth)
            ),
            1 => {
                let f = self.rng.pick(&["clamp_min", "clamp_max"]);
                format!("{f}({vector}, {})", self.scalar(depth))
            }
            2 if self.rng.chance(50) => format!("round({vector})"),
            2 => format!("round({vector}, {})", self.scalar(depth)),
            _ => format!("{}({vector})", self.rng.pick(&MAPS)),
        }
    }

    pub(super) fn date(&mut self, depth: u64) -> String {
        let part = self.rng.pick(&DATES);
        match self.rng.below(5) {
            // Leap days, ends of years and centuries, before the epoch.
            4 => {
                let seconds = self.rng.pick(&[
                    "-1",
                    "-0.5",
                    "-2203891200",
                    "68169600",
                    "951782400",
                    "1735689599.9",
                    "4107542400",
                    "253402300800",
                    "-6e10",
                    "9e10",
                ]);
                format!("{part}(vector({seconds}))")
            }
            0 => format!("{part}()"),
            1 => format!("{part}(date{})", self.modifiers()),
            2 => format!("{part}(timestamp({}))", self.vector(depth)),
            _ => format!("{part}({})", self.vector(depth)),
        }
    }

    pub(super) fn absent(&mut self, depth: u64) -> String {
        if self.rng.chance(50) {
            format!("absent({})", self.vector(depth))
        } else {
            format!("absent_over_time({})", self.matrix(depth))
        }
    }

    pub(super) fn labelled(&mut self, depth: u64) -> String {
        let vector = self.vector(depth);
        let target = self.rng.pick(&["job", "zone", "new", "__name__"]);
        if self.rng.chance(40) {
            let sources = self.rng.pick(&[
                "\"job\"",
                "\"job\", \"instance\"",
                "\"zone\", \"missing\"",
                "\"__name__\", \"job\"",
                "\"job\", \"job\", \"job\"",
                "\"missing\"",
            ]);
            if self.rng.chance(10) {
                return format!("label_join({vector}, \"{target}\", \"-\")");
            }
            let separator = self.rng.pick(&["-", "", ", "]);
            return format!("label_join({vector}, \"{target}\", \"{separator}\", {sources})");
        }
        let replacement = self.rng.pick(&[
            "$1", "x-$1", "", "fixed", "${1}_$1", "$1x", "$0", "$2$1", "$", "$all", "${all}.",
        ]);
        let source = self
            .rng
            .pick(&["job", "instance", "zone", "missing", "__name__"]);
        let pattern = self.rng.pick(&[
            "(.*)",
            "(.+)",
            "(a|1)",
            "(.).*",
            "",
            "(?P<all>.*)",
            "(1)?(.*)",
        ]);
        format!(
            "label_replace({vector}, \"{target}\", \"{replacement}\", \"{source}\", \"{pattern}\")"
        )
    }

    pub(super) fn sorted(&mut self, depth: u64) -> String {
        let vector = self.vector(depth);
        match self.rng.below(3) {
            0 if !self.scope.stable => {
                let by = self
                    .rng
                    .pick(&["\"instance\"", "\"zone\", \"instance\"", "\"job\""]);
                let f = self.rng.pick(&["sort_by_label", "sort_by_label_desc"]);
                format!("{f}({vector}, {by})")
            }
            1 => format!("sort_desc({vector})"),
            _ => format!("sort({vector})"),
        }
    }

    pub(super) fn histogram(&mut self, depth: u64) -> String {
        let buckets = match self.rng.below(8) {
            0 => format!("b_bucket{}", self.modifiers()),
            1 => format!("rate(b_bucket[{}])", self.range()),
            2 => format!("sum by (le) (rate(b_bucket[{}]))", self.range()),
            3 => format!("increase(b_bucket{{job=\"a\"}}[{}])", self.range()),
            4 => "sum by (le, job) (b_bucket)".into(),
            5 => {
                // Bounds that are written differently, or are none.
                let bound =
                    self.rng
                        .pick(&["Inf", "+infinity", "+1", "1.", ".9", " 1", "", "0x1", "x"]);
                let from = self.rng.pick(&["1", "0.5", "\\\\+Inf"]);
                format!("label_replace(b_bucket, \"le\", \"{bound}\", \"le\", \"{from}\")")
            }
            6 => {
                let kept = self
                    .rng
                    .pick(&["=\"+Inf\"", "!=\"+Inf\"", "!=\"1\"", "=~\"1|.Inf\""]);
                format!("b_bucket{{le{kept}}}")
            }
            _ => self.vector(depth),
        };
        match self.rng.below(8) {
            0 if !self.scope.stable => {
                let bounds = ["-Inf", "-1", "0", "0.3", "1", "2", "20", "+Inf"];
                let [lower, upper] = [0, 1].map(|_| self.rng.pick(&bounds));
                format!("histogram_fraction({lower}, {upper}, {buckets})")
            }
            1 if !self.scope.stable => {
                let any = self.quantile(depth);
                format!("histogram_quantiles({buckets}, \"q\", 0.9, {any}, 0.45)")
            }
            2 if !self.scope.stable => {
                let f = self.rng.pick(&NATIVE_HISTOGRAMS);
                format!("{f}({buckets})")
            }
            _ => format!("histogram_quantile({}, {buckets})", self.quantile(depth)),
        }
    }
}
