//! Where messages are sent: web addresses, and secrets by their names.
//!
//! A secret that stands in a rule file anyway is refused and never repeated in a message.

use crate::promql::ast::Span;
use crate::rules::diagnostic::Mistake;
use crate::rules::scan::{Placed, Scan, shown};

/// `secret(NAME)`: never the secret itself.
pub(super) fn secret(scan: &mut Scan<'_>, after: &str) -> Result<String, Mistake> {
    let next = scan.next();
    if scan.word("secret").is_none() {
        let mistake = if next.value.is_empty() {
            scan.expected(
                format!("a secret is missing after `{after}`"),
                "secret(NAME)",
            )
        } else {
            let end = next.span.start + scan.rest().len();
            let span = Span {
                start: next.span.start,
                end,
            };
            Mistake::error(span, "a secret stands outside of rule files")
                .label("write secret(NAME)")
                .hidden()
        };
        return Err(mistake
            .help("rule files are read by many and kept in histories; they name secrets only"));
    }
    if scan.symbol("(").is_none() {
        return Err(scan.expected("`(` is missing after `secret`", "secret(NAME)"));
    }
    let name = scan.name("the secret")?.value.to_owned();
    if scan.symbol(")").is_none() {
        return Err(scan.expected("`)` is missing after the secret's name", "`)`"));
    }
    Ok(name)
}

/// `http` or `https`, a host, no password, no blanks.
pub(super) fn check_url(url: &Placed<&str>, after: &str) -> Result<(), Mistake> {
    if url.value.is_empty() {
        return Err(
            Mistake::error(url.span, format!("an address is missing after `{after}`"))
                .label("expected https://..."),
        );
    }
    let wrong = |message: String| Mistake::error(url.span, message);
    if url.value.starts_with(['"', '\'', '`']) {
        return Err(wrong("the address stands without quotes".into()).label("write it bare"));
    }
    let Some(rest) = url
        .value
        .strip_prefix("https://")
        .or(url.value.strip_prefix("http://"))
    else {
        return Err(wrong(format!("{} is not a web address", shown(url.value)))
            .label("an address begins with https:// or http://"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if authority.contains('@') {
        // The address is not repeated: it has a password.
        return Err(wrong("an address with user and password".into())
            .label("take the part before `@` out")
            .hidden()
            .help("secrets stand outside of rule files: `webhook URL bearer secret(NAME)`"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']').unwrap_or(("", "")),
        None => authority.split_at(authority.rfind(':').unwrap_or(authority.len())),
    };
    let host_ok = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'));
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| p.parse::<u16>().is_ok());
    if !host_ok || !port_ok {
        return Err(wrong(format!("{} has no valid host", shown(url.value)))
            .label("expected a host such as example.com or 127.0.0.1:8080"));
    }
    match url
        .value
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\\'))
    {
        Some(c) => {
            Err(wrong(format!("{c:?} cannot stand in an address"))
                .label("write it percent-encoded"))
        }
        None => Ok(()),
    }
}
