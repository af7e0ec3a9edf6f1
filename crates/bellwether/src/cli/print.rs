//! Standard output and standard error: data on the one, what is said about it on the other.
//!
//! A reader that has seen enough and left, as `head` does, is no failure: the rest is not printed, and the command ends
//! with the exit code it would have had. Nothing else in the binary prints.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};

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

/// <https://no-color.org>
#[expect(
    clippy::disallowed_methods,
    reason = "NO_COLOR is an agreement about the environment"
)]
fn no_color() -> bool {
    std::env::var("NO_COLOR").is_ok_and(|v| !v.is_empty())
}
