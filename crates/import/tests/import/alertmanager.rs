//! Alertmanager's configurations and the decisions that its own tests pin down: what was imported has to decide alike.

use bellwether_engine::calendar;
use bellwether_import::{Format, Imported, Options, Source, import, parse_matchers};
use bellwether_lang::rules::{self, GroupBy, RuleSet};
use bellwether_model::{DurationMs, Labels, TimestampMs, limits};
use serde_json::Value;

use crate::shared;

fn config(path: &str, text: &str) -> Imported {
    let source = Source {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    import(Format::Alertmanager, &[source], &Options::default())
}

fn rules_of(imported: &Imported) -> RuleSet {
    let shown: Vec<String> = imported.findings.iter().map(ToString::to_string).collect();
    assert!(!imported.refused(), "{}", shown.join("\n"));
    let checked = rules::check(&imported.files);
    assert!(
        !checked.has_errors(),
        "{:?}\n{}",
        checked.diagnostics,
        imported.files[0].text
    );
    checked.rules
}

#[test]
fn configurations() {
    let Some(folder) = shared::conformance("alertmanager-yaml") else {
        return;
    };
    let mut wrong = Vec::new();
    for row in shared::rows(&folder) {
        let text = std::fs::read_to_string(folder.join(&row[0])).expect("a file of the corpus");
        let imported = config(&row[0], &text);
        let refused: Vec<String> = imported
            .findings
            .iter()
            .filter(|f| f.kind == bellwether_import::Kind::Refused)
            .map(ToString::to_string)
            .collect();
        if imported.refused() == (row[1] == "accept") {
            wrong.push(format!("{} ({}): {}", row[0], row[1], refused.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The cases of one kind.
fn cases(kind: &str) -> Vec<Value> {
    let Some(folder) = shared::conformance("alertmanager-yaml") else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(folder.join("cases.json")).expect("the cases are there");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let cases = all["cases"].as_array().expect("a list").clone();
    let cases: Vec<Value> = cases
        .into_iter()
        .filter(|case| case["kind"] == kind)
        .collect();
    assert!(!cases.is_empty(), "no case of kind {kind}");
    cases
}

/// Kinds of cases: all but one are decided here.
#[test]
fn timelines_wait_for_groups_and_silences() {
    // Notifications need the grouping clock, which comes with delivery: said here, so that nobody takes it for done.
    let count = cases("timeline").len();
    eprintln!("skipped: {count} cases of kind timeline, which need groups and silences");
}

#[test]
fn bad_configurations_are_refused() {
    for case in cases("config_error") {
        let text = case["config"].as_str().expect("a text");
        let imported = config("a.yml", text);
        assert!(imported.refused(), "{}\n{text}", case["error"]);
        assert!(imported.findings.iter().all(|f| f.line > 0 && f.column > 0));
    }
}

#[test]
fn matchers() {
    for case in cases("matchers") {
        let input = case["input"].as_str().expect("a text");
        let found = parse_matchers(input);
        let Some(want) = case["matchers"].as_array() else {
            assert!(found.is_err(), "{}: {found:?}", case["name"]);
            continue;
        };
        let found: Vec<[String; 3]> = found
            .unwrap_or_else(|e| panic!("{}: {e}", case["name"]))
            .iter()
            .map(|m| {
                [
                    m.name().to_owned(),
                    m.op().to_string(),
                    m.value().to_owned(),
                ]
            })
            .collect();
        let want: Vec<[String; 3]> = want
            .iter()
            .map(|m| [0, 1, 2].map(|i| m[i].as_str().expect("a text").to_owned()))
            .collect();
        assert_eq!(found, want, "{}", case["name"]);
    }
}

/// The text with each line indented.
fn indented(text: &str, by: usize) -> String {
    let lines = text
        .lines()
        .map(|line| format!("{}{line}\n", " ".repeat(by)));
    lines.collect()
}

#[test]
fn routes() {
    for case in cases("route") {
        let route = case["route"].as_str().expect("a text");
        let names = [
            "notify-def",
            "notify-A",
            "notify-testing",
            "notify-productionA",
            "notify-productionB",
            "notify-BC",
        ];
        let receiver =
            |name| format!("- name: {name}\n  webhook_configs: [{{url: 'http://x.example'}}]");
        let receivers = names.map(receiver).join("\n");
        let text = format!("route:\n{}receivers:\n{receivers}", indented(route, 2));
        let rules = rules_of(&config("a.yml", &text));
        let labels = case["labels"].as_object().expect("labels");
        let pairs = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")));
        let found: Vec<String> = rules
            .routes
            .matching(&Labels::from_pairs(pairs))
            .iter()
            .map(|route| {
                let group = match &route.group {
                    GroupBy::All => "all".to_owned(),
                    GroupBy::Labels(labels) => labels.join(","),
                };
                let times = [route.wait, route.batch, route.repeat].map(|t| t.to_string());
                format!("{} {group} {}", route.to.join(","), times.join(" "))
            })
            .collect();
        let want: Vec<String> = case["result"]
            .as_array()
            .expect("a list")
            .iter()
            .map(wanted)
            .collect();
        assert_eq!(found, want, "{labels:?}\n{text}");
    }
}

/// A route that has to take an alert: receiver, grouping, times.
fn wanted(route: &Value) -> String {
    let group = match &route["group_by"] {
        Value::Array(labels) => {
            let labels: Vec<&str> = labels.iter().filter_map(Value::as_str).collect();
            labels.join(",")
        }
        other if other == "default" => String::new(),
        other => other.as_str().expect("a text").to_owned(),
    };
    let time = |name: &str, default: &limits::Limit| {
        let text = route[name].as_str().expect("a text");
        match text {
            "default" => DurationMs(default.millis()).to_string(),
            text => text.to_owned(),
        }
    };
    let times = [
        time("group_wait", &limits::ROUTE_WAIT),
        time("group_interval", &limits::ROUTE_BATCH),
        time("repeat_interval", &limits::ROUTE_REPEAT),
    ];
    format!(
        "{} {group} {}",
        route["receiver"].as_str().expect("a text"),
        times.join(" ")
    )
}

/// A configuration with one named list of time intervals.
fn with_intervals(list: &str) -> String {
    format!(
        "route: {{receiver: r}}\nreceivers: [{{name: r}}]\ntime_intervals:\n- name: t\n  time_intervals:\n{}",
        indented(list, 4)
    )
}

#[test]
fn time_intervals() {
    for case in cases("time_intervals") {
        let yaml = case["yaml"].as_str().expect("a text").replace("---\n", "");
        let list = match case["single"].as_bool() {
            // One interval, made the only one of a list.
            Some(true) => indented(yaml.trim_start_matches('\n'), 2).replacen("  ", "- ", 1),
            _ => yaml,
        };
        let imported = config("a.yml", &with_intervals(&list));
        if !case["error"].is_null() {
            assert!(imported.refused(), "{}", case["error"]);
            continue;
        }
        let rules = rules_of(&imported);
        for (field, open) in [("contains", true), ("excludes", false)] {
            for moment in case[field].as_array().expect("a list") {
                let text = moment.as_str().expect("a text");
                let at = rfc822(text);
                assert_eq!(
                    calendar::is_open(&rules.windows[0], at),
                    open,
                    "{text}\n{list}"
                );
            }
        }
    }
}

/// `08 Jul 20 09:00 +0000`
fn rfc822(text: &str) -> TimestampMs {
    let parts: Vec<&str> = text.split(' ').collect();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|m| *m == parts[1]).expect("a month") + 1;
    let (sign, zone) = parts[4].split_at(1);
    let (hours, minutes) = zone.split_at(2);
    let rfc = format!(
        "20{}-{month:02}-{}T{}:00{sign}{hours}:{minutes}",
        parts[2], parts[0], parts[3]
    );
    TimestampMs::parse(&rfc).expect("a time")
}

#[test]
fn routes_mute_by_what_reaches_them() {
    let text = "\
route:
  receiver: all
  routes:
  - receiver: db
    matchers: [team=db]
    mute_time_intervals: [nights]
    routes:
    - receiver: all
      matchers: [severity=critical]
  - receiver: web
    matchers: [\"env=~prod|staging\"]
    active_time_intervals: [office]
receivers:
- {name: all, webhook_configs: [{url: 'http://a.example'}]}
- {name: db, webhook_configs: [{url: 'http://b.example'}]}
- {name: web, webhook_configs: [{url: 'http://c.example'}]}
time_intervals:
- name: nights
  time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '06:00'}]}]
- name: office
  time_intervals: [{weekdays: ['monday:friday']}]
";
    let rules = rules_of(&config("a.yml", text));
    let muted = |pairs: &[(&str, &str)], at: &str| {
        let labels = Labels::from_pairs(pairs.iter().copied());
        let at = TimestampMs::parse(at).expect("a time");
        let found = bellwether_engine::route::muted_by(&rules, &labels, &[], at);
        found.map(|mute| mute.name.clone()).unwrap_or_default()
    };
    let (night, sunday) = ("2026-11-24T23:00:00Z", "2026-11-22T12:00:00Z");
    assert_eq!(muted(&[("team", "db")], night), "db-during");
    assert_eq!(muted(&[("team", "db")], sunday), "");
    // The child's alerts are the child's.
    assert_eq!(
        muted(&[("team", "db"), ("severity", "critical")], night),
        ""
    );
    assert_eq!(
        muted(&[("team", "web"), ("env", "prod")], sunday),
        "web-outside"
    );
    // What the first route takes never reaches the second one.
    assert_eq!(muted(&[("team", "db"), ("env", "prod")], sunday), "");
}
