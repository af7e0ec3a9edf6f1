//! What a document is, when it is none of those that were asked for.
//!
//! People give a command the file they have at hand; the answer names the command that takes it.
//!
//! Not here: reading any of them.

use crate::Format;
use crate::report::Reporter;
use crate::yaml::{Node, Value};

/// Something that has a form of its own.
struct Known {
    /// How it is called.
    what: &'static str,
    /// The command that takes it; `None` when none does.
    command: Option<(Format, &'static str)>,
    /// What to do instead, when no command takes it.
    hint: &'static str,
}

impl Known {
    const fn taken(what: &'static str, format: Format, command: &'static str) -> Known {
        Known {
            what,
            command: Some((format, command)),
            hint: "",
        }
    }

    const fn refused(what: &'static str, hint: &'static str) -> Known {
        Known {
            what,
            command: None,
            hint,
        }
    }
}

/// Refuses a document that is something else than `wanted`, with the command that takes it. True when it did.
pub(crate) fn is_another(node: &Node, wanted: Format, report: &mut Reporter<'_>) -> bool {
    let Some(known) = known(node) else {
        return false;
    };
    let advice = match known.command {
        Some((format, _)) if format == wanted => return false,
        Some((_, command)) => format!("`bellwether import {command}`"),
        None => known.hint.to_owned(),
    };
    report.refuse(node.place, format!("this is {}: {advice}", known.what));
    true
}

fn known(node: &Node) -> Option<Known> {
    use Format::{Alertmanager, Objectives, Prometheus};
    let Value::Mapping(_) = node.value else {
        return None;
    };
    let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or("");
    let has = |key: &str| node.get(key).is_some();
    let api = text("apiVersion");
    Some(match (api.split('/').next().unwrap_or(""), text("kind")) {
        ("sloth.slok.dev", _) => Known::taken("an object of Sloth", Objectives, "sloth"),
        ("pyrra.dev", _) => Known::taken("an objective of Pyrra", Objectives, "pyrra"),
        ("openslo", _) => Known::taken("an object of OpenSLO", Objectives, "openslo"),
        ("sre.google.com", _) => {
            Known::taken("an objective of slo-generator", Objectives, "openslo")
        }
        (_, "PrometheusRule" | "VMRule" | "PrometheusRuleList") => Known::taken(
            "an object with rules of Prometheus",
            Prometheus,
            "prometheus",
        ),
        (_, "AlertmanagerConfig") => Known::refused(
            "an object of the Prometheus operator",
            "give `import alertmanager` the configuration that the operator makes of it (secret `alertmanager-NAME-generated`)",
        ),
        _ if text("version").starts_with("prometheus/") && has("slos") => {
            Known::taken("a spec of Sloth", Objectives, "sloth")
        }
        _ if !api.is_empty() => return None,
        _ if has("groups") => Known::taken("a rule file of Prometheus", Prometheus, "prometheus"),
        _ if has("tests") && (has("rule_files") || has("evaluation_interval")) => {
            Known::taken("a unit test of promtool", Prometheus, "prometheus")
        }
        _ if has("scrape_configs") || has("rule_files") || has("remote_write") => Known::refused(
            "the configuration of Prometheus itself",
            "rules stand in the files that it names under `rule_files`: `bellwether import prometheus`",
        ),
        _ if has("route") || has("receivers") => Known::taken(
            "a configuration of Alertmanager",
            Alertmanager,
            "alertmanager",
        ),
        _ => return None,
    })
}
