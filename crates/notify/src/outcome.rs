//! What an answer means for a notice: delivered, again later, or given up.
//!
//! | answer | meaning |
//! | --- | --- |
//! | 2xx | delivered |
//! | no connection, no answer in time, 408, 425, 429, 5xx | again, until the notice is too old |
//! | 3xx, any other 4xx, anything else | again, but given up after three such answers |
//!
//! The wait doubles from one second to five minutes; of it a part between half and all is taken, chosen by key and
//! attempt, so that many notices spread and yet every run of the same history waits the same. A `Retry-After`
//! makes it longer, up to an hour.
//!
//! Not here: counting (`ledger`), waiting (`server`).

use bellwether_model::{DurationMs, TimestampMs, limits};

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// An answer, and its `Retry-After` as it stood there.
    Status {
        /// The status code.
        code: u16,
        /// The header's value.
        retry_after: Option<&'a str>,
    },
    /// No connection, a broken one, or no answer in time.
    Unreachable,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Try again; not before `wait` has passed, if the receiver asked for it.
    Retry {
        /// What the receiver asked for, not yet limited.
        wait: Option<DurationMs>,
    },
    /// The receiver does not want it.
    Refused,
}

/// The attempts of one notice so far, the one just made included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// All of them, at least one.
    pub attempts: u32,
    /// Those that were [`Verdict::Refused`].
    pub refused: u32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is delivered.
    Done,
    /// Try again at this time.
    RetryAt(TimestampMs),
    /// Give up: a dead letter.
    GiveUp(GiveUp),
}

/// Why a notice is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// Refused `notify.client_error_tries` times.
    Refused,
    /// The next attempt would come too late to matter.
    TooOld,
}

impl GiveUp {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            GiveUp::Refused => "the receiver refuses it (notify.client_error_tries)",
            GiveUp::TooOld => "it could not be delivered in time (notify.max_age)",
        }
    }
}

/// What an answer at `now` says.
pub fn judge(answer: Answer<'_>, now: TimestampMs) -> Verdict {
    match answer {
        Answer::Status {
            code: 200..=299, ..
        } => Verdict::Delivered,
        Answer::Status {
            code: 408 | 425 | 429 | 500..=599,
            retry_after,
        } => Verdict::Retry {
            wait: retry_after.and_then(|text| wait_of(text, now)),
        },
        Answer::Unreachable => Verdict::Retry { wait: None },
        Answer::Status { .. } => Verdict::Refused,
    }
}

/// What to do after an attempt that ended at `now`. `created` is when the notice was made, `max_age` how long it is
/// tried (`notify.max_age`, or what the channel says).
pub fn next(
    verdict: Verdict,
    tries: Tries,
    key: &str,
    created: TimestampMs,
    now: TimestampMs,
    max_age: DurationMs,
) -> Next {
    let asked = match verdict {
        Verdict::Delivered => return Next::Done,
        Verdict::Refused if u64::from(tries.refused) >= limits::NOTIFY_CLIENT_ERROR_TRIES.value => {
            return Next::GiveUp(GiveUp::Refused);
        }
        Verdict::Refused => None,
        Verdict::Retry { wait } => wait,
    };
    let asked = asked.map(|wait| wait.min(DurationMs(limits::NOTIFY_RETRY_AFTER_MAX.millis())));
    let wait = backoff(key, tries.attempts).max(asked.unwrap_or_default());
    let at = now.plus(wait);
    if at > created.plus(max_age) {
        return Next::GiveUp(GiveUp::TooOld);
    }
    Next::RetryAt(at)
}

/// The wait after attempt number `attempt`, counted from one.
pub fn backoff(key: &str, attempt: u32) -> DurationMs {
    let first = limits::NOTIFY_BACKOFF_FIRST.millis();
    let longest = limits::NOTIFY_BACKOFF_MAX.millis();
    let doublings = attempt.saturating_sub(1).min(20); // Far beyond the longest wait.
    let whole = (first << doublings).min(longest);
    let half = whole / 2;
    DurationMs(whole - (spread(key, attempt) % (half as u64 + 1)) as i64)
}

/// FNV-1a over key and attempt, its bits mixed: the same on every machine.
fn spread(key: &str, attempt: u32) -> u64 {
    let bytes = key.bytes().chain(attempt.to_le_bytes());
    let hash = bytes.fold(14_695_981_039_346_656_037_u64, |hash, b| {
        (hash ^ u64::from(b)).wrapping_mul(1_099_511_628_211)
    });
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

/// Reads a `Retry-After`: seconds, or an HTTP date. A date in the past is no wait.
fn wait_of(text: &str, now: TimestampMs) -> Option<DurationMs> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds are a very long wait.
        let seconds = text.parse::<i64>().unwrap_or(i64::MAX);
        return Some(DurationMs(seconds.saturating_mul(1000)));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let wait = TimestampMs(date.timestamp_millis()).since(now);
    Some(wait.max(DurationMs::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: TimestampMs = TimestampMs(1_767_323_045_000); // 2026-01-02T03:04:05Z
    const DAY: DurationMs = DurationMs(86_400_000);

    fn status(code: u16, retry_after: Option<&str>) -> Verdict {
        judge(Answer::Status { code, retry_after }, NOW)
    }

    fn tries(attempts: u32, refused: u32) -> Tries {
        Tries { attempts, refused }
    }

    #[test]
    fn answers_are_judged_by_their_code() {
        for code in [200, 202, 204, 299] {
            assert_eq!(status(code, None), Verdict::Delivered);
        }
        for code in [408, 425, 429, 500, 502, 503, 599] {
            assert_eq!(status(code, None), Verdict::Retry { wait: None }, "{code}");
        }
        for code in [
            100, 199, 301, 302, 307, 400, 401, 403, 404, 410, 422, 600, 0,
        ] {
            assert_eq!(status(code, Some("5")), Verdict::Refused, "{code}");
        }
        assert_eq!(
            judge(Answer::Unreachable, NOW),
            Verdict::Retry { wait: None }
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |text| status(429, Some(text));
        let seconds = |s| Verdict::Retry {
            wait: Some(DurationMs::from_secs(s)),
        };
        assert_eq!(wait("7"), seconds(7));
        assert_eq!(wait(" 0 "), seconds(0));
        assert_eq!(wait("Fri, 02 Jan 2026 03:04:35 GMT"), seconds(30));
        assert_eq!(wait("Fri, 02 Jan 2026 03:00:00 GMT"), seconds(0));
        for bad in ["", "-5", "1.5", "soon", "Fri, 02 Jan 2026"] {
            assert_eq!(wait(bad), Verdict::Retry { wait: None }, "{bad}");
        }
        let endless = Verdict::Retry {
            wait: Some(DurationMs(i64::MAX)),
        };
        assert_eq!(wait("99999999999999999999999"), endless);
    }

    #[test]
    fn retry_after_is_honoured_up_to_an_hour() {
        let at = |text| next(status(503, Some(text)), tries(1, 0), "K", NOW, NOW, DAY);
        assert_eq!(at("7"), Next::RetryAt(NOW.plus(DurationMs::from_secs(7))));
        assert_eq!(
            at("7200"),
            Next::RetryAt(NOW.plus(DurationMs::from_mins(60)))
        );
        let Next::RetryAt(soon) = at("0") else {
            panic!("a retry");
        };
        assert!(
            soon.since(NOW) >= DurationMs(500),
            "never faster than the backoff"
        );
    }

    #[test]
    fn waits_double_spread_and_are_the_same_every_time() {
        for attempt in 1..40 {
            let whole = (1000i64 << (attempt - 1).min(30)).min(300_000);
            let waits: Vec<i64> = (0..200)
                .map(|n| backoff(&n.to_string(), attempt).0)
                .collect();
            assert!(
                waits.iter().all(|w| (whole / 2..=whole).contains(w)),
                "{attempt}"
            );
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(
                most - least > whole / 4,
                "attempt {attempt}: {least}..{most}"
            );
        }
        assert_eq!(backoff("K", 3), backoff("K", 3));
        assert_eq!(backoff("K", u32::MAX).0, backoff("K", u32::MAX).0);
    }

    #[test]
    fn refusals_are_counted_and_age_ends_everything() {
        let refused = |n| next(Verdict::Refused, tries(9, n), "K", NOW, NOW, DAY);
        assert!(matches!(refused(1), Next::RetryAt(_)));
        assert!(matches!(refused(2), Next::RetryAt(_)));
        assert_eq!(refused(3), Next::GiveUp(GiveUp::Refused));
        let old = next(
            Verdict::Retry { wait: None },
            tries(300, 0),
            "K",
            NOW.minus(DAY),
            NOW,
            DAY,
        );
        assert_eq!(old, Next::GiveUp(GiveUp::TooOld));
        let done = next(
            Verdict::Delivered,
            tries(300, 2),
            "K",
            NOW.minus(DAY),
            NOW,
            DAY,
        );
        assert_eq!(done, Next::Done);
    }
}
