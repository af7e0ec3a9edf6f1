//! One evaluation of one alert: results become evidence, instances take a step, changes are told.
//!
//! More instances than the rule's `max` never silence it: those that are active stay, new ones are taken in
//! label order while there is room, and the rest is counted and told as one alert (`AlertsWithheld`).

use std::collections::BTreeMap;

use bellwether_lang::rules::{Alert, Level, RuleSet, Text, TextContext};
use bellwether_model::notice::NoticeKind;
use bellwether_model::{DurationMs, Labels, TimestampMs};

use crate::ask::{Found, Results};
use crate::effects::{Approach, Lapse, Tick};
use crate::instance::{Beat, Change, End, Episode, Evidence, Instance, Phase, Policy, Words};
use crate::plan::{Step, sets_severity};
use crate::series::{self, Shown};
use crate::state::{RowKey, encode_instance};
use crate::tell::{Telling, shown_labels, tell};

/// Why what is no longer evaluated ends.
pub(crate) const REMOVED: &str = "rule removed";
const VANISHED: &str = "the series vanished";
const MISSING: &str = "the series is missing";

/// The instances of a rule, by the labels of their result without the metric's name.
pub(crate) type Instances = BTreeMap<Labels, Instance>;

/// One alert at one evaluation.
pub(crate) struct Turn<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) step: &'a Step,
    pub(crate) alert: &'a Alert,
    pub(crate) now: TimestampMs,
    /// The time of the samples written.
    pub(crate) data_time: TimestampMs,
}

fn evidence(found: &Found) -> Evidence {
    match &found.said {
        Some(said) => Evidence::Judged(found.value, said.fires),
        None => Evidence::Value(found.value),
    }
}

/// The number that the value is held against at a level.
pub(crate) fn threshold(policy: &Policy<'_>, level: Level, words: Option<&Words>) -> Option<f64> {
    match words {
        Some(words) => words.threshold,
        None => policy.threshold(level),
    }
}

impl Turn<'_> {
    /// Steps every instance. `absence_counts` is false while the absence of a series is no evidence.
    /// Returns how many results were left out because of `max`.
    pub(crate) fn evaluate(
        &self,
        mut results: Results,
        beat: Beat,
        absence_counts: bool,
        instances: &mut Instances,
        out: &mut Tick,
    ) -> u64 {
        results.retain(|_, found| !found.value.is_nan());
        let absent = if absence_counts {
            Evidence::Missing
        } else {
            Evidence::Unknown
        };
        let mut ended = Vec::new();
        for (result, instance) in instances.iter_mut() {
            let found = results.remove(result);
            let evidence = found.as_ref().map_or(absent, evidence);
            let policy = Policy::of(self.alert, result);
            let before = Shown::of(instance);
            let row_before = out.keeps_state().then(|| encode_instance(instance));
            if let Some(said) = found.and_then(|found| found.said) {
                instance.words = Some(said.words);
            }
            let change = instance.step(evidence, &policy, beat);
            self.note_lapse(instance, before, &policy, beat, out);
            self.tell(instance, change, &policy, None, out);
            self.approach(instance, before, &policy, None, out);
            self.write(instance, before, out);
            if !instance.is_active() && !policy.watches() {
                ended.push(result.clone());
                continue;
            }
            let row_after = out.keeps_state().then(|| encode_instance(instance));
            if row_after != row_before {
                out.instances.push(self.row(result).change(row_after));
            }
        }
        for result in ended {
            instances.remove(&result);
            out.instances.push(self.row(&result).change(None));
        }
        self.admit(results, beat, instances, out)
    }

    /// Takes in results that have no instance yet, as far as `max` allows.
    fn admit(
        &self,
        results: Results,
        beat: Beat,
        instances: &mut Instances,
        out: &mut Tick,
    ) -> u64 {
        let mut active = instances.values().filter(|i| i.is_active()).count();
        let mut withheld = 0;
        for (result, found) in results {
            let policy = Policy::of(self.alert, &result);
            let evidence = evidence(&found);
            let mut instance = Instance::new(found.identity);
            instance.words = found.said.map(|said| said.words);
            let change = instance.step(evidence, &policy, beat);
            if !instance.is_active() && !policy.watches() {
                continue;
            }
            // What is merely watched must not keep out what is active.
            let taken = if instance.is_active() {
                active
            } else {
                instances.len()
            };
            if taken >= self.alert.max {
                withheld += 1;
                continue;
            }
            active += usize::from(instance.is_active());
            self.tell(&mut instance, change, &policy, None, out);
            self.approach(&instance, Shown::Inactive, &policy, None, out);
            self.write(&instance, Shown::Inactive, out);
            if out.keeps_state() {
                let state = encode_instance(&instance);
                out.instances.push(self.row(&result).change(Some(state)));
            }
            instances.insert(result, instance);
        }
        withheld
    }

    /// An evaluation that failed: nothing changes, and the series go on.
    pub(crate) fn freeze(&self, instances: &Instances, out: &mut Tick) {
        for instance in instances.values() {
            self.write(instance, Shown::of(instance), out);
        }
    }

    /// The rule is no longer there: what fires is resolved, once.
    pub(crate) fn remove(&self, instances: &mut Instances, out: &mut Tick) {
        for (result, mut instance) in std::mem::take(instances) {
            let policy = Policy::of(self.alert, &result);
            let before = Shown::of(&instance);
            let phase = std::mem::replace(&mut instance.phase, Phase::Inactive);
            if let Phase::Firing(episode) = phase {
                let how = End::Resolved;
                let change = Change::Ended { how, episode };
                self.tell(&mut instance, change, &policy, Some(REMOVED), out);
            }
            self.approach(&instance, before, &policy, Some(REMOVED), out);
            self.write(&instance, before, out);
            out.instances.push(self.row(&result).change(None));
        }
    }

    /// A condition that ended before it fired.
    fn note_lapse(
        &self,
        instance: &Instance,
        before: Shown,
        policy: &Policy<'_>,
        beat: Beat,
        out: &mut Tick,
    ) {
        let (Shown::Pending { level, active_at }, Phase::Inactive) = (before, &instance.phase)
        else {
            return;
        };
        out.lapses.push(Lapse {
            rule: self.alert.name.clone(),
            identity: instance.identity.clone(),
            level,
            since: active_at,
            until: self.now.minus(beat.elapsed),
            hold_for: policy.hold_for(level),
        });
    }

    /// What happened on the way to fire, for the history.
    fn approach(
        &self,
        instance: &Instance,
        before: Shown,
        policy: &Policy<'_>,
        reason: Option<&str>,
        out: &mut Tick,
    ) {
        let missing = instance.missing_since().is_some();
        let approach = approach(instance, before, self.now).filter(|_| out.keeps_state());
        out.approaches.extend(approach.map(|approach| {
            let reason = reason.or(match approach.to {
                Some(_) if missing => Some(MISSING),
                None if missing => Some(VANISHED),
                _ => None,
            });
            let level = approach.to.or(approach.from);
            Approach {
                rule: self.alert.name.clone(),
                threshold: level
                    .and_then(|level| threshold(policy, level, instance.words.as_ref())),
                reason: reason.map(str::to_owned),
                ..approach
            }
        }));
    }

    fn row(&self, result: &Labels) -> RowKey {
        RowKey::Instance {
            rule: self.step.key.clone(),
            result: result.clone(),
        }
    }

    fn write(&self, instance: &Instance, before: Shown, out: &mut Tick) {
        series::write(
            &instance.identity,
            sets_severity(self.alert),
            before,
            Shown::of(instance),
            self.data_time,
            out,
        );
    }

    fn tell(
        &self,
        instance: &mut Instance,
        change: Change,
        policy: &Policy<'_>,
        reason: Option<&str>,
        out: &mut Tick,
    ) {
        let (kind, from, mut ended) = match change {
            Change::None => return,
            Change::Fired => (NoticeKind::Fire, None, None),
            Change::Rose { from } => (NoticeKind::Rise, Some(from), None),
            Change::Fell { from } => (NoticeKind::Fall, Some(from), None),
            Change::Ended { how, episode } => {
                let kind = match how {
                    End::Resolved => NoticeKind::Resolve,
                    End::Gone => NoticeKind::Gone,
                };
                (kind, Some(episode.level), Some(episode))
            }
        };
        let missing = instance.missing_since().is_some();
        let reason = reason.or(match kind {
            NoticeKind::Gone => Some(VANISHED),
            NoticeKind::Fire | NoticeKind::Rise if missing => Some(MISSING),
            _ => None,
        });
        let (identity, value) = (instance.identity.clone(), instance.value);
        let ((Some(episode), _) | (None, Phase::Firing(episode))) =
            (&mut ended, &mut instance.phase)
        else {
            return; // Only what fires has changes that are told.
        };
        let words = instance.words.as_ref();
        let threshold = threshold(policy, episode.level, words);
        let labels = shown_labels(&identity, episode.level, sets_severity(self.alert));
        let telling = Telling {
            rule: &self.alert.name,
            identity: &identity,
            annotations: self.annotations(&labels, value, threshold, episode, words),
            labels,
            kind,
            from,
            at: self.now,
            value,
            threshold,
            reason,
            query_path: self.step.query_path(),
            broken: None,
        };
        tell(self.rules, &telling, episode, out);
    }

    /// The rendered texts of a firing alert.
    fn annotations(
        &self,
        labels: &Labels,
        value: f64,
        threshold: Option<f64>,
        episode: &Episode,
        words: Option<&Words>,
    ) -> Vec<(String, String)> {
        let since = self.now.since(episode.active_at).max(DurationMs::ZERO);
        let context = TextContext {
            labels,
            value,
            threshold,
            level: Some(episode.level),
            since: Some(since),
        };
        render_all(self.alert, words, &context)
    }
}

/// What is new about an instance that does not fire, if anything is: without rule, threshold and reason.
pub(crate) fn approach(instance: &Instance, before: Shown, now: TimestampMs) -> Option<Approach> {
    let pending = |shown| match shown {
        Shown::Pending { level, .. } => Some(level),
        Shown::Inactive | Shown::Firing { .. } => None,
    };
    let (from, to) = (pending(before), pending(Shown::of(instance)));
    // What fires now is told.
    (from != to && !matches!(instance.phase, Phase::Firing(_))).then(|| Approach {
        at: now,
        rule: String::new(),
        identity: instance.identity.clone(),
        from,
        to,
        value: instance.value,
        threshold: None,
        reason: None,
    })
}

/// Every text of an alert, rendered: `summary`, `description`, `runbook_url`, then the notes. What an objective says of itself takes
/// the place of the summary.
pub(crate) fn render_all(
    alert: &Alert,
    words: Option<&Words>,
    context: &TextContext<'_>,
) -> Vec<(String, String)> {
    let text = |name: &str, text: &Option<Text>| {
        let text = text.as_ref()?;
        Some((name.to_owned(), text.render(context)))
    };
    let runbook = alert.runbook.as_ref();
    let summary = words.map(|words| ("summary".to_owned(), words.summary.clone()));
    summary
        .or_else(|| text("summary", &alert.summary))
        .into_iter()
        .chain(text("description", &alert.description))
        .chain(runbook.map(|url| ("runbook_url".to_owned(), url.clone())))
        .chain(
            alert
                .notes
                .iter()
                .map(|(n, t)| (n.clone(), t.render(context))),
        )
        .collect()
}
