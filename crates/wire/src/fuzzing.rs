//! Entry points for the fuzzer: each holds the code against an oracle, not only against panics.

use std::borrow::Cow;

use bellwether_model::{Labels, METRIC_NAME};

use crate::gzip::{GzipError, GzipLimits};
use crate::line_protocol::{
    Cursor, Field, FieldValue, Head, Lines, Mapping, Precision, parse_line, print_line,
};
use crate::remote_read::{ReadAnswer, ReadResponse};

/// Any bytes as a body: lines, cursor and head agree with each other, errors point into the line,
/// guesses change nothing, and what was read is printed and read again the same.
pub fn line_protocol(data: &[u8]) {
    let mut numbers = 0;
    for (number, line) in Lines::new(data) {
        assert!(number > numbers, "line numbers go up");
        numbers = number;
        assert_eq!(
            data.split(|b| *b == b'\n')
                .nth(number - 1)
                .map(|raw| holds(raw, line)),
            Some(true)
        );
        let fields = read_by_cursor(line);
        match parse_line(number, line, Precision::Auto) {
            Ok((head, parsed, time)) => {
                assert_eq!(fields.as_ref(), Ok(&parsed));
                assert!(!head.measurement.is_empty() && !parsed.is_empty());
                check_labels(&head, &parsed);
                let raw = time.map(|t| t.0);
                read_back(&head, &parsed, raw);
            }
            Err(error) => {
                assert_eq!(error.line, number);
                assert!(1 <= error.column && error.column <= line.len() + 1);
                assert!(error.to_string().contains("unable to parse"));
            }
        }
    }
}

fn holds(raw: &[u8], line: &[u8]) -> bool {
    raw.windows(line.len()).any(|w| w == line)
}

fn read_by_cursor(line: &[u8]) -> Result<Vec<Field<'_>>, ()> {
    let mut plain = Cursor::new(line).map_err(drop)?;
    let mut guessing = plain.clone();
    let mut fields = Vec::new();
    while let Some(field) = plain.field(b"").map_err(drop)? {
        // The right guess, and one that is a byte short, must both lead to the same field.
        let mut short = guessing.clone();
        assert_eq!(
            short.field(&field.key[..field.key.len() - 1]),
            Ok(Some(field))
        );
        assert_eq!(guessing.field(field.key), Ok(Some(field)));
        fields.push(field);
    }
    Ok(fields)
}

fn check_labels(head: &Head<'_>, fields: &[Field<'_>]) {
    let mapping = Mapping::default();
    let Ok(mut shared) = mapping.shared_labels(head) else {
        return;
    };
    for field in fields {
        let Ok(labels) = mapping.series(&mut shared, head, field.key) else {
            continue;
        };
        for (name, value) in &labels {
            assert!(bellwether_model::labels::is_legacy_label_name(name));
            assert!(!value.is_empty());
            assert!(!name.starts_with("__") || name == METRIC_NAME);
        }
        assert!(
            labels
                .metric()
                .is_some_and(bellwether_model::labels::is_legacy_metric_name)
        );
    }
}

fn read_back(head: &Head<'_>, fields: &[Field<'_>], time: Option<i64>) {
    let tags: Vec<(&str, &str)> = head.tags.iter().map(|(n, v)| (&**n, &**v)).collect();
    // Keys keep their escapes in a field; printing wants them plain.
    let plain: Vec<Option<Cow<'_, str>>> = fields.iter().map(Field::name).collect();
    let Some(plain) = plain.into_iter().collect::<Option<Vec<_>>>() else {
        return; // Not UTF-8: no name, so nothing that could be printed.
    };
    let values: Vec<(&str, FieldValue<'_>)> = plain
        .iter()
        .zip(fields)
        .map(|(name, f)| (&**name, f.value))
        .collect();
    let mut text = String::new();
    if print_line(&mut text, &head.measurement, &tags, &values, time).is_err() {
        return; // A text that is not UTF-8, or a name that the reader takes and nobody should write.
    }
    let mut lines = Lines::new(text.as_bytes());
    let (number, line) = lines.next().expect("a printed point is a line");
    assert!(lines.next().is_none(), "a printed point is one line");
    if line.len() > bellwether_model::limits::INGEST_LINE_MAX.usize() {
        return; // Escapes can push a long line over the limit.
    }
    let (head2, fields2, time2) = parse_line(number, line, Precision::Milliseconds)
        .unwrap_or_else(|e| panic!("{text:?} was read, printed and refused: {e}"));
    assert_eq!((&head2, time2.map(|t| t.0)), (head, time));
    assert_eq!(fields2.len(), fields.len());
    for (a, b) in fields2.iter().zip(fields) {
        assert_eq!(a.name(), b.name());
        match (a.value, b.value) {
            (FieldValue::Float(x), FieldValue::Float(y)) => assert_eq!(x.to_bits(), y.to_bits()),
            (x, y) => assert_eq!(x, y),
        }
    }
}

/// Any bytes as a gzip body: limits hold, and decoding twice gives the same.
pub fn gzip(data: &[u8]) {
    let limits = GzipLimits {
        decoded_max: 1 << 16,
        ratio_max: 200,
    };
    let mut out = Vec::new();
    let first = crate::gzip::decode(data, &limits, &mut out);
    match &first {
        Ok(()) => assert!(out.len() <= limits.decoded_max),
        Err(GzipError::TooLarge { max }) => assert_eq!(*max, limits.decoded_max),
        Err(_) => {}
    }
    let mut again = Vec::new();
    assert_eq!(crate::gzip::decode(data, &limits, &mut again), first);
    assert_eq!(again, out);
}

/// Any bytes as the message of a remote read, and as the snappy block around one: what is understood is written and read
/// again the same.
pub fn remote_read(data: &[u8]) {
    let _ = crate::remote_read::decode(data);
    let Ok(queries) = crate::remote_read::request(data) else {
        return;
    };
    let mut message = Vec::new();
    crate::remote_read::push_request(&mut message, &queries, &[]);
    let again = crate::remote_read::request(&message).expect("what was written is read");
    assert_eq!(format!("{again:?}"), format!("{queries:?}"));
}

/// Any bytes as the answer of a remote read, and as the snappy block around one: series are sorted, times ascend, and what is
/// understood is written and read again the same.
pub fn remote_read_answer(data: &[u8]) {
    let _ = ReadAnswer::decode(data, 1 << 16, 100);
    let Ok(answer) = ReadAnswer::of(data.to_vec(), 100) else {
        return;
    };
    let all = |answer: &ReadAnswer| -> Vec<(Labels, Vec<(i64, u64)>)> {
        let samples = |i| answer.samples(i).map(|(t, v)| (t, v.to_bits())).collect();
        let labels = answer.labels().cloned().enumerate();
        labels.map(|(i, labels)| (labels, samples(i))).collect()
    };
    let series = all(&answer);
    assert!(series.windows(2).all(|w| w[0].0 < w[1].0));
    let mut response = ReadResponse::new();
    for (labels, samples) in &series {
        assert!(samples.windows(2).all(|w| w[0].0 < w[1].0));
        let times: Vec<i64> = samples.iter().map(|(t, _)| *t).collect();
        let values: Vec<f64> = samples.iter().map(|(_, v)| f64::from_bits(*v)).collect();
        response.push_series(labels, &times, &values);
    }
    response.end_query();
    let body = response.finish().expect("it is short");
    let again =
        ReadAnswer::decode(&body, usize::MAX, series.len()).expect("what was written is read");
    assert_eq!(all(&again), series);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    /// A seeded mutator: flips, inserts, removes, and doubles pieces of the samples.
    fn mutate(seed: &mut u64, sample: &[u8], alphabet: &[u8]) -> Vec<u8> {
        let mut next = |below: usize| {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            (*seed % below.max(1) as u64) as usize
        };
        let mut out = sample.to_vec();
        for _ in 0..=next(6) {
            let at = next(out.len() + 1);
            match next(4) {
                0 => out.insert(at, alphabet[next(alphabet.len())]),
                1 if at < out.len() => {
                    out.remove(at);
                }
                2 if at < out.len() => out[at] = next(256) as u8,
                _ => {
                    let end = (at + next(12)).min(out.len());
                    let piece = out[at..end].to_vec();
                    let to = next(out.len() + 1);
                    out.splice(to..to, piece);
                }
            }
        }
        out
    }

    #[test]
    fn line_protocol_smoke() {
        let samples: [&[u8]; 6] = [
            b"my\\ m,t\\ 1=a\\,b,t\\=2=c\\ d f\\ 1=1i,s=\"q\\\"x\\\\\",b=T 1700000000000000000",
            b"cpu,hostname=host_0,region=eu usage_user=58.25,usage_system=2i 1700000000\r\nm f=1\n",
            b"# comment\n\n  m,a=1 f=-1.2e+78,g=18446744073709551615u   -5  \n",
            b"m f=\"a=b, c\" 1\nm\\ f=1\nm,t= f=1",
            b"m f=1x\nm f=NaN\nm f=1e400\nm f=9223372036854775808i",
            "größe,ü=ß,__x=1 f=t,g=F,h=\"\\\\\"".as_bytes(),
        ];
        let mut seed = 0x5eed;
        for round in 0..6000 {
            let data = mutate(
                &mut seed,
                samples[round % samples.len()],
                b"\\\\,= \"\n\r\t#.-+eiu019tf_",
            );
            super::line_protocol(&data);
        }
    }

    #[test]
    fn gzip_smoke() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder
            .write_all(&b"cpu,host=a f=1,g=2 1\n".repeat(50))
            .unwrap();
        let body = encoder.finish().unwrap();
        let twice = [body.clone(), body.clone()].concat();
        let mut seed = 0x6a1b;
        super::gzip(&body);
        for round in 0..2000 {
            super::gzip(&mutate(
                &mut seed,
                if round % 2 == 0 { &body } else { &twice },
                b"\x1f\x8b\x08\x00\xff",
            ));
        }
    }

    #[test]
    fn remote_read_smoke() {
        let samples: [&[u8]; 3] = [
            b"\x0a\x1a\x08\x05\x10\x07\x1a\x14\x08\x00\x12\x08__name__\x1a\x06cpu_us\x12\x02\x01\x00",
            b"\x0a\x0d\x08\x80\x01\x1a\x08\x08\x02\x12\x01a\x1a\x01b\x0a\x00\x10\x00",
            b"\x1b\x68\x0a\x19\x08\x05\x10\x07\x1a\x13",
        ];
        let mut seed = 0x4ead;
        for round in 0..6000 {
            let data = mutate(
                &mut seed,
                samples[round % samples.len()],
                b"\x00\x01\x02\x03\x08\x0a\x10\x12\x1a\x80\xff",
            );
            super::remote_read(&data);
        }
    }

    #[test]
    fn remote_read_answer_smoke() {
        let sample = b"\x12\x0c\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xac\x02";
        let one = [
            b"\x0a\x06\x0a\x01a\x12\x01x".as_slice(),
            sample,
            b"\x12\x03\x10\xad\x02",
        ]
        .concat();
        let two = b"\x0a\x06\x0a\x01b\x12\x01x\x12\x00\x22\x00".to_vec();
        let mut result = Vec::new();
        for series in [&one, &two] {
            result.extend([0x0a, series.len() as u8]);
            result.extend(series);
        }
        let whole = [&[0x0a, result.len() as u8][..], &result].concat();
        let block = snap::raw::Encoder::new().compress_vec(&whole).unwrap();
        assert!(crate::remote_read::ReadAnswer::decode(&block, 1000, 2).is_ok());
        let samples: [&[u8]; 3] = [&whole, &block, b"\x0a\x00"];
        let mut seed = 0xa45e;
        for round in 0..6000 {
            let data = mutate(
                &mut seed,
                samples[round % samples.len()],
                b"\x00\x01\x02\x08\x09\x0a\x10\x12\x22\x80\xff",
            );
            super::remote_read_answer(&data);
        }
    }
}
