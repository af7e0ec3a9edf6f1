//! Other systems' rules, routes and objectives, made into ours: text in, text and a report out.
//!
//! ```text
//! bytes -> yaml (places, limits) -> what the format says (typed, validated as its own system would)
//!       -> items of the rule language -> text -> checked by `lang` -> files, and what was lost or changed
//! ```
//!
//! Promises: a file that its own system refuses is refused here, at its line and column, and nothing is written;
//! everything that is not carried over as it was is named in the report; same input, same output; no input panics.
//!
//! - `yaml`: files as trees with places. `kinds`: what a file is that is none of those asked for. `report`: what is said. `write`: our text. `template`: Go templates.
//! - `prometheus`: rule files of Prometheus, its operator, Thanos and vmalert.
//! - `alertmanager`: routes, receivers, inhibitions, time intervals. `slo`: objectives of four systems.
//!
//! Not here: reading and writing files (the binary), what the rules do (`engine`).
#![forbid(unsafe_code)]

mod alertmanager;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod kinds;
mod prometheus;
mod report;
mod severity;
mod slo;
mod template;
mod write;
mod yaml;

use bellwether_lang::rules::{self, Level, SourceFile};
use bellwether_model::DurationMs;

pub use alertmanager::matchers::{MatchersError, parse as parse_matchers};
pub use report::{Finding, Kind};

/// What the files to import are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Rule files of Prometheus, Thanos and vmalert, `PrometheusRule` objects, unit tests of promtool.
    Prometheus,
    /// Configurations of Alertmanager.
    Alertmanager,
    /// Objectives of Sloth, Pyrra, OpenSLO and slo-generator; each document says which it is.
    Objectives,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Prometheus, Format::Alertmanager, Format::Objectives];
}

/// A file to import.
#[derive(Clone, Debug)]
pub struct Source {
    /// How messages name it.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What the files do not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Words of the label `severity` and the level each becomes, before those that are known anyway.
    pub levels: Vec<(String, Level)>,
    /// How often a rule is evaluated whose group does not say so. In Prometheus this stands in its configuration
    /// (`global.evaluation_interval`), not in the rule files.
    pub every: DurationMs,
}

impl Default for Options {
    /// No further words; a minute, which is Prometheus' own default.
    fn default() -> Options {
        Options {
            levels: Vec::new(),
            every: DurationMs::from_mins(1),
        }
    }
}

/// What comes of an import.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// Files for a rule folder; none when a file was refused. Names are unique, without a folder.
    pub files: Vec<SourceFile>,
    /// By file in the order given, then by place.
    pub findings: Vec<Finding>,
}

impl Imported {
    /// True when a file was refused: there is nothing to write.
    pub fn refused(&self) -> bool {
        self.findings.iter().any(|f| f.kind == Kind::Refused)
    }
}

/// Makes rule files of `sources`, which belong together: names become unique among them, and a rule may read what
/// another file records.
pub fn import(format: Format, sources: &[Source], options: &Options) -> Imported {
    let mut findings = Vec::new();
    let files = match format {
        Format::Prometheus => prometheus::import(sources, options, &mut findings),
        Format::Alertmanager => alertmanager::import(sources, &mut findings),
        Format::Objectives => slo::import(sources, &mut findings),
    };
    finish(sources, files, findings)
}

/// Brings what was written into the canonical form and reads it, our own checker has the last word; sorts the findings.
fn finish(sources: &[Source], files: Vec<SourceFile>, mut findings: Vec<Finding>) -> Imported {
    let refused = findings.iter().any(|f| f.kind == Kind::Refused);
    let mut files = if refused { Vec::new() } else { files };
    if refused {
        // What would have been lost of a file that is not used is nobody's business.
        findings.retain(|f| f.kind == Kind::Refused);
    } else {
        for file in &mut files {
            // What has no form has no meaning either, and the checker says why.
            if let Ok(text) = rules::format(file) {
                file.text = text;
            }
        }
        for diagnostic in rules::check(&files).diagnostics {
            if diagnostic.severity == rules::Severity::Error {
                findings.push(Finding {
                    kind: Kind::Refused,
                    file: diagnostic.file.clone(),
                    line: diagnostic.line,
                    column: diagnostic.column,
                    message: format!("what was made of it does not check: {}", diagnostic.message),
                });
            }
        }
        if findings.iter().any(|f| f.kind == Kind::Refused) {
            files.clear();
        }
    }
    let number = |file: &str| sources.iter().position(|s| s.path == file);
    findings.sort_by_cached_key(|f| (number(&f.file), f.line, f.column, f.kind, f.message.clone()));
    findings.dedup();
    Imported { files, findings }
}
