//! Aggregations and operators between vectors, with their label lists.

use super::Writer;

impl Writer<'_> {
    pub(super) fn aggregation(&mut self, depth: u64) -> String {
        const PLAIN: [&str; 9] = [
            "sum", "sum", "avg", "count", "min", "max", "group", "stddev", "stdvar",
        ];
        let vector = self.vector(depth);
        let (op, arguments) = match self.rng.weighted(&[10, 2, 1, 1, 1, 1]) {
            0 => (self.rng.pick(&PLAIN), vector),
            1 => {
                let k = if self.rng.chance(20) {
                    self.scalar(depth)
                } else {
                    self.rng.pick(&["1", "2", "3", "5", "0"]).into()
                };
                (
                    self.rng.pick(&["topk", "bottomk"]),
                    format!("{k}, {vector}"),
                )
            }
            2 => ("quantile", format!("{}, {vector}", self.quantile(depth))),
            3 => {
                let label = self.rng.pick(&["value", "job"]);
                ("count_values", format!("\"{label}\", {vector}"))
            }
            4 if !self.scope.stable => {
                let k = self.rng.pick(&["1", "2", "3", "100"]);
                let vector = if self.rng.chance(80) {
                    self.selector()
                } else {
                    vector
                };
                ("limitk", format!("{k}, {vector}"))
            }
            5 if !self.scope.stable => {
                let ratio = self.rng.pick(&["0", "1", "-1", "2"]);
                ("limit_ratio", format!("{ratio}, {vector}"))
            }
            _ => (self.rng.pick(&PLAIN), vector),
        };
        match self.rng.below(8) {
            0 | 1 => format!("{op}({arguments})"),
            2 | 3 => format!("{op} by {} ({arguments})", self.labels(&["__name__"])),
            4 => format!("{op} ({arguments}) by {}", self.labels(&["__name__"])),
            5 | 6 => format!("{op} without {} ({arguments})", self.labels(&[])),
            _ => format!("{op}({arguments}) without {}", self.labels(&[])),
        }
    }

    pub(super) fn labels(&mut self, also: &[&'static str]) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in ["job", "instance", "zone", "le", "missing"]
            .iter()
            .chain(also)
        {
            let percent = if matches!(*name, "job" | "instance") {
                50
            } else {
                12
            };
            if self.rng.chance(percent) {
                names.push(name);
            }
        }
        format!("({})", names.join(", "))
    }

    pub(super) fn binary(&mut self, depth: u64) -> String {
        match self.rng.below(12) {
            0 | 1 => {
                let op = self.operator();
                let (l, r) = (self.operand(depth), self.scalar_operand(depth));
                format!("{l} {op} {r}")
            }
            2 => {
                let op = self.operator();
                let (l, r) = (self.scalar_operand(depth), self.operand(depth));
                format!("{l} {op} {r}")
            }
            3 | 4 => {
                let op = self.rng.pick(&["and", "or", "unless"]);
                let on = self.matching(&[]);
                let (l, r) = (self.operand(depth), self.operand(depth));
                format!("{l} {op}{on} {r}")
            }
            5 => {
                // One of many against its group: the everyday ratio.
                let op = self.operator();
                let (many, one) = (self.operand(depth), self.operand(depth));
                let by = self.rng.pick(&["job", "job, instance", "instance"]);
                let aggregate = self.rng.pick(&["sum", "max", "count", "avg"]);
                if self.rng.chance(50) {
                    format!("{many} {op} on ({by}) group_left () {aggregate} by ({by}) ({one})")
                } else {
                    format!("{aggregate} by ({by}) ({one}) {op} on ({by}) group_right () {many}")
                }
            }
            6 | 7 => {
                // The same labels on both sides.
                let [l, r] = [0, 1].map(|_| {
                    self.rng
                        .pick(&["g", "h", "c_total", "level", "d_total", "odd"])
                });
                let on = self.matching(&["__name__"]);
                let fill = self.fill();
                format!(
                    "{l}{} {}{on}{fill} {r}{}",
                    self.modifiers(),
                    self.operator(),
                    self.modifiers()
                )
            }
            8 => self.chain(depth),
            9 => {
                // Labels of an info series; which of its versions is there changes with time.
                let op = self.operator();
                let many = self.operand(depth);
                let include =
                    self.rng
                        .pick(&["version", "version, zone", "zone", "version, missing"]);
                format!("{many} {op} on (job, instance) group_left ({include}) target_info")
            }
            _ => {
                let op = self.operator();
                let mut on = self.matching(&[]);
                if !on.is_empty() && self.rng.chance(40) {
                    let group = self.rng.pick(&["group_left", "group_right"]);
                    // What is matched on cannot be included.
                    let include = ["zone", "version"].into_iter().find(|l| !on.contains(l));
                    let include = include.filter(|_| self.rng.chance(40)).unwrap_or("");
                    on = format!("{on} {group} ({include})");
                }
                let fill = if on.contains("group_right") {
                    String::new()
                } else {
                    self.fill()
                };
                let (l, r) = (self.operand(depth), self.operand(depth));
                format!("{l} {op}{on}{fill} {r}")
            }
        }
    }

    /// Operators in a row: what binds to what is for the parser to say.
    fn chain(&mut self, depth: u64) -> String {
        let depth = depth.min(1);
        let only_vectors = self.rng.chance(60);
        let mut text = self.link(depth, true);
        for _ in 0..2 + self.rng.below(3) {
            let op = match self.rng.below(4) {
                0 if only_vectors => self.rng.pick(&["and", "or", "unless"]),
                1 if only_vectors => self.rng.pick(&["==", "!=", "<", ">=", "> bool"]),
                // Between numbers, a comparison has to say that it gives a number.
                0 => self.rng.pick(&["== bool", "< bool", ">= bool"]),
                _ => self.rng.pick(&["+", "-", "*", "/", "%", "^", "^", "atan2"]),
            };
            text = format!("{text} {op} {}", self.link(depth, only_vectors));
        }
        text
    }

    fn link(&mut self, depth: u64, is_vector: bool) -> String {
        let sign = if self.rng.chance(20) { "-" } else { "" };
        if !is_vector && self.rng.chance(50) {
            return format!("{sign}{}", self.number());
        }
        format!("{sign}{}", self.operand(depth))
    }

    pub(super) fn operator(&mut self) -> &'static str {
        const OPERATORS: [&str; 19] = [
            "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", ">", "<=", ">=", "== bool",
            "!= bool", "< bool", "> bool", "<= bool", ">= bool",
        ];
        self.rng.pick(&OPERATORS)
    }

    pub(super) fn matching(&mut self, also: &[&'static str]) -> String {
        match self.rng.below(5) {
            0 | 1 => String::new(),
            2 | 3 => format!(" on {}", self.labels(also)),
            _ => format!(" ignoring {}", self.labels(&[])),
        }
    }

    pub(super) fn fill(&mut self) -> String {
        if self.scope.stable || !self.rng.chance(10) {
            return String::new();
        }
        self.rng
            .pick(&[
                " fill (0)",
                " fill_left (1)",
                " fill_right (2)",
                " fill_left (3) fill_right (4)",
            ])
            .into()
    }
}
