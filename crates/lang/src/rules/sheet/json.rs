//! The JSON form of a rule file: for programs that write rules, and for those that read them.
//!
//! ```json
//! {
//!   "format": "bellwether rules",
//!   "version": 1,
//!   "items": [
//!     {
//!       "comments": ["# Disks."],
//!       "item": "alert",
//!       "name": "DiskFilling",
//!       "clauses": [
//!         {"clause": "expr", "value": "$disk_free"},
//!         {"clause": "warning", "value": "< 15%", "for": "10m", "clear": "> 20%"},
//!         {"clause": "summary", "text": "{instance}: {value|percent} left"},
//!         {"clause": "label", "name": "team", "text": "infra"}
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! - `value` is what stands behind a clause's word, as it is written; `text` instead is a text without quotes and
//!   escapes, `name` the name before its `=`. `for`, `clear`, `keep`, `where` are the parts of a level line.
//! - A value over several lines has them joined by line ends; `lines` are those below `load`, `eval` and `at`, and any
//!   that have comments: then each is an object with `text`.
//! - `comments` stand above; an empty text among them is an empty line. `comment` stands behind. `end` stands below the
//!   last clause.
//!
//! Nothing is lost: the file that comes back is the canonical form of the one that went in.

use bellwether_model::labels::Quoted;
use serde::{Deserialize, Serialize};

use super::layout::{let_parts, value_column};
use super::read::ends_inside_text;
use super::words::{level_parts, with_level_parts};
use super::{Clause, Comment, Item, Line, Sheet};
use crate::promql::ast::Span;
use crate::rules::items::ITEMS;
use crate::rules::lex;
use crate::rules::near::nearest;
use crate::rules::scan::{Placed, shown};
use crate::rules::{table, template};

/// What the form calls itself.
const FORMAT: &str = "bellwether rules";
/// The version of the form.
const VERSION: u32 = 1;

/// Why a JSON form cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON, or not of this shape; with line and column.
    #[error("{0}")]
    Shape(#[from] serde_json::Error),
    /// It is another form, or a later version of this one.
    #[error(
        "expected `\"format\": \"{FORMAT}\"` and `\"version\": {VERSION}`, got {format:?} and {version}"
    )]
    Version {
        /// What it calls itself.
        format: String,
        /// Its version.
        version: u32,
    },
    /// A text that has to stand on one line, or a word that is none.
    #[error("{what} cannot be {got:?}")]
    Text {
        /// Which.
        what: &'static str,
        /// What it is.
        got: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFile {
    format: String,
    version: u32,
    items: Vec<JsonItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    end: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonItem {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    comments: Vec<String>,
    item: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<JsonLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clauses: Vec<JsonClause>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    end: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonClause {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    comments: Vec<String>,
    clause: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    hold_for: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clear: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep: Option<String>,
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    only: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<JsonLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum JsonLine {
    Bare(String),
    Full {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        comments: Vec<String>,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
}

/// A sheet in its canonical form as JSON, with a line end.
pub(super) fn write(sheet: &Sheet) -> String {
    let file = JsonFile {
        format: FORMAT.to_owned(),
        version: VERSION,
        items: sheet.items.iter().map(write_item).collect(),
        end: write_comments(&sheet.end, false),
    };
    // Texts and lists only: nothing that JSON has no form for.
    serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
}

fn write_item(item: &Item) -> JsonItem {
    let first = &item.head.lines[0];
    let mut json = JsonItem {
        comments: write_comments(&first.above, first.gap),
        item: item.head.word.clone(),
        name: None,
        parent: None,
        value: None,
        lines: Vec::new(),
        comment: first.comment.clone(),
        clauses: item.clauses.iter().map(write_clause).collect(),
        end: write_comments(&item.end, false),
    };
    let text = first.text.as_str();
    match (item.head.word.as_str(), let_parts(text)) {
        ("let", Some((name, value))) => {
            json.name = Some(name.to_owned());
            let (value, lines) = write_lines(value.trim(), &item.head.lines);
            json.value = Some(value);
            json.lines = lines;
        }
        ("route", _) if text.contains(" in ") => {
            let (name, parent) = text.split_once(" in ").unwrap_or((text, ""));
            json.name = Some(name.to_owned());
            json.parent = Some(parent.to_owned());
        }
        ("test", _) if !text.is_empty() && item.head.lines.len() == 1 => {
            match unquoted(text) {
                Some(name) => json.name = Some(name),
                // Not a text in quotes: as it is.
                None => json.value = Some(text.to_owned()),
            }
        }
        _ => {
            let (value, lines) = write_lines(text, &item.head.lines);
            json.name = Some(value).filter(|name| !name.is_empty());
            json.lines = lines;
        }
    }
    json
}

fn write_clause(clause: &Clause) -> JsonClause {
    let first = &clause.lines[0];
    let mut json = JsonClause {
        comments: write_comments(&first.above, first.gap),
        clause: clause.word.clone(),
        comment: first.comment.clone(),
        ..JsonClause::default()
    };
    let is_alone = clause.lines.len() == 1;
    let text = first.text.as_str();
    if is_alone && let Some(text) = unquoted(text) {
        json.text = Some(text);
        return json;
    }
    if is_alone
        && let Some((name, quoted)) = text.split_once(" = ")
        && let Some(text) = unquoted(quoted)
    {
        json.name = Some(name.to_owned());
        json.text = Some(text);
        return json;
    }
    if is_alone && let Some(parts) = level_parts(&clause.word, text) {
        let [value, hold_for, clear, keep, only] = parts;
        json.value = Some(value.unwrap_or_default());
        json.hold_for = hold_for;
        json.clear = clear;
        json.keep = keep;
        json.only = only;
        return json;
    }
    let (value, lines) = write_lines(text, &clause.lines);
    json.value = Some(value).filter(|value| !value.is_empty());
    json.lines = lines;
    json
}

/// The value and the lines below it: one text when no line has a comment and the value has a first line.
fn write_lines(value: &str, lines: &[Line]) -> (String, Vec<JsonLine>) {
    let below = &lines[1..];
    let commented = |line: &Line| line.comment.is_some() || !line.above.is_empty();
    let indented = |line: &Line| {
        if line.inside_text {
            line.text.clone()
        } else {
            format!("{}{}", " ".repeat(line.indent), line.text)
        }
    };
    let joins = !lines.iter().any(commented) && !value.is_empty();
    if below.is_empty() || joins {
        let below: Vec<String> = below
            .iter()
            .map(|line| format!("\n{}", indented(line)))
            .collect();
        return (format!("{value}{}", below.concat()), Vec::new());
    }
    let lines = below.iter().map(|line| {
        let text = indented(line);
        if !commented(line) {
            return JsonLine::Bare(text);
        }
        JsonLine::Full {
            comments: write_comments(&line.above, false),
            text,
            comment: line.comment.clone(),
        }
    });
    (value.to_owned(), lines.collect())
}

/// Comments, an empty text for an empty line; `gap`: one stands below the last.
fn write_comments(comments: &[Comment], gap: bool) -> Vec<String> {
    let mut out = Vec::new();
    for comment in comments {
        out.extend(comment.gap.then(String::new));
        out.push(comment.text.clone());
    }
    out.extend(gap.then(String::new));
    out
}

/// The text of a quoted one, when quoting it gives the same again.
fn unquoted(quoted: &str) -> Option<String> {
    if !quoted.starts_with('"') || quoted.len() < 2 || lex::quoted(quoted) != quoted.len() {
        return None;
    }
    let span = Span {
        start: 0,
        end: quoted.len(),
    };
    let text = template::plain(&Placed {
        value: quoted,
        span,
    })
    .ok()?;
    let same = Quoted(&text).to_string() == quoted;
    // A text that begins with a quote would be taken for one that is quoted.
    (same && !text.starts_with(['"', '`'])).then_some(text)
}

/// The words that the language does not have, with their paths.
pub(super) fn unknown(text: &str) -> Result<Vec<String>, JsonError> {
    let file: JsonFile = serde_json::from_str(text)?;
    let mut found = Vec::new();
    let meant = |near: Option<&str>| {
        near.map(|near| format!(" (did you mean `{near}`?)"))
            .unwrap_or_default()
    };
    for (i, json) in file.items.iter().enumerate() {
        let Some(item) = table::item(&json.item) else {
            let near = nearest(&json.item, ITEMS.iter().map(|item| item.word));
            let (word, meant) = (shown(&json.item), meant(near));
            found.push(format!("items[{i}].item: no item is called {word}{meant}"));
            continue;
        };
        for (j, clause) in json.clauses.iter().enumerate() {
            if item.clause(&clause.clause).is_none() {
                let near = nearest(&clause.clause, item.clauses.iter().map(|c| c.word));
                let (word, meant) = (shown(&clause.clause), meant(near));
                let path = format!("items[{i}].clauses[{j}].clause");
                found.push(format!(
                    "{path}: `{}` has no clause {word}{meant}",
                    item.word
                ));
            }
        }
    }
    Ok(found)
}

/// Reads the JSON form.
pub(super) fn read(text: &str) -> Result<Sheet, JsonError> {
    let file: JsonFile = serde_json::from_str(text)?;
    if file.format != FORMAT || file.version != VERSION {
        return Err(JsonError::Version {
            format: file.format,
            version: file.version,
        });
    }
    let items: Result<_, _> = file.items.into_iter().map(read_item).collect();
    Ok(Sheet {
        items: items?,
        end: read_comments(file.end)?.0,
    })
}

fn read_item(json: JsonItem) -> Result<Item, JsonError> {
    word("an item", &json.item)?;
    let mut text = match json.name {
        Some(name) if json.item == "test" && !name.starts_with(['"', '`']) => {
            Quoted(&name).to_string()
        }
        name => name.unwrap_or_default(),
    };
    if let Some(parent) = json.parent {
        text = format!("{text} in {parent}");
    }
    if let Some(value) = json.value {
        text = match json.item.as_str() {
            "let" => format!("{text} = {value}").trim_end().to_owned(),
            _ => value,
        };
    }
    let column = json.item.chars().count() + 1;
    let lines = read_lines(column, &text, json.lines, json.comments, json.comment)?;
    let clauses: Result<_, _> = json
        .clauses
        .into_iter()
        .map(|clause| read_clause(&json.item, clause))
        .collect();
    Ok(Item {
        head: Clause {
            word: json.item,
            lines,
        },
        clauses: clauses?,
        end: read_comments(json.end)?.0,
    })
}

fn read_clause(item: &str, json: JsonClause) -> Result<Clause, JsonError> {
    word("a clause", &json.clause)?;
    let mut text = match (json.text, json.value) {
        (Some(text), _) => Quoted(&text).to_string(),
        (None, value) => value.unwrap_or_default(),
    };
    if let Some(name) = json.name {
        text = format!("{name} = {text}");
    }
    let text = with_level_parts(&text, [json.hold_for, json.clear, json.keep, json.only]);
    let column = value_column(item, &json.clause, &text);
    let lines = read_lines(column, &text, json.lines, json.comments, json.comment)?;
    Ok(Clause {
        word: json.clause,
        lines,
    })
}

/// The lines of a clause from its value, which begins at `column`, and those below.
fn read_lines(
    column: usize,
    value: &str,
    below: Vec<JsonLine>,
    comments: Vec<String>,
    comment: Option<String>,
) -> Result<Vec<Line>, JsonError> {
    let (above, gap) = read_comments(comments)?;
    let mut all: Vec<(&str, Vec<Comment>, Option<String>)> = Vec::new();
    let mut values = value.split('\n');
    all.push((values.next().unwrap_or_default(), above, comment));
    all.extend(values.map(|text| (text, Vec::new(), None)));
    let below: Vec<(String, Vec<Comment>, Option<String>)> = below
        .into_iter()
        .map(|line| match line {
            JsonLine::Bare(text) => Ok((text, Vec::new(), None)),
            JsonLine::Full {
                comments,
                text,
                comment,
            } => Ok((text, read_comments(comments)?.0, comment)),
        })
        .collect::<Result<_, JsonError>>()?;
    all.extend(
        below
            .iter()
            .map(|(text, above, comment)| (text.as_str(), above.clone(), comment.clone())),
    );
    let mut inside = false;
    let mut lines = Vec::new();
    for (at, (text, above, comment)) in all.into_iter().enumerate() {
        one_line("a line", text)?;
        let comment = comment.map(|text| marked(&text)).transpose()?;
        let inside_text = inside;
        inside = ends_inside_text(text, inside_text);
        // Empty lines mean something in a text only.
        if at > 0 && text.trim().is_empty() && !inside_text {
            continue;
        }
        let indent = match at {
            0 => column,
            _ => text.len() - text.trim_start().len(),
        };
        let text = if inside_text { text } else { text.trim() };
        lines.push(Line {
            above,
            gap: at == 0 && gap,
            indent,
            text: text.to_owned(),
            inside_text,
            comment,
        });
    }
    Ok(lines)
}

/// Comments, and whether an empty line stands below the last.
fn read_comments(texts: Vec<String>) -> Result<(Vec<Comment>, bool), JsonError> {
    let mut comments = Vec::new();
    let mut gap = false;
    for text in texts {
        if text.is_empty() {
            gap = true;
            continue;
        }
        comments.push(Comment {
            gap: std::mem::take(&mut gap),
            text: marked(&text)?,
        });
    }
    Ok((comments, gap))
}

/// A comment with its `#`.
fn marked(text: &str) -> Result<String, JsonError> {
    one_line("a comment", text)?;
    let text = text.trim();
    if text.starts_with('#') {
        return Ok(text.to_owned());
    }
    Ok(format!("# {text}").trim_end().to_owned())
}

fn one_line(what: &'static str, text: &str) -> Result<(), JsonError> {
    sound(what, text, !text.contains(['\n', '\r']))
}

fn word(what: &'static str, text: &str) -> Result<(), JsonError> {
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    sound(what, text, is_word)
}

fn sound(what: &'static str, text: &str, is_sound: bool) -> Result<(), JsonError> {
    if is_sound {
        return Ok(());
    }
    Err(JsonError::Text {
        what,
        got: text.to_owned(),
    })
}
