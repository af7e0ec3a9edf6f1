//! Routes: who is told, grouped how, escalated how, how often.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_model::{DurationMs, Labels, Matcher};

use super::Place;

/// `route NAME`: a node of the tree. What it does not say it has from its parent, or from the language.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Unique in the folder.
    pub name: String,
    /// The route it stands below; exists, and no chain of parents is a circle.
    pub parent: Option<String>,
    /// On the labels of the instance; empty: every instance.
    pub matchers: Vec<Matcher>,
    /// Names of channels, at least one, no name twice; each exists or is the built-in `log`.
    pub to: Vec<String>,
    /// Who else, while nobody acknowledges; by rising time. A route with a `to` of its own has no escalation of its
    /// parent's.
    pub then: Vec<Escalation>,
    /// Which instances share a message.
    pub group: GroupBy,
    /// How long a new group gathers.
    pub wait: DurationMs,
    /// Distance of two messages of a group that changes.
    pub batch: DurationMs,
    /// Distance of two messages of a group that does not.
    pub repeat: DurationMs,
    /// Most messages in a time; the rest goes out as a digest.
    pub limit: Option<Digest>,
    /// The next route beside it is asked too. Never inherited.
    pub go_on: bool,
    /// Where it stands.
    pub place: Place,
}

/// `then after DUR to CHANNEL, ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// So long after the first message; positive.
    pub after: DurationMs,
    /// Names of channels, at least one, no name twice; each exists.
    pub to: Vec<String>,
}

/// Which instances share a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Those with equal values of these labels; an empty list makes one group. No name twice.
    Labels(Vec<String>),
    /// None: each instance is a group.
    All,
}

/// `limit N per DUR`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Most messages, at least 1.
    pub messages: u32,
    /// In this time; positive.
    pub per: DurationMs,
}

/// The routes of a folder as Alertmanager's tree: the first route that matches takes an instance, hands it to its
/// children in turn, and keeps it when none of them takes it; after one with `continue` the next beside it is asked.
/// Where several have no parent, they stand beside each other at the top.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    /// By (file, place in it).
    list: Vec<Route>,
    /// Positions of those without a parent.
    top: Vec<usize>,
    /// For each route the positions of its children.
    below: Vec<Vec<usize>>,
}

impl Routes {
    /// The tree of routes with unique names, in the order in which they are asked. A route whose parent is not among
    /// them, or is itself below it, is left out with all below it.
    pub(in crate::rules) fn new(mut list: Vec<Route>) -> Routes {
        loop {
            let known: BTreeSet<String> = list.iter().map(|r| r.name.clone()).collect();
            let before = list.len();
            list.retain(|r| r.parent.as_ref().is_none_or(|p| known.contains(p)));
            if list.len() == before {
                break;
            }
        }
        let mut routes = Routes {
            below: vec![Vec::new(); list.len()],
            ..Routes::default()
        };
        let places = list.iter().enumerate().map(|(at, r)| (r.name.as_str(), at));
        let places: BTreeMap<&str, usize> = places.collect();
        for (at, route) in list.iter().enumerate() {
            match route
                .parent
                .as_ref()
                .and_then(|name| places.get(name.as_str()))
            {
                Some(parent) => routes.below[*parent].push(at),
                None => routes.top.push(at),
            }
        }
        routes.list = list;
        routes
    }

    /// Every route, by (file, place in it).
    pub fn iter(&self) -> std::slice::Iter<'_, Route> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The route of this name.
    pub fn get(&self, name: &str) -> Option<&Route> {
        self.list.iter().find(|route| route.name == name)
    }

    /// Those without a parent, in the order in which they are asked.
    pub fn top(&self) -> impl Iterator<Item = &Route> {
        self.top.iter().map(|at| &self.list[*at])
    }

    /// Those directly below the route of this name, in the order in which they are asked.
    pub fn below(&self, name: &str) -> impl Iterator<Item = &Route> {
        let at = self.list.iter().position(|route| route.name == name);
        let below = at.map(|at| self.below[at].as_slice()).unwrap_or_default();
        below.iter().map(|at| &self.list[*at])
    }

    /// The routes that take an instance with these labels, in the order in which they were reached; none when
    /// nothing matches.
    pub fn matching(&self, labels: &Labels) -> Vec<&Route> {
        let mut found = Vec::new();
        self.walk(&self.top, labels, &mut found);
        found
    }

    /// Asks the routes at `level` in turn; true when one took the instance. The depth of the recursion is that of
    /// the tree, which `rules.route_depth` bounds.
    fn walk<'a>(&'a self, level: &[usize], labels: &Labels, found: &mut Vec<&'a Route>) -> bool {
        let mut taken = false;
        for at in level {
            let route = &self.list[*at];
            if !route.matchers.iter().all(|m| m.matches_labels(labels)) {
                continue;
            }
            if !self.walk(&self.below[*at], labels, found) {
                found.push(route);
            }
            taken = true;
            if !route.go_on {
                break;
            }
        }
        taken
    }
}

impl<'a> IntoIterator for &'a Routes {
    type Item = &'a Route;
    type IntoIter = std::slice::Iter<'a, Route>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
