//! Rules as text again, everything spelled out: the canonical form.
//!
//! Reading it back gives the same rules (places aside). `let` and `defaults` are gone: what they stood for is
//! written where it counts. Here the folder, alerts and records; `sla`, `tell` and `test` hold the rest.
//!
//! Not here: the form that keeps what its author wrote (`layout`).

mod sla;
mod tell;
mod test;

use std::fmt;

use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, Matcher};

use super::text::Text;
use super::types::{Alert, Condition, LevelLine, LevelRule, Missing, Record, RuleSet};

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut item = |f: &mut fmt::Formatter<'_>, item: &dyn fmt::Display| {
            if !std::mem::take(&mut first) {
                f.write_str("\n")?;
            }
            item.fmt(f)
        };
        for record in &self.records {
            item(f, record)?;
        }
        for alert in &self.alerts {
            item(f, alert)?;
        }
        for sla in &self.slas {
            item(f, sla)?;
        }
        for window in &self.windows {
            item(f, window)?;
        }
        for mute in &self.mutes {
            item(f, mute)?;
        }
        for channel in &self.channels {
            item(f, channel)?;
        }
        for route in &self.routes {
            item(f, route)?;
        }
        for test in &self.tests {
            item(f, test)?;
        }
        Ok(())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "record {}\n  expr {}", self.metric, self.expr)?;
        timing(f, self.every, self.delay, self.max)?;
        pairs(f, "label", &self.labels)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "alert {}\n  expr {}", self.name, self.expr)?;
        for line in &self.levels {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "  missing {}", self.missing)?;
        timing(f, self.every, self.delay, self.max)?;
        for (word, text) in [
            ("summary", &self.summary),
            ("description", &self.description),
        ] {
            if let Some(text) = text {
                writeln!(f, "  {word} {text}")?;
            }
        }
        if let Some(url) = &self.runbook {
            writeln!(f, "  runbook {url}")?;
        }
        pairs(f, "label", &self.labels)?;
        pairs(f, "note", &self.notes)
    }
}

fn timing(
    f: &mut fmt::Formatter<'_>,
    every: DurationMs,
    delay: DurationMs,
    max: usize,
) -> fmt::Result {
    writeln!(f, "  every {every}\n  delay {delay}\n  max {max}")
}

fn pairs(f: &mut fmt::Formatter<'_>, word: &str, pairs: &[(String, Text)]) -> fmt::Result {
    for (name, text) in pairs {
        writeln!(f, "  {word} {name} = {text}")?;
    }
    Ok(())
}

impl fmt::Display for LevelLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.level)?;
        match &self.rule {
            LevelRule::Never => f.write_str(" never")?,
            LevelRule::When {
                condition,
                hold_for,
                clear,
                keep,
            } => {
                if let Some(condition) = condition {
                    write!(f, " {condition}")?;
                }
                if *hold_for > DurationMs::ZERO {
                    write!(f, " for {hold_for}")?;
                }
                if let Some(clear) = clear {
                    write!(f, " clear {clear}")?;
                }
                if *keep > DurationMs::ZERO {
                    write!(f, " keep {keep}")?;
                }
            }
        }
        if self.only.is_empty() {
            Ok(())
        } else {
            write!(f, " where {}", Braces(&self.only))
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op.text(), format_value(self.number))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Clear => f.write_str("clear"),
            Missing::Keep(time) => write!(f, "keep {time}"),
            Missing::Raise { level, after } => write!(f, "{level} after {after}"),
        }
    }
}

/// Matchers in braces, as PromQL writes them.
struct Braces<'a>(&'a [Matcher]);

impl fmt::Display for Braces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, matcher) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            matcher.fmt(f)?;
        }
        f.write_str("}")
    }
}
