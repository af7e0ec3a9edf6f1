//! What the rules' thread does about its folder: loads what is new, and falls back on what loaded before.
//!
//! The sources that loaded last are kept in the ledger. A start that finds the folder broken, or cannot read it,
//! runs them: a mistake made while nothing ran must not end what fires. Whatever is said about a broken folder says
//! which rules run instead, or that none does.

use std::sync::Arc;

use bellwether_engine::Event;
use bellwether_lang::rules::{Diagnostic, RuleSet, Severity, SourceFile, check, render};
use bellwether_ledger::RuleSources;
use bellwether_model::limits;
use bellwether_model::text::{bytes, counted};
use tracing::{error, info, warn};

use super::folder::Look;
use super::publish::Loaded;
use super::rules::Running;

/// Why the folder is not loaded.
struct Trouble {
    /// How many mistakes.
    errors: usize,
    /// The first of them, in a line.
    first: String,
    /// All of them, drawn with carets.
    text: String,
    diagnostics: Vec<Diagnostic>,
}

impl Trouble {
    /// One mistake that has no place in a file.
    fn whole(why: String) -> Trouble {
        Trouble {
            errors: 1,
            first: why.clone(),
            text: why,
            diagnostics: Vec::new(),
        }
    }
}

impl Running {
    /// Looks at the folder and loads what is new. A folder with a mistake keeps what runs.
    pub(super) fn look(&mut self, again: bool) {
        let outcome = match self.parts.folder.look(again) {
            Look::Same => return,
            Look::Unreadable(why) => Err(Trouble::whole(why)),
            Look::Changed { files, checked } => {
                let text = render(&checked.diagnostics, &files, false);
                let is_error = |d: &&Diagnostic| d.severity == Severity::Error;
                let mut errors = checked.diagnostics.iter().filter(is_error);
                match errors.next() {
                    Some(first) => Err(Trouble {
                        first: format!(
                            "{}:{}:{}: {}",
                            first.file, first.line, first.column, first.message
                        ),
                        errors: 1 + errors.count(),
                        text,
                        diagnostics: checked.diagnostics,
                    }),
                    None => self.load(files, checked.rules, text, checked.diagnostics),
                }
            }
        };
        if let Err(trouble) = outcome {
            self.broken(trouble);
        }
    }

    fn load(
        &mut self,
        files: Vec<SourceFile>,
        rules: RuleSet,
        text: String,
        diagnostics: Vec<Diagnostic>,
    ) -> Result<(), Trouble> {
        let now = self.parts.clock.now();
        let rules = Arc::new(rules);
        self.engine
            .load(Arc::clone(&rules), now, &mut self.pending)
            .map_err(|circle| Trouble::whole(circle.to_string()))?;
        info!(
            "rules: {}, {}, {}",
            counted(files.len(), "file"),
            counted(rules.alerts.len(), "alert"),
            counted(rules.records.len(), "recording rule")
        );
        if !text.is_empty() {
            warn!("rules have warnings:\n{}", text.trim_end());
        }
        self.parts.published.set_loaded(Loaded {
            files: files.len(),
            rules,
            since: Some(now),
            text,
            diagnostics,
            broken: false,
        });
        self.keep(RuleSources {
            loaded: now,
            files: files.into_iter().map(|f| (f.path, f.text)).collect(),
        });
        (self.parts.wake_senders)(); // Channels may have changed under what waits in the outbox.
        Ok(())
    }

    /// Has the next commit keep what was loaded, unless it is kept already.
    fn keep(&mut self, sources: RuleSources) {
        if self
            .sources
            .as_ref()
            .is_some_and(|kept| kept.files == sources.files)
        {
            return;
        }
        if !sources.fit() {
            warn!(
                "the rule files are larger than {} together (rules.kept): should the folder be broken at the \
                 next start, no rule will run",
                bytes(limits::RULES_KEPT_MAX.value)
            );
        }
        self.sources = Some(sources);
        self.sources_changed = true;
    }

    fn broken(&mut self, trouble: Trouble) {
        if self.parts.published.loaded().since.is_none() {
            self.fall_back();
        }
        let published = &self.parts.published;
        published.set_broken(trouble.text, trouble.diagnostics);
        let loaded = published.loaded();
        let instead = loaded.instead();
        error!(
            "the rules are not loaded, {instead}:\n{}",
            loaded.text.trim_end()
        );
        let event = Event::RulesBroken {
            errors: trouble.errors,
            first: &trouble.first,
            instead: &instead,
        };
        let now = self.parts.clock.now();
        self.engine.event(event, now, &mut self.pending);
    }

    /// Runs the rules that loaded last, before this start.
    fn fall_back(&mut self) {
        let Some(sources) = &self.sources else {
            return;
        };
        let file = |(path, text): &(String, String)| SourceFile {
            path: path.clone(),
            text: text.clone(),
        };
        let files: Vec<SourceFile> = sources.files.iter().map(file).collect();
        let checked = check(&files);
        if checked.has_errors() {
            // They loaded in another version of this program.
            let text = render(&checked.diagnostics, &files, false);
            error!(
                "the rules kept from before have mistakes, too:\n{}",
                text.trim_end()
            );
            return;
        }
        let (rules, now) = (Arc::new(checked.rules), self.parts.clock.now());
        let older = self
            .engine
            .load_older(Arc::clone(&rules), now, &mut self.pending);
        if let Err(circle) = older {
            error!("the rules kept from before cannot run: {circle}");
            return;
        }
        self.parts.published.set_loaded(Loaded {
            files: files.len(),
            rules,
            since: Some(sources.loaded),
            ..Loaded::default()
        });
    }
}
