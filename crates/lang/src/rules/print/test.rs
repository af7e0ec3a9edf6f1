//! Tests as text.

use std::fmt;

use bellwether_model::labels::{Quoted, is_legacy_label_name};
use bellwether_model::value::format_value;

use crate::rules::types::{InstanceName, StepKind, Test};

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "test {}", Quoted(&self.name))?;
        if let Some(start) = self.start {
            writeln!(f, "  start {start}")?;
        }
        for load in &self.loads {
            writeln!(f, "  load {}", load.step)?;
            for series in &load.series {
                writeln!(f, "    {} {}", series.labels, series.values)?;
            }
        }
        for step in &self.steps {
            let at = step.at;
            match &step.kind {
                StepKind::Eval { expr, expected } => {
                    writeln!(f, "  eval {at} {expr}")?;
                    for sample in expected {
                        let labels = sample.labels.to_string();
                        let labels = match labels.strip_prefix('{') {
                            Some("}") if sample.is_nameless => "{__name__=\"\"}".to_owned(),
                            Some(rest) if sample.is_nameless => format!("{{__name__=\"\", {rest}"),
                            _ => labels,
                        };
                        writeln!(f, "    {labels} {}", format_value(sample.value))?;
                    }
                }
                StepKind::At { expected } => {
                    writeln!(f, "  at {at}")?;
                    if expected.is_empty() {
                        writeln!(f, "    none")?;
                    }
                    for instance in expected {
                        write!(f, "    {} {}", instance.state.word(), instance.instance)?;
                        if let Some(summary) = &instance.summary {
                            write!(f, " {}", Quoted(summary))?;
                        }
                        writeln!(f)?;
                    }
                }
                StepKind::Notify {
                    channel,
                    resolved,
                    instance,
                } => {
                    let resolved = if *resolved { "resolved " } else { "" };
                    writeln!(f, "  notify {at} {channel} {resolved}{instance}")?;
                }
                StepKind::Silent { channel } => writeln!(f, "  silent {at} {channel}")?,
                StepKind::Ack { instance } => writeln!(f, "  ack {at} {instance}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.alert)?;
        if self.labels.is_empty() {
            return Ok(());
        }
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(name, value)| {
                if is_legacy_label_name(name) {
                    format!("{name}={}", Quoted(value))
                } else {
                    format!("{}={}", Quoted(name), Quoted(value))
                }
            })
            .collect();
        write!(f, "{{{}}}", labels.join(", "))
    }
}
