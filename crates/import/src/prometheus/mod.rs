//! Rule files of Prometheus and its kin: `groups:` files, `PrometheusRule` objects, files of Thanos and vmalert.
//!
//! - `read`: fields and upstream's own checks. `metricsql`: what is not PromQL.
//! - `split`: the final comparison of an expression. `alerts`: one rule, made into an alert of ours.
//! - `unit_tests`: tests of promtool.
//! - `circles`: records that read themselves. `metrics`: the labels of what is recorded.
//! - `convert`: all of them: levels of one alert, names, records, files.

mod alerts;
mod circles;
mod convert;
mod metrics;
mod metricsql;
mod read;
mod split;
mod unit_tests;

use bellwether_lang::rules::SourceFile;

use crate::report::{Finding, Reporter, shown};
use crate::yaml::{self, Fields, Node, Read};
use crate::{Format, Options, Source, kinds};
pub(crate) use metricsql::only_there as only_in_metricsql;
use read::Group;
use unit_tests::UnitFile;

/// A file and what it holds.
struct RuleFile<'a> {
    path: &'a str,
    groups: Vec<Group<'a>>,
    tests: Vec<UnitFile>,
    /// Comments above everything, and the names of objects.
    comments: Vec<String>,
}

/// Imports rule files that belong together.
pub(crate) fn import(
    sources: &[Source],
    options: &Options,
    findings: &mut Vec<Finding>,
) -> Vec<SourceFile> {
    let read: Vec<(&str, Read)> = sources
        .iter()
        .filter_map(|source| {
            let read = yaml::read(&source.bytes).map_err(|e| {
                Reporter::new(&source.path, findings).refuse(e.place, e.message);
            });
            Some((source.path.as_str(), read.ok()?))
        })
        .collect();
    let paths: Vec<&str> = read.iter().map(|(path, _)| *path).collect();
    let mut files = Vec::new();
    for (path, read) in &read {
        let mut report = Reporter::new(path, findings);
        files.push(rule_file(path, read, &paths, options, &mut report));
    }
    if findings.iter().any(|f| f.kind == crate::Kind::Refused) {
        return Vec::new();
    }
    convert::convert(&files, options, findings)
}

fn rule_file<'a>(
    path: &'a str,
    read: &'a Read,
    paths: &[&str],
    options: &Options,
    report: &mut Reporter<'_>,
) -> RuleFile<'a> {
    let mut file = RuleFile {
        path,
        groups: Vec::new(),
        tests: Vec::new(),
        comments: read
            .documents
            .first()
            .map(|node| read.comments_above(node.place.line))
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    let mut seen = Vec::new();
    for node in &read.documents {
        let is_alone = read.documents.len() == 1;
        if is_alone && kinds::is_another(node, Format::Prometheus, report) {
            continue;
        }
        let tests = Fields::of(node, "a rule file", report).filter(unit_tests::is);
        match tests {
            Some(fields) => {
                let tests = unit_tests::read(&fields, paths, report);
                unit_tests::tell_interval(&tests, options.every, fields.place, report);
                file.tests.push(tests);
            }
            None => document(node, &mut file, read, &mut seen, report),
        }
    }
    file
}

/// One document: a rule file, an object of Kubernetes that holds one, or a list of those.
fn document<'a>(
    node: &'a Node,
    file: &mut RuleFile<'a>,
    read: &'a Read,
    seen: &mut Vec<(&'a str, yaml::Place)>,
    report: &mut Reporter<'_>,
) {
    let Some(fields) = Fields::of(node, "a rule file", report) else {
        return;
    };
    if fields.entry("apiVersion").is_none() && fields.entry("kind").is_none() {
        fields.only(&["groups"], "a rule file", report);
        file.groups
            .extend(read::groups(&fields, read, seen, report));
        return;
    }
    let known = |report: &mut Reporter<'_>| {
        let names = ["apiVersion", "kind", "metadata", "spec", "items", "status"];
        fields.only(&names, "an object of Kubernetes", report);
    };
    match fields.text("kind", report) {
        Some("PrometheusRule" | "VMRule") => {
            known(report);
            // Objects have names of their own: their groups may be called alike.
            seen.clear();
            let metadata = fields.get("metadata");
            if let Some(name) = metadata.and_then(|m| m.get("name")).and_then(Node::text) {
                file.comments
                    .push(format!("the rules of the object {name}"));
            }
            let spec = fields.get("spec").unwrap_or(node);
            if let Some(spec) = Fields::of(spec, "`spec`", report) {
                spec.only(&["groups"], "`spec`", report);
                file.groups.extend(read::groups(&spec, read, seen, report));
            }
        }
        Some("List" | "PrometheusRuleList") => {
            known(report);
            for item in fields.list("items", report) {
                if matches!(
                    item.get("kind").and_then(Node::text),
                    Some("PrometheusRule" | "VMRule")
                ) {
                    document(item, file, read, seen, report);
                } else {
                    report.lose(
                        item.place,
                        "an object that is no PrometheusRule is left out",
                    );
                }
            }
        }
        kind => {
            let place = fields.get("kind").map_or(fields.place, |node| node.place);
            let text = format!(
                "no rules are in an object of kind {}",
                shown(kind.unwrap_or(""))
            );
            // What a chart renders holds all kinds of objects.
            if read.documents.len() > 1 {
                report.lose(place, format!("{text}: it is left out"));
            } else {
                report.refuse(place, text);
            }
        }
    }
}
