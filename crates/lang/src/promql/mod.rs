//! PromQL as Prometheus 3 defines it: text in, a typed tree out, and back to text.
//!
//! What upstream hides behind feature flags is simply there. Everything is checked on the way in: types,
//! argument counts, and the limits `query.max_len`, `query.max_nodes`, `query.max_depth`, `regex.per_query`.
//! The first mistake ends the parse, with its place and a proposal; for rule files all are told that can be.
//!
//! - [`ast`]: the tree.
//! - [`functions`]: the table of functions.
//! - [`error`]: what is wrong, and where.
//! - `lex`, `quote`, `parser`: tokens, quoted texts, and the state that counts against the limits.
//! - `parse`, `suffix`, `selector`, `duration`, `matching`: the grammar; `check`: the types.
//! - `series`, `sequence`: series lines of tests.
//! - `print`, `pretty`: the tree as text, in one line or in several, `parse(print(x)) == x`.

pub mod ast;
mod check;
mod duration;
pub mod error;
pub mod functions;
#[doc(hidden)]
pub mod fuzzing;
mod lex;
mod matching;
mod parse;
mod parser;
mod pretty;
mod print;
mod quote;
mod selector;
mod sequence;
mod series;
mod suffix;

pub use ast::Expr;
pub use error::ParseError;
pub use functions::{FUNCTIONS, Function, function};
pub(crate) use parse::recover_with_lets;
pub use parse::{parse, parse_part, parse_with_lets};
pub use parser::Lets;
pub use selector::{parse_matchers, parse_matchers_part, parse_selector};
pub use sequence::Sequence;
pub use series::{SeriesLine, parse_series_line, parse_series_line_part, parse_series_part};
