//! What reached which channel, for `notify` and `silent`.
//!
//! As far as delivery is run: a notice goes at once to the channels of the routes that take it, unless a mute holds it back
//! (`muting`). Mutes with `while`, escalation and acknowledgement are not run yet; a step whose answer could depend on them
//! is not checked and says so, instead of passing or failing for the wrong reason. Grouping is not run either: a notice
//! that would wait for others is told when it comes.

use std::collections::BTreeMap;

use bellwether_lang::rules::{InstanceName, RuleSet, StepKind};
use bellwether_model::TimestampMs;
use bellwether_model::notice::Notice;

use super::expect::instance_text;
use super::muting::{Muting, Sent};

const ACK: &str = "acknowledging is not run yet";
const ESCALATION: &str = "escalation (`then`) is not run yet";
const WHILE: &str = "mutes with `while` are not run yet";

/// Notices by channel, and which of them a test has spoken of.
pub(super) struct Deliveries<'a> {
    rules: &'a RuleSet,
    /// Time zero of the test.
    start: TimestampMs,
    muting: Muting<'a>,
    channels: BTreeMap<String, Channel>,
}

#[derive(Default)]
struct Channel {
    /// In the order in which they came; `true` once a step has named it.
    notices: Vec<(Sent, bool)>,
    /// The times of the last step about the channel, and of the last one before that time.
    asked_at: Option<TimestampMs>,
    asked_before: Option<TimestampMs>,
}

impl<'a> Deliveries<'a> {
    pub(super) fn new(rules: &'a RuleSet, start: TimestampMs) -> Deliveries<'a> {
        Deliveries {
            rules,
            start,
            muting: Muting::new(rules),
            channels: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, now: TimestampMs, notices: &[Notice]) {
        for sent in self.muting.pass(now, notices) {
            let channel = sent.notice.channel.clone();
            let channel = self.channels.entry(channel).or_default();
            channel.notices.push((sent, false));
        }
    }

    /// What is not as the step says; an error says why that is not known.
    pub(super) fn check(
        &mut self,
        at: TimestampMs,
        step: &StepKind,
    ) -> Result<Vec<String>, &'static str> {
        // A mute may have ended since the last tick.
        self.take(at, &[]);
        match step {
            StepKind::Notify {
                channel,
                resolved,
                instance,
            } => self.notify(at, channel, *resolved, instance),
            StepKind::Silent { channel } => self.silent(at, channel),
            _ => Err(ACK),
        }
    }

    fn notify(
        &mut self,
        at: TimestampMs,
        name: &str,
        resolved: bool,
        instance: &InstanceName,
    ) -> Result<Vec<String>, &'static str> {
        let channel = self.channels.entry(name.to_owned()).or_default();
        channel.asked(at);
        let since = channel.asked_before;
        let is_meant = |sent: &Sent| {
            let notice = &sent.notice;
            notice.kind.ends() == resolved && instance.matches(&notice.rule, &notice.labels)
        };
        let found = channel
            .notices
            .iter_mut()
            .find(|(sent, named)| !named && sent.is_after(since) && is_meant(sent));
        if let Some((sent, named)) = found {
            *named = true;
            return if sent.is_doubtful {
                Err(WHILE)
            } else {
                Ok(Vec::new())
            };
        }
        // One that came earlier may have been held back until now.
        if channel
            .notices
            .iter()
            .any(|(s, _)| s.is_doubtful && is_meant(s))
        {
            return Err(WHILE);
        }
        if self.is_only_escalation(name) {
            return Err(ESCALATION);
        }
        let what = if resolved { "resolved " } else { "" };
        let mut lines = vec![format!(
            "nothing told {name} of {what}{}",
            instance_text(instance)
        )];
        let told = self.channels.get(name);
        let told = told.into_iter().flat_map(|channel| &channel.notices);
        let told = told.filter(|(sent, _)| sent.is_after(since));
        lines.extend(told.map(|(sent, named)| {
            let named = if *named {
                ", which a step before has named"
            } else {
                ""
            };
            format!("told {}{named}", sent.text(self.start))
        }));
        Ok(lines)
    }

    fn silent(&mut self, at: TimestampMs, name: &str) -> Result<Vec<String>, &'static str> {
        if self.is_only_escalation(name) {
            return Err(ESCALATION);
        }
        let channel = self.channels.entry(name.to_owned()).or_default();
        channel.asked(at);
        let since = channel.asked_before;
        let notices = || channel.notices.iter().map(|(sent, _)| sent);
        let certain = notices().filter(|sent| sent.is_after(since) && !sent.is_doubtful);
        let lines: Vec<String> = certain
            .map(|sent| format!("{name} was told {}", sent.text(self.start)))
            .collect();
        // One that is in doubt may have gone out at any time since.
        if lines.is_empty() && notices().any(|sent| sent.is_doubtful) {
            return Err(WHILE);
        }
        Ok(lines)
    }

    /// Whether only those hear of anything through the channel who wait for an escalation.
    fn is_only_escalation(&self, channel: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|name| name == channel);
        let mut then = self.rules.routes.iter().flat_map(|route| &route.then);
        then.any(|escalation| names(&escalation.to))
            && !self.rules.routes.iter().any(|route| names(&route.to))
    }
}

impl Sent {
    fn is_after(&self, since: Option<TimestampMs>) -> bool {
        since.is_none_or(|since| self.at > since)
    }

    /// With the time since the test's start, as steps write it.
    fn text(&self, start: TimestampMs) -> String {
        let (notice, at) = (&self.notice, self.at.since(start));
        format!("at {at}: {} {}", notice.kind, notice.labels)
    }
}

impl Channel {
    fn asked(&mut self, at: TimestampMs) {
        if self.asked_at != Some(at) {
            self.asked_before = self.asked_at;
            self.asked_at = Some(at);
        }
    }
}
