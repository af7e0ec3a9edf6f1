//! Windows and mutes: complete, and every window exists.

use bellwether_model::{Matcher, TimestampMs};

use super::build::Draft;
use super::clause::Clause;
use super::diagnostic::Mistake;
use super::folder::Folder;
use super::instances::Instances;
use super::lint::Lint;
use super::names::Names;
use super::scan::Placed;
use super::table::Kind;
use super::types::{Cause, Mute, RuleSet, Window, WindowSpan};

/// What to do in a folder without windows.
pub(super) const WINDOW_HELP: &str =
    "windows are items: `window office-hours` with a line such as `every mon-fri 09:00-17:30`";

impl Folder<'_> {
    /// Checks the windows of the folder, and adds those without errors.
    pub(super) fn windows(&mut self, drafts: &[Draft], rules: &mut RuleSet) {
        for draft in drafts.iter().filter(|d| d.kind == Kind::Window) {
            let mut window = Window {
                name: draft.name.value.clone(),
                spans: Vec::new(),
                except: Vec::new(),
                place: self.place(draft),
            };
            let mut except = None;
            for entry in &draft.clauses {
                match &entry.clause {
                    Clause::Span(span) => window.spans.push(span.clone()),
                    Clause::Except(dates) => {
                        except = except.or(Some(entry.word));
                        window.except.push(*dates);
                    }
                    _ => {}
                }
            }
            let mut found = Vec::new();
            if window.spans.is_empty() && !draft.spoiled {
                let message = format!("`{}` is never open", draft.name.value);
                found.push(
                    Mistake::error(draft.name.span, message)
                        .label("it needs a line such as `every mon-fri 09:00-17:30`"),
                );
            }
            let once = |span: &WindowSpan| matches!(span, WindowSpan::Once { .. });
            if let Some(word) =
                except.filter(|_| !window.spans.is_empty() && window.spans.iter().all(once))
            {
                found.push(
                    Mistake::error(word, "`except` without `every`")
                        .label("it takes days away from what comes again"),
                );
            }
            if draft.is_usable(&found) {
                rules.windows.push(window);
            }
            self.tell(draft, found);
        }
    }

    /// Checks the mutes of the folder, and adds those without errors.
    pub(super) fn mutes(&mut self, drafts: &[Draft], instances: &Instances, rules: &mut RuleSet) {
        let windows = Names::new(drafts, Kind::Window);
        for draft in drafts.iter().filter(|d| d.kind == Kind::Mute) {
            let clauses = MuteClauses::of(draft);
            let mut found = Vec::new();
            for name in clauses.during.iter().chain(clauses.outside) {
                found.extend(self.unknown(name, &windows, WINDOW_HELP));
            }
            found.extend(clauses.contradiction());
            if let Some((_, same)) = clauses.cause {
                found.extend(instances.nowhere(same));
            }
            if !draft.spoiled {
                found.extend(clauses.incomplete(draft));
            }
            if draft.is_usable(&found) {
                let place = self.place(draft);
                rules.mutes.push(clauses.mute(draft, place));
            }
            self.tell(draft, found);
        }
    }
}

/// What the clauses of one mute say.
#[derive(Default)]
struct MuteClauses<'d> {
    matchers: &'d [Matcher],
    during: &'d [Placed<String>],
    outside: &'d [Placed<String>],
    until: Option<TimestampMs>,
    cause: Option<(&'d [Matcher], &'d [Placed<String>])>,
    reason: Option<&'d str>,
}

impl<'d> MuteClauses<'d> {
    fn of(draft: &'d Draft) -> MuteClauses<'d> {
        let mut clauses = MuteClauses::default();
        for entry in &draft.clauses {
            match &entry.clause {
                Clause::Match(matchers) => clauses.matchers = matchers,
                Clause::During(names) => clauses.during = names,
                Clause::Outside(names) => clauses.outside = names,
                Clause::Until(time) => clauses.until = Some(*time),
                Clause::While(matchers, same) => clauses.cause = Some((matchers, same)),
                Clause::Reason(reason) => clauses.reason = Some(reason),
                _ => {}
            }
        }
        clauses
    }

    /// One window cannot be open and closed at once.
    fn contradiction(&self) -> Option<Mistake> {
        let [only] = self.during else { return None };
        let name = self.outside.iter().find(|name| name.value == only.value)?;
        let message = format!("during `{0}` and outside of `{0}`", name.value);
        Some(Mistake::error(name.span, message).label("this mute never holds"))
    }

    fn incomplete(&self, draft: &Draft) -> Vec<Mistake> {
        let name = &draft.name;
        let mut found = Vec::new();
        if self.reason.is_none() {
            let message = format!("`{}` has no reason", name.value);
            found.push(
                Mistake::error(name.span, message)
                    .label("it needs a line `reason \"...\"`")
                    .help("whoever wonders why nothing came reads it"),
            );
        }
        let open = self.during.is_empty() && self.outside.is_empty();
        if open && self.until.is_none() && self.cause.is_none() {
            let message = format!("`{}` mutes for ever", name.value);
            found.push(
                Mistake::warning(Lint::MuteForEver, name.span, message)
                    .label("give it an end: `until`, `during`, `outside` or `while`"),
            );
        }
        found
    }

    fn mute(&self, draft: &Draft, place: super::types::Place) -> Mute {
        let plain = |names: &[Placed<String>]| names.iter().map(|n| n.value.clone()).collect();
        Mute {
            name: draft.name.value.clone(),
            matchers: self.matchers.to_vec(),
            during: plain(self.during),
            outside: plain(self.outside),
            until: self.until,
            cause: self.cause.map(|(matchers, same)| Cause {
                matchers: matchers.to_vec(),
                same: plain(same),
            }),
            reason: self.reason.unwrap_or_default().to_owned(),
            place,
        }
    }
}
