//! A Go template cut into texts and actions, and the mistakes for which upstream refuses a rule file.
//!
//! As far as loading goes: actions are closed, blocks end, functions and variables exist. What a template does when
//! it runs is not looked at.

use super::Wrong;

/// Functions of Go's templates, of Prometheus, and of vmalert.
const FUNCTIONS: &[&str] = &[
    "and",
    "call",
    "html",
    "index",
    "slice",
    "js",
    "len",
    "not",
    "or",
    "print",
    "printf",
    "println",
    "urlquery",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    // Prometheus.
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "args",
    "reReplaceAll",
    "safeHtml",
    "match",
    "title",
    "toUpper",
    "toLower",
    "graphLink",
    "tableLink",
    "sortByLabel",
    "stripPort",
    "stripDomain",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "pathPrefix",
    "externalURL",
    "parseDuration",
    "urlQueryEscape",
    "tmpl",
    // vmalert.
    "crlfEscape",
    "htmlEscape",
    "jsonEscape",
    "parseDurationTime",
    "pathEscape",
    "queryEscape",
    "quotesEscape",
    "formatTime",
    "parseTime",
    "isNaN",
    "toFloat64",
    "mapToStr",
];

/// Variables that are there from the start, in Prometheus or vmalert.
const VARIABLES: &[&str] = &[
    "$",
    "$labels",
    "$externalLabels",
    "$externalURL",
    "$value",
    "$expr",
    "$activeAt",
    "$for",
    "$alertID",
    "$groupID",
    "$type",
    "$isPartial",
];

/// A piece of a template.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    Text(String),
    Action(Action),
}

/// `{{ ... }}`
#[derive(Clone, Debug)]
pub(super) struct Action {
    /// With its braces.
    pub(super) raw: String,
    /// Between the braces, without trim marks and blanks.
    pub(super) code: String,
    /// The byte of the text it begins at.
    pub(super) at: usize,
    pub(super) trim_left: bool,
    pub(super) trim_right: bool,
}

impl Action {
    pub(super) fn is_comment(&self) -> bool {
        self.code.starts_with("/*")
    }

    /// The keyword it begins with.
    fn keyword(&self) -> Option<&str> {
        let word = self.code.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        matches!(
            word,
            "if" | "range"
                | "with"
                | "define"
                | "block"
                | "else"
                | "end"
                | "template"
                | "break"
                | "continue"
        )
        .then_some(word)
    }

    fn opens(&self) -> bool {
        matches!(
            self.keyword(),
            Some("if" | "range" | "with" | "define" | "block")
        )
    }
}

/// Cuts a text at its actions.
pub(super) fn split(text: &str) -> Result<Vec<Segment>, Wrong> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        if found > 0 {
            segments.push(Segment::Text(text[at..start].to_owned()));
        }
        let len = action_len(&text[start..]).map_err(|message| Wrong {
            at: start,
            message: message.into(),
        })?;
        let raw = &text[start..start + len];
        let inner = &raw[2..raw.len() - 2];
        // A trim mark stands beside a blank: `{{-1}}` is a number.
        let left = inner
            .strip_prefix('-')
            .filter(|i| i.starts_with(char::is_whitespace));
        let trim_left = left.is_some();
        let inner = left.unwrap_or(inner);
        let right = inner
            .strip_suffix('-')
            .filter(|i| i.ends_with(char::is_whitespace));
        let trim_right = right.is_some();
        segments.push(Segment::Action(Action {
            raw: raw.to_owned(),
            code: right.unwrap_or(inner).trim().to_owned(),
            at: start,
            trim_left,
            trim_right,
        }));
        at = start + len;
    }
    if at < text.len() {
        segments.push(Segment::Text(text[at..].to_owned()));
    }
    Ok(segments)
}

/// Length of the action at the start of `text`, braces included.
fn action_len(text: &str) -> Result<usize, &'static str> {
    let comment = text[2..].trim_start_matches('-').trim_start();
    if comment.starts_with("/*") {
        let close = text.find("*/").ok_or("unclosed comment")?;
        let end = text[close..].find("}}").ok_or("unclosed action")?;
        return Ok(close + end + 2);
    }
    let bytes = text.as_bytes();
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'`' | b'\'') => {
                at += 1;
                loop {
                    match bytes.get(at) {
                        None => return Err("unterminated quoted string"),
                        Some(b'\n') if quote != b'`' => return Err("unterminated quoted string"),
                        Some(b'\\') if quote != b'`' => at += 1,
                        Some(b) if *b == quote => break,
                        _ => {}
                    }
                    at += 1;
                }
                at += 1;
            }
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Ok(at + 2),
            _ => at += 1,
        }
    }
    Err("unclosed action")
}

/// One past the last segment of the block that begins at `start`; for an action that is no block, `start + 1`.
pub(super) fn end_of(segments: &[Segment], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, segment) in segments.iter().enumerate().skip(start) {
        if let Segment::Action(action) = segment {
            if action.opens() {
                depth += 1;
            } else if action.keyword() == Some("end") {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return at + 1;
            }
        }
    }
    segments.len()
}

/// What upstream refuses when it loads.
pub(super) fn check(segments: &[Segment]) -> Result<(), Wrong> {
    let mut blocks: Vec<(&str, usize, usize)> = Vec::new();
    let mut variables: Vec<String> = VARIABLES.iter().map(|v| (*v).to_owned()).collect();
    for segment in segments {
        let Segment::Action(action) = segment else {
            continue;
        };
        if action.is_comment() {
            continue;
        }
        let wrong = |message: String| Wrong {
            at: action.at,
            message,
        };
        let word = action.keyword();
        let rest = &action.code[word.map_or(0, str::len)..];
        match word {
            Some("end") => {
                let Some((_, _, scope)) = blocks.pop() else {
                    return Err(wrong("unexpected {{end}}".into()));
                };
                variables.truncate(scope);
                continue;
            }
            Some("else") if blocks.is_empty() => {
                return Err(wrong("unexpected {{else}}".into()));
            }
            Some(word @ ("break" | "continue")) if !blocks.iter().any(|(b, ..)| *b == "range") => {
                return Err(wrong(format!("{{{{{word}}}}} outside {{{{range}}}}")));
            }
            Some(word) if action.opens() => blocks.push((word, action.at, variables.len())),
            _ => {}
        }
        let rest = if word == Some("else") {
            rest.trim_start()
                .trim_start_matches("if")
                .trim_start_matches("with")
        } else {
            rest
        };
        let needs_value = !matches!(word, Some("else" | "break" | "continue"));
        if needs_value && rest.trim().is_empty() {
            let what = word.unwrap_or("command");
            return Err(wrong(format!("missing value for {what}")));
        }
        check_code(rest, &mut variables).map_err(wrong)?;
    }
    match blocks.last() {
        Some((word, at, _)) => Err(Wrong {
            at: *at,
            message: format!("`{word}` without {{{{end}}}}"),
        }),
        None => Ok(()),
    }
}

/// Variables and functions of one action exist, its brackets match. Variables it declares are added.
fn check_code(code: &str, variables: &mut Vec<String>) -> Result<(), String> {
    if code.trim_start().starts_with('|') {
        return Err("unexpected `|` in command".into());
    }
    let mut depth = 0_usize;
    let mut rest = code;
    // What stands right before, without a blank.
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let word = |from: usize| {
            rest[from..]
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .map_or(rest.len(), |n| from + n)
        };
        let len = match c {
            '"' | '`' | '\'' => super::pipeline::quoted_len(rest).unwrap_or(rest.len()),
            '(' => {
                depth += 1;
                1
            }
            ')' if depth == 0 => return Err("unexpected right paren".into()),
            ')' => {
                depth -= 1;
                1
            }
            '$' => {
                let len = word(1);
                let name = &rest[..len];
                let after = rest[len..].trim_start();
                if declares(after) {
                    variables.push(name.to_owned());
                } else if !variables.iter().any(|v| v == name) {
                    return Err(format!("undefined variable `{name}`"));
                }
                len
            }
            // The cursor stands alone, a field behind something.
            '.' => {
                let len = word(1);
                if len == 1 && before.is_some_and(|b: char| b.is_alphanumeric() || b == ')') {
                    return Err("unexpected `.` in operand".into());
                }
                len
            }
            c if c.is_ascii_digit() => rest
                .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_')))
                .unwrap_or(rest.len()),
            c if c.is_alphabetic() || c == '_' => {
                let len = word(0);
                let name = &rest[..len];
                let known = FUNCTIONS.contains(&name) || matches!(name, "true" | "false" | "nil");
                if !known {
                    return Err(format!("function `{name}` not defined"));
                }
                len
            }
            ' ' | '\t' | '\r' | '\n' | '|' | ',' | '=' | ':' => 1,
            // The sign of a number: there is no arithmetic.
            '+' | '-' if rest[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.') => 1,
            '+' | '-' => return Err(format!("bad number syntax: `{c}`")),
            c => return Err(format!("unexpected `{c}` in action")),
        };
        before = rest[..len].chars().next_back();
        rest = &rest[len..];
    }
    if depth > 0 {
        return Err("unclosed left paren".into());
    }
    Ok(())
}

/// True behind a variable that is declared here: `$x :=`, or the first of `$i, $x :=`.
fn declares(after: &str) -> bool {
    after.starts_with(":=")
        || after.strip_prefix(',').is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.starts_with('$') && rest.contains(":=")
        })
}
