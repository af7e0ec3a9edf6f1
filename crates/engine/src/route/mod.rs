//! Whether an instance is told: the mutes of a folder, held against its labels, the clock, and what else fires.
//!
//! Who is told is the tree's business: [`Routes::matching`](bellwether_lang::rules::Routes::matching). Not here: what
//! was told before a mute and what is told after it.

use bellwether_lang::rules::{Mute, RuleSet};
use bellwether_model::{Labels, TimestampMs};

use crate::calendar;

/// The first mute that holds for an instance with these labels. `firing` are the labels of all firing instances.
pub fn muted_by<'r>(
    rules: &'r RuleSet,
    labels: &Labels,
    firing: &[Labels],
    at: TimestampMs,
) -> Option<&'r Mute> {
    let holds = |mute: &&Mute| {
        mute.matchers.iter().all(|m| m.matches_labels(labels))
            && calendar::mute_holds(&rules.windows, mute, at)
            && explained(mute, labels, firing)
    };
    rules.mutes.iter().find(holds)
}

/// True when the mute has no cause, or one fires with the same values. As in Alertmanager, an instance that is a cause
/// itself is not muted by others that are also on both sides.
fn explained(mute: &Mute, labels: &Labels, firing: &[Labels]) -> bool {
    let Some(cause) = &mute.cause else {
        return true;
    };
    let is_cause = |labels: &Labels| cause.matchers.iter().all(|m| m.matches_labels(labels));
    let is_target = |labels: &Labels| mute.matchers.iter().all(|m| m.matches_labels(labels));
    let both = is_cause(labels);
    let value = |labels: &Labels, name: &str| labels.get(name).unwrap_or("").to_owned();
    firing.iter().any(|other| {
        is_cause(other)
            && !(both && is_target(other))
            && other != labels
            && cause
                .same
                .iter()
                .all(|name| value(other, name) == value(labels, name))
    })
}

#[cfg(test)]
mod tests {
    use bellwether_lang::rules::{SourceFile, check};

    use super::*;

    fn rules(text: &str) -> RuleSet {
        let file = SourceFile {
            path: "m.rules".into(),
            text: text.into(),
        };
        let checked = check(&[file]);
        assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
        checked.rules
    }

    fn muted(
        rules: &RuleSet,
        labels: &[(&str, &str)],
        firing: &[&[(&str, &str)]],
        at: &str,
    ) -> bool {
        let of = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let firing: Vec<Labels> = firing.iter().map(|pairs| of(pairs)).collect();
        let at = TimestampMs::parse(at).unwrap();
        muted_by(rules, &of(labels), &firing, at).is_some()
    }

    #[test]
    fn windows_and_ends() {
        let rules = rules(
            "window office\n  every mon-fri 09:00-17:00\nmute off\n  match {env=\"staging\"}\n  outside office\n  until 2026-12-01T00:00:00Z\n  reason \"x\"\n",
        );
        let staging: &[(&str, &str)] = &[("env", "staging")];
        for (labels, at, want) in [
            (staging, "2026-11-23T12:00:00Z", false),
            (staging, "2026-11-23T18:00:00Z", true),
            (&[("env", "prod")], "2026-11-23T18:00:00Z", false),
            (staging, "2026-12-01T18:00:00Z", false),
        ] {
            assert_eq!(muted(&rules, labels, &[], at), want, "{labels:?} {at}");
        }
    }

    #[test]
    fn causes_explain_what_has_the_same_values() {
        let rules = rules(
            "mute down\n  match {alertname!=\"Down\"}\n  while {alertname=\"Down\"} same (instance, zone)\n  reason \"x\"\n",
        );
        let now = "2026-11-23T12:00:00Z";
        let down: &[(&str, &str)] = &[("alertname", "Down"), ("instance", "a")];
        assert!(muted(
            &rules,
            &[("alertname", "Slow"), ("instance", "a")],
            &[down],
            now
        ));
        assert!(!muted(
            &rules,
            &[("alertname", "Slow"), ("instance", "b")],
            &[down],
            now
        ));
        assert!(!muted(&rules, down, &[down], now));
        assert!(!muted(
            &rules,
            &[("alertname", "Slow"), ("instance", "a")],
            &[],
            now
        ));
    }

    #[test]
    fn what_is_on_both_sides_does_not_mute_its_like() {
        let rules =
            rules("mute both\n  match {team=\"a\"}\n  while {team=~\"a|b\"}\n  reason \"x\"\n");
        let now = "2026-11-23T12:00:00Z";
        let a: &[(&str, &str)] = &[("team", "a"), ("n", "1")];
        let other: &[(&str, &str)] = &[("team", "a"), ("n", "2")];
        assert!(!muted(&rules, a, &[a, other], now));
        assert!(muted(&rules, a, &[&[("team", "b")]], now));
    }
}
