//! Fuzz targets: plain functions over bytes, each with an oracle.

use bellwether_model::notice::Notice;
use bellwether_model::{DurationMs, TimestampMs};

use crate::outcome::{Answer, Next, Tries, judge, next};
use crate::webhook::body;

/// Bytes as the row of a notice: what is accepted encodes to the same bytes, makes a JSON body and one line.
pub fn notice_rows(data: &[u8]) {
    let Ok(notice) = Notice::decode(data) else {
        return;
    };
    assert_eq!(notice.encode(), data);
    let body = body(&notice, "http://localhost:9090");
    let body: Result<serde_json::Value, _> = serde_json::from_slice(&body);
    let resolved = body.is_ok_and(|body| body["status"] == "resolved");
    assert_eq!(resolved, notice.kind.ends());
    assert!(!crate::line::log_line(&notice).contains(char::is_control));
}

/// Text as `Retry-After`: a retry comes within an hour of the answer, and never before it.
pub fn retry_after(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let now = TimestampMs(1_767_323_045_000);
    let answer = Answer::Status {
        code: 429,
        retry_after: Some(text),
    };
    let tries = Tries {
        attempts: 1,
        refused: 0,
    };
    let verdict = judge(answer, now);
    let Next::RetryAt(at) = next(verdict, tries, "K", now, now, DurationMs(i64::MAX)) else {
        panic!("a 429 is tried again");
    };
    assert!(now < at && at.since(now) <= DurationMs::from_mins(60));
}

#[cfg(test)]
mod tests {
    use bellwether_model::Labels;
    use bellwether_model::notice::NoticeKind;

    use super::*;

    /// The smoke run: samples with bytes changed, cut and inserted.
    fn smoke(target: fn(&[u8]), samples: &[Vec<u8>]) {
        let mut seed: u64 = 7;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for round in 0..20_000 {
            let mut data = samples[round % samples.len()].clone();
            for _ in 0..random() % 4 {
                let at = random() % data.len().max(1);
                match random() % 3 {
                    0 if !data.is_empty() => data[at] = random() as u8,
                    1 => data.truncate(at),
                    _ => data.insert(at.min(data.len()), random() as u8),
                }
            }
            target(&data);
        }
    }

    #[test]
    fn damaged_notices_are_refused_or_mean_themselves() {
        let notice = |kind: NoticeKind| Notice {
            key: "K".into(),
            channel: "hook".into(),
            rule: "A".into(),
            kind,
            labels: Labels::from_pairs([("alertname", "A"), ("x", "\u{1b}\"")]),
            identity: Labels::from_pairs([("alertname", "A")]),
            annotations: vec![("summary".into(), "s\n".into())],
            value: f64::NAN,
            threshold: Some(f64::INFINITY),
            level: 5,
            at: TimestampMs(i64::MAX),
            active_at: TimestampMs(i64::MIN),
            starts_at: TimestampMs(0),
            ends_at: kind.ends().then_some(TimestampMs(-1)),
            reason: Some("r".into()),
            query_path: "/graph".into(),
        };
        let samples: Vec<Vec<u8>> = NoticeKind::ALL.map(|k| notice(k).encode()).into();
        smoke(notice_rows, &samples);
    }

    #[test]
    fn any_retry_after_is_bounded() {
        let samples = ["7", "99999999999", "Fri, 02 Jan 2026 03:04:35 GMT", "-1"];
        smoke(retry_after, &samples.map(|s| s.as_bytes().to_vec()));
    }
}
