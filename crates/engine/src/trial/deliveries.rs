//! What reached which channel, for `notify` and `silent`.
//!
//! As far as delivery is run: a notice goes at once to the channels of the routes that take it. Mutes, grouping, escalation
//! and acknowledgement are not run yet; a step whose answer could depend on them is not checked and says so, instead of
//! passing or failing for the wrong reason.

use std::collections::BTreeMap;

use bellwether_lang::rules::{InstanceName, RuleSet, StepKind};
use bellwether_model::TimestampMs;
use bellwether_model::notice::Notice;

use super::expect::instance_text;

const ACK: &str = "acknowledging is not run yet";
const ESCALATION: &str = "escalation (`then`) is not run yet";
const MUTES: &str = "mutes are not run yet";

/// Notices by channel, and which of them a test has spoken of.
pub(super) struct Deliveries<'a> {
    rules: &'a RuleSet,
    channels: BTreeMap<String, Channel>,
}

#[derive(Default)]
struct Channel {
    /// In the order in which they came; `true` once a step has named it.
    notices: Vec<(TimestampMs, Notice, bool)>,
    /// The times of the last step about the channel, and of the last one before that time.
    asked_at: Option<TimestampMs>,
    asked_before: Option<TimestampMs>,
}

impl<'a> Deliveries<'a> {
    pub(super) fn new(rules: &'a RuleSet) -> Deliveries<'a> {
        Deliveries {
            rules,
            channels: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, now: TimestampMs, notices: &[Notice]) {
        for notice in notices {
            let channel = self.channels.entry(notice.channel.clone()).or_default();
            channel.notices.push((now, notice.clone(), false));
        }
    }

    /// What is not as the step says; an error says why that is not known.
    pub(super) fn check(
        &mut self,
        at: TimestampMs,
        step: &StepKind,
    ) -> Result<Vec<String>, &'static str> {
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
        let found = channel.notices.iter_mut().find(|(t, notice, named)| {
            !named
                && since.is_none_or(|since| *t > since)
                && notice.kind.ends() == resolved
                && instance.matches(&notice.rule, &notice.labels)
        });
        if let Some((_, _, named)) = found {
            *named = true;
            return Ok(Vec::new());
        }
        if self.is_only_escalation(name) {
            return Err(ESCALATION);
        }
        let what = if resolved { "resolved " } else { "" };
        let mut lines = vec![format!(
            "nothing told {name} of {what}{}",
            instance_text(instance)
        )];
        let told = self
            .channels
            .get(name)
            .into_iter()
            .flat_map(|channel| &channel.notices);
        let told = told.filter(|(t, ..)| since.is_none_or(|since| *t > since));
        lines.extend(
            told.map(|(t, notice, _)| format!("told at {t}: {} {}", notice.kind, notice.labels)),
        );
        Ok(lines)
    }

    fn silent(&mut self, at: TimestampMs, name: &str) -> Result<Vec<String>, &'static str> {
        if self.is_only_escalation(name) {
            return Err(ESCALATION);
        }
        let channel = self.channels.entry(name.to_owned()).or_default();
        channel.asked(at);
        let since = channel.asked_before;
        let told = channel
            .notices
            .iter()
            .filter(|(t, ..)| since.is_none_or(|since| *t > since));
        let lines: Vec<String> = told
            .map(|(t, notice, _)| {
                format!("{name} was told at {t}: {} {}", notice.kind, notice.labels)
            })
            .collect();
        if !lines.is_empty() && !self.rules.mutes.is_empty() {
            return Err(MUTES);
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

impl Channel {
    fn asked(&mut self, at: TimestampMs) {
        if self.asked_at != Some(at) {
            self.asked_before = self.asked_at;
            self.asked_at = Some(at);
        }
    }
}
