//! Selectors, range selectors and subqueries, with conditions, `offset` and `@`.

use super::Writer;

const METRICS: [&str; 12] = [
    "c_total", "c_total", "d_total", "g", "g", "h", "h", "level", "sparse", "odd", "one",
    "b_bucket",
];

impl Writer<'_> {
    pub(super) fn selector(&mut self) -> String {
        let (name, conditions) = self.series();
        let braces = if conditions.is_empty() && !name.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", conditions.join(", "))
        };
        let smoothed = if !self.scope.stable && self.rng.chance(1) {
            " smoothed"
        } else {
            ""
        };
        format!("{name}{braces}{smoothed}{}", self.modifiers())
    }

    /// A metric's name and conditions on labels; the name may be among them.
    pub(super) fn series(&mut self) -> (String, Vec<String>) {
        let mut conditions = Vec::new();
        let mut name: String = self.rng.pick(&METRICS).into();
        if self.rng.chance(8) {
            conditions.push(match self.rng.below(4) {
                0 => format!("__name__=\"{name}\""),
                1 => "__name__=~\"g|h\"".into(),
                2 => "__name__=~\".*_total\"".into(),
                _ => "__name__!~\"b_bucket|date|odd|sparse\", __name__!=\"\"".into(),
            });
            if conditions[0].starts_with("__name__!~") {
                conditions.push("job=~\".+\"".into());
            }
            name.clear();
        }
        while self.rng.chance(30) {
            conditions.push(match self.rng.below(12) {
                0 | 1 => format!("job=\"{}\"", self.rng.pick(&["a", "b", "c"])),
                2 | 3 => format!("instance=\"{}\"", self.rng.pick(&["0", "1"])),
                4 => "instance!=\"0\"".into(),
                5 => format!(
                    "instance=~\"{}\"",
                    self.rng.pick(&["0|1", "1.*", ".+", "1?0"])
                ),
                6 => format!("job!~\"{}\"", self.rng.pick(&["b", "a|c", ""])),
                7 => format!("zone{}\"\"", self.rng.pick(&["=", "!=", "=~"])),
                8 => "zone=~\"z1|\"".into(),
                9 => format!(
                    "zone{}",
                    self.rng.pick(&[
                        "!=\"z1\"",
                        "=~\".+\"",
                        "!~\".+\"",
                        "=~\"z[13]?\"",
                        "=~\"^z1$\"",
                        "!~\"z1|\"",
                    ])
                ),
                10 => format!(
                    "job{}",
                    self.rng
                        .pick(&["=~\"(?i)A\"", "!~\"[^a]\"", "=~\"a|b|\"", "=~\"(a)|c\""])
                ),
                _ => "missing=\"\"".into(),
            });
        }
        (name, conditions)
    }

    pub(super) fn modifiers(&mut self) -> String {
        let mut out = String::new();
        if self.rng.chance(10) {
            let offset = self
                .rng
                .pick(&["30s", "1m", "5m", "15s", "-30s", "-1m", "7m5s"]);
            out = format!(" offset {offset}");
        }
        if self.rng.chance(7) {
            if self.scope.query_times && self.rng.chance(50) {
                out += self.rng.pick(&[" @ start()", " @ end()"]);
            } else {
                let at = self.scope.epoch
                    + self
                        .rng
                        .pick(&[0, 60_000, 300_000, 777_000, 900_000, 1_500_000]);
                out = format!("{out} @ {}", at / 1000);
            }
        }
        out
    }

    pub(super) fn range(&mut self) -> &'static str {
        self.rng.pick(&[
            "15s", "30s", "1m", "1m", "90s", "2m", "5m", "5m", "7m30s", "15m",
        ])
    }

    pub(super) fn matrix(&mut self, depth: u64) -> String {
        if depth == 0 || self.rng.chance(65) {
            let (name, conditions) = self.series();
            let braces = if conditions.is_empty() && !name.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", conditions.join(", "))
            };
            return format!("{name}{braces}[{}]{}", self.range(), self.modifiers());
        }
        let inner = self.operand(depth - 1);
        let step = self.rng.pick(&["15s", "30s", "1m", "40s", "7s", "3m", ""]);
        format!("{inner}[{}:{step}]{}", self.range(), self.modifiers())
    }
}
