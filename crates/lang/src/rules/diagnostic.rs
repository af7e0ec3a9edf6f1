//! A mistake in a rule file: what, where, and what to write instead.
//!
//! Inside this module a mistake is a [`Mistake`] with bytes of one file; `source` turns it into a
//! [`Diagnostic`] with file, line and column. Not here: how it is drawn (`message.rs`).

use std::fmt;

use super::clause::Clause;
use super::lint::Lint;
use crate::promql::ParseError;
use crate::promql::ast::Span;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The item is not used, and a folder with an error keeps the running rules in place.
    Error,
    /// The item is used; it is probably not what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// A mistake with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file's path, as it was given.
    pub file: String,
    /// Bytes of the file, inside it; may be empty.
    pub span: Span,
    /// Line of the first byte, from 1.
    pub line: u32,
    /// Column of the first byte, from 1, in characters.
    pub column: u32,
    /// What is wrong: one line, lower case, no full stop.
    pub message: String,
    /// What stands under the caret; may be empty.
    pub label: String,
    /// What to do about it, a line each.
    pub help: Vec<String>,
    /// The span holds what looks like a secret: it is not drawn.
    pub hidden: bool,
    /// Its name, when it is a warning: what a comment switches it off by.
    pub lint: Option<Lint>,
}

/// `file:line:column: message`, warnings marked: the first line of the drawn form, for logs.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A mistake before its file, line and column are worked out.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    pub(super) severity: Severity,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: Vec<String>,
    /// Another byte that has to do with it; its place ends the label.
    pub(super) also: Option<usize>,
    pub(super) hidden: bool,
    /// It is about tabs in the indentation, which the formatter takes out.
    pub(super) is_tab: bool,
    /// Its name, when it is a warning.
    pub(super) lint: Option<Lint>,
}

impl Mistake {
    pub(super) fn error(span: Span, message: impl Into<String>) -> Mistake {
        Mistake {
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
            also: None,
            hidden: false,
            is_tab: false,
            lint: None,
        }
    }

    pub(super) fn warning(lint: Lint, span: Span, message: impl Into<String>) -> Mistake {
        Mistake {
            severity: Severity::Warning,
            lint: Some(lint),
            ..Mistake::error(span, message)
        }
    }

    /// Sets what stands under the caret.
    pub(super) fn label(mut self, label: impl Into<String>) -> Mistake {
        self.label = label.into();
        self
    }

    /// Ends the label in the place of this byte.
    pub(super) fn also(mut self, byte: usize) -> Mistake {
        self.also = Some(byte);
        self
    }

    /// Keeps what stands in the span out of the drawing.
    pub(super) fn hidden(mut self) -> Mistake {
        self.hidden = true;
        self
    }

    /// Adds a line of help.
    pub(super) fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help.push(help.into());
        self
    }
}

/// A mistake in an expression; its bytes are already those of the file.
impl From<ParseError> for Mistake {
    fn from(error: ParseError) -> Mistake {
        let mistake = Mistake::error(error.span, error.message);
        match error.help {
            Some(help) => mistake.label(help),
            None => mistake,
        }
    }
}

/// Why something could not be read: the mistakes, or none when one told elsewhere is the reason, such as a `let`
/// that is used here and broken there.
#[derive(Debug, Default)]
pub(super) struct Spoiled {
    pub(super) mistakes: Vec<Mistake>,
    /// What could be read all the same: the names in it are still looked up. Never for use.
    pub(super) rest: Option<Box<Clause>>,
}

/// What reading a part of a file gives.
pub(super) type Parsed<T> = Result<T, Spoiled>;

impl From<Mistake> for Spoiled {
    fn from(mistake: Mistake) -> Spoiled {
        Spoiled::from(vec![mistake])
    }
}

impl From<Vec<Mistake>> for Spoiled {
    fn from(mistakes: Vec<Mistake>) -> Spoiled {
        Spoiled {
            mistakes,
            rest: None,
        }
    }
}

impl From<ParseError> for Spoiled {
    fn from(error: ParseError) -> Spoiled {
        Spoiled::from(Mistake::from(error))
    }
}

impl From<Vec<ParseError>> for Spoiled {
    fn from(errors: Vec<ParseError>) -> Spoiled {
        Spoiled::from(errors.into_iter().map(Mistake::from).collect::<Vec<_>>())
    }
}

/// The mistakes of parts that are read one by one, so that one hides no other.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// `None` until a part could not be read.
    mistakes: Option<Vec<Mistake>>,
}

impl Gathered {
    /// The part, if it could be read.
    pub(super) fn take<T>(&mut self, part: Result<T, impl Into<Spoiled>>) -> Option<T> {
        match part {
            Ok(part) => Some(part),
            Err(spoiled) => {
                let found = spoiled.into().mistakes;
                self.mistakes.get_or_insert_default().extend(found);
                None
            }
        }
    }

    /// A mistake that is none of reading a part.
    pub(super) fn add(&mut self, mistake: Mistake) {
        self.mistakes.get_or_insert_default().push(mistake);
    }

    /// What is left when the whole cannot be made of its parts.
    pub(super) fn spoiled(self) -> Spoiled {
        self.mistakes.unwrap_or_default().into()
    }

    /// True when every part could be read.
    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.is_none()
    }

    /// The whole of the parts, unless one could not be read.
    pub(super) fn whole<T>(self, whole: T) -> Parsed<T> {
        match self.mistakes {
            None => Ok(whole),
            Some(mistakes) => Err(mistakes.into()),
        }
    }

    /// As [`Gathered::whole`]; what could be read is looked at further.
    pub(super) fn clause(self, clause: Clause) -> Parsed<Clause> {
        match self.mistakes {
            None => Ok(clause),
            Some(mistakes) => Err(Spoiled {
                mistakes,
                rest: Some(Box::new(clause)),
            }),
        }
    }
}
