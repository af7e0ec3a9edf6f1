//! Items before they are checked: heads and clauses, read by the table.
//!
//! A draft holds every clause that could be read, also when others could not, so that one mistake hides no
//! other. Not here: what makes an item complete (`alerts.rs`, `folder.rs`).

use super::advice::{clause_advice, item_advice};
use super::clause::Clause;
use super::clauses::rule;
use super::diagnostic::{Mistake, Parsed, Severity, Spoiled};
use super::items::ITEMS;
use super::lets::{Definition, Lets};
use super::lex::RawItem;
use super::near::nearest;
use super::scan::{Placed, Scan, shown};
use super::table::{self, ClauseEntry, Item, ItemState, Kind, Layout, Often};
use super::template;
use crate::promql::ast::Span;

/// The first line of an item, read.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) kind: Kind,
    /// Empty for `defaults`.
    pub(super) name: Placed<String>,
    /// What stands behind `in`; `None` but for `route`.
    pub(super) parent: Option<Placed<String>>,
    /// What stands behind `=`; empty but for `let`.
    pub(super) value: Placed<&'a str>,
}

/// An item with its clauses.
#[derive(Debug)]
pub(super) struct Draft {
    /// Which file it is in.
    pub(super) file: usize,
    pub(super) kind: Kind,
    pub(super) name: Placed<String>,
    /// The route it stands below.
    pub(super) parent: Option<Placed<String>>,
    pub(super) clauses: Vec<Entry>,
    /// It has a mistake, is not used, and no longer checked for what may follow from that mistake.
    pub(super) spoiled: bool,
}

impl Draft {
    /// True when it can be used with what was found in it.
    pub(super) fn is_usable(&self, found: &[Mistake]) -> bool {
        !self.spoiled && found.iter().all(|m| m.severity == Severity::Warning)
    }
}

/// A clause that was read.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The clause's word.
    pub(super) word: Span,
    pub(super) clause: Clause,
}

/// Reads the first line of an item. Items of later versions and unknown ones are mistakes and give no head; a
/// mistake behind the item's word leaves a head, so that the clauses are still checked.
pub(super) fn head<'a>(masked: &'a str, raw: &RawItem) -> (Option<Head<'a>>, Vec<Mistake>) {
    let mut scan = Scan::new(masked, raw.head);
    let word = scan.head();
    let Some(item) = table::item(word.value) else {
        return (None, vec![unknown_item(&scan, &word)]);
    };
    let kind = match item.state {
        ItemState::Here(kind) => kind,
        ItemState::Later(version) => return (None, vec![later(&word, version)]),
    };
    scan.any_word();
    let mut head = Head {
        kind,
        name: Placed {
            value: String::new(),
            span: word.span,
        },
        parent: None,
        value: Placed {
            value: "",
            span: word.span,
        },
    };
    match rest_of_head(&mut scan, &mut head, item) {
        Ok(()) => (Some(head), Vec::new()),
        // Without clauses there is nothing left to check.
        Err(spoiled) if kind == Kind::Let => (None, spoiled.mistakes),
        Err(spoiled) => (Some(head), spoiled.mistakes),
    }
}

fn rest_of_head<'a>(scan: &mut Scan<'a>, head: &mut Head<'a>, item: &Item) -> Result<(), Spoiled> {
    // A metric's name may begin with a colon; one that follows the word at once is not a name.
    let is_name = head.kind == Kind::Record
        && scan.here().starts_with(' ')
        && scan
            .rest()
            .chars()
            .nth(1)
            .is_some_and(|c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_'));
    if scan.rest().starts_with(':') && !is_name {
        return Err(no_colon(scan, item.word).into());
    }
    match head.kind {
        Kind::Defaults => {}
        Kind::Let => {
            let (name, value) = let_head(scan)?;
            head.name = owned(&name);
            head.value = value;
            return Ok(());
        }
        Kind::Record => head.name = owned(&rule::metric(scan)?),
        Kind::Alert | Kind::Sla | Kind::Window | Kind::Mute | Kind::Channel => {
            head.name = owned(&scan.name(&format!("the {}", head.kind.noun()))?);
        }
        Kind::Route => {
            head.name = owned(&scan.name("the route")?);
            if scan.word("in").is_some() {
                head.parent = Some(owned(&scan.name("the parent")?));
            }
        }
        Kind::Test => head.name = test_name(scan)?,
    }
    scan.finish(&format!("`{}`", item.shape))
        .map_err(|mistake| too_much(mistake, scan.rest(), head).into())
}

/// `rest` behind the head of an item.
fn too_much(mistake: Mistake, rest: &str, head: &Head<'_>) -> Mistake {
    let is_words = rest.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ');
    let mistake = match (head.kind, rest.strip_prefix('=')) {
        (Kind::Record, Some(expr)) => mistake.help(format!(
            "on a line of its own, indented: `expr {}`",
            expr.trim()
        )),
        _ if is_words && !matches!(head.kind, Kind::Defaults | Kind::Test) => {
            let joined: Vec<&str> = rest.split_whitespace().collect();
            let name = format!("{}-{}", head.name.value, joined.join("-"));
            mistake.help(format!("a name has no blanks: `{name}`"))
        }
        _ => mistake,
    };
    mistake.help("clauses stand on lines of their own, indented")
}

fn owned(name: &Placed<&str>) -> Placed<String> {
    Placed {
        value: name.value.to_owned(),
        span: name.span,
    }
}

/// A test is named by a sentence.
fn test_name(scan: &mut Scan<'_>) -> Result<Placed<String>, Spoiled> {
    let bare = scan.rest();
    let quoted = scan.quoted("test").map_err(|mistake| {
        if bare.is_empty() || bare.starts_with(['"', '\'', '`']) {
            return mistake;
        }
        mistake.help(format!("write `test \"{}\"`", bare.trim_end()))
    })?;
    let value = template::plain(&quoted)?;
    if value.trim().is_empty() {
        return Err(Mistake::error(quoted.span, "the test has no name")
            .label("say what holds: \"a disk fills\"")
            .into());
    }
    Ok(Placed {
        value,
        span: quoted.span,
    })
}

fn let_head<'a>(scan: &mut Scan<'a>) -> Result<(Placed<&'a str>, Placed<&'a str>), Mistake> {
    if scan.rest().is_empty() {
        return Err(scan.expected("the `let` has no name", "a name such as disk_free"));
    }
    if let Some(span) = scan.symbol("$") {
        return Err(
            Mistake::error(span, "the `$` belongs where the name is used")
                .label("write the name alone"),
        );
    }
    let name = scan
        .label_name("the `let`")
        .map_err(|mistake| mistake.help("`let NAME = PROMQL`"))?;
    if scan.symbol("=").is_none() {
        let message = format!("`=` is missing after `let {}`", name.value);
        return Err(scan.expected(message, "`=`"));
    }
    if scan.rest().is_empty() {
        return Err(scan.expected("the expression is missing", "a number or PromQL"));
    }
    let (text, start) = scan.take_rest();
    let value = Placed {
        value: text,
        span: Span {
            start,
            end: start + text.len(),
        },
    };
    Ok((name, value))
}

impl<'a> Head<'a> {
    /// The definition, for a `let`.
    pub(super) fn definition(&'a self, file: usize) -> Definition<'a> {
        Definition {
            name: Placed {
                value: &self.name.value,
                span: self.name.span,
            },
            text: self.value.clone(),
            file,
        }
    }
}

/// Reads the clauses of an item; every mistake in them is told. `spoiled`: the head had one.
pub(super) fn draft(
    masked: &str,
    raw: &RawItem,
    head: &Head<'_>,
    file: usize,
    lets: &Lets,
    spoiled: bool,
    mistakes: &mut Vec<(usize, Mistake)>,
) -> Draft {
    let mut draft = Draft {
        file,
        kind: head.kind,
        name: head.name.clone(),
        parent: head.parent.clone(),
        clauses: Vec::new(),
        spoiled: raw.spoiled || spoiled,
    };
    let Some(item) = table::item_of(head.kind) else {
        return draft;
    };
    let mut seen: Vec<(&str, Span)> = Vec::new();
    for span in &raw.clauses {
        let before = seen.clone();
        let read = clause(masked, *span, item, lets, &mut seen);
        let inside = match &read {
            Err(_) => clauses_inside(masked, *span, item),
            Ok(_) => Vec::new(),
        };
        let [first, others @ ..] = inside.as_slice() else {
            draft.add(masked, *span, read, mistakes);
            continue;
        };
        mistakes.push((file, too_deep(masked, *first, *span)));
        draft.spoiled = true;
        // Each by itself, as they are meant.
        seen = before;
        let ends = inside.iter().map(|part| part.start).chain([span.end]);
        let starts = [span].into_iter().chain([first]).chain(others);
        for (part, end) in starts.zip(ends) {
            let text = &masked[part.start..end];
            let part = Span {
                start: part.start,
                end: part.start + text.trim_end().len(),
            };
            let read = clause(masked, part, item, lets, &mut seen);
            draft.add(masked, part, read, mistakes);
        }
    }
    draft
}

impl Draft {
    /// Adds what was read of the clause at `span`.
    fn add(
        &mut self,
        masked: &str,
        span: Span,
        read: Parsed<Clause>,
        mistakes: &mut Vec<(usize, Mistake)>,
    ) {
        let word = Scan::new(masked, span).head().span;
        let clause = match read {
            Ok(clause) => Some(clause),
            Err(found) => {
                self.spoiled = true;
                let file = self.file;
                mistakes.extend(found.mistakes.into_iter().map(|m| (file, m)));
                found.rest.map(|rest| *rest)
            }
        };
        let entry = clause.map(|clause| Entry { word, clause });
        self.clauses.extend(entry);
    }
}

/// The words of clauses at the beginning of lines that go on with a clause: where one could not be read, they were
/// meant as clauses of their own. The lines of tests are another thing.
fn clauses_inside(masked: &str, span: Span, item: &Item) -> Vec<Span> {
    let text = &masked[span.start..span.end];
    let word = Scan::new(masked, span).head();
    let is_lines = |entry: &ClauseEntry| entry.layout == Layout::Lines;
    if text.contains('`') || item.clause(word.value).is_some_and(is_lines) {
        return Vec::new();
    }
    let mut at = span.start;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        let first = line.split_whitespace().next().unwrap_or_default();
        if at > span.start && item.clause(first).is_some() {
            found.push(Span {
                start,
                end: start + first.len(),
            });
        }
        at += line.len();
    }
    found
}

/// A clause that goes on with the one above, because it is indented deeper.
fn too_deep(masked: &str, word: Span, above: Span) -> Mistake {
    let name = &masked[word.start..word.end];
    let above = Scan::new(masked, above).head().value;
    Mistake::error(word, format!("`{name}` goes on with the `{above}` above"))
        .label("indented deeper than the clauses")
        .help("the clauses of an item line up; a line that is indented deeper belongs to the clause before it")
}

fn clause(
    masked: &str,
    span: Span,
    item: &'static Item,
    lets: &Lets,
    seen: &mut Vec<(&str, Span)>,
) -> Parsed<Clause> {
    let mut scan = Scan::new(masked, span);
    let word = scan.head();
    let Some(entry) = item.clause(word.value) else {
        return Err(unknown_clause(&scan, &word, item).into());
    };
    if entry.often == Often::Once {
        once(&word, entry, seen)?;
    }
    scan.any_word();
    if scan.rest().starts_with(':') {
        return Err(no_colon(&scan, word.value).into());
    }
    (entry.parse)(&mut scan, lets)
}

fn once(
    word: &Placed<&str>,
    entry: &ClauseEntry,
    seen: &mut Vec<(&str, Span)>,
) -> Result<(), Mistake> {
    if seen.iter().any(|(seen, _)| *seen == entry.word) {
        return Err(
            Mistake::error(word.span, format!("a second `{}`", entry.word)).label("one is allowed"),
        );
    }
    seen.push((entry.word, word.span));
    Ok(())
}

fn later(word: &Placed<&str>, version: &str) -> Mistake {
    Mistake::error(
        word.span,
        format!("`{}` comes with version {version}", word.value),
    )
    .label(format!("this is version {}", table::CURRENT))
}

fn no_colon(scan: &Scan<'_>, word: &str) -> Mistake {
    let start = scan.offset();
    let span = Span {
        start,
        end: start + 1,
    };
    Mistake::error(span, format!("no `:` after `{word}`"))
        .label("a blank is enough")
        .help("rule files are no YAML: an item in column 1, its clauses indented below")
}

fn unknown_item(scan: &Scan<'_>, word: &Placed<&str>) -> Mistake {
    let next = scan.next();
    let here = || {
        let words: Vec<&str> = ITEMS
            .iter()
            .filter(|item| matches!(item.state, ItemState::Here(_)))
            .map(|item| item.word)
            .collect();
        format!("items: {}", words.join(", "))
    };
    if word.value.is_empty() || matches!(next.value.trim_end_matches(':'), "groups" | "---") {
        let mistake = Mistake::error(next.span, format!("{} starts no item", shown(next.value)));
        return if next.value.starts_with('-') || next.value.starts_with("groups") {
            mistake
        .label("looks like YAML")
        .help("rule files are no YAML: an item such as `alert NAME` in column 1, its clauses indented below")
        } else {
            mistake.label(here())
        };
    }
    let mistake = Mistake::error(
        word.span,
        format!("no item is called {}", shown(word.value)),
    );
    if let Some(advice) = item_advice(word.value) {
        return mistake.label(advice);
    }
    if let Some(near) = nearest(word.value, ITEMS.iter().map(|item| item.word)) {
        let version = table::item(near).and_then(Item::later);
        return mistake.label(did_you_mean(near, version));
    }
    match owner(word.value) {
        Some(item) => mistake.label(format!("a clause of `{}`; clauses are indented", item.word)),
        None => mistake.label(here()),
    }
}

/// `version`: the one that is to bring it, when it is not here yet.
fn did_you_mean(near: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("did you mean `{near}`? it comes with version {version}"),
        None => format!("did you mean `{near}`?"),
    }
}

/// The first item that has this clause.
fn owner(word: &str) -> Option<&'static Item> {
    ITEMS
        .iter()
        .find(|item| item.clause(word).is_some() && item.word != "defaults")
}

fn unknown_clause(scan: &Scan<'_>, word: &Placed<&str>, item: &Item) -> Mistake {
    let next = scan.next();
    if word.value.is_empty() {
        let mistake = Mistake::error(next.span, format!("{} starts no clause", shown(next.value)));
        return mistake
            .label(format!("clauses of `{}`: {}", item.word, words(item)))
            .help("a line that goes on with the clause above is indented deeper than the item's first clause");
    }
    let mistake = Mistake::error(
        word.span,
        format!("`{}` has no clause {}", item.word, shown(word.value)),
    );
    if let Some(advice) = clause_advice(item.word, word.value) {
        return mistake.label(advice);
    }
    if let Some(near) = nearest(word.value, item.clauses.iter().map(|clause| clause.word)) {
        return mistake.label(did_you_mean(near, None));
    }
    let mistake = match owner(word.value) {
        Some(other) => mistake.label(format!("it is a clause of `{}`", other.word)),
        None => mistake.label(format!("clauses here: {}", words(item))),
    };
    match table::item(word.value) {
        Some(_) => mistake.help(format!(
            "an item such as `{}` starts in column 1",
            word.value
        )),
        None => mistake,
    }
}

/// The clauses of an item.
fn words(item: &Item) -> String {
    let words: Vec<&str> = item.clauses.iter().map(|clause| clause.word).collect();
    words.join(", ")
}
