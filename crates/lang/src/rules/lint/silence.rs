//! `# lint: off NAME reason`: a warning that someone has looked at.
//!
//! It is for the item it stands in; in column 1, for the item below.

use super::Lint;
use crate::promql::ast::Span;
use crate::rules::diagnostic::{Mistake, Severity};
use crate::rules::lex::Lexed;
use crate::rules::near::nearest;
use crate::rules::scan::shown;

/// What such a comment begins with, behind its `#`.
const MARK: &str = "lint:";

/// Lints that are off in a part of a file.
#[derive(Debug, Default)]
pub(in crate::rules) struct Silences {
    /// A lint, and the bytes in which it is off.
    off: Vec<(Lint, Span)>,
}

impl Silences {
    /// The comments of a file; those that cannot be read are mistakes.
    pub(in crate::rules) fn of(text: &str, lexed: &Lexed, mistakes: &mut Vec<Mistake>) -> Silences {
        let heads: Vec<usize> = lexed.items.iter().map(|item| item.head.start).collect();
        let mut silences = Silences::default();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let masked = lexed
                .masked
                .get(start..start + line.len())
                .unwrap_or_default();
            let bytes = line.bytes().zip(masked.bytes());
            let comment = bytes
                .enumerate()
                .find(|(_, (byte, mask))| *byte == b'#' && *mask == b' ');
            if let Some((at, _)) = comment
                && let Some(said) = line[at + 1..].trim().strip_prefix(MARK)
            {
                let span = Span {
                    start: start + at,
                    end: start + line.trim_end().len(),
                };
                // In column 1 it is about what follows.
                let next = heads.partition_point(|head| *head < start + line.len());
                let item = if at == 0 {
                    Some(next)
                } else {
                    next.checked_sub(1)
                };
                match read(said, span) {
                    Ok(lint) => silences.off.extend(item.and_then(|item| {
                        let from = *heads.get(item)?;
                        let to = heads.get(item + 1).copied().unwrap_or(usize::MAX);
                        Some((
                            lint,
                            Span {
                                start: from,
                                end: to,
                            },
                        ))
                    })),
                    Err(mistake) => mistakes.push(*mistake),
                }
            }
            start += line.len();
        }
        silences
    }

    /// True when a warning is not to be told.
    pub(in crate::rules) fn silence(&self, mistake: &Mistake) -> bool {
        mistake.severity == Severity::Warning
            && self.off.iter().any(|(lint, span)| {
                mistake.lint == Some(*lint) && (span.start..span.end).contains(&mistake.span.start)
            })
    }
}

/// Reads ` off NAME reason`.
fn read(said: &str, span: Span) -> Result<Lint, Box<Mistake>> {
    let mistake = |message: String| Mistake::error(span, message);
    let form = "`# lint: off NAME reason`";
    let mut words = said.split_whitespace();
    let (off, name) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    if off != "off" {
        let message = format!("{} is not what a lint comment can say", shown(off));
        return Err(Box::new(mistake(message).label(format!("write {form}"))));
    }
    let Some(lint) = Lint::from_name(name) else {
        let mistake = mistake(match name {
            "" => "the name of the lint is missing".to_owned(),
            name => format!("no lint is named {}", shown(name)),
        });
        let names = Lint::ALL.map(Lint::name);
        return Err(Box::new(match nearest(name, names) {
            Some(near) => mistake.label(format!("did you mean `{near}`?")),
            None => mistake
                .label("the name stands behind each warning")
                .help(names.join(", ")),
        }));
    };
    if words.next().is_none() {
        let message = format!("`{name}` is switched off without a reason");
        return Err(Box::new(
            mistake(message)
                .label(format!("write {form}"))
                .help("whoever reads the rule next wants to know"),
        ));
    }
    Ok(lint)
}
