//! Channels and routes: complete, and every target exists.

use std::collections::BTreeMap;

use bellwether_model::DurationMs;

use super::build::Draft;
use super::clauses::Clause;
use super::diagnostic::Mistake;
use super::folder::Folder;
use super::near::nearest;
use super::scan::Placed;
use super::table::Kind;
use super::types::{Channel, ChannelKind, Place, Route, RuleSet};
use crate::promql::ast::Span;

/// The channel that is there without being written.
const BUILT_IN_CHANNEL: &str = "log";

impl Folder<'_> {
    /// Checks the channels of the folder, and adds those without errors.
    pub(super) fn channels(&mut self, drafts: &[Draft], rules: &mut RuleSet) {
        let names = Names::new(drafts, Kind::Channel);
        let mut fallbacks = Fallbacks::default();
        for draft in drafts.iter().filter(|d| d.kind == Kind::Channel) {
            let clauses = ChannelClauses::of(draft);
            let mut found = name_and_kinds(draft, &clauses.kinds);
            if let Some(target) = clauses.fallback {
                found.extend(self.unknown_channel(target, &names));
                found.extend(fallbacks.add(&draft.name.value, target));
            }
            let good = found.is_empty() && !draft.spoiled;
            if let (true, [(_, kind), ..]) = (good, &clauses.kinds[..]) {
                rules.channels.push(Channel {
                    name: draft.name.value.clone(),
                    kind: kind.clone(),
                    retry: clauses.retry,
                    fallback: clauses.fallback.map(|name| name.value.clone()),
                    place: self.place(draft),
                });
            }
            self.mistakes
                .extend(found.into_iter().map(|m| (draft.file, m)));
        }
    }

    /// Checks the routes of the folder, and adds those without errors.
    pub(super) fn routes(&mut self, drafts: &[Draft], rules: &mut RuleSet) {
        let names = Names::new(drafts, Kind::Channel);
        for draft in drafts.iter().filter(|d| d.kind == Kind::Route) {
            let mut matchers = Vec::new();
            let mut to: &[Placed<String>] = &[];
            for entry in &draft.clauses {
                match &entry.clause {
                    Clause::Match(found) => matchers.clone_from(found),
                    Clause::To(found) => to = found,
                    _ => {}
                }
            }
            let mut found: Vec<Mistake> = to
                .iter()
                .filter_map(|name| self.unknown_channel(name, &names))
                .collect();
            if to.is_empty() && !draft.spoiled {
                found.push(
                    Mistake::error(
                        draft.name.span,
                        format!("`{}` goes nowhere", draft.name.value),
                    )
                    .label("it needs a line `to CHANNEL, ...`"),
                );
            }
            if found.is_empty() && !draft.spoiled {
                rules.routes.push(Route {
                    name: draft.name.value.clone(),
                    matchers,
                    to: to.iter().map(|name| name.value.clone()).collect(),
                    place: self.place(draft),
                });
            }
            self.mistakes
                .extend(found.into_iter().map(|m| (draft.file, m)));
        }
    }

    fn place(&self, draft: &Draft) -> Place {
        self.lines[draft.file].place_in(&self.files[draft.file].path, draft.name.span.start)
    }

    fn unknown_channel(&self, name: &Placed<String>, names: &Names<'_>) -> Option<Mistake> {
        if name.value == BUILT_IN_CHANNEL || names.by_name.contains_key(name.value.as_str()) {
            return None;
        }
        let mistake = Mistake::error(name.span, format!("no channel is named `{}`", name.value));
        Some(match nearest(&name.value, names.by_name.keys().copied()) {
            Some(near) => {
                let draft = names.by_name[near];
                let (line, _) = self.lines[draft.file].place(draft.name.span.start);
                mistake.label(format!("did you mean `{near}` ({}:{line})?", self.files[draft.file].path))
            }
            None if names.by_name.is_empty() => mistake
                .label("the folder has no channel")
                .help("`log` is always there; others are items: `channel NAME` with a line such as `webhook https://...`"),
            None => {
                let known: Vec<&str> = names.by_name.keys().copied().take(8).collect();
                mistake.label(format!("channels: {}", known.join(", ")))
            }
        })
    }
}

/// What the clauses of one channel say.
#[derive(Default)]
struct ChannelClauses<'d> {
    /// Where it goes, and the word that says so. More than one is a mistake.
    kinds: Vec<(Span, ChannelKind)>,
    retry: Option<DurationMs>,
    fallback: Option<&'d Placed<String>>,
}

impl<'d> ChannelClauses<'d> {
    fn of(draft: &'d Draft) -> ChannelClauses<'d> {
        let mut clauses = ChannelClauses::default();
        for entry in &draft.clauses {
            match &entry.clause {
                Clause::Log => clauses.kinds.push((entry.word, ChannelKind::Log)),
                Clause::Webhook { url, bearer } => {
                    let (url, bearer) = (url.clone(), bearer.clone());
                    let kind = ChannelKind::Webhook { url, bearer };
                    clauses.kinds.push((entry.word, kind));
                }
                Clause::Retry(time) => clauses.retry = Some(*time),
                Clause::Fallback(name) => clauses.fallback = Some(name),
                _ => {}
            }
        }
        clauses
    }
}

/// A channel has a name of its own, and goes one way.
fn name_and_kinds(draft: &Draft, kinds: &[(Span, ChannelKind)]) -> Vec<Mistake> {
    let name = &draft.name;
    let mut found = Vec::new();
    if name.value == BUILT_IN_CHANNEL {
        found.push(
            Mistake::error(name.span, "`log` is always there")
                .label("a channel needs another name")
                .help("`to log` writes into the server's own log, without an item"),
        );
    }
    if let Some((second, _)) = kinds.get(1) {
        found.push(
            Mistake::error(*second, format!("`{}` goes two ways", name.value))
                .label("one kind a channel; a route can go to several channels"),
        );
    }
    if kinds.is_empty() && !draft.spoiled {
        found.push(
            Mistake::error(name.span, format!("`{}` has no kind", name.value))
                .label("it needs a line such as `webhook https://...` or `log`"),
        );
    }
    found
}

/// Which channel stands in for which. Holds no circle.
#[derive(Default)]
struct Fallbacks<'d>(BTreeMap<&'d str, &'d str>);

impl<'d> Fallbacks<'d> {
    /// Adds one, unless it would close a circle.
    fn add(&mut self, from: &'d str, target: &'d Placed<String>) -> Option<Mistake> {
        if self.leads_back(from, &target.value) {
            let mistake = Mistake::error(target.span, "the fallbacks go round in a circle");
            return Some(mistake.label(format!("leads back to `{from}`")));
        }
        self.0.insert(from, &target.value);
        None
    }

    /// True when `target` leads to `from`.
    fn leads_back(&self, from: &str, target: &str) -> bool {
        let mut at = target;
        // There is no circle so far, so this ends.
        loop {
            if at == from {
                return true;
            }
            match self.0.get(at) {
                Some(next) => at = next,
                None => return false,
            }
        }
    }
}

/// The items of one kind by name, spoiled ones too.
struct Names<'d> {
    by_name: BTreeMap<&'d str, &'d Draft>,
}

impl<'d> Names<'d> {
    fn new(drafts: &'d [Draft], kind: Kind) -> Names<'d> {
        let mut by_name = BTreeMap::new();
        for draft in drafts.iter().filter(|d| d.kind == kind) {
            by_name.entry(draft.name.value.as_str()).or_insert(draft);
        }
        Names { by_name }
    }
}
