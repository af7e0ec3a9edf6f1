//! Answers in gzip, for those who take it: whole ones at once, and part by part those that are made while they are sent.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{self, HeaderValue};
use tokio::sync::mpsc;

use super::answer::Answer;
use super::outgoing::Rest;

/// Answers below this size are not worth the work.
const GZIP_FROM: usize = 1024;
/// Answers above this size are compressed off the threads that serve connections.
const GZIP_INLINE_MAX: usize = 64 * 1024;
/// How large a part of a stream is before it is sent.
const PART_BYTES: usize = 64 * 1024;

/// True when `Accept-Encoding` names gzip, or everything, without a quality of zero.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let accepts = |item: &str| {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or("");
        let zero = |p: &str| {
            p.strip_prefix("q=")
                .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0))
        };
        (coding.eq_ignore_ascii_case("gzip") || coding == "*") && !parts.any(zero)
    };
    values
        .filter_map(|v| v.to_str().ok())
        .any(|v| v.split(',').map(str::trim).any(accepts))
}

pub(super) async fn compress(mut answer: Answer, accepted: bool) -> Answer {
    let is_packed = answer.headers.contains_key(header::CONTENT_ENCODING);
    if !accepted || is_packed {
        return answer;
    }
    if let Some(rest) = answer.rest.take() {
        answer.rest = Some(stream(std::mem::take(&mut answer.body), rest));
    } else if answer.body.len() < GZIP_FROM {
        return answer;
    } else if answer.body.len() <= GZIP_INLINE_MAX {
        answer.body = gzip(&answer.body).into();
    } else {
        let body = answer.body.clone();
        match tokio::task::spawn_blocking(move || gzip(&body)).await {
            Ok(zipped) => answer.body = zipped.into(),
            Err(_) => return answer, // The runtime is going down; the plain answer is as good.
        }
    }
    answer
        .headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
        .headers
        .append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    answer
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to a `Vec` cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// A body in the making, packed on a thread of its own. It ends as `rest` ends, whole or broken off, and when nobody reads it `rest`
/// is not read any further either.
fn stream(first: Bytes, mut rest: Rest) -> Rest {
    let (send, packed) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut part = Some(first);
        while let Some(bytes) = part {
            let _ = encoder.write_all(&bytes);
            if encoder.get_ref().len() >= PART_BYTES {
                let full = std::mem::take(encoder.get_mut());
                if send.blocking_send(Some(full.into())).is_err() {
                    return;
                }
            }
            part = match rest.blocking_recv() {
                Some(next) => next,
                None => return,
            };
        }
        let last = encoder.finish().unwrap_or_default();
        if send.blocking_send(Some(last.into())).is_ok() {
            let _ = send.blocking_send(None);
        }
    });
    packed
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use hyper::StatusCode;

    use super::*;

    /// What arrives of parts that are packed, and whether it is whole.
    fn packed(parts: &[Option<&'static [u8]>]) -> (Vec<u8>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(async {
            let (send, rest) = mpsc::channel(parts.len().max(1));
            for part in parts {
                send.send(part.map(Bytes::from_static)).await.unwrap();
            }
            drop(send);
            let mut answer = Answer::text(&b"first,"[..]);
            answer.rest = Some(rest);
            let mut answer = compress(answer, true).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.headers[header::CONTENT_ENCODING], "gzip");
            let mut got = answer.body.to_vec();
            let mut rest = answer.rest.take().unwrap();
            while let Some(part) = rest.recv().await {
                match part {
                    Some(bytes) => got.extend_from_slice(&bytes),
                    None => return (got, true),
                }
            }
            (got, false)
        })
    }

    #[test]
    fn what_is_made_while_it_is_sent_is_packed_as_it_comes() {
        let (got, whole) = packed(&[Some(b"second,"), Some(b"third"), None]);
        let mut text = String::new();
        GzDecoder::new(got.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!((text.as_str(), whole), ("first,second,third", true));
    }

    #[test]
    fn what_breaks_off_does_not_end_as_a_whole() {
        let (_, whole) = packed(&[Some(b"second,")]);
        assert!(!whole);
    }
}
