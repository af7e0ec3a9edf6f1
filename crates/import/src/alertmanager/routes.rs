//! The routing tree, node by node, and what its time intervals mute.

use bellwether_model::Matcher;

use super::config::{Group, Route};
use super::{Taken, matchers};
use crate::report::{Reporter, shown};
use crate::write::{self, Item};

/// The name of the root.
const ROOT: &str = "everything";

/// Names that were given to what routes use.
pub(super) struct Given<'g> {
    pub(super) channels: &'g [(&'g str, Vec<String>)],
    pub(super) windows: &'g [(&'g str, String)],
}

/// Writes the tree, root first.
pub(super) fn routes(
    root: &Route<'_>,
    given: &Given<'_>,
    taken: &mut Taken,
    items: &mut Vec<Item>,
    report: &mut Reporter<'_>,
) {
    let name = taken.routes.take(ROOT);
    items.push(item(root, &name, None, given, report));
    let path = Path {
        all: Vec::new(),
        sound: true,
    };
    below(root, &name, &path, given, taken, items, report);
}

/// What an alert has matched on its way to a node.
#[derive(Clone)]
struct Path {
    all: Vec<Matcher>,
    /// The matchers say it exactly.
    sound: bool,
}

/// Writes the children of a node, and theirs; the depth is that of the file, which is bounded.
fn below(
    parent: &Route<'_>,
    parent_name: &str,
    path: &Path,
    given: &Given<'_>,
    taken: &mut Taken,
    items: &mut Vec<Item>,
    report: &mut Reporter<'_>,
) {
    // What siblings above take never reaches the ones below them.
    let mut left = path.clone();
    for route in &parent.routes {
        if let Some(odd) = route.matchers.iter().find(|m| !matchers::is_plain(m)) {
            let label = shown(odd.name());
            report.lose(
                route.place,
                format!("a route on the label {label}, and all below it: names of labels have letters, digits and `_`"),
            );
            continue;
        }
        let wanted = route.receiver.map_or(parent_name, |(name, _)| name);
        let legal = write::legal_name(wanted).unwrap_or_else(|| wanted.to_owned());
        let name = taken.routes.take(&legal);
        items.push(item(route, &name, Some(parent_name), given, report));
        let mut here = left.clone();
        here.all.extend(route.matchers.iter().cloned());
        mutes(route, &name, &here, given, taken, items, report);
        below(route, &name, &here, given, taken, items, report);
        if !route.go_on {
            left.exclude(route);
        }
    }
}

/// Matchers of a mute beyond which it no longer says what its route does not take.
const MATCHERS_MAX: usize = 64;

impl Path {
    /// Takes out what a route takes. Only one matcher has a negation that is a list of matchers.
    fn exclude(&mut self, route: &Route<'_>) {
        match route.matchers.as_slice() {
            [one] if self.all.len() < MATCHERS_MAX => self.all.extend(matchers::negated(one)),
            _ => self.sound = false,
        }
    }
}

fn item(
    route: &Route<'_>,
    name: &str,
    parent: Option<&str>,
    given: &Given<'_>,
    report: &mut Reporter<'_>,
) -> Item {
    let mut item = Item::new(match parent {
        Some(parent) => format!("route {name} in {parent}"),
        None => format!("route {name}"),
    });
    if !route.matchers.is_empty() {
        item.clause("match", write::matchers(&route.matchers));
    }
    let to = route.receiver.and_then(|(name, _)| {
        let found = given.channels.iter().find(|(of, _)| *of == name);
        found.map(|(_, channels)| channels.join(", "))
    });
    if let Some(to) = to {
        item.clause("to", to);
    }
    match &route.group {
        Some(Group::All) => item.clause("group", "by all"),
        Some(Group::Labels(labels)) => {
            let (good, odd): (Vec<&str>, Vec<&str>) = labels
                .iter()
                .partition(|label| write::legal_label(label).is_none());
            for label in odd {
                report.lose(
                    route.place,
                    format!(
                        "the label {} in `group_by`: names of labels have letters, digits and `_`, so alerts that differ in it share a message",
                        shown(label)
                    ),
                );
            }
            item.clause("group", format!("by ({})", good.join(", ")));
        }
        // Without a word of it all alerts are one group.
        None if parent.is_none() => item.clause("group", "by ()"),
        None => {}
    }
    for (word, time) in [
        ("wait", route.wait),
        ("batch", route.batch),
        ("repeat", route.repeat),
    ] {
        if let Some(time) = time {
            item.clause(word, time.to_string());
        }
    }
    if route.go_on {
        item.clause("continue", "");
    }
    item
}

/// The mutes of a node: by labels here, by route there.
fn mutes(
    route: &Route<'_>,
    name: &str,
    path: &Path,
    given: &Given<'_>,
    taken: &mut Taken,
    items: &mut Vec<Item>,
    report: &mut Reporter<'_>,
) {
    if route.mute.is_empty() && route.active.is_empty() {
        return;
    }
    // What a child takes is the child's, whose intervals are its own.
    let mut own = path.clone();
    for child in &route.routes {
        own.exclude(child);
    }
    if !own.sound || route.go_on {
        report.change(
            route.place,
            "its time intervals mute by labels here, also where another route takes the same alerts",
        );
    }
    for (list, word) in [(&route.mute, "during"), (&route.active, "outside")] {
        if list.is_empty() {
            continue;
        }
        let windows: Vec<&str> = list
            .iter()
            .filter_map(|(name, _)| given.windows.iter().find(|(of, _)| of == name))
            .map(|(_, name)| name.as_str())
            .collect();
        let mut windows_once: Vec<&str> = Vec::new();
        for window in windows {
            if !windows_once.contains(&window) {
                windows_once.push(window);
            }
        }
        let windows = windows_once.join(", ");
        let mut item = Item::new(format!(
            "mute {}",
            taken.mutes.take(&format!("{name}-{word}"))
        ));
        if !own.all.is_empty() {
            item.clause("match", write::matchers(&own.all));
        }
        item.clause(word, windows);
        let reason = format!("time intervals of the route {name}");
        item.clause("reason", write::quoted(&reason));
        items.push(item);
    }
}
