//! The engine's state as rows: what the ledger keeps between two ticks, and across a crash.
//!
//! Keys and values are opaque to the ledger, which wraps each in its own checksummed envelope. A row is
//! written when its bytes change, and a state does not change while time merely passes.
//!
//! ```text
//! key, the leading version byte doubles as the kind of row:
//!   1 instance    rule text | labels of the result
//!   2 evaluation  rule text
//!   3 recorded    rule text
//!   4 own alert   labels of the identity
//!   5 era         (nothing)
//!   6 own begun   (nothing)
//!   (a rule's text is "alert NAME" or "record METRIC ..")
//! values, version 1 each, own alerts version 2, instances version 3:
//!   instance    identity labels | phase | 5 x track | presence | value float
//!               | option words: summary text, option threshold float (versions 1 and 2: absent, none)
//!     phase     0 inactive | 1 pending: active_at time, level | 2 firing: episode
//!     track     0 idle | 1 rising: timer | 2 held: since time | 3 clearing: since time, timer
//!     presence  0 seen | 1 missing: timer | 2 unseen
//!     timer     since time | lost signed ms
//!     episode   active_at time | fired_at time | number (version 1: absent, zero) | level | level_since time
//!               | sequence number | told: number, text each
//!     level     1 ..= 5
//!   evaluation  attempted option time | succeeded option time | failures number | error option text
//!               | deaf_until option time | skipped number | withheld number
//!   recorded    number, labels each, ascending
//!   own alert   episode | summary text
//!   era         how often the clock was set back, number
//!   own begun   how many own alerts ever began, number
//! ```
//!
//! Promises: decoding is bounded by the row, never panics, and accepts only what encoding can have written.

use std::collections::BTreeSet;

use bellwether_lang::rules::Level;
use bellwether_model::rows::{RowError, RowReader, RowWriter};
use bellwether_model::{DurationMs, Labels, TimestampMs};

use crate::effects::InstanceChange;
use crate::instance::{Episode, Instance, LEVELS, Phase, Presence, Timer, Track, Words};
use crate::own::OwnAlert;

/// The version of values without episodes.
const VERSION: u64 = 1;

/// The version of alerts about the engine. From 2 on, episodes have numbers.
const OWN_VERSION: u64 = 2;

/// The version of instances. From 2 on, episodes have numbers; from 3 on, instances have words.
const INSTANCE_VERSION: u64 = 3;

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowKey {
    Instance { rule: String, result: Labels },
    Evaluation { rule: String },
    Recorded { rule: String },
    Own { identity: Labels },
    Era,
    OwnBegun,
}

impl RowKey {
    /// The largest kind.
    const KINDS: u64 = 6;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::new(match self {
            RowKey::Instance { .. } => 1,
            RowKey::Evaluation { .. } => 2,
            RowKey::Recorded { .. } => 3,
            RowKey::Own { .. } => 4,
            RowKey::Era => 5,
            RowKey::OwnBegun => 6,
        });
        match self {
            RowKey::Instance { rule, result } => row.text(rule).labels(result),
            RowKey::Evaluation { rule } | RowKey::Recorded { rule } => row.text(rule),
            RowKey::Own { identity } => row.labels(identity),
            RowKey::Era | RowKey::OwnBegun => &mut row,
        };
        row.finish()
    }

    pub(crate) fn decode(row: &[u8]) -> Result<RowKey, RowError> {
        let (kind, mut row) = RowReader::new(row, RowKey::KINDS)?;
        let key = match kind {
            1 => RowKey::Instance {
                rule: row.text()?.to_owned(),
                result: row.labels()?,
            },
            2 => RowKey::Evaluation {
                rule: row.text()?.to_owned(),
            },
            3 => RowKey::Recorded {
                rule: row.text()?.to_owned(),
            },
            4 => RowKey::Own {
                identity: row.labels()?,
            },
            5 => RowKey::Era,
            _ => RowKey::OwnBegun,
        };
        row.finish()?;
        Ok(key)
    }

    /// The change that sets or deletes the row.
    pub(crate) fn change(&self, state: Option<Vec<u8>>) -> InstanceChange {
        InstanceChange {
            key: self.encode(),
            state,
        }
    }
}

/// How the evaluation of one rule goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Evaluation {
    /// The last evaluation, whatever came of it.
    pub(crate) attempted: Option<TimestampMs>,
    /// The last evaluation that succeeded.
    pub(crate) succeeded: Option<TimestampMs>,
    /// Failures since then.
    pub(crate) failures: u32,
    /// Why the last one failed.
    pub(crate) error: Option<String>,
    /// Up to then absence is no evidence: the program was down when samples should have come.
    pub(crate) deaf_until: Option<TimestampMs>,
    /// Slots that passed without an evaluation.
    pub(crate) skipped: u64,
    /// Instances that `max` kept out of the last evaluation.
    pub(crate) withheld: u64,
}

impl Evaluation {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let time = |row: &mut RowWriter, t: TimestampMs| {
            row.time(t);
        };
        let mut row = RowWriter::new(VERSION);
        row.option(self.attempted, time)
            .option(self.succeeded, time)
            .number(u64::from(self.failures))
            .option(self.error.as_deref(), |row, text| {
                row.text(text);
            })
            .option(self.deaf_until, time)
            .number(self.skipped)
            .number(self.withheld);
        row.finish()
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Evaluation, RowError> {
        let (_, mut row) = RowReader::new(row, VERSION)?;
        let evaluation = Evaluation {
            attempted: row.option(RowReader::time)?,
            succeeded: row.option(RowReader::time)?,
            failures: count(&mut row)?,
            error: row.option(|row| row.text().map(str::to_owned))?,
            deaf_until: row.option(RowReader::time)?,
            skipped: row.number()?,
            withheld: row.number()?,
        };
        row.finish()?;
        Ok(evaluation)
    }
}

/// An instance as a row.
pub(crate) fn encode_instance(instance: &Instance) -> Vec<u8> {
    let mut row = RowWriter::new(INSTANCE_VERSION);
    row.labels(&instance.identity);
    match &instance.phase {
        Phase::Inactive => {
            row.number(0);
        }
        Phase::Pending { active_at, level } => {
            row.number(1).time(*active_at).number(*level as u64);
        }
        Phase::Firing(episode) => {
            row.number(2);
            write_episode(&mut row, episode);
        }
    }
    for track in &instance.tracks {
        match track {
            Track::Idle => {
                row.number(0);
            }
            Track::Rising(timer) => {
                row.number(1);
                write_timer(&mut row, *timer);
            }
            Track::Held { since } => {
                row.number(2).time(*since);
            }
            Track::Clearing { since, timer } => {
                row.number(3).time(*since);
                write_timer(&mut row, *timer);
            }
        }
    }
    match instance.presence {
        Presence::Seen => {
            row.number(0);
        }
        Presence::Missing(timer) => {
            row.number(1);
            write_timer(&mut row, timer);
        }
        Presence::Unseen => {
            row.number(2);
        }
    }
    row.float(instance.value);
    row.option(instance.words.as_ref(), |row, words| {
        row.text(&words.summary)
            .option(words.threshold, |row, threshold| {
                row.float(threshold);
            });
    });
    row.finish()
}

/// The instance in a row.
pub(crate) fn decode_instance(row: &[u8]) -> Result<Instance, RowError> {
    let (version, mut row) = RowReader::new(row, INSTANCE_VERSION)?;
    let identity = row.labels()?;
    let phase = match row.number()? {
        0 => Phase::Inactive,
        1 => Phase::Pending {
            active_at: row.time()?,
            level: level(&mut row)?,
        },
        2 => Phase::Firing(episode(version, &mut row)?),
        _ => return Err(RowError::Bad("phase")),
    };
    let mut tracks = [Track::Idle; LEVELS];
    for track in &mut tracks {
        *track = match row.number()? {
            0 => Track::Idle,
            1 => Track::Rising(timer(&mut row)?),
            2 => Track::Held { since: row.time()? },
            3 => Track::Clearing {
                since: row.time()?,
                timer: timer(&mut row)?,
            },
            _ => return Err(RowError::Bad("track")),
        };
    }
    let instance = Instance {
        identity,
        phase,
        tracks,
        presence: match row.number()? {
            0 => Presence::Seen,
            1 => Presence::Missing(timer(&mut row)?),
            2 => Presence::Unseen,
            _ => return Err(RowError::Bad("presence")),
        },
        value: row.float()?,
        words: if version < 3 {
            None
        } else {
            row.option(words)?
        },
    };
    let threshold = instance.words.as_ref().and_then(|words| words.threshold);
    if instance.value.is_nan() || threshold.is_some_and(f64::is_nan) {
        return Err(RowError::Bad("value"));
    }
    row.finish()?;
    Ok(instance)
}

/// The series that a rule recorded, as a row. They must be ascending.
pub(crate) fn encode_recorded(series: &[Labels]) -> Vec<u8> {
    let mut row = RowWriter::new(VERSION);
    row.number(series.len() as u64);
    for labels in series {
        row.labels(labels);
    }
    row.finish()
}

/// The series in a row.
pub(crate) fn decode_recorded(row: &[u8]) -> Result<Vec<Labels>, RowError> {
    let (_, mut row) = RowReader::new(row, VERSION)?;
    let series = row.list(RowReader::labels)?;
    row.finish()?;
    if series.windows(2).any(|w| w[0] >= w[1]) {
        return Err(RowError::Bad("order of series"));
    }
    Ok(series)
}

/// A counter as a row.
pub(crate) fn encode_counter(counter: u64) -> Vec<u8> {
    let mut row = RowWriter::new(VERSION);
    row.number(counter);
    row.finish()
}

/// The counter in a row.
pub(crate) fn decode_counter(row: &[u8]) -> Result<u64, RowError> {
    let (_, mut row) = RowReader::new(row, VERSION)?;
    let counter = row.number()?;
    row.finish()?;
    Ok(counter)
}

/// The change of an alert about the engine.
pub(crate) fn own_change(identity: &Labels, alert: Option<&OwnAlert>) -> InstanceChange {
    let key = RowKey::Own {
        identity: identity.clone(),
    };
    key.change(alert.map(encode_own))
}

fn encode_own(alert: &OwnAlert) -> Vec<u8> {
    let mut row = RowWriter::new(OWN_VERSION);
    write_episode(&mut row, &alert.episode);
    row.text(&alert.summary);
    row.finish()
}

/// The alert about the engine in a row.
pub(crate) fn decode_own(row: &[u8]) -> Result<OwnAlert, RowError> {
    let (version, mut row) = RowReader::new(row, OWN_VERSION)?;
    let alert = OwnAlert {
        episode: episode(version, &mut row)?,
        summary: row.text()?.to_owned(),
    };
    row.finish()?;
    Ok(alert)
}

fn write_timer(row: &mut RowWriter, timer: Timer) {
    row.time(timer.since).signed(timer.lost.0);
}

fn timer(row: &mut RowReader<'_>) -> Result<Timer, RowError> {
    Ok(Timer {
        since: row.time()?,
        lost: DurationMs(row.signed()?),
    })
}

fn write_episode(row: &mut RowWriter, episode: &Episode) {
    row.time(episode.active_at)
        .time(episode.fired_at)
        .number(episode.number)
        .number(episode.level as u64)
        .time(episode.level_since)
        .number(u64::from(episode.sequence))
        .number(episode.told.len() as u64);
    for channel in &episode.told {
        row.text(channel);
    }
}

fn episode(version: u64, row: &mut RowReader<'_>) -> Result<Episode, RowError> {
    let (active_at, fired_at) = (row.time()?, row.time()?);
    let number = if version == 1 { 0 } else { row.number()? };
    let (level, level_since) = (level(row)?, row.time()?);
    let sequence = count(row)?;
    let told = row.list(|row| row.text().map(str::to_owned))?;
    if told.windows(2).any(|w| w[0] >= w[1]) {
        return Err(RowError::Bad("order of channels"));
    }
    Ok(Episode {
        active_at,
        fired_at,
        number,
        level,
        level_since,
        told: BTreeSet::from_iter(told),
        sequence,
    })
}

fn words(row: &mut RowReader<'_>) -> Result<Words, RowError> {
    Ok(Words {
        summary: row.text()?.to_owned(),
        threshold: row.option(RowReader::float)?,
    })
}

fn level(row: &mut RowReader<'_>) -> Result<Level, RowError> {
    let number = row.number()?;
    Level::ALL
        .into_iter()
        .find(|level| *level as u64 == number)
        .ok_or(RowError::Bad("level"))
}

fn count(row: &mut RowReader<'_>) -> Result<u32, RowError> {
    u32::try_from(row.number()?).map_err(|_| RowError::Bad("count"))
}

/// Decodes arbitrary bytes as every kind of row; what is accepted must encode to the same bytes, or mean the same
/// when it is of an older version.
pub(crate) fn decode_any(data: &[u8]) {
    if let Ok(key) = RowKey::decode(data) {
        assert_eq!(key.encode(), data);
    }
    if let Ok(instance) = decode_instance(data) {
        let again = encode_instance(&instance);
        assert!(again == data || data[0] < 3 && decode_instance(&again) == Ok(instance));
    }
    if let Ok(evaluation) = Evaluation::decode(data) {
        assert_eq!(evaluation.encode(), data);
    }
    if let Ok(series) = decode_recorded(data) {
        assert_eq!(encode_recorded(&series), data);
    }
    if let Ok(alert) = decode_own(data) {
        let again = encode_own(&alert);
        assert!(again == data || data[0] == 1 && decode_own(&again) == Ok(alert));
    }
    if let Ok(counter) = decode_counter(data) {
        assert_eq!(encode_counter(counter), data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing() -> Instance {
        let timer = Timer {
            since: TimestampMs(60_000),
            lost: DurationMs(30_000),
        };
        Instance {
            identity: Labels::from_pairs([("alertname", "A"), ("job", "x")]),
            phase: Phase::Firing(Episode {
                active_at: TimestampMs(30_000),
                fired_at: TimestampMs(60_000),
                number: 7,
                level: Level::Error,
                level_since: TimestampMs(90_000),
                told: BTreeSet::from(["hook".to_owned(), "log".to_owned()]),
                sequence: 2,
            }),
            tracks: [
                Track::Idle,
                Track::Rising(timer),
                Track::Held {
                    since: TimestampMs(30_000),
                },
                Track::Clearing {
                    since: TimestampMs(30_000),
                    timer,
                },
                Track::Idle,
            ],
            presence: Presence::Missing(timer),
            value: -0.0,
            words: None,
        }
    }

    fn with_words() -> Instance {
        Instance {
            words: Some(Words {
                summary: "s".to_owned(),
                threshold: Some(1.5),
            }),
            ..firing()
        }
    }

    fn hex(bytes: &[u8]) -> String {
        let digit = |nibble| char::from_digit(u32::from(nibble), 16).unwrap();
        let digits = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]);
        digits.collect()
    }

    fn keys() -> Vec<RowKey> {
        let rule = "alert A".to_owned();
        let labels = Labels::from_pairs([("job", "x")]);
        vec![
            RowKey::Instance {
                rule: rule.clone(),
                result: labels.clone(),
            },
            RowKey::Evaluation { rule: rule.clone() },
            RowKey::Recorded { rule },
            RowKey::Own { identity: labels },
            RowKey::Era,
            RowKey::OwnBegun,
        ]
    }

    fn evaluation() -> Evaluation {
        Evaluation {
            attempted: Some(TimestampMs(60_000)),
            succeeded: None,
            failures: 1,
            error: Some("x".to_owned()),
            deaf_until: Some(TimestampMs(-1)),
            skipped: 300,
            withheld: 2,
        }
    }

    fn own() -> OwnAlert {
        let Phase::Firing(episode) = firing().phase else {
            unreachable!("it fires");
        };
        OwnAlert {
            episode,
            summary: "s".to_owned(),
        }
    }

    /// Rows are readable for ever: these bytes must never need to change.
    #[test]
    fn golden_rows() {
        let keys: Vec<String> = keys().iter().map(|k| hex(&k.encode())).collect();
        assert_eq!(
            keys,
            [
                "0107616c657274204106036a6f620178",
                "0207616c6572742041",
                "0307616c6572742041",
                "0406036a6f620178",
                "05",
                "06",
            ]
        );
        assert_eq!(
            hex(&encode_instance(&firing())),
            "031209616c6572746e616d650141036a6f62017802e0d403c0a9070703a0fe0a020204686f6f6b036c6f6700\
             01c0a907e0d40302e0d40303e0d403c0a907e0d4030001c0a907e0d403000000000000008000"
        );
        let with_words = hex(&encode_instance(&with_words()));
        assert_eq!(
            with_words.strip_prefix(hex(&encode_instance(&firing())).trim_end_matches("00")),
            Some("01017301000000000000f83f")
        );
        assert_eq!(
            hex(&evaluation().encode()),
            "0101c0a907000101017801 01ac0202".replace(' ', "")
        );
        let series = [Labels::empty(), Labels::from_pairs([("a", "b")])];
        assert_eq!(
            hex(&encode_recorded(&series)),
            "010200040161 0162".replace(' ', "")
        );
        assert_eq!(
            hex(&encode_own(&own())),
            "02e0d403c0a9070703a0fe0a020204686f6f6b036c6f670173"
        );
        assert_eq!(hex(&encode_counter(300)), "01ac02");
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    /// As written before episodes had numbers, and before instances had words.
    #[test]
    fn rows_of_older_versions_are_read() {
        let rest =
            "00 01c0a907e0d403 02e0d403 03e0d403c0a907e0d403 00 01c0a907e0d403 0000000000000080";
        let begin = "1209616c6572746e616d650141036a6f620178 02e0d403c0a907";
        let version_2 = format!("02 {begin} 07 03a0fe0a020204686f6f6b036c6f67 {rest}");
        let version_1 = format!("01 {begin} 03a0fe0a020204686f6f6b036c6f67 {rest}");
        let decode = |text: &str| decode_instance(&bytes(&text.replace(' ', "")));
        assert_eq!(decode(&version_2), Ok(firing()));
        let Phase::Firing(mut episode) = firing().phase else {
            unreachable!("it fires");
        };
        episode.number = 0;
        let unnumbered = Instance {
            phase: Phase::Firing(episode.clone()),
            ..firing()
        };
        assert_eq!(decode(&version_1), Ok(unnumbered));
        let own_1 = bytes("01e0d403c0a90703a0fe0a020204686f6f6b036c6f670173");
        assert_eq!(decode_own(&own_1), Ok(OwnAlert { episode, ..own() }));
    }

    #[test]
    fn rows_come_back() {
        for key in keys() {
            assert_eq!(RowKey::decode(&key.encode()), Ok(key));
        }
        for instance in [firing(), with_words()] {
            assert_eq!(decode_instance(&encode_instance(&instance)), Ok(instance));
        }
        assert_eq!(Evaluation::decode(&evaluation().encode()), Ok(evaluation()));
        assert_eq!(decode_own(&encode_own(&own())), Ok(own()));
    }

    #[test]
    fn unordered_lists_are_refused() {
        let (a, b) = (
            Labels::from_pairs([("a", "1")]),
            Labels::from_pairs([("b", "1")]),
        );
        let row = encode_recorded(&[b.clone(), a.clone()]);
        assert_eq!(decode_recorded(&row), Err(RowError::Bad("order of series")));
        assert_eq!(
            decode_recorded(&encode_recorded(&[a.clone(), b.clone()])),
            Ok(vec![a, b])
        );
    }

    /// The smoke run of the fuzz target: every sample, with bytes changed, cut and inserted.
    #[test]
    fn damaged_rows_are_refused_or_mean_themselves() {
        let mut samples: Vec<Vec<u8>> = keys().iter().map(RowKey::encode).collect();
        samples.push(encode_instance(&firing()));
        samples.push(encode_instance(&with_words()));
        samples.push(evaluation().encode());
        samples.push(encode_own(&own()));
        samples.push(encode_counter(300));
        samples.push(encode_recorded(&[Labels::empty()]));
        let mut seed: u64 = 1;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for round in 0..40_000 {
            let mut row = samples[round % samples.len()].clone();
            for _ in 0..=random() % 3 {
                let at = random() % row.len().max(1);
                match random() % 3 {
                    0 if !row.is_empty() => row[at] = random() as u8,
                    1 => row.truncate(at),
                    _ => row.insert(at.min(row.len()), random() as u8),
                }
            }
            decode_any(&row);
        }
    }
}
