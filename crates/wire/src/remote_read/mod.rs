//! Prometheus' remote read, the form that answers samples: a snappy block around protobuf, both messages both ways.
//!
//! ```text
//! ReadRequest  { repeated Query queries = 1; repeated ResponseType accepted = 2; }
//! Query        { int64 start_ms = 1; int64 end_ms = 2; repeated LabelMatcher matchers = 3; hints = 4; }
//! LabelMatcher { Type type = 1 (= != =~ !~); string name = 2; string value = 3; }
//! ReadResponse { repeated QueryResult results = 1; }    QueryResult { repeated TimeSeries timeseries = 1; }
//! TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; exemplars = 3; repeated histograms = 4; }
//! Label        { string name = 1; string value = 2; }   Sample { double value = 1; int64 timestamp = 2; }
//! ```
//!
//! A field that is missing is zero or empty; Prometheus leaves those out.
//!
//! Not here: the streamed form. Who offers it offers this one too.

mod protobuf;
mod request;
mod response;

pub use request::{ReadError, ReadQuery, decode, encode};
pub(crate) use request::{push_request, request};
pub use response::{AnswerError, ReadAnswer, ReadResponse, Samples, decoded_len};

/// The `Content-Type` of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// The `Content-Encoding` of requests and answers.
pub const CONTENT_ENCODING: &str = "snappy";

/// What a sample of our times takes in an answer, bytes: key and length, the value's key and eight, the time's key and six.
pub const SAMPLE_BYTES: usize = 2 + 1 + 8 + 1 + 6;
