//! Objectives of Sloth, Pyrra, OpenSLO and slo-generator, made into `sla` items.
//!
//! A document says itself what it is, so a file may hold several kinds.
//!
//! - `sloth`, `pyrra`, `openslo`, `generator`: one reader for each.
//! - `query`: their queries, as counters where they are ratios of counters. `sla`: what is written.

mod generator;
mod openslo;
mod pyrra;
mod query;
mod sla;
mod sloth;

use bellwether_lang::rules::SourceFile;

use crate::report::{Finding, Reporter, shown};
use crate::write::{self, Names};
use crate::yaml::{self, Fields, Node, Read, Value};
use crate::{Format, Source, files, kinds};
use sla::Sla;
use sloth::Windows;

/// What a file holds.
#[derive(Default)]
struct Held {
    slas: Vec<Sla>,
    windows: Vec<Windows>,
    /// OpenSLO's indicators that objectives name.
    indicators: Vec<(String, Node)>,
}

/// Imports objectives that belong together.
pub(crate) fn import(sources: &[Source], findings: &mut Vec<Finding>) -> Vec<SourceFile> {
    let mut all: Vec<(&Source, Held)> = Vec::new();
    let mut indicators = Vec::new();
    let mut read_files: Vec<(&Source, Read)> = Vec::new();
    for source in sources {
        match yaml::read(&source.bytes) {
            Ok(read) => read_files.push((source, read)),
            Err(error) => Reporter::new(&source.path, findings).refuse(error.place, error.message),
        }
    }
    for (_, read) in &read_files {
        for node in documents(read) {
            openslo::collect_indicators(node, &mut indicators);
        }
    }
    for (source, read) in &read_files {
        let mut report = Reporter::new(&source.path, findings);
        let mut held = Held {
            indicators: indicators.clone(),
            ..Held::default()
        };
        for node in documents(read) {
            document(node, &mut held, &mut report);
        }
        all.push((source, held));
    }
    write(all, findings)
}

/// The documents of a file; a list of objects is as good as several documents.
fn documents(read: &Read) -> impl Iterator<Item = &Node> {
    read.documents.iter().flat_map(|node| match &node.value {
        Value::Sequence(items) => items.iter().collect(),
        _ => vec![node],
    })
}

fn document(node: &Node, held: &mut Held, report: &mut Reporter<'_>) {
    if kinds::is_another(node, Format::Objectives, report) {
        return;
    }
    let Some(fields) = Fields::of(node, "an objective", report) else {
        return;
    };
    let text = |name: &str, report: &mut Reporter<'_>| fields.text(name, report).unwrap_or("");
    let (version, api, kind) = (
        text("version", report),
        text("apiVersion", report),
        text("kind", report),
    );
    match (version, api, kind) {
        ("prometheus/v1", "", _) => sloth::spec(&fields, &sloth::SNAKE, held, report),
        (_, "sloth.slok.dev/v1", "PrometheusServiceLevel") => sloth::object(&fields, held, report),
        (_, "sloth.slok.dev/v1", "AlertWindows") => sloth::windows(&fields, held, report),
        (_, "pyrra.dev/v1alpha1", "ServiceLevelObjective") => pyrra::read(&fields, held, report),
        (_, "sre.google.com/v2", "ServiceLevelObjective") => generator::read(&fields, held, report),
        (_, "openslo/v1" | "openslo/v1alpha", _) => openslo::read(&fields, api, kind, held, report),
        _ => {
            let what = match (version, api) {
                ("", "") => "neither `version` nor `apiVersion`".to_owned(),
                ("", api) => format!("`apiVersion` {} of kind {}", shown(api), shown(kind)),
                (version, _) => format!("`version` {}", shown(version)),
            };
            report.refuse(node.place, format!("no objective has {what}"));
        }
    }
}

fn write(all: Vec<(&Source, Held)>, findings: &mut Vec<Finding>) -> Vec<SourceFile> {
    let windows: Vec<Windows> = all
        .iter()
        .flat_map(|(_, held)| held.windows.clone())
        .collect();
    let mut file_names = files::Names::default();
    let mut names = Names::default();
    let mut out = Vec::new();
    for (source, held) in all {
        let mut report = Reporter::new(&source.path, findings);
        let mut items = Vec::new();
        for mut sla in held.slas {
            let wanted = write::legal_name(&sla.name).unwrap_or_else(|| sla.name.clone());
            let name = names.take(&wanted);
            if name != sla.name {
                report.change(
                    sla.place,
                    format!("the objective {} is called `{name}` here", shown(&sla.name)),
                );
            }
            sla.name = name;
            items.extend(sla.items(&source.path, &windows, &mut report));
        }
        if !items.is_empty() {
            let comments = [format!("imported from {}", source.path)];
            out.push(SourceFile {
                path: file_names.take(&source.path),
                text: write::file(&comments, &items),
            });
        }
    }
    out
}
