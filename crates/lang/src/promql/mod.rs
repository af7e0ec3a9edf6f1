//! PromQL as Prometheus 3 defines it: text in, a typed tree out, and back to text.
//!
//! - [`ast`]: the tree.
//! - [`functions`]: the table of functions.

pub mod ast;
pub mod functions;

pub use ast::Expr;
pub use functions::{FUNCTIONS, Function, function};
