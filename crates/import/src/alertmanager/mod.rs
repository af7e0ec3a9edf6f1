//! Alertmanager's configuration, made into routes, windows, mutes and channels.
//!
//! - `matchers`: both syntaxes. `config`, `receivers`, `values`, `intervals`: reading, with upstream's own checks.
//! - `channels`: receivers as channels, secrets by their names. `routes`: the tree, and what it mutes.
//! - here: the inhibition rules, and all of it put together.

mod channels;
mod config;
mod intervals;
pub(crate) mod matchers;
mod receivers;
mod routes;
mod values;

use std::collections::BTreeSet;

use bellwether_lang::rules::SourceFile;

use crate::report::{Finding, Reporter, shown};
use crate::write::{self, Item, Names};
use crate::{Format, Source, files, kinds, yaml};
use config::{Config, Inhibit};

/// Imports configurations, one for each file.
pub(crate) fn import(sources: &[Source], findings: &mut Vec<Finding>) -> Vec<SourceFile> {
    let mut names = files::Names::default();
    let mut taken = Taken::default();
    let mut out = Vec::new();
    for source in sources {
        let mut report = Reporter::new(&source.path, findings);
        let read = match yaml::read(&source.bytes) {
            Ok(read) => read,
            Err(error) => {
                report.refuse(error.place, error.message);
                continue;
            }
        };
        let [node] = read.documents.as_slice() else {
            let at = read
                .documents
                .get(1)
                .map_or_else(yaml::Place::default, |n| n.place);
            let place = yaml::Place {
                line: at.line.max(1),
                column: at.column.max(1),
            };
            report.refuse(place, "one configuration is expected");
            continue;
        };
        if kinds::is_another(node, Format::Alertmanager, &mut report) {
            continue;
        }
        if matches!(
            node.get("kind").and_then(yaml::Node::text),
            Some("Secret" | "ConfigMap")
        ) {
            let why = "this is an object of Kubernetes: give `import alertmanager` the text that stands in it, below `alertmanager.yaml`";
            report.refuse(node.place, why);
            continue;
        }
        let Some(config) = config::read(node, &mut report) else {
            continue;
        };
        let comments = [format!("imported from {}", source.path)];
        let items = items(&config, &mut taken, &mut report);
        out.push(SourceFile {
            path: names.take(&source.path),
            text: write::file(&comments, &items),
        });
    }
    out
}

/// Names given out, by kind of item.
#[derive(Default)]
struct Taken {
    channels: Names,
    secrets: BTreeSet<String>,
    routes: Names,
    windows: Names,
    mutes: Names,
}

impl Taken {
    /// A legal name near `wanted`, told when it is another one.
    fn name(
        names: &mut Names,
        wanted: &str,
        what: &str,
        at: yaml::Place,
        report: &mut Reporter<'_>,
    ) -> String {
        let legal = write::legal_name(wanted).unwrap_or_else(|| wanted.to_owned());
        let name = names.take(&legal);
        if name != wanted {
            report.change(
                at,
                format!("the {what} {} is called `{name}` here", shown(wanted)),
            );
        }
        name
    }
}

fn items(config: &Config<'_>, taken: &mut Taken, report: &mut Reporter<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    // `log` is there already.
    taken.channels.take("log");
    let channels = channels::channels(config, taken, &mut items, report);
    let windows: Vec<(&str, String)> = config
        .windows
        .iter()
        .map(|named| {
            let name = Taken::name(
                &mut taken.windows,
                named.name,
                "time interval",
                named.place,
                report,
            );
            let mut item = Item::new(format!("window {name}"));
            for line in named.intervals.iter().flat_map(intervals::Interval::lines) {
                item.clause("every", line);
            }
            if item.clauses.is_empty() {
                report.change(
                    named.place,
                    "a time interval without intervals is never open",
                );
                // The last day of a year that is over.
                item.clause("on", "1970-01-01 00:00 to 1970-01-01 00:01");
            }
            items.push(item);
            (named.name, name)
        })
        .collect();
    if let Some(root) = &config.root {
        let names = routes::Given {
            channels: &channels,
            windows: &windows,
        };
        routes::routes(root, &names, taken, &mut items, report);
    }
    for rule in &config.inhibits {
        items.extend(inhibit(rule, taken, report));
    }
    items
}

/// An inhibition rule as a mute; `None` when it is left out, which is told.
fn inhibit(rule: &Inhibit<'_>, taken: &mut Taken, report: &mut Reporter<'_>) -> Option<Item> {
    let on_severity = |list: &[bellwether_model::Matcher]| {
        !list.is_empty() && list.iter().all(|m| m.name() == "severity")
    };
    let same_alert = rule.equal.iter().any(|(label, _)| *label == "alertname");
    if on_severity(&rule.source) && on_severity(&rule.target) && same_alert {
        // One instance has one level, so the mute is about others: of the same alert, where `equal` leaves labels
        // out. Alerts of one name that could not become one are called differently now.
        report.change(
            rule.place,
            "between severities of one alert: an instance has one level at a time, so this mutes other instances of the same alert. \
             Where two rules of one name became two alerts (`X` and `X-critical`, the import of the rules says so), `alertname` differs \
             and neither mutes the other: give them a label of their own in `same` instead",
        );
    }
    let odd = rule
        .source
        .iter()
        .chain(&rule.target)
        .find(|m| !matchers::is_plain(m));
    if let Some(odd) = odd {
        let name = shown(odd.name());
        report.lose(rule.place, format!("an inhibition rule on the label {name}: names of labels have letters, digits and `_`"));
        return None;
    }
    if rule.source.is_empty() {
        report.lose(
            rule.place,
            "an inhibition rule without a source: any alert would mute the target",
        );
        return None;
    }
    let wanted = rule.name.unwrap_or("inhibit");
    let legal = write::legal_name(wanted).unwrap_or_else(|| wanted.to_owned());
    let mut item = Item::new(format!("mute {}", taken.mutes.take(&legal)));
    if !rule.target.is_empty() {
        item.clause("match", write::matchers(&rule.target));
    }
    let mut equal = Vec::new();
    for (label, place) in &rule.equal {
        if write::legal_label(label).is_some() {
            report.lose(*place, format!("the label {} in `equal`", shown(label)));
        } else if !equal.contains(label) {
            equal.push(*label);
        }
    }
    let same = match equal.as_slice() {
        [] => String::new(),
        labels => format!(" same ({})", labels.join(", ")),
    };
    item.clause("while", write::matchers(&rule.source) + &same);
    let reason = format!("inhibition rule, line {}", rule.place.line);
    item.clause("reason", write::quoted(&reason));
    Some(item)
}
