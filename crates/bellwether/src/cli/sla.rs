//! `bellwether sla report`: every objective over a period, from a server or a data folder.
//!
//! Works on the JSON of the API, so that both are printed by the same lines.

mod page;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use bellwether_engine::sla::{NamedPeriod, When, report};
use bellwether_lang::rules::RuleSet;
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Control, Options};
use bellwether_server::folder;
use bellwether_store::StoreError;
use serde_json::Value;

use super::args::{self, SlaOutput};
use super::loaded::load;
use super::query::time;
use super::{FINDINGS, TROUBLE, asking, data, output, print};

pub(crate) fn run(args: &args::SlaReport) -> Result<ExitCode> {
    let body = match &args.data {
        Some(folder) => match load(std::slice::from_ref(&args.rules))? {
            Some(loaded) => ask_folder(args, folder, &loaded.rules)?,
            None => return Ok(ExitCode::from(TROUBLE)),
        },
        None => ask_server(args)?,
    };
    let answer: Value = serde_json::from_str(&body).context("the answer is not JSON")?;
    let slas = answer["data"]["slas"]
        .as_array()
        .context("the answer has no objectives")?;
    print::out(&match args.output {
        SlaOutput::Json => body + "\n",
        SlaOutput::Csv => csv(slas),
        SlaOutput::Html => page::page(slas),
        SlaOutput::Table => table(slas),
    })?;
    Ok(if slas.iter().any(|sla| sla["met"] == false) {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

fn ask_folder(args: &args::SlaReport, folder: &Path, rules: &RuleSet) -> Result<String> {
    let now = time(&args.time)?;
    let when = match &args.period {
        None => When::At(now),
        Some(name) => {
            let period = NamedPeriod::parse(name).with_context(|| {
                format!("--period {name}: not a period such as 2026-10, 2026-Q4, 2026-W43 or 2026")
            })?;
            When::Named(period, now)
        }
    };
    let store = data::open_existing(folder).map_err(|error| match error {
        StoreError::Locked { .. } => anyhow!("{error}; a server that runs is asked without --data"),
        other => other.into(),
    })?;
    let view = store.view();
    let reports = report(
        rules,
        &ViewSource(&view),
        when,
        &Options::default(),
        &Control::new(),
    )?;
    Ok(folder::sla(&reports))
}

fn ask_server(args: &args::SlaReport) -> Result<String> {
    let base = args.url.trim_end_matches('/');
    let mut form = vec![("time", time(&args.time)?.to_rfc3339())];
    form.extend(args.period.clone().map(|period| ("period", period)));
    asking::post(base, "/api/bw/v1/sla", &form)
}

/// What the columns of all forms are made of.
struct Row<'a>(&'a Value);

impl Row<'_> {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or(f64::NAN)
    }

    /// The objective's name and the labels of its group.
    fn name(&self) -> String {
        let labels = self.0["labels"].as_object().into_iter().flatten();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if labels.is_empty() {
            return self.text("sla").to_owned();
        }
        format!("{}{{{}}}", self.text("sla"), labels.join(", "))
    }

    /// What is to be said of the promise.
    fn verdict(&self) -> &'static str {
        match (self.text("state"), self.0["over"] == true) {
            ("met", true) => "met",
            ("met", false) => "met so far",
            ("not_met", true) => "NOT MET",
            ("not_met", false) => "NOT MET so far",
            ("excluded", _) => "excluded",
            ("not_begun", _) => "not begun",
            _ => "no data",
        }
    }

    fn percent(&self, name: &str) -> String {
        let value = self.number(name) * 100.0;
        if value.is_nan() {
            "-".to_owned()
        } else {
            format!("{}%", trim(value, 4))
        }
    }

    fn count(&self, name: &str) -> String {
        trim(self.number(name), 2)
    }

    /// `412.5, has to be <= 300`.
    fn current(&self) -> String {
        let current = &self.0["current"];
        let Some(op) = current["operator"].as_str() else {
            return String::new();
        };
        let value = current["value"]
            .as_f64()
            .map_or_else(|| "no data".to_owned(), |v| trim(v, 3));
        let threshold = trim(current["threshold"].as_f64().unwrap_or(f64::NAN), 3);
        format!("{value}, has to be {op} {threshold}")
    }
}

/// With at most so many digits behind the point.
fn trim(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn table(slas: &[Value]) -> String {
    if slas.is_empty() {
        return "no objectives\n".to_owned();
    }
    let rows = slas.iter().map(|sla| {
        let row = Row(sla);
        [
            row.name(),
            row.text("period").to_owned(),
            row.percent("objective"),
            row.verdict().to_owned(),
            row.percent("ratio"),
            row.percent("budgetRemaining"),
            format!("{} of {}", row.count("bad"), row.count("total")),
            row.0["breaches"].to_string(),
            row.current(),
        ]
    });
    let titles = [
        "objective",
        "period",
        "target",
        "",
        "compliance",
        "budget left",
        "bad",
        "breaches",
        "now",
    ];
    output::aligned(&titles, rows)
}

fn csv(slas: &[Value]) -> String {
    let titles = [
        "sla",
        "labels",
        "period",
        "from",
        "to",
        "objective",
        "met",
        "ratio",
        "budget_remaining",
        "bad",
        "total",
        "breaches",
        "state",
        "over",
    ];
    let mut text = output::csv_line(titles.into_iter());
    for sla in slas {
        let row = Row(sla);
        let plain = |name: &str| {
            if row.0[name].is_null() {
                String::new()
            } else {
                row.0[name].to_string()
            }
        };
        let cells = [
            row.text("sla").to_owned(),
            row.0["labels"].to_string(),
            row.text("period").to_owned(),
            row.text("from").to_owned(),
            row.text("to").to_owned(),
            plain("objective"),
            plain("met"),
            plain("ratio"),
            plain("budgetRemaining"),
            plain("bad"),
            plain("total"),
            plain("breaches"),
            row.text("state").to_owned(),
            plain("over"),
        ];
        text.push_str(&output::csv_line(cells.iter().map(String::as_str)));
    }
    text
}
