//! Objectives as text.

use std::fmt;

use bellwether_model::DurationMs;
use bellwether_model::labels::Quoted;
use bellwether_model::value::format_value;

use super::pairs;
use crate::rules::types::{Counted, Counters, Indicator, Period, Sign, Sla};

impl fmt::Display for Sla {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sla {}", self.name)?;
        for objective in &self.objectives {
            let good = Percent(objective.objective.good());
            write!(f, "  objective {good} over {}", objective.period)?;
            if let Period::Calendar { zone, .. } = objective.period {
                write!(f, " in {}", Quoted(zone.name()))?;
            }
            writeln!(f)?;
        }
        indicator(f, &self.indicator)?;
        if !self.by.is_empty() {
            writeln!(f, "  by ({})", self.by.join(", "))?;
        }
        if let Some(breach) = self.breach {
            write!(f, "  breach {}", breach.level)?;
            if breach.hold_for > DurationMs::ZERO {
                write!(f, " for {}", breach.hold_for)?;
            }
            writeln!(f)?;
        }
        if self.burns.is_empty() {
            writeln!(f, "  burn none")?;
        }
        for burn in &self.burns {
            let share = Percent(burn.share.get());
            writeln!(f, "  burn {share} in {} {}", burn.long, burn.level)?;
        }
        if self.events_min > 0 {
            writeln!(f, "  min {} events", self.events_min)?;
        }
        if !self.exclude.is_empty() {
            writeln!(f, "  exclude {}", self.exclude.join(", "))?;
        }
        writeln!(f, "  every {}\n  delay {}", self.every, self.delay)?;
        if let Some(text) = &self.description {
            writeln!(f, "  description {text}")?;
        }
        if let Some(url) = &self.runbook {
            writeln!(f, "  runbook {url}")?;
        }
        pairs(f, "label", &self.labels)?;
        pairs(f, "note", &self.notes)
    }
}

fn indicator(f: &mut fmt::Formatter<'_>, indicator: &Indicator) -> fmt::Result {
    match indicator {
        Indicator::Counted {
            counted,
            events,
            total,
        } => {
            let word = match counted {
                Counted::Good => "good",
                Counted::Bad => "bad",
            };
            writeln!(f, "  {word} {events}\n  total {total}")
        }
        Indicator::Sliced { ok, slice, missing } => {
            writeln!(
                f,
                "  ok {ok}\n  slice {slice}\n  missing {}",
                missing.word()
            )
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, counter) in self.0.iter().enumerate() {
            match (i, counter.sign) {
                (0, _) => {}
                (_, Sign::Plus) => f.write_str(" + ")?,
                (_, Sign::Minus) => f.write_str(" - ")?,
            }
            counter.selector.fmt(f)?;
        }
        Ok(())
    }
}

/// A fraction as a percentage that reads back as the same number.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ten digits are what people write; the shift of the point is the reader's.
        let short = format_value((self.0 * 1e12).round() / 1e10);
        if format!("{short}e-2").parse() == Ok(self.0) {
            return write!(f, "{short}%");
        }
        let exact = format!("{:e}", self.0);
        let (digits, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        write!(f, "{digits}e{}%", exponent + 2)
    }
}
