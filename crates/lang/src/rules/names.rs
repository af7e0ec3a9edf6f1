//! Names of items, and what is said of one that no item has.

use std::collections::BTreeMap;

use super::build::Draft;
use super::diagnostic::Mistake;
use super::folder::Folder;
use super::near::nearest;
use super::scan::Placed;
use super::table::Kind;

/// How many names a message lists.
const LISTED_MAX: usize = 8;

/// The items of one kind by name, spoiled ones too: what is there and broken is not unknown.
pub(super) struct Names<'d> {
    noun: &'static str,
    by_name: BTreeMap<&'d str, &'d Draft>,
}

impl<'d> Names<'d> {
    pub(super) fn new(drafts: &'d [Draft], kind: Kind) -> Names<'d> {
        Names::of(drafts, &[kind])
    }

    /// The items of several kinds that share their names; they are called by the first.
    pub(super) fn of(drafts: &'d [Draft], kinds: &[Kind]) -> Names<'d> {
        let mut by_name = BTreeMap::new();
        for draft in drafts.iter().filter(|d| kinds.contains(&d.kind)) {
            by_name.entry(draft.name.value.as_str()).or_insert(draft);
        }
        Names {
            noun: kinds[0].noun(),
            by_name,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

impl Folder<'_> {
    /// A mistake when no item is named so; `help` is for folders that have none of the kind.
    pub(super) fn unknown(
        &self,
        name: &Placed<String>,
        names: &Names<'_>,
        help: &str,
    ) -> Option<Mistake> {
        if names.has(&name.value) {
            return None;
        }
        let noun = names.noun;
        let mistake = Mistake::error(name.span, format!("no {noun} is named `{}`", name.value));
        Some(match nearest(&name.value, names.by_name.keys().copied()) {
            Some(near) => {
                let draft = names.by_name[near];
                let (line, _) = self.lines[draft.file].place(draft.name.span.start);
                let path = &self.files[draft.file].path;
                mistake.label(format!("did you mean `{near}` ({path}:{line})?"))
            }
            None if names.by_name.is_empty() => mistake
                .label(format!("the folder has no {noun}"))
                .help(help),
            None => {
                let known: Vec<&str> = names.by_name.keys().copied().take(LISTED_MAX).collect();
                mistake.label(format!("{noun}s: {}", known.join(", ")))
            }
        })
    }
}
