//! Random expressions, as text: well-typed, of every kind the language has, over the series of `data.rs`.
//!
//! Not here: native histograms, arithmetic in durations, names outside the old character set; the parser's own tests have those.

mod calls;
mod operators;
mod selectors;

use crate::random::Random;

/// What may be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// Only what Prometheus 2.42 knows.
    pub(crate) stable: bool,
    /// `step()`, `range()`, `start()`, `end()`, `@ start()`, `@ end()`: what makes a range differ from its instants.
    pub(crate) query_times: bool,
    /// Added to every time after `@`, milliseconds.
    pub(crate) epoch: i64,
}

impl Scope {
    pub(crate) const ALL: Scope = Scope {
        stable: false,
        query_times: true,
        epoch: 0,
    };
}

/// A random instant vector, or now and then a scalar.
pub(crate) fn expression(rng: &mut Random, scope: Scope) -> String {
    let mut writer = Writer { rng, scope };
    let depth = 1 + writer.rng.below(4);
    if writer.rng.chance(6) {
        writer.scalar(depth)
    } else {
        writer.vector(depth)
    }
}

/// A random range vector, for instant queries.
pub(crate) fn window(rng: &mut Random, scope: Scope) -> String {
    let mut writer = Writer { rng, scope };
    let depth = writer.rng.below(3);
    writer.matrix(depth)
}

struct Writer<'a> {
    rng: &'a mut Random,
    scope: Scope,
}

impl Writer<'_> {
    fn vector(&mut self, depth: u64) -> String {
        if depth == 0 {
            return self.selector();
        }
        let below = depth - 1;
        match self
            .rng
            .weighted(&[4, 8, 5, 8, 7, 1, 2, 2, 1, 1, 1, 3, 1, 1])
        {
            0 => self.selector(),
            1 => self.over_window(below),
            2 => self.map(below),
            3 => self.binary(below),
            4 => self.aggregation(below),
            5 => format!("vector({})", self.scalar(below)),
            6 => self.absent(below),
            7 => self.labelled(below),
            8 => self.sorted(below),
            9 => format!("-{}", self.operand(below)),
            10 => format!("({})", self.vector(below)),
            11 => self.histogram(below),
            12 => self.date(below),
            _ => format!("timestamp({})", self.vector(below)),
        }
    }

    /// A vector that may stand beside an operator.
    fn operand(&mut self, depth: u64) -> String {
        let text = self.vector(depth);
        if is_closed(&text) {
            text
        } else {
            format!("({text})")
        }
    }

    fn scalar_operand(&mut self, depth: u64) -> String {
        let text = self.scalar(depth);
        if is_closed(&text) {
            text
        } else {
            format!("({text})")
        }
    }

    fn scalar(&mut self, depth: u64) -> String {
        if depth == 0 || self.rng.chance(55) {
            return self.number();
        }
        let below = depth - 1;
        match self.rng.weighted(&[3, 2, 1, 2, 3, 1, 1, 1]) {
            0 => format!("scalar({})", self.vector(below)),
            1 => "time()".into(),
            2 => "pi()".into(),
            3 => {
                let op = self.rng.pick(&["==", "!=", "<", "<=", ">", ">="]);
                let (l, r) = (self.scalar_operand(below), self.scalar_operand(below));
                format!("{l} {op} bool {r}")
            }
            4 => {
                let op = self.rng.pick(&["+", "-", "*", "/", "%", "^", "atan2"]);
                let (l, r) = (self.scalar_operand(below), self.scalar_operand(below));
                format!("{l} {op} {r}")
            }
            5 => format!("-{}", self.scalar_operand(below)),
            6 if self.scope.query_times && !self.scope.stable => self
                .rng
                .pick(&["step()", "range()", "start()", "end()"])
                .into(),
            7 if !self.scope.stable => {
                let f = self.rng.pick(&["min_of", "max_of"]);
                format!("{f}({}, {})", self.scalar(below), self.scalar(below))
            }
            _ => self.number(),
        }
    }

    fn number(&mut self) -> String {
        const COMMON: [&str; 12] = [
            "0", "1", "2", "3", "0.5", "0.25", "10", "1e3", "100", "-1", "-2", "0x1f",
        ];
        if self.rng.chance(8) {
            return self.rng.pick(&["NaN", "Inf", "-Inf", "1e-3", "-0"]).into();
        }
        self.rng.pick(&COMMON).into()
    }
}

/// True when the text is a name, a call, or stands in parentheses: no operator can take it apart.
fn is_closed(text: &str) -> bool {
    let mut depth = 0;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            ' ' | '-' | '+' if depth == 0 => return false,
            _ => {}
        }
    }
    true
}
