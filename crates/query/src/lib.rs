//! Evaluates PromQL over a [`Source`]: whole columns of steps at a time, not point by point.
//!
//! [`range`] is the general case; [`instant`] is a range of one step. Both are pure: the same expression over the same
//! samples gives the same bits, whatever the number of threads. Errors name the limit that was hit.
//!
//! The way through: `plan.rs` turns the tree into nodes that know which samples they need; `eval.rs` walks
//! them; `pipe.rs` streams series through window kernels (`window/`) and maps into either a
//! [`vector`](self) of columns or the accumulators of an aggregation (`aggregate/`). [`explain`](explain()) shows the plan with what
//! each node made and took.
//!
//! Not here: parsing (`lang`), the HTTP envelope (`server`), native histograms.
#![forbid(unsafe_code)]

pub mod source;

mod control;
mod error;
mod json;
mod notes;
mod steps;

mod aggregate;
mod binary;
mod budget;
mod chunks;
mod eval;
mod explain;
mod functions;
mod grouping;
mod helpers;
mod mask;
mod pipe;
mod plan;
mod reads;
mod scalar;
mod sum;
mod vector;
mod window;

mod answer;
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod promqltest;

pub use answer::{Answer, Matrix, Options, Stats, Value, When, evaluate, instant, range};
pub use control::{Control, Stop};
pub use error::QueryError;
pub use explain::{Explanation, Fate, PlanNode, PlanRead, explain, write_explanation};
pub use json::write_json;
pub use source::{
    Columns, Course, Digest, Digests, Need, Select, SeriesReader, SeriesSet, Source, SourceError,
    Totals,
};
pub use steps::Steps;
