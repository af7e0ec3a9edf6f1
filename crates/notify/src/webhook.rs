//! The channel `webhook`: a notice as Alertmanager's webhook body, version 4.
//!
//! Receivers written for Alertmanager work as they are. One notice is one group of one alert:
//!
//! - `groupKey`, `groupLabels` and `fingerprint` come from the identity, which does not hold the level: an alert
//!   that goes from warning to critical and back keeps them, and its `severity` label says the level.
//! - `status` is `firing` or `resolved`; an alert whose series vanished is `resolved` to the protocol, and its
//!   annotation `reason` says that it is gone, not recovered.
//! - `Idempotency-Key` is the notice's key: whoever honours it sees each notice once, however often it is sent.
//!
//! Not here: the bearer token. A request names its secret, the server puts it in.

use bellwether_model::notice::{Notice, NoticeKind};
use bellwether_model::value::format_value;
use bellwether_model::{Labels, TimestampMs};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What Alertmanager writes for "not yet".
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Where a webhook goes.
#[derive(Clone, Copy, Debug)]
pub struct Webhook<'a> {
    /// The URL, a secret.
    pub url: &'a str,
    /// The name of the secret for `Authorization: Bearer`.
    pub bearer: Option<&'a str>,
    /// Scheme and host under which people reach this server, without a slash at the end.
    pub external_url: &'a str,
}

/// A request to be sent. Its `Debug` shows neither URL nor body.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`.
    pub method: &'static str,
    /// The whole URL, a secret.
    pub url: String,
    /// Names and values, all of them legal as they are.
    pub headers: Vec<(&'static str, String)>,
    /// The name of the secret to be sent as `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &crate::redact::shown_url(&self.url))
            .field("headers", &self.headers)
            .field("bearer", &self.bearer)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// The request that tells a webhook of the notice: the same bytes at every attempt.
pub fn request(notice: &Notice, hook: Webhook<'_>) -> Request {
    Request {
        method: "POST",
        url: hook.url.to_owned(),
        headers: vec![
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", user_agent()),
            ("Idempotency-Key", notice.key.clone()),
        ],
        bearer: hook.bearer.map(str::to_owned),
        body: body(notice, hook.external_url),
    }
}

/// As this program names itself to others.
fn user_agent() -> String {
    format!("bellwether/{}", env!("CARGO_PKG_VERSION"))
}

/// The JSON body.
pub fn body(notice: &Notice, external_url: &str) -> Vec<u8> {
    let annotations = annotations(notice);
    let status = if notice.kind.ends() {
        "resolved"
    } else {
        "firing"
    };
    let message = Message {
        version: "4",
        group_key: format!("{{}}:{}", notice.identity),
        truncated_alerts: 0,
        status,
        receiver: &notice.channel,
        notification_reason: match notice.kind {
            NoticeKind::Fire | NoticeKind::Rise => "new",
            NoticeKind::Fall => "repeat",
            NoticeKind::Resolve | NoticeKind::Gone => "resolved",
        },
        group_labels: Pairs::of(&notice.identity),
        common_labels: Pairs::of(&notice.labels),
        common_annotations: Pairs::of(&annotations),
        route_labels: Pairs::of(&Labels::empty()),
        external_url,
        alerts: [Alert {
            status,
            labels: Pairs::of(&notice.labels),
            annotations: Pairs::of(&annotations),
            starts_at: notice.starts_at.to_rfc3339(),
            ends_at: notice
                .ends_at
                .map_or_else(|| ZERO_TIME.to_owned(), TimestampMs::to_rfc3339),
            generator_url: match notice.query_path.as_str() {
                "" => String::new(),
                path => format!("{external_url}{path}"),
            },
            fingerprint: format!("{:016x}", notice.identity.fingerprint()),
        }],
    };
    // Strings under string keys: nothing in it that JSON could not hold.
    serde_json::to_vec(&message).unwrap_or_default()
}

/// The notice's texts, and what else explains it; a rule's own text of the same name wins over the numbers.
fn annotations(notice: &Notice) -> Labels {
    let value = ("value".to_owned(), format_value(notice.value));
    let threshold = notice
        .threshold
        .map(|v| ("threshold".to_owned(), format_value(v)));
    let reason = match (notice.kind, &notice.reason) {
        (NoticeKind::Gone, Some(reason)) => Some(format!("gone, not recovered: {reason}")),
        (NoticeKind::Gone, None) => Some("gone, not recovered".to_owned()),
        (_, reason) => reason.clone(),
    };
    let pairs = std::iter::once(value)
        .chain(threshold)
        .chain(notice.annotations.iter().cloned())
        .chain(reason.map(|text| ("reason".to_owned(), text)));
    Labels::from_pairs(pairs) // Of a repeated name the last one stays.
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'a str,
    #[serde(rename = "notification_reason")]
    notification_reason: &'static str,
    group_labels: Pairs,
    common_labels: Pairs,
    common_annotations: Pairs,
    route_labels: Pairs,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: [Alert; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: &'static str,
    labels: Pairs,
    annotations: Pairs,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// Label pairs as a JSON object, in their order.
struct Pairs(Labels);

impl Pairs {
    fn of(labels: &Labels) -> Pairs {
        Pairs(labels.clone())
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn notice(kind: NoticeKind) -> Notice {
        let identity = Labels::from_pairs([("alertname", "Disk"), ("host", "db1")]);
        let mut labels = bellwether_model::LabelsBuilder::from_labels(&identity);
        Notice {
            key: "KEY234".into(),
            channel: "hook".into(),
            rule: "Disk".into(),
            kind,
            labels: labels.set("severity", "critical").build(),
            identity,
            annotations: vec![("summary".into(), "3% left".into())],
            value: 0.03,
            threshold: Some(0.05),
            level: 4,
            at: TimestampMs(1_767_323_045_678),
            active_at: TimestampMs(1_767_322_000_000),
            starts_at: TimestampMs(1_767_323_000_000),
            ends_at: kind.ends().then_some(TimestampMs(1_767_323_045_678)),
            reason: (kind == NoticeKind::Gone).then(|| "the series vanished".into()),
            query_path: "/graph?g0.expr=up&g0.tab=1".into(),
        }
    }

    fn check(notice: &Notice, want: Expect) {
        let text = String::from_utf8(body(notice, "http://me:9090")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["alerts"].as_array().map(Vec::len), Some(1));
        want.assert_eq(&text.replace(",\"", ",\n\""));
    }

    #[test]
    fn a_firing_alert() {
        check(
            &notice(NoticeKind::Fire),
            expect![[r#"
            {"version":"4",
            "groupKey":"{}:{alertname=\"Disk\", host=\"db1\"}",
            "truncatedAlerts":0,
            "status":"firing",
            "receiver":"hook",
            "notification_reason":"new",
            "groupLabels":{"alertname":"Disk",
            "host":"db1"},
            "commonLabels":{"alertname":"Disk",
            "host":"db1",
            "severity":"critical"},
            "commonAnnotations":{"summary":"3% left",
            "threshold":"0.05",
            "value":"0.03"},
            "routeLabels":{},
            "externalURL":"http://me:9090",
            "alerts":[{"status":"firing",
            "labels":{"alertname":"Disk",
            "host":"db1",
            "severity":"critical"},
            "annotations":{"summary":"3% left",
            "threshold":"0.05",
            "value":"0.03"},
            "startsAt":"2026-01-02T03:03:20.000Z",
            "endsAt":"0001-01-01T00:00:00Z",
            "generatorURL":"http://me:9090/graph?g0.expr=up&g0.tab=1",
            "fingerprint":"bb5bb90d66a26dc0"}]}"#]],
        );
    }

    #[test]
    fn a_series_that_vanished_is_resolved_and_says_that_it_is_gone() {
        check(
            &notice(NoticeKind::Gone),
            expect![[r#"
            {"version":"4",
            "groupKey":"{}:{alertname=\"Disk\", host=\"db1\"}",
            "truncatedAlerts":0,
            "status":"resolved",
            "receiver":"hook",
            "notification_reason":"resolved",
            "groupLabels":{"alertname":"Disk",
            "host":"db1"},
            "commonLabels":{"alertname":"Disk",
            "host":"db1",
            "severity":"critical"},
            "commonAnnotations":{"reason":"gone, not recovered: the series vanished",
            "summary":"3% left",
            "threshold":"0.05",
            "value":"0.03"},
            "routeLabels":{},
            "externalURL":"http://me:9090",
            "alerts":[{"status":"resolved",
            "labels":{"alertname":"Disk",
            "host":"db1",
            "severity":"critical"},
            "annotations":{"reason":"gone, not recovered: the series vanished",
            "summary":"3% left",
            "threshold":"0.05",
            "value":"0.03"},
            "startsAt":"2026-01-02T03:03:20.000Z",
            "endsAt":"2026-01-02T03:04:05.678Z",
            "generatorURL":"http://me:9090/graph?g0.expr=up&g0.tab=1",
            "fingerprint":"bb5bb90d66a26dc0"}]}"#]],
        );
    }

    #[test]
    fn a_change_of_level_keeps_group_and_fingerprint() {
        let value = |notice: &Notice| -> serde_json::Value {
            serde_json::from_slice(&body(notice, "")).unwrap()
        };
        let mut low = notice(NoticeKind::Fire);
        low.labels = Labels::from_pairs([("alertname", "Disk"), ("severity", "warning")]);
        let (low, high) = (value(&low), value(&notice(NoticeKind::Rise)));
        assert_eq!(low["groupKey"], high["groupKey"]);
        assert_eq!(
            low["alerts"][0]["fingerprint"],
            high["alerts"][0]["fingerprint"]
        );
        assert_eq!(low["alerts"][0]["labels"]["severity"], "warning");
        assert_eq!(high["alerts"][0]["labels"]["severity"], "critical");
        assert_eq!(high["status"], "firing");
        assert_eq!(high["alerts"][0]["endsAt"], ZERO_TIME);
    }

    #[test]
    fn hostile_texts_are_data() {
        let hostile = "\"},\"status\":\"resolved\u{0}\u{2028}\n\u{1b}<script>";
        let mut notice = notice(NoticeKind::Fire);
        notice.identity = Labels::from_pairs([("alertname", "Disk"), ("x", hostile)]);
        notice.labels = notice.identity.clone();
        notice.annotations = vec![
            ("summary".into(), hostile.into()),
            (hostile.into(), "v".into()),
        ];
        notice.value = f64::NAN;
        let value: serde_json::Value = serde_json::from_slice(&body(&notice, "")).unwrap();
        assert_eq!(value["status"], "firing");
        assert_eq!(value["alerts"][0]["labels"]["x"], hostile);
        assert_eq!(value["commonAnnotations"]["summary"], hostile);
        assert_eq!(value["commonAnnotations"][hostile], "v");
        assert_eq!(value["commonAnnotations"]["value"], "NaN");
    }

    #[test]
    fn the_request_names_its_key_and_shows_no_secret() {
        let hook = Webhook {
            url: "https://hooks.example.com/T0/SECRET",
            bearer: Some("hook-token"),
            external_url: "http://me:9090",
        };
        let made = request(&notice(NoticeKind::Fire), hook);
        assert_eq!(made, request(&notice(NoticeKind::Fire), hook));
        assert_eq!(made.url, hook.url);
        assert!(
            made.headers
                .contains(&("Idempotency-Key", "KEY234".to_owned()))
        );
        assert!(
            made.headers
                .contains(&("Content-Type", "application/json".to_owned()))
        );
        let shown = format!("{made:?}");
        assert!(
            !shown.contains("SECRET") && shown.contains("https://hooks.example.com"),
            "{shown}"
        );
    }
}
