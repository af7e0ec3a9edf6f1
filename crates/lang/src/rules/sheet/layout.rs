//! Sheet to text, in the one canonical form.
//!
//! An item in column 1, an empty line between two; clauses indented by two, their values in one column, so that no
//! change of one clause moves another; lines that go on with a value keep their distance from where it begins.
//! `let`s may stand in a block. At most one empty line between clauses.

use bellwether_model::labels::is_legacy_metric_name;

use super::words::{bare, level, series, words};
use super::{Clause, Comment, Item, Line, Sheet};
use crate::rules::lex;
use crate::rules::table::{self, ClauseEntry, ItemState, Kind, Layout};

/// Columns before a clause.
const INDENT: usize = 2;
/// Columns before a line that belongs to a clause, at least.
const DEEPER: usize = 4;
/// Width of a clause's word: values begin one blank behind it. Longer words stick out.
const WORD_WIDTH: usize = 9;

/// The sheet in the canonical form.
pub(super) fn canonical(sheet: &Sheet) -> Sheet {
    let mut sheet = sheet.clone();
    for item in &mut sheet.items {
        let entry = table::item(&item.head.word);
        let kind = entry.and_then(|entry| match entry.state {
            ItemState::Here(kind) => Some(kind),
            ItemState::Later(_) => None,
        });
        let head = Look {
            layout: match kind {
                Some(Kind::Let) => Some(Layout::Expr),
                Some(_) => Some(Layout::Words),
                None => None,
            },
            indent: 0,
            width: 0,
            deeper: INDENT,
        };
        arrange(&mut item.head, &head);
        for (at, clause) in item.clauses.iter_mut().enumerate() {
            let entry: Option<&ClauseEntry> = entry.and_then(|entry| entry.clause(&clause.word));
            let look = Look {
                layout: entry.map(|entry| entry.layout),
                indent: INDENT,
                width: word_width(&item.head.word),
                deeper: DEEPER,
            };
            arrange(clause, &look);
            if at == 0 && clause.lines[0].above.is_empty() {
                clause.lines[0].gap = false;
            }
        }
    }
    sheet
}

/// The width to which the words of an item's clauses are filled up: the steps of a test are no table.
fn word_width(item: &str) -> usize {
    if item == "test" { 0 } else { WORD_WIDTH }
}

/// How a clause is to be written.
struct Look {
    /// `None`: a word the language does not have; it is left as it is.
    layout: Option<Layout>,
    /// Columns before its word.
    indent: usize,
    /// Width its word is filled up to.
    width: usize,
    /// Columns before its other lines, at least.
    deeper: usize,
}

/// Brings the lines of a clause into their form. `indent` of the first becomes the column of the value.
fn arrange(clause: &mut Clause, look: &Look) {
    if look.layout != Some(Layout::Lines) {
        pull_up(clause);
    }
    let value = look.indent + word_columns(&clause.word, look.width, &clause.lines[0].text);
    // Where a quote is not closed, nobody knows what is inside of it.
    let layout = look.layout.filter(|_| clause.lines.iter().all(is_balanced));
    let Some(layout) = layout else {
        return shift(clause, value, look.deeper);
    };
    match layout {
        Layout::Expr => {
            if look.width == 0 && look.indent == 0 {
                return arrange_let(clause, look.deeper);
            }
            shift(clause, value, look.deeper);
        }
        Layout::Lines => lines(clause, value, look.deeper),
        Layout::Words => one_line(clause, value, words),
        Layout::Level => one_line(clause, value, level),
        Layout::Bare => one_line(clause, value, bare),
    }
}

/// True when every quote of a line is closed on it; a text between backticks may go on.
fn is_balanced(line: &Line) -> bool {
    let mut rest = line.text.as_str();
    let mut inside = line.inside_text;
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '`' => {
                inside = !inside;
                1
            }
            '"' | '\'' if !inside => match lex::quoted(rest) {
                1 => return false,
                len => len,
            },
            c => c.len_utf8(),
        };
        rest = &rest[len..];
    }
    true
}

/// Moves the first line of a value up beside its word, when nothing stands there.
fn pull_up(clause: &mut Clause) {
    let [first, next, ..] = &mut clause.lines[..] else {
        return;
    };
    if !first.text.is_empty()
        || first.comment.is_some()
        || !next.above.is_empty()
        || next.inside_text
    {
        return;
    }
    first.text = std::mem::take(&mut next.text);
    first.indent = next.indent;
    first.comment = next.comment.take();
    clause.lines.remove(1);
}

/// Moves lines that go on with a value as far as the value itself is moved.
fn shift(clause: &mut Clause, value: usize, deeper: usize) {
    let first = &clause.lines[0];
    // Without a value on the first line, nothing says how far.
    let from = if first.text.is_empty() {
        value
    } else {
        first.indent
    };
    for (at, line) in clause.lines.iter_mut().enumerate() {
        line.gap &= at == 0;
        if at > 0 && !line.inside_text {
            line.indent = (line.indent + value).saturating_sub(from).max(deeper);
        }
    }
    clause.lines[0].indent = value;
}

/// `let NAME = VALUE`: the value begins behind `=`.
fn arrange_let(clause: &mut Clause, deeper: usize) {
    let before = clause.word.len() + 1;
    let first = &clause.lines[0];
    let Some((name, value)) = let_parts(&first.text) else {
        return shift(clause, before, deeper);
    };
    let head = format!("{name} = ");
    let value = value.trim_start();
    // The value stands alone for a moment, so that it is moved as any other.
    let column = first.indent + first.text[..first.text.len() - value.len()].chars().count();
    let value = value.to_owned();
    let first = &mut clause.lines[0];
    (first.text, first.indent) = (value, column);
    pull_up(clause);
    shift(clause, before + head.chars().count(), deeper);
    let first = &mut clause.lines[0];
    first.text.insert_str(0, &head);
    first.text.truncate(first.text.trim_end().len());
    first.indent = before;
}

/// The name and the value of a `let`.
pub(super) fn let_parts(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_name = name
        .trim()
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !value.starts_with('#')).then_some((name.trim(), value))
}

/// The column at which the value of a clause begins.
pub(super) fn value_column(item: &str, clause: &str, value: &str) -> usize {
    INDENT + word_columns(clause, word_width(item), value)
}

/// The columns of a word that is filled up to `width`, and of what stands between it and its value.
fn word_columns(word: &str, width: usize, value: &str) -> usize {
    match word.chars().count() {
        0 => 0,
        len if glued(word, value) => len,
        len => len.max(width) + 1,
    }
}

/// Joins the lines of a clause, unless a comment or a text between backticks keeps them apart.
fn one_line(clause: &mut Clause, value: usize, form: fn(&str) -> String) {
    let apart = |line: &Line| line.inside_text || !line.above.is_empty();
    let last = clause.lines.len() - 1;
    let keeps = clause.lines[..last]
        .iter()
        .any(|line| line.comment.is_some())
        || clause.lines[1..].iter().any(apart);
    if keeps {
        for line in &mut clause.lines {
            // A text that goes on is left alone from its first line on.
            if !line.inside_text && !line.text.contains('`') {
                line.text = form(&line.text);
            }
            line.gap = false;
            line.indent = value;
        }
        return;
    }
    let texts: Vec<&str> = clause.lines.iter().map(|line| line.text.as_str()).collect();
    let text = form(&texts.join(" "));
    let comment = clause.lines[last].comment.take();
    clause.lines.truncate(1);
    let first = &mut clause.lines[0];
    first.text = text;
    first.comment = comment;
    first.indent = value;
}

/// A clause with lines of its own below it: series in columns, everything else as words.
fn lines(clause: &mut Clause, value: usize, deeper: usize) {
    let is_series = clause.word == "load";
    let is_eval = clause.word == "eval";
    let (first, below) = clause.lines.split_at_mut(1);
    first[0].indent = value;
    let text = &first[0].text;
    first[0].text = match text.split_once(char::is_whitespace) {
        // What follows the time is PromQL.
        Some((time, expr)) if is_eval => format!("{time} {}", expr.trim_start()),
        _ => words(text),
    };
    for line in below.iter_mut() {
        line.gap = false;
        line.indent = deeper;
    }
    if !is_series {
        for line in below {
            line.text = words(&line.text);
        }
        return;
    }
    let parts: Vec<_> = below.iter().map(|line| series(&line.text)).collect();
    let widths = parts
        .iter()
        .flatten()
        .map(|(series, _)| series.chars().count());
    let width = widths.max().unwrap_or(0);
    for (line, parts) in below.iter_mut().zip(parts) {
        line.text = match parts {
            Some((series, values)) => format!("{series:width$} {values}").trim_end().to_owned(),
            None => bare(&line.text),
        };
    }
}

/// The sheet as text: every line ends, nothing has blanks at its end.
pub(super) fn text(sheet: &Sheet) -> String {
    let sheet = canonical(sheet);
    let mut out = String::new();
    let mut before: Option<&Item> = None;
    for item in &sheet.items {
        let first = &item.head.lines[0];
        let in_block = before.is_some_and(|before| is_let(before) && is_let(item))
            && !first.gap
            && first.above.is_empty();
        if before.is_some() && !in_block {
            out.push('\n');
        }
        write_item(item, &mut out);
        before = Some(item);
    }
    if !sheet.end.is_empty() && before.is_some() {
        out.push('\n');
    }
    comments(&sheet.end, 0, &mut out);
    out
}

fn is_let(item: &Item) -> bool {
    item.head.word == "let"
}

fn write_item(item: &Item, out: &mut String) {
    comments(&item.head.lines[0].above, 0, out);
    if item.head.lines[0].gap && !item.head.lines[0].above.is_empty() {
        out.push('\n');
    }
    write_clause(&item.head, 0, 0, INDENT, out);
    for clause in &item.clauses {
        let first = &clause.lines[0];
        if first.gap && first.above.is_empty() {
            out.push('\n');
        }
        below_head(&first.above, INDENT, out);
        if first.gap && !first.above.is_empty() {
            out.push('\n');
        }
        write_clause(clause, INDENT, word_width(&item.head.word), DEEPER, out);
    }
    below_head(&item.end, INDENT, out);
}

/// The lines of a clause; those above its first were written.
fn write_clause(clause: &Clause, indent: usize, width: usize, deeper: usize, out: &mut String) {
    for (at, line) in clause.lines.iter().enumerate() {
        if at > 0 {
            // Above what it speaks of, as far in.
            let column = line.indent.max(deeper);
            for comment in &line.above {
                push_line(column, &comment.text, out);
            }
        }
        let mut text = line.text.clone();
        if at == 0 {
            text = match (clause.word.is_empty(), text.is_empty()) {
                (true, _) => text,
                (false, true) => clause.word.clone(),
                (false, false) if glued(&clause.word, &text) => format!("{}{text}", clause.word),
                (false, false) => format!("{:width$} {text}", clause.word),
            };
        }
        if let Some(comment) = &line.comment {
            text = format!("{text}  {comment}");
        }
        match (at, line.inside_text) {
            (0, _) => push_line(indent, &text, out),
            (_, true) => {
                out.push_str(&text);
                out.push('\n');
            }
            (_, false) => push_line(line.indent, &text, out),
        }
    }
}

/// Something that follows a word without a blank: a colon, which is not understood, or what would become a comment. A
/// metric's name may begin with a colon.
fn glued(word: &str, text: &str) -> bool {
    text.starts_with([':', '#']) && !(word == "record" && is_legacy_metric_name(text))
}

fn push_line(indent: usize, text: &str, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
    out.push_str(text);
    out.push('\n');
}

/// Comments on lines of their own, with the empty lines between them.
fn comments(list: &[Comment], indent: usize, out: &mut String) {
    for (at, comment) in list.iter().enumerate() {
        if comment.gap && at > 0 {
            out.push('\n');
        }
        push_line(indent, &comment.text, out);
    }
}

/// As [`comments`], and an empty line above the first stays.
fn below_head(list: &[Comment], indent: usize, out: &mut String) {
    for comment in list {
        if comment.gap {
            out.push('\n');
        }
        push_line(indent, &comment.text, out);
    }
}
