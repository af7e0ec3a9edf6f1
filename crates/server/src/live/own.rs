//! The server's figures about itself, for `/metrics` and as series of the store: `bellwether_*`.
//!
//! [`FAMILIES`] names them all, once, with what they mean.

use std::sync::Arc;

use bellwether_disk::{Disk, RealDisk};
use bellwether_engine::RuleKind;
use bellwether_ledger::Ledger;
use bellwether_model::METRIC_NAME;
use bellwether_store::{Health, Store};
use bellwether_wire::exposition::{Exposition, Kind};
use std::path::PathBuf;

use super::host::{Figures, push};
use super::publish::Published;
use crate::counters::Counters;

/// Every family, in the order of `/metrics`: name, kind, what it means.
pub(crate) const FAMILIES: [(&str, Kind, &str); 30] = [
    (
        "bellwether_samples_appended_total",
        Kind::Counter,
        "Samples accepted.",
    ),
    (
        "bellwether_samples_duplicate_total",
        Kind::Counter,
        "Samples that were there already.",
    ),
    (
        "bellwether_samples_rejected_total",
        Kind::Counter,
        "Samples and lines refused, by reason.",
    ),
    (
        "bellwether_newest_sample_timestamp_seconds",
        Kind::Gauge,
        "Time of the newest sample.",
    ),
    ("bellwether_series", Kind::Gauge, "Series in the index."),
    (
        "bellwether_head_samples",
        Kind::Gauge,
        "Samples that no segment holds yet.",
    ),
    (
        "bellwether_head_bytes",
        Kind::Gauge,
        "Memory of those samples.",
    ),
    (
        "bellwether_wal_bytes",
        Kind::Gauge,
        "Bytes of log that the next start would read.",
    ),
    (
        "bellwether_wal_syncs_total",
        Kind::Counter,
        "Syncs of the log.",
    ),
    ("bellwether_segments", Kind::Gauge, "Segments on disk."),
    (
        "bellwether_segment_bytes",
        Kind::Gauge,
        "Bytes of those segments.",
    ),
    (
        "bellwether_segment_samples",
        Kind::Gauge,
        "Samples in those segments.",
    ),
    (
        "bellwether_segments_quarantined",
        Kind::Gauge,
        "Segments set aside because they are damaged.",
    ),
    (
        "bellwether_store_read_only",
        Kind::Gauge,
        "1 while the store takes no samples.",
    ),
    (
        "bellwether_disk_free_bytes",
        Kind::Gauge,
        "Free space where the data lies.",
    ),
    ("bellwether_rules", Kind::Gauge, "Rules that run."),
    (
        "bellwether_rules_failing",
        Kind::Gauge,
        "Rules whose last evaluation failed.",
    ),
    (
        "bellwether_rules_broken",
        Kind::Gauge,
        "1 while the rule folder has mistakes and older rules run, or none.",
    ),
    (
        "bellwether_rule_ticks_total",
        Kind::Counter,
        "Ticks evaluated.",
    ),
    (
        "bellwether_rule_ticks_skipped_total",
        Kind::Counter,
        "Evaluations of rules that were skipped.",
    ),
    (
        "bellwether_rule_tick_seconds_total",
        Kind::Counter,
        "Time spent evaluating ticks.",
    ),
    (
        "bellwether_rule_last_tick_timestamp_seconds",
        Kind::Gauge,
        "Time of the last tick.",
    ),
    (
        "bellwether_ledger_commits_failed_total",
        Kind::Counter,
        "Commits of alert state that failed and were repeated.",
    ),
    (
        "bellwether_notify_outbox_open",
        Kind::Gauge,
        "Notices that wait to be delivered.",
    ),
    (
        "bellwether_notify_delivered_total",
        Kind::Counter,
        "Notices delivered, over all starts.",
    ),
    (
        "bellwether_notify_dead_letters_total",
        Kind::Counter,
        "Notices given up, over all starts.",
    ),
    (
        "bellwether_http_requests_total",
        Kind::Counter,
        "Requests answered, by status.",
    ),
    (
        "bellwether_http_connections_total",
        Kind::Counter,
        "Connections opened.",
    ),
    (
        "bellwether_limit_hits_total",
        Kind::Counter,
        "Requests refused by a limit, by its name.",
    ),
    (
        "bellwether_query_seconds",
        Kind::Summary,
        "Queries over HTTP and the time they took.",
    ),
];

/// The names of the server's figures about itself, those among them that have no series before something goes wrong.
pub fn own_metrics() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|(name, ..)| *name)
}

/// Where the figures come from.
#[derive(Clone)]
pub(crate) struct OwnFigures {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) published: Arc<Published>,
    pub(crate) counters: Arc<Counters>,
    /// The data folder, whose free space matters.
    pub(crate) data: PathBuf,
}

impl OwnFigures {
    /// All of them, now.
    pub(crate) fn look(&self) -> Figures {
        let mut out = Figures::new();
        self.store(&mut out);
        self.rules(&mut out);
        self.delivery(&mut out);
        self.http(&mut out);
        out
    }

    /// All of them as `/metrics` shows them.
    pub(crate) fn exposition(&self) -> String {
        let figures = self.look();
        let mut text = Exposition::new();
        for (name, kind, help) in FAMILIES {
            text.family(name, kind, help);
            let belongs =
                |metric: &str| metric == name || kind == Kind::Summary && metric.starts_with(name);
            for (labels, value) in &figures {
                let metric = labels.metric().unwrap_or_default();
                if belongs(metric) {
                    let pairs: Vec<(&str, &str)> =
                        labels.iter().filter(|(n, _)| *n != METRIC_NAME).collect();
                    text.sample(metric, &pairs, *value);
                }
            }
        }
        text.finish()
    }

    fn store(&self, out: &mut Figures) {
        let stats = self.store.stats();
        for (name, value) in [
            ("bellwether_samples_appended_total", stats.accepted),
            ("bellwether_samples_duplicate_total", stats.duplicates),
            ("bellwether_series", stats.series),
            ("bellwether_head_samples", stats.head_samples),
            ("bellwether_head_bytes", stats.head_bytes),
            ("bellwether_wal_bytes", stats.wal_bytes),
            ("bellwether_wal_syncs_total", stats.syncs),
            ("bellwether_segments", stats.segments),
            ("bellwether_segment_bytes", stats.segment_bytes),
            ("bellwether_segment_samples", stats.segment_samples),
            ("bellwether_segments_quarantined", stats.quarantined),
        ] {
            push(out, name, &[], value as f64);
        }
        if let Some(newest) = stats.newest {
            push(
                out,
                "bellwether_newest_sample_timestamp_seconds",
                &[],
                newest.as_seconds(),
            );
        }
        let read_only = matches!(self.store.health(), Health::ReadOnly { .. });
        push(
            out,
            "bellwether_store_read_only",
            &[],
            f64::from(u8::from(read_only)),
        );
        if let Ok(free) = RealDisk.free_space(&self.data) {
            push(out, "bellwether_disk_free_bytes", &[], free as f64);
        }
    }

    fn rules(&self, out: &mut Figures) {
        let status = self.published.status();
        let rules = || status.groups.iter().flat_map(|g| &g.rules);
        let failing = rules()
            .filter(|r| r.health == bellwether_engine::Health::Err)
            .count();
        let skipped: u64 = rules().map(|r| r.skipped).sum();
        let (mut alerting, mut recording) = (0, 0);
        for rule in rules() {
            match rule.kind {
                RuleKind::Alerting { .. } => alerting += 1,
                RuleKind::Recording => recording += 1,
            }
        }
        let totals = self.published.totals();
        push(
            out,
            "bellwether_rules",
            &[("type", "alerting")],
            f64::from(alerting),
        );
        push(
            out,
            "bellwether_rules",
            &[("type", "recording")],
            f64::from(recording),
        );
        push(out, "bellwether_rules_failing", &[], failing as f64);
        push(
            out,
            "bellwether_rules_broken",
            &[],
            f64::from(u8::from(self.published.loaded().broken)),
        );
        push(out, "bellwether_rule_ticks_total", &[], totals.ticks as f64);
        push(
            out,
            "bellwether_rule_ticks_skipped_total",
            &[],
            skipped as f64,
        );
        push(
            out,
            "bellwether_rule_tick_seconds_total",
            &[],
            totals.tick_seconds,
        );
        push(
            out,
            "bellwether_rule_last_tick_timestamp_seconds",
            &[],
            totals.last_tick_ms as f64 / 1000.0,
        );
        push(
            out,
            "bellwether_ledger_commits_failed_total",
            &[],
            totals.commits_failed as f64,
        );
    }

    fn delivery(&self, out: &mut Figures) {
        // A ledger that cannot be read shows no figures rather than wrong ones.
        let Ok(balance) = self.ledger.balance() else {
            return;
        };
        push(
            out,
            "bellwether_notify_outbox_open",
            &[],
            balance.open as f64,
        );
        push(
            out,
            "bellwether_notify_delivered_total",
            &[],
            balance.delivered as f64,
        );
        push(
            out,
            "bellwether_notify_dead_letters_total",
            &[],
            balance.dead_letter as f64,
        );
    }

    fn http(&self, out: &mut Figures) {
        for (status, count) in self.counters.requests_by_status() {
            push(
                out,
                "bellwether_http_requests_total",
                &[("code", &status.to_string())],
                count as f64,
            );
        }
        for (reason, count) in self.counters.rejected_by_reason() {
            push(
                out,
                "bellwether_samples_rejected_total",
                &[("reason", reason)],
                count as f64,
            );
        }
        for (limit, count) in self.counters.hits_by_limit() {
            push(
                out,
                "bellwether_limit_hits_total",
                &[("limit", limit)],
                count as f64,
            );
        }
        push(
            out,
            "bellwether_http_connections_total",
            &[],
            self.counters.connections_opened() as f64,
        );
        let (count, seconds) = self.counters.query_totals();
        push(out, "bellwether_query_seconds_count", &[], count as f64);
        push(out, "bellwether_query_seconds_sum", &[], seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_once() {
        for (i, (name, _, help)) in FAMILIES.iter().enumerate() {
            assert!(FAMILIES[..i].iter().all(|(n, _, _)| n != name), "{name}");
            assert!(help.ends_with('.'), "{name}");
        }
    }
}
