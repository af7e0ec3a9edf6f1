//! Asks a rule's question, and gives the results the labels of the rule.
//!
//! Promises: results come sorted by labels, each label set once. Two results that collapse into one after the
//! metric's name is dropped or a label is set are an error that names both: never one of them is picked.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bellwether_lang::promql::ast::Expr;
use bellwether_lang::rules::{Alert, Record, Text, TextContext};
use bellwether_model::{HashMap, Labels, LabelsBuilder, METRIC_NAME, TimestampMs};
use bellwether_query::{Answer, Control, Options, Source, Value, instant};

use crate::sla::SlaError;
use crate::sla::live::Said;

/// The longest error text that is kept, in bytes.
const ERROR_BYTES_MAX: usize = 1024;

/// Why an evaluation failed, for people; no evaluation that fails changes any state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Query(#[from] bellwether_query::QueryError),
    #[error("the expression yields {0}, not a vector or a scalar")]
    Type(&'static str),
    #[error("two results become {labels}: {first} and {second}")]
    Duplicate {
        labels: Labels,
        first: Labels,
        second: Labels,
    },
    #[error("the evaluator panicked, which is a bug in it: {0}")]
    Panic(String),
    #[error("{got} results are more than the rule's max of {max}")]
    TooMany { got: usize, max: usize },
    #[error(transparent)]
    Sla(#[from] SlaError),
    /// Of an objective's alert: what is wrong is said of the objective.
    #[error("its objective cannot be evaluated")]
    OfSla,
}

impl AskError {
    /// The text, cut to what is kept.
    pub(crate) fn text(&self) -> String {
        let mut text = self.to_string();
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
        text
    }
}

/// The results of an alert, by their labels without the metric's name.
pub(crate) type Results = BTreeMap<Labels, Found>;

/// One result of an alert.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) identity: Labels,
    pub(crate) value: f64,
    /// Of an objective's alert, whose lines do not judge the value: what was judged.
    pub(crate) said: Option<Said>,
}

impl Found {
    /// A value that the rule's lines judge.
    pub(crate) fn value(identity: Labels, value: f64) -> Found {
        Found {
            identity,
            value,
            said: None,
        }
    }
}

/// Where and how a question is asked.
pub(crate) struct Ask<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) at: TimestampMs,
    pub(crate) options: &'a Options,
    pub(crate) control: &'a Control,
}

impl Ask<'_> {
    /// The results with their own labels, sorted. A scalar is one result without labels.
    pub(crate) fn ask(&self, expr: &Expr) -> Result<BTreeMap<Labels, f64>, AskError> {
        let answer = self.answer(expr)?;
        match answer.value {
            Value::Vector(results) => Ok(results.into_iter().map(|(l, s)| (l, s.v)).collect()),
            Value::Scalar(sample) => Ok(BTreeMap::from([(Labels::empty(), sample.v)])),
            Value::String(..) => Err(AskError::Type("a string")),
            Value::Matrix(_) => Err(AskError::Type("a matrix")),
        }
    }

    /// A panic of the evaluator is an evaluation that failed: it must not end alerting. It has changed nothing, since
    /// what it is given it only reads.
    fn answer(&self, expr: &Expr) -> Result<Answer, AskError> {
        let ask = || instant(expr, self.source, self.at, self.options, self.control);
        Ok(caught(ask)??)
    }

    /// The results of an alert, whose expression may read shared parts.
    pub(crate) fn alert(&self, alert: &Alert, expr: &Expr) -> Result<Results, AskError> {
        let results = self.ask(expr)?;
        let mut identities: HashMap<Labels, Labels> = HashMap::default();
        let mut found = BTreeMap::new();
        for (labels, value) in results {
            let (result, identity) = alert.identify(&labels);
            if let Some(first) = identities.insert(identity.clone(), labels.clone()) {
                return Err(AskError::Duplicate {
                    labels: identity,
                    first,
                    second: labels,
                });
            }
            found.insert(result, Found::value(identity, value));
        }
        Ok(found)
    }

    /// The series of a recording rule, as with an alert, and their values, sorted.
    pub(crate) fn record(
        &self,
        record: &Record,
        expr: &Expr,
    ) -> Result<BTreeMap<Labels, f64>, AskError> {
        let results = self.ask(expr)?;
        if results.len() > record.max {
            return Err(AskError::TooMany {
                got: results.len(),
                max: record.max,
            });
        }
        let mut sources: HashMap<Labels, Labels> = HashMap::default();
        let mut found = BTreeMap::new();
        for (labels, value) in results {
            let (series, _) = record.identify(&labels);
            if let Some(first) = sources.insert(series.clone(), labels.clone()) {
                return Err(AskError::Duplicate {
                    labels: series,
                    first,
                    second: labels,
                });
            }
            found.insert(series, value);
        }
        Ok(found)
    }
}

/// What an evaluator returns, unless it panics. It must have changed nothing that is used afterwards.
pub(crate) fn caught<T>(evaluate: impl FnOnce() -> T) -> Result<T, AskError> {
    catch_unwind(AssertUnwindSafe(evaluate)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        AskError::Panic(text.unwrap_or_default())
    })
}

/// A rule as far as its question and the labels of its results go.
pub(crate) trait Identify {
    fn expr(&self) -> &Expr;

    /// What a result is kept under, and what no two results may share.
    fn identify(&self, labels: &Labels) -> (Labels, Labels);

    /// The most results, when more are an error.
    fn results_max(&self) -> Option<usize>;
}

/// A result is kept under its labels without the metric's name.
impl Identify for Alert {
    fn expr(&self) -> &Expr {
        &self.expr
    }

    fn identify(&self, labels: &Labels) -> (Labels, Labels) {
        let result = labels.without_metric();
        let mut identity = LabelsBuilder::from_labels(&result);
        set_labels(&mut identity, &self.labels, labels);
        identity.set("alertname", &self.name);
        (result, identity.build())
    }

    fn results_max(&self) -> Option<usize> {
        None
    }
}

/// A result is kept under the series that is recorded.
impl Identify for Record {
    fn expr(&self) -> &Expr {
        &self.expr
    }

    fn identify(&self, labels: &Labels) -> (Labels, Labels) {
        let mut series = LabelsBuilder::from_labels(labels);
        set_labels(&mut series, &self.labels, labels);
        series.set(METRIC_NAME, &self.metric);
        let series = series.build();
        (series.clone(), series)
    }

    fn results_max(&self) -> Option<usize> {
        Some(self.max)
    }
}

/// Sets the labels of a rule; an empty text takes the label away.
fn set_labels(builder: &mut LabelsBuilder, labels: &[(String, Text)], result: &Labels) {
    let context = TextContext {
        labels: result,
        value: f64::NAN, // Texts of labels never use the value: the check of the rules refuses it.
        threshold: None,
        level: None,
        since: None,
    };
    for (name, text) in labels {
        builder.set(name, &text.render(&context));
    }
}
