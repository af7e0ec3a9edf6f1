//! Alerts as series: `ALERTS`, `ALERTS_FOR_STATE` and `alert:level`.
//!
//! ```text
//! ALERTS{alertname, alertstate="pending|firing", severity, ...} 1
//! ALERTS_FOR_STATE{alertname, ...}   when it became active, Unix seconds
//! alert:level{alertname, ...}        0 while pending, then 1 (info) .. 5 (emergency)
//! ```
//!
//! Written at every evaluation while the alert is active; a staleness marker ends what does not go on.

use bellwether_lang::rules::Level;
use bellwether_model::{Labels, LabelsBuilder, METRIC_NAME, STALE_NAN, TimestampMs};

use crate::effects::Tick;
use crate::instance::{Instance, Phase};
use crate::overlay::ALERT_METRICS;

/// What the series of an alert depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Inactive,
    Pending {
        level: Level,
        active_at: TimestampMs,
    },
    Firing {
        level: Level,
        active_at: TimestampMs,
    },
}

impl Shown {
    pub(crate) fn of(instance: &Instance) -> Shown {
        match &instance.phase {
            Phase::Inactive => Shown::Inactive,
            Phase::Pending { active_at, level } => Shown::Pending {
                level: *level,
                active_at: *active_at,
            },
            Phase::Firing(episode) => Shown::Firing {
                level: episode.level,
                active_at: episode.active_at,
            },
        }
    }

    /// The series and their values.
    fn series(self, identity: &Labels, severity_is_set: bool) -> Vec<(Labels, f64)> {
        let (state, level, active_at, number) = match self {
            Shown::Inactive => return Vec::new(),
            Shown::Pending { level, active_at } => ("pending", level, active_at, 0.0),
            Shown::Firing { level, active_at } => {
                ("firing", level, active_at, f64::from(level as u8))
            }
        };
        let [alerts, for_state, alert_level] = ALERT_METRICS;
        let named = |metric: &str| {
            let mut labels = LabelsBuilder::from_labels(identity);
            labels.set(METRIC_NAME, metric);
            labels
        };
        let mut alerts = named(alerts);
        alerts.set("alertstate", state);
        if !severity_is_set {
            alerts.set("severity", &level.to_string());
        }
        vec![
            (alerts.build(), 1.0),
            (named(for_state).build(), active_at.as_seconds()),
            (named(alert_level).build(), number),
        ]
    }
}

/// Writes the series of `after` at `t`, and ends those of `before` that do not go on.
pub(crate) fn write(
    identity: &Labels,
    severity_is_set: bool,
    before: Shown,
    after: Shown,
    t: TimestampMs,
    out: &mut Tick,
) {
    if !out.has_alert_series() {
        return;
    }
    let written = after.series(identity, severity_is_set);
    if before != after {
        let ended = before.series(identity, severity_is_set).into_iter();
        let ended = ended.filter(|(labels, _)| written.iter().all(|(l, _)| l != labels));
        out.samples
            .extend(ended.map(|(labels, _)| (labels, t, STALE_NAN)));
    }
    out.samples.extend(
        written
            .into_iter()
            .map(|(labels, value)| (labels, t, value)),
    );
}
