//! `/api/v1/rules` and `/api/v1/alerts`: what the engine last published, as Prometheus shows it.
//!
//! Ours beside it: `loadErrors`, what is wrong with the rule folder while older rules run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bellwether_engine::{AlertStatus, GroupStatus, RuleKind, RuleStatus, Status};
use bellwether_lang::rules::Severity;
use bellwether_model::json::{push_json_pairs, push_json_string};
use bellwether_model::value::{format_exponent, push_value};
use bellwether_model::{Labels, Matcher, TimestampMs};

use super::asked::{Asked, bad};
use super::envelope::{push_labels, push_list, push_seconds_field, push_text_field, success};
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;
use crate::live::publish::Loaded;

/// What Go's clients read as "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// `GET /api/v1/rules`.
pub(super) async fn rules(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let filter = Filter::read(&Asked::read(call, &api.http).await?)?;
    let (status, loaded) = (api.published.status(), api.published.loaded());
    let shown = Shown {
        filter,
        times: api.published.evaluation_times(),
    };
    let page = Page::of(&status, &shown.filter)?;
    let data = |out: &mut String| push_rules(out, &page, &load_errors(&loaded), &shown);
    Ok(Answer::json(success(data, &[], &[])))
}

/// `GET /api/v1/alerts`.
pub(super) async fn alerts(api: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    Ok(Answer::json(alerts_body(&api.published.status())))
}

/// The body of [`alerts`].
pub(crate) fn alerts_body(status: &Status) -> String {
    success(|out| push_all_alerts(out, status), &[], &[])
}

/// What is wrong with the folder, one line each: `file:line:column: message`. Empty while it is fine.
pub(super) fn load_errors(loaded: &Loaded) -> Vec<String> {
    if !loaded.broken {
        return Vec::new();
    }
    let errors = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error);
    let lines: Vec<String> = errors
        .map(|d| format!("{}:{}:{}: {}", d.file, d.line, d.column, d.message))
        .collect();
    if lines.is_empty() {
        // No place in a file: the folder could not be read, or its rules go in a circle.
        return vec![loaded.text.trim_end().to_owned()];
    }
    lines
}

/// Which rules are wanted, and how much of them. Empty lists want everything.
#[derive(Debug, Default)]
struct Filter {
    kind: Option<Kind>,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    selectors: Vec<Vec<Matcher>>,
    without_alerts: bool,
    /// Most groups in one answer; 0 for all.
    group_limit: usize,
    /// The group to begin with, as the answer before named it.
    next_token: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Alerting,
    Recording,
}

impl Filter {
    fn read(asked: &Asked) -> Result<Filter, Refusal> {
        let kind = match asked
            .params
            .get("type")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None => None,
            Some("alert") => Some(Kind::Alerting),
            Some("record") => Some(Kind::Recording),
            Some(_) => {
                return Err(bad(
                    "type",
                    format_args!("not supported value, use `alert` or `record`"),
                ));
            }
        };
        let without_alerts = match asked.params.get("exclude_alerts") {
            None | Some("false" | "f" | "F" | "False" | "FALSE" | "0") => false,
            Some("true" | "t" | "T" | "True" | "TRUE" | "1") => true,
            Some(other) => {
                return Err(bad(
                    "exclude_alerts",
                    format_args!("cannot parse {other:?}, use `true` or `false`"),
                ));
            }
        };
        let group_limit = group_limit(asked)?;
        let next_token = asked.params.get("group_next_token").map(str::to_owned);
        if next_token.is_some() && group_limit == 0 {
            return Err(bad(
                "group_limit",
                format_args!("`group_next_token` needs it"),
            ));
        }
        let list = |name| asked.params.all(name).map(str::to_owned).collect();
        Ok(Filter {
            kind,
            names: list("rule_name[]"),
            groups: list("rule_group[]"),
            files: list("file[]"),
            selectors: asked.selectors()?,
            without_alerts,
            group_limit,
            next_token,
        })
    }

    fn wants_group(&self, group: &GroupStatus) -> bool {
        wants(&self.groups, &group.name) && wants(&self.files, &group.file)
    }

    fn wants_rule(&self, rule: &RuleStatus) -> bool {
        let kind = match rule.kind {
            RuleKind::Alerting { .. } => Kind::Alerting,
            RuleKind::Recording => Kind::Recording,
        };
        let by_labels = || {
            let labels = Labels::from_pairs(rule.labels.iter().map(|(n, v)| (n, v)));
            self.selectors
                .iter()
                .any(|s| s.iter().all(|m| m.matches_labels(&labels)))
        };
        self.kind.is_none_or(|wanted| wanted == kind)
            && wants(&self.names, &rule.name)
            && (self.selectors.is_empty() || by_labels())
    }
}

fn group_limit(asked: &Asked) -> Result<usize, Refusal> {
    let Some(text) = asked.params.get("group_limit") else {
        return Ok(0);
    };
    text.parse().map_err(|_| {
        bad(
            "group_limit",
            format_args!("cannot parse {text:?} to a number that is not negative"),
        )
    })
}

fn wants(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|wanted| wanted == name)
}

/// What is shown of the rules.
#[derive(Debug, Default)]
struct Shown {
    filter: Filter,
    /// How long the last evaluation of each rule took, by its key.
    times: BTreeMap<String, Duration>,
}

impl Shown {
    /// Zero for a rule that has not been evaluated since the start.
    fn time(&self, rule: &RuleStatus) -> Duration {
        self.times.get(&rule.key).copied().unwrap_or_default()
    }
}

/// The groups of one answer, each with its rules that are wanted.
struct Page<'s> {
    groups: Vec<(&'s GroupStatus, Vec<&'s RuleStatus>)>,
    /// What asks for the groups behind them, when there are any.
    next: Option<String>,
}

impl<'s> Page<'s> {
    /// From the group on that the request names, as many groups as it wants. Groups without a wanted rule do
    /// not count.
    fn of(status: &'s Status, filter: &Filter) -> Result<Page<'s>, Refusal> {
        let from = match &filter.next_token {
            None => 0,
            Some(token) => first_of(&status.groups, token)?,
        };
        let mut page = Page {
            groups: Vec::new(),
            next: None,
        };
        for group in status.groups[from..]
            .iter()
            .filter(|g| filter.wants_group(g))
        {
            let rules = group.rules.iter().filter(|rule| filter.wants_rule(rule));
            let rules: Vec<&RuleStatus> = rules.collect();
            if rules.is_empty() {
                continue;
            }
            if filter.group_limit > 0 && page.groups.len() == filter.group_limit {
                page.next = Some(token(group));
                break;
            }
            page.groups.push((group, rules));
        }
        Ok(page)
    }
}

/// Where the group stands that `wanted` names.
fn first_of(groups: &[GroupStatus], wanted: &str) -> Result<usize, Refusal> {
    let found = groups.iter().position(|group| token(group) == wanted);
    found.ok_or_else(|| {
        bad(
            "group_next_token",
            format_args!("no group has the token {wanted:?}; were the rules changed?"),
        )
    })
}

/// Names a group in `group_next_token`: the same while the group keeps its file and its name.
fn token(group: &GroupStatus) -> String {
    let labels = Labels::from_pairs([("file", &group.file), ("name", &group.name)]);
    format!("{:016x}", labels.fingerprint())
}

fn push_rules(out: &mut String, page: &Page<'_>, load_errors: &[String], shown: &Shown) {
    out.push_str("{\"groups\":");
    push_list(out, &page.groups, |out, (group, rules)| {
        push_group(out, group, rules, shown);
    });
    if let Some(token) = &page.next {
        push_text_field(out, "groupNextToken", token);
    }
    if !load_errors.is_empty() {
        out.push_str(",\"loadErrors\":");
        push_list(out, load_errors, |out, line| push_json_string(out, line));
    }
    out.push('}');
}

fn push_group(out: &mut String, group: &GroupStatus, rules: &[&RuleStatus], shown: &Shown) {
    out.push_str("{\"name\":");
    push_json_string(out, &group.name);
    push_text_field(out, "file", &group.file);
    push_seconds_field(out, "interval", group.interval);
    out.push_str(",\"limit\":0");
    push_time(out, group.rules.iter().map(|rule| shown.time(rule)).sum());
    push_text_field(out, "lastEvaluation", &time_or_never(group.last_evaluation));
    out.push_str(",\"rules\":");
    push_list(out, rules, |out, rule| push_rule(out, rule, shown));
    out.push('}');
}

fn push_time(out: &mut String, took: Duration) {
    out.push_str(",\"evaluationTime\":");
    push_value(out, took.as_secs_f64());
}

fn push_rule(out: &mut String, rule: &RuleStatus, shown: &Shown) {
    let alerting = matches!(rule.kind, RuleKind::Alerting { .. });
    out.push_str(if alerting {
        "{\"type\":\"alerting\""
    } else {
        "{\"type\":\"recording\""
    });
    push_text_field(out, "name", &rule.name);
    push_text_field(out, "query", &rule.query);
    if let RuleKind::Alerting { hold_for, keep, .. } = &rule.kind {
        push_seconds_field(out, "duration", *hold_for);
        push_seconds_field(out, "keepFiringFor", *keep);
    }
    out.push_str(",\"labels\":");
    push_json_pairs(out, texts(&rule.labels));
    if let RuleKind::Alerting {
        annotations,
        state,
        alerts,
        ..
    } = &rule.kind
    {
        out.push_str(",\"annotations\":");
        push_json_pairs(out, texts(annotations));
        push_text_field(out, "state", state.text());
        if !shown.filter.without_alerts {
            out.push_str(",\"alerts\":");
            push_list(out, alerts, push_alert);
        }
    }
    push_text_field(out, "health", rule.health.text());
    if let Some(error) = &rule.last_error {
        push_text_field(out, "lastError", error);
    }
    push_time(out, shown.time(rule));
    push_text_field(out, "lastEvaluation", &time_or_never(rule.last_evaluation));
    out.push('}');
}

fn push_all_alerts(out: &mut String, status: &Status) {
    out.push_str("{\"alerts\":");
    push_list(out, status.alerts(), push_alert);
    out.push('}');
}

fn push_alert(out: &mut String, alert: &AlertStatus) {
    out.push_str("{\"labels\":");
    push_labels(out, &alert.labels);
    out.push_str(",\"annotations\":");
    push_json_pairs(out, texts(&alert.annotations));
    push_text_field(out, "state", alert.state.text());
    push_text_field(out, "activeAt", &alert.active_at.to_rfc3339());
    if let Some(since) = alert.clearing_since {
        push_text_field(out, "keepFiringSince", &since.to_rfc3339());
    }
    push_text_field(out, "value", &format_exponent(alert.value));
    out.push('}');
}

fn texts(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

fn time_or_never(time: Option<TimestampMs>) -> String {
    time.map_or_else(|| NEVER.to_owned(), TimestampMs::to_rfc3339)
}

#[cfg(test)]
mod tests {
    use bellwether_lang::rules::{SourceFile, check};
    use bellwether_model::DurationMs;
    use expect_test::{Expect, expect};

    use super::*;
    use crate::api::testing::{World, status};
    use crate::edge::params::Params;

    fn filter(query: &str) -> Filter {
        let params = Params::parse(query).unwrap();
        Filter::read(&Asked {
            params,
            path_part: None,
            now: TimestampMs(0),
        })
        .unwrap()
    }

    fn shown(query: &str) -> String {
        let (status, filter) = (status(), filter(query));
        let mut out = String::new();
        let times = [("disk", 400), ("x:y", 1_000_000)];
        let shown = Shown {
            filter,
            times: times
                .map(|(rule, micros)| (rule.to_owned(), Duration::from_micros(micros)))
                .into(),
        };
        let page = Page::of(&status, &shown.filter).unwrap();
        push_rules(&mut out, &page, &[], &shown);
        out
    }

    fn check_json(got: &str, want: Expect) {
        serde_json::from_str::<serde_json::Value>(got).unwrap();
        want.assert_eq(got);
    }

    #[test]
    fn rules_and_alerts_as_prometheus_shows_them() {
        check_json(
            &shown(""),
            expect![[
                r#"{"groups":[{"name":"host","file":"rules/host.rules","interval":30,"limit":0,"evaluationTime":1.0004,"lastEvaluation":"1970-01-01T00:02:00.000Z","rules":[{"type":"alerting","name":"DiskFull","query":"disk_free < 5","duration":120,"keepFiringFor":0.5,"labels":{"team":"infra"},"annotations":{"summary":"disk {{ $labels.disk }}"},"state":"firing","alerts":[{"labels":{"alertname":"DiskFull","disk":"<b>\"&'","severity":"critical"},"annotations":{"summary":"disk <script>alert(1)</script>"},"state":"firing","activeAt":"1970-01-01T00:00:30.000Z","keepFiringSince":"1970-01-01T00:01:30.000Z","value":"1.5e+00"},{"labels":{"alertname":"DiskFull","disk":"sdb","severity":"warning"},"annotations":{},"state":"pending","activeAt":"1970-01-01T00:01:00.000Z","value":"NaN"}],"health":"err","lastError":"too many \"series\"","evaluationTime":0.0004,"lastEvaluation":"1970-01-01T00:02:00.000Z"},{"type":"recording","name":"x:y","query":"sum(x)","labels":{},"health":"unknown","evaluationTime":1,"lastEvaluation":"0001-01-01T00:00:00Z"}]}]}"#
            ]],
        );
        let mut out = String::new();
        push_all_alerts(&mut out, &status());
        check_json(
            &out,
            expect![[
                r#"{"alerts":[{"labels":{"alertname":"DiskFull","disk":"<b>\"&'","severity":"critical"},"annotations":{"summary":"disk <script>alert(1)</script>"},"state":"firing","activeAt":"1970-01-01T00:00:30.000Z","keepFiringSince":"1970-01-01T00:01:30.000Z","value":"1.5e+00"},{"labels":{"alertname":"DiskFull","disk":"sdb","severity":"warning"},"annotations":{},"state":"pending","activeAt":"1970-01-01T00:01:00.000Z","value":"NaN"}]}"#
            ]],
        );
    }

    #[test]
    fn filters_leave_out_rules_and_groups_without_any() {
        for (query, disk, record, alerts) in [
            ("type=alert", true, false, true),
            ("type=record", false, true, false),
            ("rule_name[]=x:y", false, true, false),
            ("rule_name[]=x:y&rule_name[]=DiskFull", true, true, true),
            ("rule_group[]=host&exclude_alerts=true", true, true, false),
            (
                "file[]=rules/host.rules&type=alert&exclude_alerts=false",
                true,
                false,
                true,
            ),
            ("match[]={team=\"infra\"}", true, false, true),
            (
                "match[]={team=\"other\"}&match[]={team=~\"in.*\"}",
                true,
                false,
                true,
            ),
        ] {
            let got = shown(query);
            assert_eq!(got.contains("\"DiskFull\",\"query\""), disk, "{query}");
            assert_eq!(got.contains("x:y"), record, "{query}");
            assert_eq!(got.contains("\"alerts\":["), alerts, "{query}");
        }
        for query in [
            "rule_group[]=other",
            "file[]=x",
            "rule_name[]=x",
            "match[]={team=\"x\"}",
        ] {
            assert_eq!(shown(query), r#"{"groups":[]}"#, "{query}");
        }
    }

    #[test]
    fn groups_come_in_pages_for_those_who_ask() {
        let host = status().groups.remove(0);
        let named = |name: &str| GroupStatus {
            name: name.into(),
            ..host.clone()
        };
        let empty = GroupStatus {
            rules: Vec::new(),
            ..named("empty")
        };
        let status = Status {
            groups: vec![named("a"), empty, named("b"), named("c")],
        };
        let page = |query: &str| {
            let page = Page::of(&status, &filter(query)).unwrap();
            let names = page.groups.iter().map(|(group, _)| group.name.as_str());
            (names.collect::<Vec<_>>().join(" "), page.next)
        };
        assert_eq!(page(""), ("a b c".into(), None));
        assert_eq!(page("group_limit=3"), ("a b c".into(), None));
        let (names, next) = page("group_limit=2");
        assert_eq!(names, "a b");
        let next = next.unwrap();
        let rest = format!("group_limit=2&group_next_token={next}");
        assert_eq!(page(&rest), ("c".into(), None));
        let mut out = String::new();
        let shown = Shown {
            filter: filter("group_limit=2&type=record&exclude_alerts=true"),
            ..Shown::default()
        };
        let page = Page::of(&status, &shown.filter).unwrap();
        push_rules(&mut out, &page, &[], &shown);
        let tail = format!("]}}],\"groupNextToken\":\"{next}\"}}");
        assert!(out.ends_with(&tail), "{out}");
    }

    #[test]
    fn mistakes_of_the_folder_come_with_their_place() {
        let file = SourceFile {
            path: "rules/a.rules".into(),
            text: "alert X {\n  when upp >\n}\n".into(),
        };
        let checked = check(std::slice::from_ref(&file));
        assert!(checked.has_errors());
        let loaded = Loaded {
            diagnostics: checked.diagnostics,
            broken: true,
            ..Loaded::default()
        };
        let lines = load_errors(&loaded);
        assert!(
            !lines.is_empty() && lines.iter().all(|l| l.starts_with("rules/a.rules:")),
            "{lines:?}"
        );
        let mut out = String::new();
        let (status, shown) = (Status::default(), Shown::default());
        let page = Page::of(&status, &shown.filter).unwrap();
        push_rules(&mut out, &page, &lines, &shown);
        let got: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(got["loadErrors"][0], lines[0].as_str());
        let unreadable = Loaded {
            text: "cannot read rules\n".into(),
            broken: true,
            ..Loaded::default()
        };
        assert_eq!(load_errors(&unreadable), ["cannot read rules"]);
        assert!(
            load_errors(&Loaded {
                broken: false,
                ..unreadable
            })
            .is_empty()
        );
    }

    #[test]
    fn a_server_without_rules_has_empty_lists() {
        let world = World::new();
        assert_eq!(
            world.body("/api/v1/rules"),
            r#"{"status":"success","data":{"groups":[]}}"#
        );
        assert_eq!(
            world.body("/api/v1/alerts"),
            r#"{"status":"success","data":{"alerts":[]}}"#
        );
        for query in [
            "type=x",
            "exclude_alerts=maybe",
            "match[]={",
            "group_limit=-1",
            "group_limit=x",
            "group_next_token=x",
            "group_limit=1&group_next_token=x",
        ] {
            assert_eq!(
                world.get(&format!("/api/v1/rules?{query}")).status,
                400,
                "{query}"
            );
        }
    }

    #[test]
    fn seconds_may_have_fractions() {
        let mut out = String::new();
        push_seconds_field(&mut out, "interval", DurationMs(1500));
        assert_eq!(out, ",\"interval\":1.5");
    }
}
