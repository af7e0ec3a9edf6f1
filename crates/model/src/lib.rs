//! The vocabulary every other crate speaks: labels, matchers, samples, time, limits.
//!
//! Nothing here knows a file, a clock or a network, and nothing here depends on another crate of ours.
//!
//! - [`labels`]: a series' identity, packed into one allocation.
//! - [`matcher`]: `=`, `!=`, `=~`, `!~` over one label.
//! - [`re2`]: regular expressions of queries, in RE2's language.
//! - [`time`]: milliseconds since the epoch, durations, and how people write both.
//! - [`value`]: staleness markers, NaN, and floats as text.
//! - [`json`]: texts as JSON.
//! - [`whole`]: which floats add up exactly.
//! - [`limits`]: every limit and default, once.
//! - [`notice`]: what one channel is to be told about one change of one alert.
//! - [`rows`]: small structures as the opaque bytes that the ledger keeps.
//! - [`text`]: numbers in sentences for people.
#![forbid(unsafe_code)]

pub mod json;
pub mod labels;
pub mod limits;
pub mod matcher;
pub mod notice;
pub mod re2;
pub mod rows;
pub mod text;
pub mod time;
pub mod value;
pub mod whole;

pub use labels::{Labels, LabelsBuilder, METRIC_NAME};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use time::{DurationMs, TimeRange, TimestampMs};
pub use value::{NativeHistogram, STALE_NAN, Sample, SampleValue, is_stale};

/// A hash map keyed per process, for tables that hold names and values from outside: crafted collisions
/// cannot be prepared. Its order is random: never let it decide an order that is seen.
#[expect(clippy::disallowed_types, reason = "this is the keyed one")]
pub type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// The set beside [`HashMap`].
#[expect(clippy::disallowed_types, reason = "this is the keyed one")]
pub type HashSet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
