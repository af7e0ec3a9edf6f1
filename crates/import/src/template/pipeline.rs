//! The inside of one action, when it has a counterpart: labels, the value, texts, and how they are formatted.

use bellwether_model::labels::is_legacy_label_name;

/// What an action prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Label(String),
    /// The value, with the format behind `|`.
    Value(Option<String>),
}

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Arg {
    Piece(Piece),
    Labels,
    Function(String),
}

/// What the action prints, in the rule language; `None` when that cannot be said.
pub(super) fn convert(code: &str) -> Option<Vec<Piece>> {
    let mut commands = code_commands(code)?.into_iter();
    let mut out = run(commands.next()?, None)?;
    for command in commands {
        out = run(command, Some(out))?;
    }
    Some(out)
}

/// One command; `piped` is what comes out of the one before, its last argument.
fn run(command: Vec<Arg>, piped: Option<Vec<Piece>>) -> Option<Vec<Piece>> {
    let mut args = command.into_iter();
    let function = match args.next()? {
        // Only a function takes what is piped.
        Arg::Piece(piece) if piped.is_none() && args.len() == 0 => return Some(vec![piece]),
        Arg::Function(name) => name,
        _ => return None,
    };
    let mut rest: Vec<Arg> = args.collect();
    if let Some(piped) = piped {
        let [piece] = <[Piece; 1]>::try_from(piped).ok()?;
        rest.push(Arg::Piece(piece));
    }
    match (function.as_str(), rest.as_slice()) {
        // Names beyond letters, digits and `_` have no place in our texts.
        ("index", [Arg::Labels, Arg::Piece(Piece::Text(name))]) if is_legacy_label_name(name) => {
            Some(vec![Piece::Label(name.clone())])
        }
        ("printf", [Arg::Piece(Piece::Text(format)), args @ ..]) => printf(format, args),
        ("print", [Arg::Piece(piece)]) => Some(vec![piece.clone()]),
        ("humanizePercentage", [Arg::Piece(Piece::Value(None))]) => Some(value("percent")),
        ("humanize1024", [Arg::Piece(Piece::Value(None))]) => Some(value("bytes")),
        ("humanizeDuration", [Arg::Piece(Piece::Value(None))]) => Some(value("duration")),
        // Both print a handful of digits; ours writes 1500 where this has 1.5k.
        ("humanize", [Arg::Piece(Piece::Value(None))]) => Some(vec![Piece::Value(None)]),
        _ => None,
    }
}

fn value(format: &str) -> Vec<Piece> {
    vec![Piece::Value(Some(format.into()))]
}

/// `printf` with texts, labels, and the value: each verb takes one argument, none is left.
fn printf(format: &str, args: &[Arg]) -> Option<Vec<Piece>> {
    let mut args = args.iter();
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        let verb_at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (flags, verb) = (&rest[..verb_at], &rest[verb_at..=verb_at]);
        rest = &rest[verb_at + 1..];
        let Arg::Piece(arg) = args.next()? else {
            return None;
        };
        let piece = match (arg, verb) {
            (Piece::Label(_) | Piece::Text(_), "s" | "v") if flags.is_empty() => arg.clone(),
            (Piece::Value(None), "v") if flags.is_empty() => Piece::Value(None),
            (Piece::Value(None), "f" | "g" | "e") if is_plain(flags) => {
                Piece::Value(Some(format!("%{flags}{verb}")))
            }
            _ => return None,
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(piece);
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    args.next().is_none().then_some(pieces)
}

/// Flags, width and precision that the rule language knows: `%[+][0][width][.precision]`, two digits at most.
fn is_plain(flags: &str) -> bool {
    let rest = flags.trim_start_matches(['+', '0']);
    let (width, precision) = rest.split_once('.').unwrap_or((rest, ""));
    let small =
        |digits: &str, max: u32| digits.is_empty() || digits.parse::<u32>().is_ok_and(|n| n <= max);
    small(width, 64) && small(precision, 20)
}

/// The commands between `|`, each a list of words; `None` for brackets, declarations, and whatever else.
fn code_commands(code: &str) -> Option<Vec<Vec<Arg>>> {
    let mut commands = vec![Vec::new()];
    let mut rest = code.trim();
    while let Some(c) = rest.chars().next() {
        let len = match c {
            c if c.is_whitespace() => c.len_utf8(),
            '|' => {
                commands.push(Vec::new());
                1
            }
            '"' | '`' => {
                let len = quoted_len(rest)?;
                let text = unquote(&rest[..len])?;
                commands.last_mut()?.push(Arg::Piece(Piece::Text(text)));
                len
            }
            c if c.is_alphabetic() || matches!(c, '$' | '.') => {
                let len = rest
                    .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$')))
                    .unwrap_or(rest.len());
                commands.last_mut()?.push(word(&rest[..len])?);
                len
            }
            _ => return None,
        };
        rest = &rest[len..];
    }
    commands.iter().all(|c| !c.is_empty()).then_some(commands)
}

fn word(word: &str) -> Option<Arg> {
    let label =
        |name: &str| is_legacy_label_name(name).then(|| Arg::Piece(Piece::Label(name.to_owned())));
    let word = word
        .strip_prefix("$.")
        .map_or(word.to_owned(), |rest| format!(".{rest}"));
    match word.as_str() {
        "$value" | ".Value" => Some(Arg::Piece(Piece::Value(None))),
        "$labels" | ".Labels" => Some(Arg::Labels),
        w if w.starts_with("$labels.") => label(&w["$labels.".len()..]),
        w if w.starts_with(".Labels.") => label(&w[".Labels.".len()..]),
        w if w.starts_with(|c: char| c.is_ascii_alphabetic()) && !w.contains(['.', '$']) => {
            Some(Arg::Function(w.to_owned()))
        }
        _ => None,
    }
}

/// Length of the quoted text at the start.
pub(super) fn quoted_len(text: &str) -> Option<usize> {
    let quote = text.bytes().next()?;
    let mut at = 1;
    while let Some(b) = text.as_bytes().get(at) {
        match b {
            b'\\' if quote != b'`' => at += 1,
            b if *b == quote => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The text between Go's quotes; `None` for escapes beyond the usual ones.
fn unquote(quoted: &str) -> Option<String> {
    let inner = &quoted[1..quoted.len() - 1];
    if quoted.starts_with('`') {
        return Some(inner.to_owned());
    }
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('"' | '\\' | '\'') => c,
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}
