//! An Alertmanager configuration, read with the checks that Alertmanager makes when it loads one.

use std::collections::BTreeMap;

use bellwether_model::{DurationMs, Matcher};

use super::intervals::{self, Named};
use super::matchers;
use super::receivers::{self, Global, Receiver};
use crate::report::{Reporter, shown};
use crate::yaml::{Fields, Node, Place};

/// What a configuration says.
pub(super) struct Config<'a> {
    pub(super) global: Global<'a>,
    pub(super) root: Option<Route<'a>>,
    pub(super) receivers: Vec<Receiver<'a>>,
    pub(super) inhibits: Vec<Inhibit<'a>>,
    pub(super) windows: Vec<Named<'a>>,
}

/// A node of the routing tree. What it does not say it has from its parent.
pub(super) struct Route<'a> {
    pub(super) place: Place,
    pub(super) receiver: Option<(&'a str, Place)>,
    pub(super) group: Option<Group<'a>>,
    pub(super) matchers: Vec<Matcher>,
    pub(super) go_on: bool,
    pub(super) wait: Option<DurationMs>,
    pub(super) batch: Option<DurationMs>,
    pub(super) repeat: Option<DurationMs>,
    pub(super) mute: Vec<(&'a str, Place)>,
    pub(super) active: Vec<(&'a str, Place)>,
    pub(super) routes: Vec<Route<'a>>,
}

/// `group_by`
pub(super) enum Group<'a> {
    All,
    Labels(Vec<&'a str>),
}

/// A rule of `inhibit_rules`.
pub(super) struct Inhibit<'a> {
    pub(super) place: Place,
    pub(super) name: Option<&'a str>,
    pub(super) source: Vec<Matcher>,
    pub(super) target: Vec<Matcher>,
    pub(super) equal: Vec<(&'a str, Place)>,
}

const TOP: &[&str] = &[
    "global",
    "route",
    "inhibit_rules",
    "receivers",
    "templates",
    "mute_time_intervals",
    "time_intervals",
    "tracing",
];

/// Reads a configuration; mistakes are told.
pub(super) fn read<'a>(node: &'a Node, report: &mut Reporter<'_>) -> Option<Config<'a>> {
    let fields = Fields::of(node, "a configuration", report)?;
    let kinds = receivers::kind_names();
    fields.only(&[TOP, kinds.as_slice()].concat(), "a configuration", report);
    for (key, _) in fields.entries() {
        let name = key.text().unwrap_or("");
        let meaning = match name {
            "templates" => "templates of messages; each channel has a form of its own here",
            "tracing" => "traces of Alertmanager itself",
            name if kinds.contains(&name) => {
                "it stands outside of `receivers`, where nothing uses it"
            }
            _ => continue,
        };
        report.lose(key.place, format!("`{name}`: {meaning}"));
    }
    let global = Global::read(&fields, report);
    let receivers = receivers(&fields, &global, report);
    let windows = windows(&fields, report);
    let root = fields.get("route");
    if root.is_none() {
        report.refuse(fields.place, "no `route`: nothing says who is told");
    }
    let root = root.and_then(|node| Fields::of(node, "`route`", report));
    let root = root.map(|fields| route(&fields, report));
    if let Some(root) = &root {
        check_root(root, report);
        let known = Known {
            receivers: receivers.iter().map(|r| r.name).collect(),
            windows: windows.iter().map(|w| w.name).collect(),
        };
        check_names(root, &known, report);
    }
    Some(Config {
        global,
        root,
        receivers,
        inhibits: inhibits(&fields, report),
        windows,
    })
}

fn receivers<'a>(
    fields: &Fields<'a>,
    global: &Global<'a>,
    report: &mut Reporter<'_>,
) -> Vec<Receiver<'a>> {
    let mut found: Vec<Receiver<'a>> = Vec::new();
    for node in fields.list("receivers", report) {
        let Some(fields) = Fields::of(node, "a receiver", report) else {
            continue;
        };
        let receiver = receivers::receiver(&fields, global, report);
        if found.iter().any(|other| other.name == receiver.name) && !receiver.name.is_empty() {
            let name = shown(receiver.name);
            report.refuse(
                receiver.place,
                format!("a second receiver is called {name}"),
            );
        }
        found.push(receiver);
    }
    found
}

fn windows<'a>(fields: &Fields<'a>, report: &mut Reporter<'_>) -> Vec<Named<'a>> {
    let mut found: Vec<Named<'a>> = Vec::new();
    for list in ["mute_time_intervals", "time_intervals"] {
        for node in fields.list(list, report) {
            let Some(fields) = Fields::of(node, "a time interval", report) else {
                continue;
            };
            fields.only(&["name", "time_intervals"], "a named time interval", report);
            let name = fields.text("name", report).unwrap_or("");
            let place = fields.get("name").map_or(fields.place, |node| node.place);
            if name.is_empty() {
                report.refuse(fields.place, "a time interval has no `name`");
            } else if found.iter().any(|other| other.name == name) {
                report.refuse(
                    place,
                    format!("a second time interval is called {}", shown(name)),
                );
            }
            let nodes = fields.list("time_intervals", report);
            let intervals = nodes
                .iter()
                .filter_map(|node| intervals::interval(node, report));
            let intervals = intervals.collect();
            found.push(Named {
                name,
                place,
                intervals,
            });
        }
    }
    found
}

const ROUTE: &[&str] = &[
    "receiver",
    "group_by",
    "match",
    "match_re",
    "matchers",
    "continue",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "mute_time_intervals",
    "active_time_intervals",
    "routes",
];

/// A node and all below it; the depth is that of the file, which is bounded.
fn route<'a>(fields: &Fields<'a>, report: &mut Reporter<'_>) -> Route<'a> {
    fields.only(ROUTE, "a route", report);
    let receiver = fields
        .text("receiver", report)
        .filter(|name| !name.is_empty());
    let receiver_place = fields
        .get("receiver")
        .map_or(fields.place, |node| node.place);
    let positive = |name: &str, report: &mut Reporter<'_>| {
        let found = fields.duration(name, report);
        if found == Some(DurationMs::ZERO)
            && let Some(node) = fields.get(name)
        {
            report.refuse(node.place, format!("`{name}` is zero"));
        }
        found
    };
    let (batch, repeat) = (
        positive("group_interval", report),
        positive("repeat_interval", report),
    );
    let mut routes = Vec::new();
    for node in fields.list("routes", report) {
        if let Some(fields) = Fields::of(node, "a route", report) {
            routes.push(route(&fields, report));
        }
    }
    Route {
        place: fields.place,
        receiver: receiver.map(|name| (name, receiver_place)),
        group: group(fields, report),
        matchers: matchers_of(fields, "", report),
        go_on: fields.flag("continue", report).unwrap_or(false),
        wait: fields.duration("group_wait", report),
        batch,
        repeat,
        mute: fields.texts("mute_time_intervals", report),
        active: fields.texts("active_time_intervals", report),
        routes,
    }
}

fn group<'a>(fields: &Fields<'a>, report: &mut Reporter<'_>) -> Option<Group<'a>> {
    let labels = fields.texts("group_by", report);
    if labels.is_empty() {
        // An empty list is as good as none: the parent's holds.
        return None;
    }
    for (at, (name, place)) in labels.iter().enumerate() {
        if labels[..at].iter().any(|(other, _)| other == name) {
            report.refuse(
                *place,
                format!("the label {} is in `group_by` twice", shown(name)),
            );
        }
        if name.is_empty() {
            report.refuse(*place, "an empty label in `group_by`");
        }
    }
    let all = labels.iter().any(|(name, _)| *name == "...");
    if all && labels.len() > 1 {
        let place = labels[0].1;
        report.refuse(
            place,
            "`...` is all labels: no other one stands beside it in `group_by`",
        );
    }
    Some(if all {
        Group::All
    } else {
        Group::Labels(labels.into_iter().map(|(name, _)| name).collect())
    })
}

/// `match`, `match_re` and `matchers`, or those with a prefix (`source_`).
fn matchers_of(fields: &Fields<'_>, prefix: &str, report: &mut Reporter<'_>) -> Vec<Matcher> {
    let mut found: BTreeMap<(String, u8, String), Matcher> = BTreeMap::new();
    let mut add = |matcher: Matcher| {
        let key = (
            matcher.name().to_owned(),
            matcher.op() as u8,
            matcher.value().to_owned(),
        );
        found.insert(key, matcher);
    };
    for (key, value) in fields.pairs(&format!("{prefix}match"), report) {
        if check_label(key, report) {
            add(Matcher::equal(
                key.text().unwrap_or(""),
                value.text().unwrap_or(""),
            ));
        }
    }
    for (key, value) in fields.pairs(&format!("{prefix}match_re"), report) {
        let name = key.text().unwrap_or("");
        let Some(pattern) = value.text() else {
            report.refuse(value.place, format!("{} has no pattern", shown(name)));
            continue;
        };
        match Matcher::new(bellwether_model::MatchOp::Regex, name, pattern) {
            Ok(matcher) if check_label(key, report) => add(matcher),
            Ok(_) => {}
            Err(error) => report.refuse(value.place, error.to_string()),
        }
    }
    for (text, place) in fields.texts(&format!("{prefix}matchers"), report) {
        match matchers::parse_any(text) {
            Ok(list) => list.into_iter().for_each(&mut add),
            Err(error) => report.refuse(place, format!("bad matcher {}: {error}", shown(text))),
        }
    }
    found.into_values().collect()
}

fn check_label(key: &Node, report: &mut Reporter<'_>) -> bool {
    let named = key.text().is_some_and(|name| !name.is_empty());
    if !named {
        report.refuse(key.place, "a label without a name");
    }
    named
}

fn inhibits<'a>(fields: &Fields<'a>, report: &mut Reporter<'_>) -> Vec<Inhibit<'a>> {
    const KNOWN: &[&str] = &[
        "name",
        "source_match",
        "source_match_re",
        "source_matchers",
        "target_match",
        "target_match_re",
        "target_matchers",
        "equal",
        "sources",
    ];
    const OF_ONE_SOURCE: &[&str] = &[
        "source_match",
        "source_match_re",
        "source_matchers",
        "equal",
    ];
    let mut found = Vec::new();
    for node in fields.list("inhibit_rules", report) {
        let Some(fields) = Fields::of(node, "an inhibition rule", report) else {
            continue;
        };
        fields.only(KNOWN, "an inhibition rule", report);
        let sources = sources(&fields, report);
        if let Some((key, _)) = fields.entry("sources")
            && let Some(other) = OF_ONE_SOURCE.iter().find(|name| fields.get(name).is_some())
        {
            let why = format!("at most one of `sources` and `{other}` is set");
            report.refuse(key.place, why);
        }
        let target = matchers_of(&fields, "target_", report);
        let (source, equal) = match sources.as_slice() {
            [] => (
                matchers_of(&fields, "source_", report),
                fields.texts("equal", report),
            ),
            [one] => one.clone(),
            _ => {
                report.lose(
                    fields.place,
                    "an inhibition rule with several `sources`: a mute has one `while`",
                );
                continue;
            }
        };
        found.push(Inhibit {
            place: fields.place,
            name: fields.text("name", report),
            source,
            target,
            equal,
        });
    }
    found
}

/// A source's matchers, and the labels that are equal.
type InhibitSource<'a> = (Vec<Matcher>, Vec<(&'a str, Place)>);

/// The entries of `sources`, which newer configurations have in the place of `source_matchers` and `equal`.
fn sources<'a>(fields: &Fields<'a>, report: &mut Reporter<'_>) -> Vec<InhibitSource<'a>> {
    let mut found = Vec::new();
    for node in fields.list("sources", report) {
        if let Some(source) = Fields::of(node, "a source", report) {
            source.only(&["matchers", "equal"], "a source", report);
            found.push((
                matchers_of(&source, "", report),
                source.texts("equal", report),
            ));
        }
    }
    found
}

fn check_root(root: &Route<'_>, report: &mut Reporter<'_>) {
    if root.receiver.is_none() {
        report.refuse(root.place, "the root route has no `receiver`");
    }
    if !root.matchers.is_empty() {
        report.refuse(
            root.place,
            "the root route has matchers: it takes every alert",
        );
    }
    for (list, name) in [
        (&root.mute, "mute_time_intervals"),
        (&root.active, "active_time_intervals"),
    ] {
        if let Some((_, place)) = list.first() {
            report.refuse(*place, format!("the root route has `{name}`"));
        }
    }
    if root.go_on {
        report.refuse(
            root.place,
            "the root route has `continue`: nothing stands beside it",
        );
    }
}

/// The names that routes may use.
struct Known<'a> {
    receivers: Vec<&'a str>,
    windows: Vec<&'a str>,
}

fn check_names(route: &Route<'_>, known: &Known<'_>, report: &mut Reporter<'_>) {
    if let Some((name, place)) = route.receiver
        && !known.receivers.contains(&name)
    {
        report.refuse(place, format!("no receiver is called {}", shown(name)));
    }
    for (name, place) in route.mute.iter().chain(&route.active) {
        if !known.windows.contains(name) {
            report.refuse(
                *place,
                format!("no time interval is called {}", shown(name)),
            );
        }
    }
    for below in &route.routes {
        check_names(below, known, report);
    }
}
