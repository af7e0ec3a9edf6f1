//! Standard output and standard error: data on the one, what is said about it on the other.
//!
//! A reader that has seen enough and left, as `head` does, is no failure: the rest is not printed, and the command ends
//! with the exit code it would have had. Nothing else in the binary prints.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};

/// Characters a line, where nobody says how many there are.
const WIDTH_DEFAULT: u16 = 80;

/// Prints data.
pub(crate) fn out(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e).context("writing to standard output"),
        _ => Ok(()),
    }
}

/// Prints a line about what goes on. There is nobody to tell when that fails.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether to colour what goes to a stream.
pub(crate) fn color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !no_color()
}

/// How wide a drawing on standard output may be: what is asked for, what the environment says, what the terminal has.
pub(crate) fn width(asked: Option<u16>) -> usize {
    let terminal = || console::Term::stdout().size_checked();
    let columns = asked
        .or_else(columns)
        .or_else(|| terminal().map(|(_, columns)| columns));
    usize::from(columns.unwrap_or(WIDTH_DEFAULT))
}

/// How wide what is laid out in lines may be: as wide as it likes where no terminal shows it.
pub(crate) fn line_width() -> usize {
    if io::stdout().is_terminal() {
        width(None)
    } else {
        usize::MAX
    }
}

/// `COLUMNS`, set by those who want another width than the terminal's.
#[expect(
    clippy::disallowed_methods,
    reason = "COLUMNS is an agreement about the environment"
)]
fn columns() -> Option<u16> {
    let columns = std::env::var("COLUMNS").ok()?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// <https://no-color.org>
#[expect(
    clippy::disallowed_methods,
    reason = "NO_COLOR is an agreement about the environment"
)]
fn no_color() -> bool {
    std::env::var("NO_COLOR").is_ok_and(|v| !v.is_empty())
}
