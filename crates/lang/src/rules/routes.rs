//! Routes: every target exists, every parent too, and what a route does not say it has from its parent.

use std::collections::BTreeMap;

use bellwether_model::{DurationMs, Matcher, limits};

use super::build::Draft;
use super::clause::{Clause, GroupClause};
use super::diagnostic::Mistake;
use super::folder::Folder;
use super::graph::{circles, in_order};
use super::instances::Instances;
use super::lint::Lint;
use super::names::Names;
use super::scan::Placed;
use super::table::Kind;
use super::types::{Digest, Escalation, GroupBy, Route, Routes, RuleSet};

impl Folder<'_> {
    /// Checks the routes of the folder, and adds those without errors.
    pub(super) fn routes(&mut self, drafts: &[Draft], instances: &Instances, rules: &mut RuleSet) {
        let channels = Names::new(drafts, Kind::Channel);
        let names = Names::new(drafts, Kind::Route);
        let of_routes: Vec<&Draft> = drafts.iter().filter(|d| d.kind == Kind::Route).collect();
        let tree = Tree::new(&of_routes);
        self.mistakes.extend(tree.circles());
        let mut good = BTreeMap::new();
        for (at, draft) in of_routes.iter().enumerate() {
            let clauses = RouteClauses::of(draft);
            let mut found = Vec::new();
            found.extend(
                draft
                    .parent
                    .as_ref()
                    .and_then(|parent| self.unknown(parent, &names, "`in` names the route above")),
            );
            let targets = clauses
                .to
                .iter()
                .chain(clauses.then.iter().map(|(_, to)| to));
            for name in targets.flat_map(|names| names.iter()) {
                found.extend(self.unknown_channel(name, &channels));
            }
            found.extend(tree.too_deep(at));
            found.extend(tree.hidden(at));
            if clauses.to.is_none() && draft.parent.is_none() && !draft.spoiled {
                found.push(goes_nowhere(draft));
            }
            if let Some(GroupClause::Labels(labels)) = clauses.group {
                found.extend(instances.nowhere(labels));
            }
            if draft.is_usable(&found) {
                good.insert(at, clauses);
            }
            self.tell(draft, found);
        }
        let mut routes = Vec::new();
        for at in good.keys() {
            // Those above it, from the top; a route below a broken one is as unusable.
            let Some(path) = tree.path(*at) else { continue };
            let Some(path) = path
                .iter()
                .map(|at| good.get(at))
                .collect::<Option<Vec<_>>>()
            else {
                continue;
            };
            let draft = of_routes[*at];
            let mut route = top(draft, self.place(draft));
            for clauses in path {
                clauses.apply(&mut route);
            }
            route.matchers = good[at].matchers.to_vec();
            route.go_on = good[at].go_on;
            routes.push(route);
        }
        rules.routes = Routes::new(routes);
    }
}

fn goes_nowhere(draft: &Draft) -> Mistake {
    let message = format!("`{}` goes nowhere", draft.name.value);
    Mistake::error(draft.name.span, message).label("it needs a line `to CHANNEL, ...`")
}

/// A route that says nothing: the defaults of the language, which are Alertmanager's.
fn top(draft: &Draft, place: super::types::Place) -> Route {
    Route {
        name: draft.name.value.clone(),
        parent: draft.parent.as_ref().map(|parent| parent.value.clone()),
        matchers: Vec::new(),
        to: Vec::new(),
        then: Vec::new(),
        group: GroupBy::Labels(Vec::new()),
        wait: DurationMs(limits::ROUTE_WAIT.millis()),
        batch: DurationMs(limits::ROUTE_BATCH.millis()),
        repeat: DurationMs(limits::ROUTE_REPEAT.millis()),
        limit: None,
        go_on: false,
        place,
    }
}

/// What the clauses of one route say.
#[derive(Default)]
struct RouteClauses<'d> {
    matchers: &'d [Matcher],
    to: Option<&'d Vec<Placed<String>>>,
    then: Vec<(DurationMs, &'d Vec<Placed<String>>)>,
    group: Option<&'d GroupClause>,
    wait: Option<DurationMs>,
    batch: Option<DurationMs>,
    repeat: Option<DurationMs>,
    limit: Option<Digest>,
    go_on: bool,
}

impl<'d> RouteClauses<'d> {
    fn of(draft: &'d Draft) -> RouteClauses<'d> {
        let mut clauses = RouteClauses::default();
        for entry in &draft.clauses {
            match &entry.clause {
                Clause::Match(matchers) => clauses.matchers = matchers,
                Clause::To(names) => clauses.to = Some(names),
                Clause::Then(after, names) => clauses.then.push((after.value, names)),
                Clause::Group(group) => clauses.group = Some(group),
                Clause::Wait(time) => clauses.wait = Some(*time),
                Clause::Batch(time) => clauses.batch = Some(*time),
                Clause::Repeat(time) => clauses.repeat = Some(*time),
                Clause::Limit(limit) => clauses.limit = Some(*limit),
                Clause::Continue => clauses.go_on = true,
                _ => {}
            }
        }
        clauses.then.sort_by_key(|(after, _)| *after);
        clauses
    }

    /// Says what this route says over what the ones above it said.
    fn apply(&self, route: &mut Route) {
        if let Some(to) = self.to {
            route.to = plain(to);
            // Who is asked next depends on who was asked first.
            route.then.clear();
        }
        if !self.then.is_empty() {
            let then = self.then.iter().map(|(after, to)| Escalation {
                after: *after,
                to: plain(to),
            });
            route.then = then.collect();
        }
        match self.group {
            Some(GroupClause::All) => route.group = GroupBy::All,
            Some(GroupClause::Labels(labels)) => route.group = GroupBy::Labels(plain(labels)),
            None => {}
        }
        route.wait = self.wait.unwrap_or(route.wait);
        route.batch = self.batch.unwrap_or(route.batch);
        route.repeat = self.repeat.unwrap_or(route.repeat);
        route.limit = self.limit.or(route.limit);
    }
}

fn plain(names: &[Placed<String>]) -> Vec<String> {
    names.iter().map(|name| name.value.clone()).collect()
}

/// Who stands below whom, by position.
struct Tree<'d> {
    drafts: &'d [&'d Draft],
    parents: Vec<Option<usize>>,
    /// For each parent's name the first route below it that takes everything and hands nothing on.
    takes_all: BTreeMap<Option<&'d str>, usize>,
}

impl<'d> Tree<'d> {
    fn new(drafts: &'d [&'d Draft]) -> Tree<'d> {
        let mut by_name = BTreeMap::new();
        let mut takes_all = BTreeMap::new();
        for (at, draft) in drafts.iter().enumerate() {
            by_name.entry(draft.name.value.as_str()).or_insert(at);
            let clauses = RouteClauses::of(draft);
            if clauses.matchers.is_empty() && !clauses.go_on && !draft.spoiled {
                takes_all.entry(parent_name(draft)).or_insert(at);
            }
        }
        let parent = |draft: &&'d Draft| by_name.get(parent_name(draft)?).copied();
        Tree {
            parents: drafts.iter().map(parent).collect(),
            drafts,
            takes_all,
        }
    }

    /// From the top down to this route; `None` when the way up is a circle or too long.
    fn path(&self, at: usize) -> Option<Vec<usize>> {
        let mut path = vec![at];
        while let Some(parent) = self.parents[path[path.len() - 1]] {
            if path.len() > limits::ROUTE_DEPTH_MAX.usize() {
                return None;
            }
            path.push(parent);
        }
        path.reverse();
        Some(path)
    }

    /// A mistake at the first route of each circle, with its file.
    fn circles(&self) -> Vec<(usize, Mistake)> {
        let uses: Vec<Vec<usize>> = self
            .parents
            .iter()
            .map(|p| p.iter().copied().collect())
            .collect();
        let mut found = Vec::new();
        for circle in circles(&uses, &in_order(&uses)) {
            let first = self.drafts[circle[0]];
            let Some(parent) = &first.parent else {
                continue;
            };
            let names: Vec<&str> = circle
                .iter()
                .chain([&circle[0]])
                .map(|at| self.drafts[*at].name.value.as_str())
                .collect();
            let mistake =
                Mistake::error(parent.span, "the routes stand below each other in a circle");
            found.push((first.file, mistake.label(names.join(" -> "))));
        }
        found
    }

    /// A mistake where the tree begins to be too deep.
    fn too_deep(&self, at: usize) -> Option<Mistake> {
        let parent = self.drafts[at].parent.as_ref()?;
        let limit = limits::ROUTE_DEPTH_MAX;
        let above = self.parents[at].and_then(|parent| self.path(parent))?;
        (above.len() == limit.usize() + 1).then(|| {
            Mistake::error(parent.span, "routes below routes, too many")
                .label(format!("{} are the most ({})", limit.value, limit.name))
        })
    }

    /// A warning when a route before it, beside it, takes everything.
    fn hidden(&self, at: usize) -> Option<Mistake> {
        let draft = self.drafts[at];
        let first = self.takes_all.get(&parent_name(draft));
        let before = first.filter(|other| **other < at && !draft.spoiled)?;
        let (name, other) = (&draft.name.value, &self.drafts[*before].name.value);
        Some(
            Mistake::warning(
                Lint::RouteNeverReached,
                draft.name.span,
                format!("`{name}` is never reached"),
            )
            .label(format!(
                "`{other}`, which comes before it, takes every instance"
            ))
            .help(format!(
                "put it below: `route {name} in {other}`; or let `{other}` `continue`"
            )),
        )
    }
}

fn parent_name(draft: &Draft) -> Option<&str> {
    draft.parent.as_ref().map(|parent| parent.value.as_str())
}
