//! Who is told about a change, and under which key.
//!
//! The first route that matches names the channels. A folder without routes tells the channel `log`, and
//! by severity the channels `email`, `slack` and `pagerduty` where it defines them. Whoever was told that an
//! alert fires is also told when it gets better and when it ends, whatever the routes say by then.
//!
//! A notice's key is the same whenever the same change is told again: after a retry, a crash, a restart.
//!
//! ```text
//! key = base32(sha256(rule, fingerprint of the identity, start and number of the episode, kind, channel, sequence))
//! text = length u32 LE, bytes; fingerprint and number u64 LE; time i64 LE; sequence u32 LE
//! ```

use std::collections::BTreeSet;

use bellwether_lang::rules::{Level, RuleSet};
use bellwether_model::notice::{Notice, NoticeKind};
use bellwether_model::{Labels, LabelsBuilder, TimestampMs};
use sha2::{Digest, Sha256};

use crate::effects::{Tick, Transition};
use crate::instance::Episode;

/// The channel that is always there.
pub(crate) const LOG: &str = "log";

/// A change to be told.
pub(crate) struct Telling<'a> {
    pub(crate) rule: &'a str,
    pub(crate) identity: &'a Labels,
    /// The labels as shown: identity and severity.
    pub(crate) labels: Labels,
    pub(crate) kind: NoticeKind,
    pub(crate) from: Option<Level>,
    pub(crate) at: TimestampMs,
    pub(crate) value: f64,
    pub(crate) threshold: Option<f64>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) query_path: String,
    /// A channel that does not work: its fallback is told instead.
    pub(crate) broken: Option<&'a str>,
}

/// Writes the change to the history, and one notice for each channel that is to hear of it.
pub(crate) fn tell(rules: &RuleSet, telling: &Telling<'_>, episode: &mut Episode, out: &mut Tick) {
    let channels = audience(rules, telling, episode);
    for channel in &channels {
        out.notices.push(notice(telling, episode, channel));
    }
    out.transitions.push(Transition {
        at: telling.at,
        rule: telling.rule.to_owned(),
        identity: telling.identity.clone(),
        kind: telling.kind,
        from: telling.from,
        to: (!telling.kind.ends()).then_some(episode.level),
        value: telling.value,
        threshold: telling.threshold,
        episode: episode.fired_at,
        sequence: episode.sequence,
        channels: channels.iter().cloned().collect(),
        reason: telling.reason.map(str::to_owned),
    });
    episode.sequence += 1;
    episode.told.extend(channels);
}

/// The channels that hear of the change.
fn audience(rules: &RuleSet, telling: &Telling<'_>, episode: &Episode) -> BTreeSet<String> {
    let mut channels = match telling.kind {
        NoticeKind::Resolve | NoticeKind::Gone => BTreeSet::new(),
        NoticeKind::Fire | NoticeKind::Rise | NoticeKind::Fall => {
            routed(rules, &telling.labels, episode.level)
        }
    };
    channels.extend(episode.told.iter().cloned());
    if let Some(broken) = telling.broken
        && channels.remove(broken)
    {
        let fallback = rules.channels.iter().find(|c| c.name == broken);
        let fallback = fallback.and_then(|c| c.fallback.clone());
        channels.insert(fallback.unwrap_or_else(|| LOG.to_owned()));
    }
    // A reload may have taken a channel away.
    channels.retain(|channel| exists(rules, channel));
    channels
}

fn exists(rules: &RuleSet, channel: &str) -> bool {
    channel == LOG || rules.channels.iter().any(|c| c.name == channel)
}

/// The channels of the routes that take it, or the default ones.
fn routed(rules: &RuleSet, labels: &Labels, level: Level) -> BTreeSet<String> {
    let routes = rules.routes.matching(labels);
    if !routes.is_empty() {
        return routes.iter().flat_map(|route| &route.to).cloned().collect();
    }
    let mut channels = BTreeSet::from([LOG.to_owned()]);
    if rules.routes.is_empty() {
        let by_severity: &[&str] = match level {
            Level::Info => &[],
            Level::Warning => &["email"],
            Level::Error => &["email", "slack"],
            Level::Critical | Level::Emergency => &["email", "slack", "pagerduty"],
        };
        let defined = by_severity.iter().filter(|c| exists(rules, c));
        channels.extend(defined.map(|&c| c.to_owned()));
    }
    channels
}

fn notice(telling: &Telling<'_>, episode: &Episode, channel: &str) -> Notice {
    Notice {
        key: key(telling, episode, channel),
        channel: channel.to_owned(),
        rule: telling.rule.to_owned(),
        kind: telling.kind,
        labels: telling.labels.clone(),
        identity: telling.identity.clone(),
        annotations: telling.annotations.clone(),
        value: telling.value,
        threshold: telling.threshold,
        level: episode.level as u8,
        at: telling.at,
        active_at: episode.active_at,
        starts_at: episode.fired_at,
        ends_at: telling.kind.ends().then_some(telling.at),
        reason: telling.reason.map(str::to_owned),
        query_path: telling.query_path.clone(),
    }
}

fn key(telling: &Telling<'_>, episode: &Episode, channel: &str) -> String {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, text: &str| {
        hash.update((text.len() as u32).to_le_bytes());
        hash.update(text.as_bytes());
    };
    text(&mut hash, telling.rule);
    hash.update(telling.identity.fingerprint().to_le_bytes());
    hash.update(episode.fired_at.0.to_le_bytes());
    hash.update(episode.number.to_le_bytes());
    text(&mut hash, telling.kind.text());
    text(&mut hash, channel);
    hash.update(episode.sequence.to_le_bytes());
    data_encoding::BASE32_NOPAD.encode(&hash.finalize())
}

/// Identity and severity: the labels as people and receivers see them.
pub(crate) fn shown_labels(identity: &Labels, level: Level, severity_is_set: bool) -> Labels {
    if severity_is_set {
        return identity.clone();
    }
    let mut labels = LabelsBuilder::from_labels(identity);
    labels.set("severity", &level.to_string());
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rules;

    fn telling<'a>(identity: &'a Labels, kind: NoticeKind, broken: Option<&'a str>) -> Telling<'a> {
        Telling {
            rule: "A",
            identity,
            labels: shown_labels(identity, Level::Warning, false),
            kind,
            from: None,
            at: TimestampMs(1000),
            value: 1.0,
            threshold: None,
            annotations: Vec::new(),
            reason: None,
            query_path: String::new(),
            broken,
        }
    }

    fn episode(told: &[&str], sequence: u32) -> Episode {
        Episode {
            active_at: TimestampMs(0),
            fired_at: TimestampMs(1000),
            number: 0,
            level: Level::Warning,
            level_since: TimestampMs(0),
            told: told.iter().map(|&c| c.to_owned()).collect(),
            sequence,
        }
    }

    /// Receivers know notices by these keys: the same change must never get another one.
    #[test]
    fn keys_are_the_same_for_ever_and_differ_in_every_part() {
        let (a, b) = (
            Labels::from_pairs([("alertname", "A")]),
            Labels::from_pairs([("alertname", "B")]),
        );
        let fire = telling(&a, NoticeKind::Fire, None);
        let first = key(&fire, &episode(&[], 0), "log");
        assert_eq!(
            first,
            "6Z7ZNHLTGKOLLFAJGXSY6EMQQBCTYYAG6ZQNORBSCKGMJO2TROAA"
        );
        let later = Episode {
            fired_at: TimestampMs(2000),
            ..episode(&[], 0)
        };
        let same_time_again = Episode {
            number: 1,
            ..episode(&[], 0)
        };
        let other_rule = Telling {
            rule: "A2",
            ..telling(&a, NoticeKind::Fire, None)
        };
        let others = [
            key(&fire, &episode(&[], 1), "log"),
            key(&fire, &episode(&[], 0), "log2"),
            key(&fire, &later, "log"),
            key(&fire, &same_time_again, "log"),
            key(&other_rule, &episode(&[], 0), "log"),
            key(
                &telling(&b, NoticeKind::Fire, None),
                &episode(&[], 0),
                "log",
            ),
            key(
                &telling(&a, NoticeKind::Rise, None),
                &episode(&[], 0),
                "log",
            ),
        ];
        let all: BTreeSet<&String> = others.iter().chain([&first]).collect();
        assert_eq!(all.len(), others.len() + 1);
        // What is merely shown does not matter.
        let reworded = Telling {
            at: TimestampMs(5000),
            value: 7.0,
            annotations: vec![("summary".into(), "new".into())],
            ..telling(&a, NoticeKind::Fire, None)
        };
        assert_eq!(key(&reworded, &episode(&["x"], 0), "log"), first);
    }

    #[test]
    fn what_is_about_a_channel_goes_to_its_fallback() {
        let rules = rules(
            "channel main\n  webhook https://example.com/a\n  fallback spare\n\
             channel spare\n  webhook https://example.com/b\n\
             channel lone\n  webhook https://example.com/c\n\
             route all\n  to main, lone\n",
        );
        let identity = Labels::from_pairs([("alertname", "NotifyDeadLetter")]);
        let audience = |broken| {
            let telling = telling(&identity, NoticeKind::Fire, Some(broken));
            let channels = audience(&rules, &telling, &episode(&[], 0));
            channels.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(audience("main"), "lone spare");
        assert_eq!(audience("lone"), "log main");
        assert_eq!(audience("spare"), "lone main");
    }
}
