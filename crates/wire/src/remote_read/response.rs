//! The answers: written series by series by who has the samples, read by who has asked.
//!
//! An answer that is read keeps its samples packed, in the one allocation that the message came into; they are unpacked
//! whenever a series is looked at. What [`ReadAnswer::decode`] lets through needs no more checking.

use std::ops::Range;

use bellwether_model::Labels;

use super::protobuf::{
    Fields, Malformed, Value, push_bytes_field, push_double_field, push_varint_field, text,
};
use super::request::ReadError;

/// An answer in the making: the series of the first question, of the second, and so on.
#[derive(Clone, Debug, Default)]
pub struct ReadResponse {
    out: Vec<u8>,
    /// The series of the question at hand.
    result: Vec<u8>,
    /// Room for one message at a time, and for those inside it.
    series: Vec<u8>,
    part: Vec<u8>,
}

impl ReadResponse {
    /// An empty answer.
    pub fn new() -> ReadResponse {
        ReadResponse::default()
    }

    /// Adds a series to the question at hand; markers of staleness go along bit by bit.
    pub fn push_series(&mut self, labels: &Labels, times: &[i64], values: &[f64]) {
        self.series.clear();
        for (name, value) in labels {
            self.part.clear();
            push_bytes_field(&mut self.part, 1, name.as_bytes());
            push_bytes_field(&mut self.part, 2, value.as_bytes());
            push_bytes_field(&mut self.series, 1, &self.part);
        }
        for (time, value) in times.iter().zip(values) {
            self.part.clear();
            push_double_field(&mut self.part, 1, *value);
            push_varint_field(&mut self.part, 2, *time as u64);
            push_bytes_field(&mut self.series, 2, &self.part);
        }
        push_bytes_field(&mut self.result, 1, &self.series);
    }

    /// Ends the question at hand.
    pub fn end_query(&mut self) {
        push_bytes_field(&mut self.out, 1, &self.result);
        self.result.clear();
    }

    /// How many bytes of message there are.
    pub fn len(&self) -> usize {
        self.out.len() + self.result.len()
    }

    /// True before the first series and the first end.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body: the message as a snappy block. Errors for messages that no block can hold (4 GiB).
    pub fn finish(self) -> Result<Vec<u8>, ReadError> {
        let body = snap::raw::Encoder::new().compress_vec(&self.out);
        body.map_err(|error| ReadError::Snappy(error.to_string()))
    }
}

/// Why a body is no answer to the one question that was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not a snappy block.
    #[error("the body is no snappy block: {0}")]
    Snappy(String),
    /// The block says that it holds more than there is room for.
    #[error("the decoded answer has {got} bytes, and there is room for {max}")]
    TooLarge {
        /// What the block says.
        got: usize,
        /// The room.
        max: usize,
    },
    /// Not a message.
    #[error("the decoded body is no ReadResponse")]
    Malformed,
    /// It answers something else.
    #[error("{got} questions are answered, and one was asked")]
    Results {
        /// How many.
        got: usize,
    },
    /// More series than the caller takes.
    #[error("more than {max} series")]
    TooManySeries {
        /// How many it takes.
        max: usize,
    },
    /// A series stands there a second time.
    #[error("the series {0} comes twice")]
    Twice(Labels),
    /// Times of a series that do not ascend.
    #[error("samples of {0} are not in the order of their times")]
    Disorder(Labels),
}

impl From<Malformed> for AnswerError {
    fn from(_: Malformed) -> AnswerError {
        AnswerError::Malformed
    }
}

/// The answer to one question: series sorted by labels, each once, the times of each strictly ascending.
#[derive(Clone, Debug)]
pub struct ReadAnswer {
    message: Vec<u8>,
    series: Vec<Packed>,
    /// How many of the series have native histograms, which are left out.
    pub with_histograms: usize,
}

#[derive(Clone, Debug)]
struct Packed {
    labels: Labels,
    /// Where its `TimeSeries` is in the message.
    at: Range<usize>,
}

/// How many bytes the message of `body` has. Nothing is allocated yet.
pub fn decoded_len(body: &[u8]) -> Result<usize, AnswerError> {
    snap::raw::decompress_len(body).map_err(|error| AnswerError::Snappy(error.to_string()))
}

impl ReadAnswer {
    /// Reads the answer to a single question out of a body. Takes memory for a message of at most `message_max` bytes, and for
    /// the labels of at most `series_max` series.
    pub fn decode(
        body: &[u8],
        message_max: usize,
        series_max: usize,
    ) -> Result<ReadAnswer, AnswerError> {
        let (got, max) = (decoded_len(body)?, message_max);
        if got > max {
            return Err(AnswerError::TooLarge { got, max });
        }
        let message = snap::raw::Decoder::new().decompress_vec(body);
        let message = message.map_err(|error| AnswerError::Snappy(error.to_string()))?;
        ReadAnswer::of(message, series_max)
    }

    /// Reads a `ReadResponse`.
    pub(crate) fn of(message: Vec<u8>, series_max: usize) -> Result<ReadAnswer, AnswerError> {
        let mut answer = ReadAnswer {
            series: Vec::new(),
            with_histograms: 0,
            message: Vec::new(),
        };
        let (mut fields, mut results) = (Fields::new(&message), 0);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(result)) => {
                    results += 1;
                    let end = message.len() - fields.left();
                    answer.read_result(result, end - result.len(), series_max)?;
                }
                (1, _) => return Err(AnswerError::Malformed),
                _ => {}
            }
        }
        if results != 1 {
            return Err(AnswerError::Results { got: results });
        }
        answer.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let twice = answer
            .series
            .windows(2)
            .find(|w| w[0].labels == w[1].labels);
        if let Some(twice) = twice {
            return Err(AnswerError::Twice(twice[0].labels.clone()));
        }
        answer.message = message;
        Ok(answer)
    }

    /// Adds the series of a `QueryResult` that begins at byte `start` of the message.
    fn read_result(
        &mut self,
        result: &[u8],
        start: usize,
        series_max: usize,
    ) -> Result<(), AnswerError> {
        let mut fields = Fields::new(result);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(series)) => {
                    if self.series.len() == series_max {
                        return Err(AnswerError::TooManySeries { max: series_max });
                    }
                    let (labels, has_histograms) = check_series(series)?;
                    self.with_histograms += usize::from(has_histograms);
                    let end = start + result.len() - fields.left();
                    let at = end - series.len()..end;
                    self.series.push(Packed { labels, at });
                }
                (1, _) => return Err(AnswerError::Malformed),
                _ => {}
            }
        }
        Ok(())
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// True without any series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The labels of all series, sorted.
    pub fn labels(&self) -> impl Iterator<Item = &Labels> {
        self.series.iter().map(|series| &series.labels)
    }

    /// The samples of a series in the order of their times; `index` is below [`ReadAnswer::len`].
    pub fn samples(&self, index: usize) -> Samples<'_> {
        let message = &self.message[self.series[index].at.clone()];
        Samples(Fields::new(message))
    }
}

/// The samples of a series: times and values.
pub struct Samples<'a>(Fields<'a>);

impl Iterator for Samples<'_> {
    type Item = (i64, f64);

    fn next(&mut self) -> Option<(i64, f64)> {
        // What is malformed was refused when the answer was read.
        while let Ok(Some(field)) = self.0.next() {
            if let (2, Value::Bytes(bytes)) = field {
                return sample(bytes).ok();
            }
        }
        None
    }
}

/// The labels of a `TimeSeries`, and whether it has native histograms. Errors unless all of it is as it must be.
fn check_series(message: &[u8]) -> Result<(Labels, bool), AnswerError> {
    let (mut pairs, mut has_histograms) = (Vec::new(), false);
    let (mut newest, mut ascends) = (None, true);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => pairs.push(label(bytes)?),
            (2, Value::Bytes(bytes)) => {
                let (time, _) = sample(bytes)?;
                ascends &= newest < Some(time);
                newest = Some(time);
            }
            (1 | 2, _) => return Err(AnswerError::Malformed),
            (4, _) => has_histograms = true,
            _ => {}
        }
    }
    let labels = labels(pairs).ok_or(AnswerError::Malformed)?;
    if ascends {
        Ok((labels, has_histograms))
    } else {
        Err(AnswerError::Disorder(labels))
    }
}

/// The pairs as labels: in any order, those with an empty value left out. `None` when a name stands there twice.
fn labels(mut pairs: Vec<(&str, &str)>) -> Option<Labels> {
    pairs.sort_unstable();
    if pairs.windows(2).any(|w| w[0].0 == w[1].0) {
        return None;
    }
    pairs.retain(|(_, value)| !value.is_empty());
    Labels::from_sorted(&pairs)
}

fn label(message: &[u8]) -> Result<(&str, &str), Malformed> {
    let (mut name, mut value) = ("", "");
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => name = text(bytes)?,
            (2, Value::Bytes(bytes)) => value = text(bytes)?,
            (1 | 2, _) => return Err(Malformed),
            _ => {}
        }
    }
    Ok((name, value))
}

fn sample(message: &[u8]) -> Result<(i64, f64), Malformed> {
    let (mut value, mut time) = (0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Fixed64(bits)) => value = bits,
            (2, Value::Varint(millis)) => time = millis as i64,
            (1 | 2, _) => return Err(Malformed),
            _ => {}
        }
    }
    Ok((time, f64::from_bits(value)))
}

#[cfg(test)]
mod tests {
    use bellwether_model::STALE_NAN;
    use proptest::prelude::*;

    use super::*;

    fn packed(message: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(message).unwrap()
    }

    /// All that is in the answer, values as bits.
    fn all(answer: &ReadAnswer) -> Vec<(Labels, Vec<(i64, u64)>)> {
        let samples = |i| answer.samples(i).map(|(t, v)| (t, v.to_bits())).collect();
        let labels = answer.labels().cloned().enumerate();
        labels.map(|(i, labels)| (labels, samples(i))).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            series in proptest::collection::btree_map(
                proptest::collection::btree_map("[a-c_]{1,3}", "[a-zé]{1,3}", 0..4),
                proptest::collection::btree_map(any::<i64>(), any::<u64>(), 0..20),
                0..8,
            ),
        ) {
            let mut response = ReadResponse::new();
            let mut want = Vec::new();
            for (pairs, samples) in series {
                let labels = Labels::from_pairs(pairs);
                let times: Vec<i64> = samples.keys().copied().collect();
                let values: Vec<f64> = samples.values().map(|bits| f64::from_bits(*bits)).collect();
                response.push_series(&labels, &times, &values);
                want.push((labels, samples.into_iter().collect::<Vec<_>>()));
            }
            response.end_query();
            let body = response.finish().unwrap();
            let answer = ReadAnswer::decode(&body, usize::MAX, want.len()).unwrap();
            want.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(all(&answer), want);
        }
    }

    #[test]
    fn zeros_may_be_left_out_and_unknown_fields_are_skipped() {
        let stale = STALE_NAN.to_bits().to_le_bytes();
        let mut series =
            b"\x0a\x06\x0a\x01b\x12\x01x\x0a\x06\x0a\x01a\x12\x01y\x0a\x03\x0a\x01e".to_vec();
        series.extend(b"\x12\x00\x12\x0d\x10\x05\x18\x01\x09"); // At 0, value 0; at 5, and a field that nobody knows.
        series.extend(stale);
        series.extend(b"\x1a\x00\x22\x00"); // An exemplar, a native histogram.
        let mut message = vec![0x0a, series.len() as u8 + 2, 0x0a, series.len() as u8];
        message.extend(series);
        let answer = ReadAnswer::decode(&packed(&message), message.len(), 1).unwrap();
        let labels = Labels::from_pairs([("a", "y"), ("b", "x")]);
        assert_eq!(
            all(&answer),
            [(labels, vec![(0, 0), (5, STALE_NAN.to_bits())])]
        );
        assert_eq!(answer.with_histograms, 1);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let named = |name: &str| Labels::from_pairs([(name, "x")]);
        let series = |samples: &[u8]| {
            let labels = b"\x0a\x06\x0a\x01a\x12\x01x";
            let series = [labels, samples].concat();
            [&[0x0a, series.len() as u8][..], &series].concat()
        };
        let result = |series: &[u8]| [&[0x0a, series.len() as u8][..], series].concat();
        for (message, want) in [
            (b"\x0a\x05".to_vec(), AnswerError::Malformed),
            (b"\x08\x01".to_vec(), AnswerError::Malformed),
            (result(b"\x08\x01"), AnswerError::Malformed),
            (Vec::new(), AnswerError::Results { got: 0 }),
            (
                b"\x0a\x00\x0a\x00".to_vec(),
                AnswerError::Results { got: 2 },
            ),
            (result(&series(b"\x12\x02\x08\x01")), AnswerError::Malformed),
            (result(&series(b"\x12\x01\x09")), AnswerError::Malformed),
            (
                result(&series(b"\x0a\x06\x0a\x01a\x12\x01y")),
                AnswerError::Malformed,
            ),
            (
                result(&series(b"\x0a\x03\x0a\x01\xff")),
                AnswerError::Malformed,
            ),
            (
                result(&series(b"\x12\x02\x10\x05\x12\x02\x10\x05")),
                AnswerError::Disorder(named("a")),
            ),
            (
                result(&[series(b""), series(b"")].concat()),
                AnswerError::Twice(named("a")),
            ),
            (
                result(&[series(b""), series(b""), series(b"")].concat()),
                AnswerError::TooManySeries { max: 2 },
            ),
        ] {
            let got = ReadAnswer::decode(&packed(&message), 1000, 2);
            assert_eq!(got.unwrap_err(), want, "{message:?}");
        }
        // A block that says it holds 4 GiB, and one that holds a byte more than there is room for.
        let huge = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        for (body, got) in [(&huge[..], u32::MAX as usize), (&packed(&[0; 11]), 11)] {
            let error = ReadAnswer::decode(body, 10, 1).unwrap_err();
            assert_eq!(error, AnswerError::TooLarge { got, max: 10 });
        }
        for body in [
            &b""[..],
            b"\x05hello",
            b"\x1f\x8b\x08\x00\x00\x00",
            b"<html>",
        ] {
            let error = ReadAnswer::decode(body, 1000, 1).unwrap_err();
            assert!(matches!(error, AnswerError::Snappy(_)), "{error}");
        }
    }

    #[test]
    fn an_answer_is_the_bytes_that_prometheus_reads() {
        let mut answer = ReadResponse::new();
        assert!(answer.is_empty());
        let labels = Labels::from_pairs([("a", "b")]);
        answer.push_series(&labels, &[300, -1], &[1.0, 2.0]);
        answer.end_query();
        answer.end_query();
        let message = snap::raw::Decoder::new()
            .decompress_vec(&answer.finish().unwrap())
            .unwrap();
        let want: &[u8] = &[
            0x0a, 0x2e, // results[0]
            0x0a, 0x2c, // timeseries[0]
            0x0a, 0x06, 0x0a, 1, b'a', 0x12, 1, b'b', // labels[0]
            0x12, 0x0c, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02, // samples[0]
            0x12, 0x14, 0x09, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, // samples[1]
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, //
            0x0a, 0x00, // results[1]
        ];
        assert_eq!(message, want);
    }
}
