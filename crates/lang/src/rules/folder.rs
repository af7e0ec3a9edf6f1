//! A folder of rule files, checked as one: the plan of [`check`], and what only the folder as a whole can tell.
//!
//! Names are unique and targets exist across files; files are taken in the order of their paths, so the answer
//! depends on nothing else.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_model::limits;
use bellwether_model::matcher::SharedPatterns;

use super::alerts::{self, Subject};
use super::build::{self, Draft, Entry, Head};
use super::clause::Clause;
use super::diagnostic::{Diagnostic, Mistake, Severity};
use super::instances::Instances;
use super::lets::{Definition, Lets};
use super::lex::{self, Lexed, RawItem};
use super::lint::silence::Silences;
use super::lint::{self, StoreFacts};
use super::names::Names;
use super::reads;
use super::records::{Records, circles_of_rules};
use super::reserved::ENGINE_SERIES;
use super::slas;
use super::source::{Lines, RawFile, SourceFile};
use super::table::{self, Kind};
use super::types::{Place, RuleSet, Sla};
use super::windows;
use crate::promql::ast::Span;

/// Most diagnostics of one file; behind them stands how many more there are.
const DIAGNOSTICS_MAX: usize = 1000;

/// What a folder says, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The rules without errors. With [`Checked::has_errors`] it is a part of what was meant, and not to be run.
    pub rules: RuleSet,
    /// Every mistake, sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// True when the folder is not to be used.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
}

/// Reads and checks the files of a folder, in any order.
pub fn check(files: &[SourceFile]) -> Checked {
    check_readable(
        files.iter().map(|file| (file, file.refusal())).collect(),
        None,
    )
}

/// [`check`] for files whose bytes may be anything: what is not text, or too large, is a mistake of that file and
/// hides none of the others. The texts come back for [`render`](super::render).
pub fn check_raw(files: &[RawFile]) -> (Vec<SourceFile>, Checked) {
    let (texts, refusals): (Vec<_>, Vec<_>) = files.iter().map(RawFile::decode).unzip();
    let checked = check_readable(texts.iter().zip(refusals).collect(), None);
    (texts, checked)
}

/// [`check_raw`] for rules that run over a store, with what it knows about its metrics.
pub fn check_raw_against(files: &[RawFile], facts: &StoreFacts) -> (Vec<SourceFile>, Checked) {
    let (texts, refusals): (Vec<_>, Vec<_>) = files.iter().map(RawFile::decode).unzip();
    let checked = check_readable(texts.iter().zip(refusals).collect(), Some(facts));
    (texts, checked)
}

/// Checks files, of which those that come with a mistake are not to be read.
fn check_readable(
    mut files: Vec<(&SourceFile, Option<Mistake>)>,
    facts: Option<&StoreFacts>,
) -> Checked {
    // The matchers of the whole folder are in memory together anyway.
    let _sharing = SharedPatterns::begin();
    files.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let (files, refused): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    let mut folder = Folder {
        lines: files.iter().map(|file| Lines::new(&file.text)).collect(),
        files,
        refused,
        silences: Vec::new(),
        mistakes: Vec::new(),
    };
    let lexed = folder.lex();
    let heads = folder.heads(&lexed);
    let lets = folder.lets(&heads);
    let mut drafts = folder.drafts(&lexed, &heads, &lets);
    folder.unique(&mut drafts);
    folder.reserved(&mut drafts);
    let rules = folder.rules(&drafts);
    if let Some(facts) = facts {
        folder.against(&drafts, facts);
    }
    Checked {
        rules,
        diagnostics: folder.diagnostics(),
    }
}

/// The files of a folder, and what was found wrong so far.
pub(super) struct Folder<'a> {
    pub(super) files: Vec<&'a SourceFile>,
    pub(super) lines: Vec<Lines<'a>>,
    /// For each file why nothing in it is read, until that is told.
    refused: Vec<Option<Mistake>>,
    /// For each file the warnings that its comments switch off.
    silences: Vec<Silences>,
    /// With the number of their file.
    pub(super) mistakes: Vec<(usize, Mistake)>,
}

/// A head, the number of its file, and its item.
struct HeadOf<'l> {
    file: usize,
    raw: &'l RawItem,
    head: Head<'l>,
    /// The head had a mistake.
    spoiled: bool,
}

impl Folder<'_> {
    fn lex(&mut self) -> Vec<Lexed> {
        let mut all = Vec::with_capacity(self.files.len());
        for (file, source) in self.files.iter().enumerate() {
            let mut lexed = Lexed::default();
            match self.refused[file].take() {
                Some(mistake) => self.mistakes.push((file, mistake)),
                None => lexed = lex::lex(&source.text, table::is_whole),
            }
            let mut found = std::mem::take(&mut lexed.mistakes);
            let silences = Silences::of(&source.text, &lexed, &mut found);
            self.silences.push(silences);
            self.mistakes.extend(found.into_iter().map(|m| (file, m)));
            all.push(lexed);
        }
        all
    }

    fn heads<'l>(&mut self, lexed: &'l [Lexed]) -> Vec<HeadOf<'l>> {
        let mut heads = Vec::new();
        for (file, lexed) in lexed.iter().enumerate() {
            for raw in &lexed.items {
                let (head, mistakes) = build::head(&lexed.masked, raw);
                let spoiled = !mistakes.is_empty();
                self.mistakes
                    .extend(mistakes.into_iter().map(|m| (file, m)));
                heads.extend(head.map(|head| HeadOf {
                    file,
                    raw,
                    head,
                    spoiled,
                }));
            }
        }
        heads
    }

    fn lets(&mut self, heads: &[HeadOf<'_>]) -> Lets {
        let mut definitions: Vec<Definition<'_>> = Vec::new();
        let mut first: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for HeadOf { file, head, .. } in heads.iter().filter(|h| h.head.kind == Kind::Let) {
            let name = head.name.value.as_str();
            if let Some((in_file, at)) = first.get(name) {
                let mistake = self.repeated(Kind::Let, name, head.name.span, *in_file, *at);
                self.mistakes.push((*file, mistake));
            } else {
                first.insert(name, (*file, head.name.span.start));
                definitions.push(head.definition(*file));
            }
        }
        Lets::resolve(&definitions, &mut self.mistakes)
    }

    fn drafts(&mut self, lexed: &[Lexed], heads: &[HeadOf<'_>], lets: &Lets) -> Vec<Draft> {
        let items = heads.iter().filter(|h| h.head.kind != Kind::Let);
        items
            .map(
                |HeadOf {
                     file,
                     raw,
                     head,
                     spoiled,
                 }| {
                    let masked = &lexed[*file].masked;
                    let mut draft =
                        build::draft(masked, raw, head, *file, lets, *spoiled, &mut self.mistakes);
                    let repeated = alerts::repeated_pairs(&draft.clauses);
                    draft.spoiled |= !repeated.is_empty();
                    self.mistakes
                        .extend(repeated.into_iter().map(|m| (*file, m)));
                    draft
                },
            )
            .collect()
    }

    /// Spoils every item whose name another one has before it.
    fn unique(&mut self, drafts: &mut [Draft]) {
        let mut first: BTreeMap<(Kind, String, String), (usize, usize)> = BTreeMap::new();
        // An item without a name has told so.
        let named = |d: &&mut Draft| d.kind == Kind::Defaults || !d.name.value.is_empty();
        for draft in drafts.iter_mut().filter(named) {
            let (kind, beside) = match draft.kind {
                Kind::Defaults => (Kind::Defaults, draft.file.to_string()),
                // One metric may be recorded several times, told apart by labels.
                Kind::Record => (Kind::Record, labels_text(draft)),
                // An objective raises alerts: its name and theirs are taken.
                Kind::Sla => (Kind::Alert, String::new()),
                kind => (kind, String::new()),
            };
            let mut names = vec![draft.name.value.clone()];
            if draft.kind == Kind::Sla {
                let alerts = Sla::ALERTS.iter();
                names.extend(alerts.map(|alert| format!("{}:{alert}", draft.name.value)));
            }
            let keys = names.into_iter().map(|name| (kind, name, beside.clone()));
            let keys: Vec<_> = keys.collect();
            if let Some((file, at)) = keys.iter().find_map(|key| first.get(key)) {
                let mistake =
                    self.repeated(draft.kind, &draft.name.value, draft.name.span, *file, *at);
                self.mistakes.push((draft.file, mistake));
                draft.spoiled = true;
            } else {
                let place = (draft.file, draft.name.span.start);
                first.extend(keys.into_iter().map(|key| (key, place)));
            }
        }
    }

    fn repeated(&self, kind: Kind, name: &str, span: Span, file: usize, at: usize) -> Mistake {
        let (line, _) = self.lines[file].place(at);
        let place = format!("{}:{line}", self.files[file].path);
        if kind == Kind::Defaults {
            return Mistake::error(span, "a second `defaults` in this file")
                .label(format!("the first is {place}"));
        }
        let word = match kind {
            Kind::Let => "let",
            kind => kind.noun(),
        };
        let mistake = Mistake::error(span, format!("a second {word} is named `{name}`"))
            .label(format!("the first is {place}"));
        match kind {
            Kind::Record => {
                mistake.help("one metric may be recorded twice with different `label` lines")
            }
            Kind::Sla => mistake.help(
                "alerts and objectives share their names: an objective raises alerts of its own",
            ),
            _ => mistake.help("names are unique in a folder, so that links and silences survive"),
        }
    }

    fn rules(&mut self, drafts: &[Draft]) -> RuleSet {
        let mut rules = RuleSet::default();
        let defaults = defaults(drafts);
        let defaults_of = |draft: &Draft| defaults.get(&draft.file).copied().unwrap_or_default();
        let records = Records::new(drafts, &defaults_of);
        let recorded = |metric: &str| records.produced(metric);
        let windows = Names::new(drafts, Kind::Window);
        let circles = circles_of_rules(drafts, &mut self.mistakes);
        for (at, draft) in drafts.iter().enumerate() {
            let place = self.place(draft);
            let subject = Subject::new(draft, defaults_of(draft));
            let mut found = Vec::new();
            let record = match draft.kind {
                Kind::Record => alerts::record(&subject, place.clone(), &recorded, &mut found),
                _ => None,
            };
            let alert = match draft.kind {
                Kind::Alert => alerts::alert(&subject, place.clone(), &recorded, &mut found),
                _ => None,
            };
            let sla = match draft.kind {
                Kind::Sla => {
                    for name in slas::excluded(draft) {
                        found.extend(self.unknown(name, &windows, windows::WINDOW_HELP));
                    }
                    slas::sla(&subject, place, &recorded, &mut found)
                }
                _ => None,
            };
            let usable = draft.is_usable(&found) && !circles.contains(&at);
            self.tell(draft, found);
            if usable {
                rules.records.extend(record);
                rules.alerts.extend(alert);
                rules.slas.extend(sla);
            }
        }
        let instances = Instances::new(drafts, &defaults_of, &recorded);
        self.windows(drafts, &mut rules);
        self.mutes(drafts, &instances, &mut rules);
        self.channels(drafts, &mut rules);
        self.routes(drafts, &instances, &mut rules);
        self.tests(drafts, &instances, &mut rules);
        self.too_many(drafts);
        rules
    }

    /// Holds every expression against what a store knows.
    fn against(&mut self, drafts: &[Draft], facts: &StoreFacts) {
        let records = drafts.iter().filter(|d| d.kind == Kind::Record);
        let recorded: BTreeSet<String> = records.map(|d| d.name.value.clone()).collect();
        let defaults = defaults(drafts);
        let defaults_of = |draft: &Draft| defaults.get(&draft.file).copied().unwrap_or_default();
        let possible = Records::new(drafts, &defaults_of);
        let possible = |metric: &str| possible.produced(metric);
        let known = Records::new(drafts, &defaults_of).over(facts);
        let known = |metric: &str| known.produced(metric);
        let instances = Instances::new(drafts, &defaults_of, &possible);
        let known_instances = Instances::new(drafts, &defaults_of, &known);
        let mut read = vec![BTreeSet::new(); self.files.len()];
        let mut found_in = vec![Vec::new(); self.files.len()];
        for draft in drafts.iter().filter(|d| !d.spoiled) {
            let mut found = Vec::new();
            let text = &self.files[draft.file].text;
            let seen = lint::seen::Seen {
                possible: &possible,
                known: &known,
                instances: &instances,
                known_instances: &known_instances,
                text,
            };
            let subject = Subject::new(draft, defaults_of(draft));
            match draft.kind {
                Kind::Alert | Kind::Record => found.extend(seen.of_rule(&subject)),
                Kind::Sla => found.extend(seen.of_sla(&subject)),
                Kind::Route | Kind::Mute => {
                    let each = draft.clauses.iter();
                    found.extend(each.flat_map(|entry| seen.of_picking(entry, facts)));
                }
                _ => {}
            }
            for Entry { word, clause } in &draft.clauses {
                let expr = match clause {
                    Clause::Expr(expr) | Clause::Ok(expr) => expr,
                    Clause::Good(counters) | Clause::Bad(counters) | Clause::Total(counters) => {
                        let judge = lint::store::judge_counters;
                        found.extend(judge(counters, text, *word, &recorded, facts));
                        let each = counters.0.iter();
                        let named = each.filter_map(|counter| reads::metric(&counter.selector));
                        read[draft.file].extend(named);
                        continue;
                    }
                    _ => continue,
                };
                let judged = lint::store::Judged {
                    expr,
                    text,
                    word: *word,
                    recorded: &recorded,
                };
                found.extend(lint::store::judge(&judged, facts));
                read[draft.file].extend(reads::metrics(expr));
                lint::seen::grouped(&judged, expr, &seen, &mut found);
                if draft.kind == Kind::Alert {
                    let lines = Subject::new(draft, &[]).levels();
                    found.extend(lint::store::judge_alert(&judged, &lines, facts));
                    found.extend(lint::reach::judge_against(expr, &lines, *word, facts));
                }
            }
            found_in[draft.file].extend(found);
        }
        for (file, (mut read, found)) in read.into_iter().zip(found_in).enumerate() {
            read.retain(|metric| !recorded.contains(*metric) && !ENGINE_SERIES.contains(metric));
            let found = lint::whole_file::fold(&read, facts, found);
            self.mistakes.extend(found.into_iter().map(|m| (file, m)));
        }
    }

    fn too_many(&mut self, drafts: &[Draft]) {
        let limit = limits::RULES_MAX;
        let counted = drafts
            .iter()
            .filter(|d| matches!(d.kind, Kind::Alert | Kind::Record | Kind::Sla));
        if let Some(draft) = counted.clone().nth(limit.usize()) {
            let message = format!(
                "the folder has {} rules, {} allows {}",
                counted.count(),
                limit.name,
                limit.value
            );
            let mistake =
                Mistake::error(draft.name.span, message).label("the first that is too much");
            self.mistakes.push((draft.file, mistake));
        }
    }

    /// Where the item's name stands.
    pub(super) fn place(&self, draft: &Draft) -> Place {
        self.place_at(draft.file, draft.name.span)
    }

    pub(super) fn place_at(&self, file: usize, span: Span) -> Place {
        self.lines[file].place_in(&self.files[file].path, span.start)
    }

    /// Adds what was found in an item.
    pub(super) fn tell(&mut self, draft: &Draft, found: Vec<Mistake>) {
        let of_file = found.into_iter().map(|m| (draft.file, m));
        self.mistakes.extend(of_file);
    }

    /// Mistakes as diagnostics, sorted, each once, not too many.
    fn diagnostics(mut self) -> Vec<Diagnostic> {
        let silences = &self.silences;
        self.mistakes
            .retain(|(file, mistake)| !silences[*file].silence(mistake));
        self.mistakes.sort_by(|(file_a, a), (file_b, b)| {
            let key = |file: usize, m: &Mistake| (file, m.span.start, m.span.end, m.severity);
            key(*file_a, a)
                .cmp(&key(*file_b, b))
                .then_with(|| a.message.cmp(&b.message))
        });
        // An expression that is used twice has its mistakes twice.
        self.mistakes.dedup_by(|(file_a, a), (file_b, b)| {
            file_a == file_b && a.span == b.span && a.message == b.message
        });
        let mut diagnostics = Vec::new();
        for of_file in self.mistakes.chunk_by(|(a, _), (b, _)| a == b) {
            let file = of_file[0].0;
            let path = &self.files[file].path;
            let mut shown = 0;
            for (_, mistake) in of_file.iter().take(DIAGNOSTICS_MAX) {
                diagnostics.push(self.lines[file].diagnostic(path, mistake.clone()));
                shown += 1;
            }
            if let Some((_, next)) = of_file.get(shown) {
                let message = format!("and {} more mistakes in this file", of_file.len() - shown);
                diagnostics
                    .push(self.lines[file].diagnostic(path, Mistake::error(next.span, message)));
            }
        }
        diagnostics
    }
}

/// The clauses of each file's `defaults`. A second one is a mistake; the first counts.
fn defaults(drafts: &[Draft]) -> BTreeMap<usize, &[Entry]> {
    let mut defaults: BTreeMap<usize, &[Entry]> = BTreeMap::new();
    for draft in drafts.iter().filter(|d| d.kind == Kind::Defaults) {
        defaults.entry(draft.file).or_insert(&draft.clauses);
    }
    defaults
}

/// Labels of a record as one text, to tell records of one metric apart.
fn labels_text(draft: &Draft) -> String {
    let labels = Subject::new(draft, &[]).labels();
    let sorted: BTreeSet<String> = labels
        .iter()
        .map(|(name, text)| format!("{name}={text}"))
        .collect();
    sorted.into_iter().collect::<Vec<_>>().join(",")
}
