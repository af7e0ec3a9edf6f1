//! The home page: what fires, what is wrong with the server or its rules, what it holds, where the API is.

use std::cmp::Reverse;
use std::fmt::Write as _;

use bellwether_engine::{AlertState, AlertStatus, Health, RuleKind, Status};
use bellwether_model::TimestampMs;
use bellwether_model::text;
use bellwether_model::value::format_value;
use bellwether_store::Stats;

use super::html::{frame, length, push_element, push_form, push_text, time};

/// The most alerts the page lists.
const ALERTS_MAX: usize = 200;
/// The page asks for itself again after this many seconds.
const REFRESH: &str = "<meta http-equiv=\"refresh\" content=\"15\">\n";

/// What the page shows.
pub(super) struct Home<'a> {
    pub(super) status: &'a Status,
    pub(super) rule_files: usize,
    /// One line each; empty when the folder is fine.
    pub(super) load_errors: &'a [String],
    /// The same, drawn with carets.
    pub(super) load_text: &'a str,
    /// What runs while the folder has mistakes.
    pub(super) instead: &'a str,
    /// Nothing is evaluated any more.
    pub(super) rules_ended: bool,
    pub(super) stats: &'a Stats,
    /// Why the store takes no samples, if it does not.
    pub(super) not_well: Option<String>,
    pub(super) now: TimestampMs,
}

impl Home<'_> {
    pub(super) fn render(&self) -> String {
        frame(REFRESH, |out| {
            self.troubles(out);
            self.alerts(out);
            self.failing_rules(out);
            out.push_str("<h2>Query</h2>\n");
            push_form(out, "");
            self.figures(out);
            out.push_str(WHERE);
        })
    }

    fn troubles(&self, out: &mut String) {
        if let Some(why) = &self.not_well {
            out.push_str("<section class=\"trouble\">\n<h2>No samples are accepted</h2>\n");
            push_element(
                out,
                "p",
                &format!("The store is read-only: {why}. Queries and rules go on."),
            );
            out.push_str("</section>\n");
        }
        if self.rules_ended {
            out.push_str(
                "<section class=\"trouble\">\n<h2>No rule is evaluated</h2>\n\
                 <p>The thread that evaluates rules has ended, which is a bug. Restart the server.</p>\n</section>\n",
            );
        }
        if !self.load_errors.is_empty() {
            let count = self.load_errors.len();
            let noun = if count == 1 { "mistake" } else { "mistakes" };
            let _ = write!(
                out,
                "<section class=\"trouble\">\n<h2>The rule folder has {count} {noun}</h2>\n\
                 <p>Until it is mended, {}. Then it is loaded by itself.</p>\n",
                self.instead
            );
            out.push_str("<pre>");
            push_text(out, self.load_text.trim_end());
            out.push_str("</pre>\n</section>\n");
        }
    }

    fn alerts(&self, out: &mut String) {
        let mut alerts: Vec<&AlertStatus> = self.status.alerts().collect();
        alerts.sort_by_key(|a| (Reverse(a.state), Reverse(a.level), a.active_at));
        let firing = alerts
            .iter()
            .filter(|a| a.state == AlertState::Firing)
            .count();
        let pending = alerts.len() - firing;
        out.push_str("<h1>");
        match firing {
            0 => out.push_str("Nothing is firing"),
            1 => out.push_str("1 alert is firing"),
            n => {
                let _ = write!(out, "{n} alerts are firing");
            }
        }
        if pending > 0 {
            let _ = write!(out, ", {pending} pending");
        }
        out.push_str("</h1>\n");
        if alerts.is_empty() {
            return;
        }
        out.push_str("<ul class=\"alerts\">\n");
        for alert in alerts.iter().take(ALERTS_MAX) {
            self.alert(out, alert);
        }
        out.push_str("</ul>\n");
        if alerts.len() > ALERTS_MAX {
            let more = alerts.len() - ALERTS_MAX;
            let _ = writeln!(
                out,
                "<p>And {more} more: <a href=\"/api/v1/alerts\">/api/v1/alerts</a></p>"
            );
        }
    }

    fn alert(&self, out: &mut String, alert: &AlertStatus) {
        let (level, state) = (alert.level.word(), alert.state.text());
        let _ = writeln!(out, "<li class=\"{level} {state}\">");
        let _ = write!(out, "<p><span class=\"level\">{level}</span> ");
        push_element(
            out,
            "strong",
            alert.labels.get("alertname").unwrap_or("alert"),
        );
        let since = alert.fired_at.unwrap_or(alert.active_at);
        let doing = if alert.state == AlertState::Firing {
            "firing"
        } else {
            "pending"
        };
        let _ = write!(
            out,
            " <span class=\"since\">{doing} for {}, since {}",
            length(self.now.since(since)),
            time(since)
        );
        if let Some(t) = alert.level_since.filter(|t| *t > since) {
            let _ = write!(out, "; {level} since {}", time(t));
        }
        if let Some(t) = alert.missing_since {
            let _ = write!(out, "; without data since {}", time(t));
        }
        if let Some(t) = alert.stale_since {
            let _ = write!(out, "; not evaluated since {}", time(t));
        }
        out.push_str("</span></p>\n");
        let text = |name: &str| {
            alert
                .annotations
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.as_str())
        };
        if let Some(summary) = text("summary") {
            push_element(out, "p", summary);
        }
        out.push_str("<p class=\"labels\">");
        for (name, value) in alert
            .labels
            .iter()
            .filter(|(n, _)| !["alertname", "severity"].contains(n))
        {
            push_element(out, "span", &format!("{name}={value}"));
            out.push(' ');
        }
        push_element(out, "span", &format!("value {}", format_value(alert.value)));
        out.push_str("</p>\n</li>\n");
    }

    fn failing_rules(&self, out: &mut String) {
        let rules = self.status.groups.iter().flat_map(|group| &group.rules);
        let failing: Vec<_> = rules.filter(|rule| rule.health == Health::Err).collect();
        if failing.is_empty() {
            return;
        }
        out.push_str("<section class=\"trouble\">\n<h2>Rules that fail</h2>\n<dl>\n");
        for rule in failing.iter().take(ALERTS_MAX) {
            push_element(out, "dt", &rule.name);
            push_element(
                out,
                "dd",
                rule.last_error.as_deref().unwrap_or("no reason is known"),
            );
        }
        out.push_str("</dl>\n</section>\n");
    }

    fn figures(&self, out: &mut String) {
        let rules = || self.status.groups.iter().flat_map(|group| &group.rules);
        let alerting = rules()
            .filter(|rule| matches!(rule.kind, RuleKind::Alerting { .. }))
            .count();
        let recording = rules().count() - alerting;
        let newest = self.stats.newest.map_or_else(
            || "none yet".to_owned(),
            |t| {
                let age = self.now.since(t);
                let place = if age.0 < 0 {
                    "in the future".to_owned()
                } else {
                    format!("{} ago", length(age))
                };
                format!("{} ({place})", time(t))
            },
        );
        let samples = self.stats.head_samples + self.stats.segment_samples;
        let bytes = self.stats.segment_bytes + self.stats.wal_bytes;
        out.push_str("<h2>Holds</h2>\n<dl class=\"figures\">\n");
        for (name, value) in [
            ("Newest sample", newest),
            ("Series", self.stats.series.to_string()),
            ("Samples", samples.to_string()),
            ("On disk", text::bytes(bytes)),
            ("Alerting rules", alerting.to_string()),
            ("Recording rules", recording.to_string()),
            ("Rule files", self.rule_files.to_string()),
            ("Time here", time(self.now)),
        ] {
            // None of these is anybody else's text.
            let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
        }
        out.push_str("</dl>\n");
    }
}

/// Where everything else is.
const WHERE: &str = "<h2>Where things are</h2>\n<ul>\n\
    <li>Grafana: add a Prometheus data source with the address of this page.</li>\n\
    <li>Samples in: <code>POST /write</code> and <code>POST /api/v2/write</code>, line protocol.</li>\n\
    <li>As JSON: <a href=\"/api/v1/alerts\">/api/v1/alerts</a>, <a href=\"/api/v1/rules\">/api/v1/rules</a>, \
    <a href=\"/api/v1/labels\">/api/v1/labels</a>, <code>/api/v1/query</code>, <code>/api/v1/query_range</code>.</li>\n\
    <li>About this server: <a href=\"/metrics\">/metrics</a>, <a href=\"/-/ready\">/-/ready</a>.</li>\n</ul>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::status;

    fn render(home: impl FnOnce(&mut Home<'_>)) -> String {
        let (status, stats) = (status(), Stats::default());
        let mut shown = Home {
            status: &status,
            rule_files: 1,
            load_errors: &[],
            load_text: "",
            instead: "no rule runs",
            rules_ended: false,
            stats: &stats,
            not_well: None,
            now: TimestampMs(3_720_000),
        };
        home(&mut shown);
        shown.render()
    }

    #[test]
    fn alerts_come_worst_first_with_level_since_and_summary() {
        let got = render(|_| {});
        assert!(
            got.contains("<h1>1 alert is firing, 1 pending</h1>"),
            "{got}"
        );
        let (firing, pending) = (
            got.find("critical firing").unwrap(),
            got.find("warning pending").unwrap(),
        );
        assert!(firing < pending, "{got}");
        assert!(
            got.contains("firing for 1h 1m, since 1970-01-01T00:01:00Z"),
            "{got}"
        );
        assert!(
            got.contains("pending for 1h 1m, since 1970-01-01T00:01:00Z"),
            "{got}"
        );
        assert!(got.contains("Newest sample</dt><dd>none yet"), "{got}");
        assert!(got.contains("Rules that fail"), "{got}");
    }

    #[test]
    fn labels_and_texts_of_alerts_are_escaped() {
        let got = render(|_| {});
        assert!(got.contains("disk=&lt;b&gt;&quot;&amp;&#39;"), "{got}");
        assert!(
            got.contains("disk &lt;script&gt;alert(1)&lt;/script&gt;"),
            "{got}"
        );
        assert!(got.contains("too many &quot;series&quot;"), "{got}");
        assert!(!got.contains("<script") && !got.contains("<b>"), "{got}");
    }

    #[test]
    fn troubles_stand_first() {
        let got = render(|home| {
            home.not_well = Some("the disk is full".into());
            home.rules_ended = true;
            home.load_errors = const { &[String::new()] };
            home.load_text = "rules/<x>.rules:1:1: error\n  ^";
        });
        let order = [
            "read-only: the disk is full",
            "No rule is evaluated",
            "has 1 mistake<",
            "Until it is mended, no rule runs.",
            "rules/&lt;x&gt;.rules",
            "<h1>",
        ];
        let places: Vec<usize> = order
            .iter()
            .map(|text| got.find(text).unwrap_or_else(|| panic!("{text}: {got}")))
            .collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(!got.contains("<x>"));
    }

    #[test]
    fn quiet_servers_say_so() {
        let nothing = Status::default();
        let got = render(|home| home.status = Box::leak(Box::new(nothing)));
        assert!(
            got.contains("<h1>Nothing is firing</h1>") && !got.contains("<ul class=\"alerts\">"),
            "{got}"
        );
    }
}
