//! Channels: complete, and every fallback exists.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_model::DurationMs;

use super::build::Draft;
use super::clause::Clause;
use super::diagnostic::Mistake;
use super::folder::Folder;
use super::graph::{circles, in_order};
use super::names::Names;
use super::scan::Placed;
use super::table::Kind;
use super::types::{Channel, ChannelKind, RuleSet};
use crate::promql::ast::Span;

/// The channel that is there without being written.
const BUILT_IN_CHANNEL: &str = "log";

impl Folder<'_> {
    /// Checks the channels of the folder, and adds those without errors.
    pub(super) fn channels(&mut self, drafts: &[Draft], rules: &mut RuleSet) {
        let names = Names::new(drafts, Kind::Channel);
        let of_channels: Vec<&Draft> = drafts.iter().filter(|d| d.kind == Kind::Channel).collect();
        let circles = circles_of_fallbacks(&of_channels, &mut self.mistakes);
        for (at, draft) in of_channels.into_iter().enumerate() {
            let clauses = ChannelClauses::of(draft);
            let mut found = name_and_kinds(draft, &clauses.kinds);
            if let Some(target) = clauses.fallback {
                found.extend(self.unknown_channel(target, &names));
            }
            let good = draft.is_usable(&found) && !circles.contains(&at);
            if let (true, [(_, kind), ..]) = (good, &clauses.kinds[..]) {
                rules.channels.push(Channel {
                    name: draft.name.value.clone(),
                    kind: (*kind).clone(),
                    retry: clauses.retry,
                    fallback: clauses.fallback.map(|name| name.value.clone()),
                    place: self.place(draft),
                });
            }
            self.tell(draft, found);
        }
    }

    /// A mistake when there is no such channel.
    pub(super) fn unknown_channel(
        &self,
        name: &Placed<String>,
        names: &Names<'_>,
    ) -> Option<Mistake> {
        if name.value == BUILT_IN_CHANNEL {
            return None;
        }
        let help = "`log` is always there; others are items: `channel NAME` with a line such as `webhook https://...`";
        self.unknown(name, names, help)
    }
}

/// What the clauses of one channel say.
#[derive(Default)]
struct ChannelClauses<'d> {
    /// Where it goes, and the word that says so. More than one is a mistake.
    kinds: Vec<(Span, &'d ChannelKind)>,
    retry: Option<DurationMs>,
    fallback: Option<&'d Placed<String>>,
}

impl<'d> ChannelClauses<'d> {
    fn of(draft: &'d Draft) -> ChannelClauses<'d> {
        let mut clauses = ChannelClauses::default();
        for entry in &draft.clauses {
            match &entry.clause {
                Clause::Sender(kind) => clauses.kinds.push((entry.word, kind)),
                Clause::Retry(time) => clauses.retry = Some(*time),
                Clause::Fallback(name) => clauses.fallback = Some(name),
                _ => {}
            }
        }
        clauses
    }
}

/// A channel has a name of its own, and goes one way.
fn name_and_kinds(draft: &Draft, kinds: &[(Span, &ChannelKind)]) -> Vec<Mistake> {
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

/// The channels whose fallbacks go round in a circle; a mistake at the first of each circle, with its file.
fn circles_of_fallbacks(
    channels: &[&Draft],
    mistakes: &mut Vec<(usize, Mistake)>,
) -> BTreeSet<usize> {
    let by_name: BTreeMap<&str, usize> = channels
        .iter()
        .enumerate()
        .rev()
        .map(|(at, draft)| (draft.name.value.as_str(), at))
        .collect();
    let fallbacks: Vec<_> = channels
        .iter()
        .map(|draft| ChannelClauses::of(draft).fallback)
        .collect();
    let uses: Vec<Vec<usize>> = fallbacks
        .iter()
        .map(|target| {
            let known = target.and_then(|target| by_name.get(target.value.as_str()));
            known.copied().into_iter().collect()
        })
        .collect();
    let mut members = BTreeSet::new();
    for circle in circles(&uses, &in_order(&uses)) {
        let first = circle[0];
        let Some(target) = fallbacks[first] else {
            continue;
        };
        let names: Vec<&str> = circle
            .iter()
            .chain([&first])
            .map(|at| channels[*at].name.value.as_str())
            .collect();
        let mistake = Mistake::error(target.span, "the fallbacks go round in a circle");
        mistakes.push((channels[first].file, mistake.label(names.join(" -> "))));
        members.extend(circle);
    }
    members
}
