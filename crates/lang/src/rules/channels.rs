//! Channels and routes: complete, and every target exists.

use std::collections::BTreeMap;

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
        let mut fallbacks: BTreeMap<&str, &str> = BTreeMap::new();
        for draft in drafts.iter().filter(|d| d.kind == Kind::Channel) {
            let mut kinds: Vec<(Span, ChannelKind)> = Vec::new();
            let mut retry = None;
            let mut fallback: Option<&Placed<String>> = None;
            for entry in &draft.clauses {
                match &entry.clause {
                    Clause::Log => kinds.push((entry.word, ChannelKind::Log)),
                    Clause::Webhook { url, bearer } => kinds.push((
                        entry.word,
                        ChannelKind::Webhook {
                            url: url.clone(),
                            bearer: bearer.clone(),
                        },
                    )),
                    Clause::Retry(time) => retry = Some(*time),
                    Clause::Fallback(name) => fallback = Some(name),
                    _ => {}
                }
            }
            let mut found = Vec::new();
            if let Some((second, _)) = kinds.get(1) {
                found.push(
                    Mistake::error(*second, format!("`{}` goes two ways", draft.name.value))
                        .label("one kind a channel; a route can go to several channels"),
                );
            }
            if kinds.is_empty() && !draft.spoiled {
                found.push(
                    Mistake::error(
                        draft.name.span,
                        format!("`{}` has no kind", draft.name.value),
                    )
                    .label("it needs a line such as `webhook https://...` or `log`"),
                );
            }
            if let Some(name) = fallback {
                found.extend(self.unknown_channel(name, &names));
                if fallbacks_lead_back(&fallbacks, &draft.name.value, &name.value) {
                    found.push(
                        Mistake::error(name.span, "the fallbacks go round in a circle")
                            .label(format!("leads back to `{}`", draft.name.value)),
                    );
                } else {
                    fallbacks.insert(&draft.name.value, &name.value);
                }
            }
            let kind = match (found.is_empty() && !draft.spoiled, kinds.into_iter().next()) {
                (true, Some((_, kind))) => Some(kind),
                _ => None,
            };
            self.mistakes
                .extend(found.into_iter().map(|m| (draft.file, m)));
            let place = self.place(draft);
            rules.channels.extend(kind.map(|kind| Channel {
                name: draft.name.value.clone(),
                kind,
                retry,
                fallback: fallback.map(|name| name.value.clone()),
                place,
            }));
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

/// True when `target` leads to `from` over the fallbacks known so far.
fn fallbacks_lead_back(fallbacks: &BTreeMap<&str, &str>, from: &str, target: &str) -> bool {
    let mut at = target;
    // The known ones have no circle, so this ends.
    loop {
        if at == from {
            return true;
        }
        match fallbacks.get(at) {
            Some(next) => at = next,
            None => return false,
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
