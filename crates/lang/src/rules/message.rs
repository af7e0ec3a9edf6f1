//! Diagnostics for people and for machines.
//!
//! For people, the line of the file with a caret below it:
//!
//! ```text
//! thresholds.rules:10:15: a number is missing after `<`
//!    |
//! 10 |   warning   < for 10m  clear > 20%
//!    |               ^^^ expected a number such as 15% or 4h, found `for`
//!    = help: ...
//! ```
//!
//! For machines, JSON and the annotations of GitHub's checks.

use std::fmt::Write as _;

use super::diagnostic::{Diagnostic, Severity};
use super::source::{Lines, SourceFile};

/// Columns of a line that are drawn; a longer line is shown around its mistake.
const LINE_SHOWN_MAX: usize = 160;
/// Columns shown before the mistake when a line is cut.
const BEFORE_SHOWN: usize = 60;

/// Terminal colours, or nothing.
struct Paint {
    on: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn severity(&self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Error => self.with("1;31", text),
            Severity::Warning => self.with("1;33", text),
        }
    }
}

/// Every diagnostic with its line and a caret, an empty line between two. `files` are those that were checked;
/// a diagnostic of another file, or of one without a text, is told without its line. With `color`, for a terminal.
pub fn render(diagnostics: &[Diagnostic], files: &[SourceFile], color: bool) -> String {
    let paint = Paint { on: color };
    let mut out = String::new();
    let mut known: Option<(&str, Lines<'_>)> = None;
    for (i, diagnostic) in diagnostics.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if known
            .as_ref()
            .is_none_or(|(path, _)| *path != diagnostic.file)
        {
            let named = |file: &&SourceFile| file.path == diagnostic.file && !file.text.is_empty();
            let file = files.iter().find(named);
            known = file.map(|file| (file.path.as_str(), Lines::new(&file.text)));
        }
        draw(
            diagnostic,
            known.as_ref().map(|(_, lines)| lines),
            &paint,
            &mut out,
        );
    }
    out
}

/// Appends one diagnostic; writing to a String cannot fail.
fn draw(diagnostic: &Diagnostic, lines: Option<&Lines<'_>>, paint: &Paint, out: &mut String) {
    let place = format!(
        "{}:{}:{}: ",
        diagnostic.file, diagnostic.line, diagnostic.column
    );
    let mark = match diagnostic.severity {
        Severity::Error => String::new(),
        Severity::Warning => paint.severity(Severity::Warning, "warning: "),
    };
    let _ = writeln!(
        out,
        "{}{mark}{}",
        paint.bold(&place),
        paint.bold(&diagnostic.message)
    );
    let number = diagnostic.line.to_string();
    let width = number.len().max(2);
    if let Some(lines) = lines {
        let drawn = Drawn::new(lines, diagnostic);
        let bar = paint.dim(&format!("{:width$} |", ""));
        let numbered = paint.dim(&format!("{number:>width$} |"));
        let _ = writeln!(out, "{bar}\n{numbered} {}", drawn.line);
        let carets = format!("{} {}", "^".repeat(drawn.len), diagnostic.label);
        let carets = paint.severity(diagnostic.severity, carets.trim_end());
        let _ = writeln!(out, "{bar} {}{carets}", " ".repeat(drawn.before));
    } else if !diagnostic.label.is_empty() {
        let _ = writeln!(out, "{:width$} | {}", "", diagnostic.label);
    }
    let silence = diagnostic.lint.map(|lint| {
        format!(
            "to switch it off here: `# lint: off {} REASON`",
            lint.name()
        )
    });
    for help in diagnostic.help.iter().chain(&silence) {
        let mark = paint.dim(&format!("{:width$} = help:", ""));
        let _ = writeln!(out, "{mark} {help}");
    }
}

/// A line of the file as it is drawn, and where the carets stand below it, in columns of a terminal.
struct Drawn {
    line: String,
    before: usize,
    len: usize,
}

impl Drawn {
    fn new(lines: &Lines<'_>, diagnostic: &Diagnostic) -> Drawn {
        let text = lines.line(diagnostic.line);
        let mut chars: Vec<char> = text.chars().map(shown).collect();
        let column = (diagnostic.column as usize - 1).min(chars.len());
        let marked = lines
            .chars_on_line(diagnostic.span)
            .clamp(1, (chars.len() - column).max(1));
        if diagnostic.hidden {
            let end = (column + marked).min(chars.len());
            chars[column..end].fill('*');
        }
        let (from, to) = if chars.len() > LINE_SHOWN_MAX {
            let from = column.saturating_sub(BEFORE_SHOWN);
            (from, (from + LINE_SHOWN_MAX).min(chars.len()))
        } else {
            (0, chars.len())
        };
        let width = |chars: &[char]| chars.iter().map(|c| columns(*c)).sum::<usize>();
        let mut line: String = chars[from..to].iter().collect();
        let mut before = width(&chars[from..column.max(from)]);
        if from > 0 {
            line.insert_str(0, "...");
            before += 3;
        }
        if to < chars.len() {
            line.push_str("...");
        }
        let end = (column + marked).min(to);
        Drawn {
            line,
            before,
            len: width(&chars[column.min(end)..end]).max(1),
        }
    }
}

/// Characters that would move the cursor are drawn as blanks.
fn shown(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// Columns a character takes in a terminal: 0 for marks on the one before, 2 for wide scripts and pictures.
fn columns(c: char) -> usize {
    match c as u32 {
        0x300..=0x36f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060 | 0xfe00..=0xfe0f | 0xfeff => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => {
            2
        }
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The diagnostics as a JSON array of objects with `severity`, `lint` (the warning's name or null), `file`, `line`, `column`, `start`, `end` (bytes),
/// `message`, `label`, `help`.
pub fn to_json(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::from("[");
    for (i, diagnostic) in diagnostics.iter().enumerate() {
        out.push_str(if i > 0 { ",\n " } else { "" });
        let _ = write!(
            out,
            r#"{{"severity":"{}","lint":{},"file":{},"line":{},"column":{},"start":{},"end":{},"message":{},"label":{},"help":["#,
            diagnostic.severity,
            diagnostic
                .lint
                .map_or("null".to_owned(), |lint| json_text(lint.name())),
            json_text(&diagnostic.file),
            diagnostic.line,
            diagnostic.column,
            diagnostic.span.start,
            diagnostic.span.end,
            json_text(&diagnostic.message),
            json_text(&diagnostic.label),
        );
        let help: Vec<String> = diagnostic.help.iter().map(|help| json_text(help)).collect();
        out.push_str(&help.join(","));
        out.push_str("]}");
    }
    out.push(']');
    out
}

fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The diagnostics as GitHub's workflow commands, a line each: they appear beside the changed lines of a pull
/// request. <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>
pub fn to_github(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let mut message = diagnostic.message.clone();
        for more in std::iter::once(&diagnostic.label).chain(&diagnostic.help) {
            if !more.is_empty() {
                message.push('\n');
                message.push_str(more);
            }
        }
        let data = message
            .replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A");
        let file = diagnostic
            .file
            .replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A");
        let file = file.replace(':', "%3A").replace(',', "%2C");
        let _ = writeln!(
            out,
            "::{} file={file},line={},col={}::{data}",
            diagnostic.severity, diagnostic.line, diagnostic.column
        );
    }
    out
}
