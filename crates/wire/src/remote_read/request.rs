//! The questions: which series, and when.

use bellwether_model::limits::{
    READ_MATCHERS_MAX, READ_QUERIES_MAX, READ_REQUEST_MAX, REGEX_PER_QUERY_MAX,
};
use bellwether_model::matcher::MatcherError;
use bellwether_model::{MatchOp, Matcher, TimeRange};

use super::protobuf::{
    Fields, Malformed, Value, push_bytes_field, push_varint_field, take_varint, text,
};

/// The response type that is spoken here.
const SAMPLES: u64 = 0;

/// One question: which series, and when, both ends included.
#[derive(Clone, Debug)]
pub struct ReadQuery {
    /// When.
    pub range: TimeRange,
    /// All of them must hold.
    pub matchers: Vec<Matcher>,
}

/// Why a body is no request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not a snappy block.
    #[error("the body is no snappy block: {0}")]
    Snappy(String),
    /// The block says that it is larger than allowed.
    #[error("the decoded request is larger than {max} bytes, it has {got} (read.request)")]
    TooLarge {
        /// What the block says.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not a message.
    #[error("the decoded body is no ReadRequest")]
    Malformed,
    /// More queries than allowed.
    #[error("more than {max} queries (read.queries)")]
    TooManyQueries {
        /// The limit.
        max: usize,
    },
    /// More matchers than allowed.
    #[error("query {query} has more than {max} matchers (read.matchers)")]
    TooManyMatchers {
        /// Which, from 1.
        query: usize,
        /// The limit.
        max: usize,
    },
    /// More patterns than allowed, all queries together.
    #[error("more than {max} regular expressions (regex.per_query)")]
    TooManyPatterns {
        /// The limit.
        max: usize,
    },
    /// A bad pattern.
    #[error("query {query}: {error}")]
    Matcher {
        /// Which, from 1.
        query: usize,
        /// What is wrong with it.
        error: MatcherError,
    },
    /// A kind of matcher that is not known.
    #[error("query {query}: there is no matcher of type {got}")]
    MatcherType {
        /// Which, from 1.
        query: usize,
        /// What stands there.
        got: u64,
    },
    /// The client takes no samples.
    #[error("none of the accepted response types is SAMPLES, the one that is spoken here")]
    NotAccepted,
}

impl From<Malformed> for ReadError {
    fn from(_: Malformed) -> ReadError {
        ReadError::Malformed
    }
}

/// Reads the questions out of a request's body. Memory is taken for at most `read.request`.
pub fn decode(body: &[u8]) -> Result<Vec<ReadQuery>, ReadError> {
    let snappy = |error: snap::Error| ReadError::Snappy(error.to_string());
    let (got, max) = (
        snap::raw::decompress_len(body).map_err(snappy)?,
        READ_REQUEST_MAX.usize(),
    );
    if got > max {
        return Err(ReadError::TooLarge { got, max });
    }
    let message = snap::raw::Decoder::new().decompress_vec(body);
    request(&message.map_err(snappy)?)
}

/// Reads a `ReadRequest`.
pub(crate) fn request(message: &[u8]) -> Result<Vec<ReadQuery>, ReadError> {
    let (mut queries, mut accepted, mut patterns) = (Vec::new(), Vec::new(), 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => {
                if queries.len() == READ_QUERIES_MAX.usize() {
                    let max = READ_QUERIES_MAX.usize();
                    return Err(ReadError::TooManyQueries { max });
                }
                let query = query(queries.len() + 1, bytes)?;
                let is_pattern =
                    |m: &&Matcher| matches!(m.op(), MatchOp::Regex | MatchOp::NotRegex);
                patterns += query.matchers.iter().filter(is_pattern).count();
                if patterns > REGEX_PER_QUERY_MAX.usize() {
                    let max = REGEX_PER_QUERY_MAX.usize();
                    return Err(ReadError::TooManyPatterns { max });
                }
                queries.push(query);
            }
            (1, _) => return Err(ReadError::Malformed),
            (2, Value::Varint(kind)) => accepted.push(kind),
            // Packed, as proto3 writes lists of numbers.
            (2, Value::Bytes(mut bytes)) => {
                while !bytes.is_empty() {
                    accepted.push(take_varint(&mut bytes)?);
                }
            }
            _ => {}
        }
    }
    if accepted.is_empty() || accepted.contains(&SAMPLES) {
        Ok(queries)
    } else {
        Err(ReadError::NotAccepted)
    }
}

fn query(number: usize, message: &[u8]) -> Result<ReadQuery, ReadError> {
    let (mut from, mut to, mut matchers) = (0, 0, Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Varint(start)) => from = start as i64,
            (2, Value::Varint(end)) => to = end as i64,
            (3, Value::Bytes(bytes)) => {
                let max = READ_MATCHERS_MAX.usize();
                if matchers.len() == max {
                    return Err(ReadError::TooManyMatchers { query: number, max });
                }
                matchers.push(matcher(number, bytes)?);
            }
            (1..=3, _) => return Err(ReadError::Malformed),
            _ => {}
        }
    }
    Ok(ReadQuery {
        range: TimeRange::new(from, to),
        matchers,
    })
}

fn matcher(query: usize, message: &[u8]) -> Result<Matcher, ReadError> {
    let (mut kind, mut name, mut value) = (0, "", "");
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Varint(number)) => kind = number,
            (2, Value::Bytes(bytes)) => name = text(bytes)?,
            (3, Value::Bytes(bytes)) => value = text(bytes)?,
            (1..=3, _) => return Err(ReadError::Malformed),
            _ => {}
        }
    }
    let op = match kind {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        got => return Err(ReadError::MatcherType { query, got }),
    };
    Matcher::new(op, name, value).map_err(|error| ReadError::Matcher { query, error })
}

/// The body of a request for `queries`, which takes samples for an answer. Errors for what no snappy block can hold (4 GiB).
pub fn encode(queries: &[ReadQuery]) -> Result<Vec<u8>, ReadError> {
    let mut message = Vec::new();
    push_request(&mut message, queries, &[SAMPLES]);
    let body = snap::raw::Encoder::new().compress_vec(&message);
    body.map_err(|error| ReadError::Snappy(error.to_string()))
}

/// The message of a request for `queries`.
pub(crate) fn push_request(out: &mut Vec<u8>, queries: &[ReadQuery], accepted: &[u64]) {
    for query in queries {
        let mut message = Vec::new();
        push_varint_field(&mut message, 1, query.range.from.0 as u64);
        push_varint_field(&mut message, 2, query.range.to.0 as u64);
        for matcher in &query.matchers {
            let mut inner = Vec::new();
            push_varint_field(&mut inner, 1, matcher.op() as u64);
            push_bytes_field(&mut inner, 2, matcher.name().as_bytes());
            push_bytes_field(&mut inner, 3, matcher.value().as_bytes());
            push_bytes_field(&mut message, 3, &inner);
        }
        push_bytes_field(out, 1, &message);
    }
    for kind in accepted {
        push_varint_field(out, 2, *kind);
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn queries(count: usize, matchers: usize) -> Vec<ReadQuery> {
        let matcher = Matcher::new(MatchOp::NotRegex, "job", "a.*").unwrap();
        let query = ReadQuery {
            range: TimeRange::new(-5, 7),
            matchers: vec![matcher; matchers],
        };
        vec![query; count]
    }

    fn body(queries: &[ReadQuery], accepted: &[u64]) -> Vec<u8> {
        let mut message = Vec::new();
        push_request(&mut message, queries, accepted);
        snap::raw::Encoder::new().compress_vec(&message).unwrap()
    }

    #[test]
    fn questions_come_through() {
        for accepted in [&[][..], &[0], &[1, 0]] {
            let got = decode(&body(&queries(2, 1), accepted)).unwrap();
            assert_eq!(got.len(), 2);
            assert_eq!(got[1].range, TimeRange::new(-5, 7));
            let matcher = &got[1].matchers[0];
            assert_eq!(
                (matcher.op(), matcher.name(), matcher.value()),
                (MatchOp::NotRegex, "job", "a.*")
            );
        }
        assert!(decode(&body(&[], &[])).unwrap().is_empty());
        let encoded = decode(&encode(&queries(3, 2)).unwrap()).unwrap();
        assert_eq!(format!("{encoded:?}"), format!("{:?}", queries(3, 2)));
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let compress = |message: &[u8]| snap::raw::Encoder::new().compress_vec(message).unwrap();
        for (body, want) in [
            (body(&queries(1, 1), &[1]), ReadError::NotAccepted),
            (
                body(&queries(READ_QUERIES_MAX.usize() + 1, 0), &[]),
                ReadError::TooManyQueries {
                    max: READ_QUERIES_MAX.usize(),
                },
            ),
            (
                body(&queries(1, READ_MATCHERS_MAX.usize() + 1), &[]),
                ReadError::TooManyMatchers {
                    query: 1,
                    max: READ_MATCHERS_MAX.usize(),
                },
            ),
            // A block that says it holds 4 GiB.
            (
                vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0],
                ReadError::TooLarge {
                    got: u32::MAX as usize,
                    max: READ_REQUEST_MAX.usize(),
                },
            ),
            (compress(b"\x0a\x05\x08"), ReadError::Malformed),
            (compress(b"\x08\x01"), ReadError::Malformed),
            (
                compress(b"\x0a\x04\x1a\x02\x08\x09"),
                ReadError::MatcherType { query: 1, got: 9 },
            ),
            (
                compress(b"\x0a\x05\x1a\x03\x12\x01\xff"),
                ReadError::Malformed,
            ),
        ] {
            assert_eq!(decode(&body).unwrap_err(), want);
        }
        for body in [&b""[..], b"\x05hello", b"\x80"] {
            assert!(
                matches!(decode(body), Err(ReadError::Snappy(_))),
                "{body:?}"
            );
        }
        let pattern = decode(&compress(b"\x0a\x09\x1a\x07\x08\x02\x12\x00\x1a\x01("));
        assert!(
            matches!(pattern, Err(ReadError::Matcher { query: 1, .. })),
            "{pattern:?}"
        );
        assert_eq!(
            decode(&body(&queries(33, 1), &[])).unwrap_err(),
            ReadError::TooManyPatterns { max: 32 }
        );
    }
}
