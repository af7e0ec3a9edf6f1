//! Why a query has no answer: one variant for each thing a caller treats differently.

use bellwether_lang::promql::ast::Span;
use bellwether_model::text::grouped;

use crate::source::SourceError;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The steps asked for make no sense: the caller's mistake.
    #[error("{0}")]
    Steps(&'static str),
    /// More steps than allowed.
    #[error(
        "exceeded maximum resolution of {} points per timeseries (query.max_points). Try decreasing the query resolution (?step=XX)",
        grouped(*max)
    )]
    PointsLimit {
        /// The limit.
        max: usize,
        /// How many steps there are from the first point to the last.
        got: usize,
    },
    /// More samples read than allowed.
    #[error("the query reads more than {max} samples (query.max_samples)")]
    SamplesLimit {
        /// The limit, samples.
        max: u64,
    },
    /// More memory needed than allowed.
    #[error("the query needs more than {max} bytes of memory (query.memory)")]
    MemoryLimit {
        /// The limit, bytes.
        max: usize,
    },
    /// The answer's text is longer than allowed.
    #[error("the answer is longer than {max} bytes (query.response_bytes)")]
    ResponseLimit {
        /// The limit, bytes.
        max: usize,
    },
    /// The deadline passed.
    #[error("the query took longer than query.timeout allows")]
    Timeout,
    /// Nobody waits for the answer any more.
    #[error("the query was cancelled")]
    Cancelled,
    /// The samples could not be had, among it `query.max_series`.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A label longer than series may have.
    #[error("{function}() makes a label value of {got} bytes, more than {max} (label.max_value)")]
    LabelLimit {
        /// The function that made it.
        function: &'static str,
        /// Its length, bytes.
        got: usize,
        /// The limit, bytes.
        max: usize,
    },
    /// A pattern longer than patterns may be.
    #[error("the regular expression of label_replace() is longer than {max} bytes (regex.max_len)")]
    RegexLength {
        /// The limit, bytes.
        max: usize,
    },
    /// A pattern that compiles to more than patterns may.
    #[error("the regular expression of label_replace() needs more than {max} bytes (regex.size)")]
    RegexLimit {
        /// The limit, bytes.
        max: usize,
    },
    /// The expression has no value over these samples.
    #[error("{message}")]
    Eval {
        /// What went wrong, worded as Prometheus words it.
        message: String,
        /// The part of the text it is about.
        span: Span,
    },
}

impl QueryError {
    /// An error of the expression at `span`.
    pub(crate) fn eval(span: Span, message: impl Into<String>) -> QueryError {
        QueryError::Eval {
            message: message.into(),
            span,
        }
    }

    /// The limit that was hit, by its public name.
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            QueryError::PointsLimit { .. } => Some("query.max_points"),
            QueryError::SamplesLimit { .. } => Some("query.max_samples"),
            QueryError::MemoryLimit { .. } => Some("query.memory"),
            QueryError::ResponseLimit { .. } => Some("query.response_bytes"),
            QueryError::Timeout => Some("query.timeout"),
            QueryError::LabelLimit { .. } => Some("label.max_value"),
            QueryError::RegexLength { .. } => Some("regex.max_len"),
            QueryError::RegexLimit { .. } => Some("regex.size"),
            QueryError::Source(SourceError::TooManySeries { .. }) => Some("query.max_series"),
            QueryError::Source(SourceError::TooLarge { limit, .. }) => Some(limit),
            QueryError::Steps(_)
            | QueryError::Cancelled
            | QueryError::Source(SourceError::NoRoom { .. } | SourceError::Read(_))
            | QueryError::Eval { .. } => None,
        }
    }
}
