//! What is left to do for a rule that is no longer there: end its series, resolve its alerts, forget its state.
//!
//! Happens once: the rows are deleted in the same commit that tells of it.

use bellwether_lang::rules::RuleSet;
use bellwether_model::notice::NoticeKind;
use bellwether_model::{DurationMs, STALE_NAN, TimestampMs};

use crate::alerts::{self, REMOVED, Turn};
use crate::effects::{Approach, Tick};
use crate::engine::RuleState;
use crate::instance::Phase;
use crate::order::Node;
use crate::plan::{Plan, alert_of_key};
use crate::series::{self, Shown};
use crate::state::RowKey;
use crate::tell::{Telling, shown_labels, tell};

/// Ends what the rule `key` of the plan `old` has running. `rules` are the new rules: their routes tell of it.
pub(crate) fn remove(
    old: &Plan,
    rules: &RuleSet,
    key: &str,
    mut state: RuleState,
    now: TimestampMs,
    out: &mut Tick,
) {
    // Markers must lie behind the last sample, also when the reload falls on a tick.
    let last = state.evaluation.attempted;
    let behind = last.map_or(now, |last| now.max(last.plus(DurationMs(1))));
    let step = old.steps.iter().find(|step| step.key == key);
    let data_time = step.map_or(behind, |step| step.data_time(behind));
    match step.map(|step| (step, step.node)) {
        Some((step, Node::Alert(i))) => {
            let turn = Turn {
                rules,
                step,
                alert: &old.rules.alerts[i],
                now,
                data_time,
            };
            turn.remove(&mut state.instances, out);
        }
        // The rule went away while the program was down: what it said is no longer known.
        _ => remove_unknown(rules, key, &mut state, now, data_time, out),
    }
    for labels in &state.recorded {
        out.samples.push((labels.clone(), data_time, STALE_NAN));
    }
    let rule = key.to_owned();
    if !state.recorded.is_empty() {
        let row = RowKey::Recorded { rule: rule.clone() };
        out.instances.push(row.change(None));
    }
    out.instances.push(RowKey::Evaluation { rule }.change(None));
}

fn remove_unknown(
    rules: &RuleSet,
    key: &str,
    state: &mut RuleState,
    now: TimestampMs,
    data_time: TimestampMs,
    out: &mut Tick,
) {
    let name = alert_of_key(key).unwrap_or_default();
    for (result, mut instance) in std::mem::take(&mut state.instances) {
        let before = Shown::of(&instance);
        let severity_is_set = instance.identity.get("severity").is_some();
        if let Phase::Firing(mut episode) = std::mem::replace(&mut instance.phase, Phase::Inactive)
        {
            let telling = Telling {
                rule: name,
                identity: &instance.identity,
                labels: shown_labels(&instance.identity, episode.level, severity_is_set),
                kind: NoticeKind::Resolve,
                from: Some(episode.level),
                at: now,
                value: instance.value,
                threshold: None,
                annotations: Vec::new(),
                reason: Some(REMOVED),
                query_path: String::new(),
                broken: None,
            };
            tell(rules, &telling, &mut episode, out);
        }
        let ended = alerts::approach(&instance, before, now);
        out.approaches.extend(ended.map(|ended| Approach {
            rule: name.to_owned(),
            reason: Some(REMOVED.to_owned()),
            ..ended
        }));
        let identity = &instance.identity;
        let after = Shown::Inactive;
        series::write(identity, severity_is_set, before, after, data_time, out);
        let row = RowKey::Instance {
            rule: key.to_owned(),
            result,
        };
        out.instances.push(row.change(None));
    }
}
