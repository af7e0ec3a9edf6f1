//! The clauses of channels: one for each kind, and what happens when it does not get through.

use super::address::{check_url, secret};
use super::parts::{name, plain_text};
use crate::rules::clause::Clause;
use crate::rules::diagnostic::{Mistake, Parsed};
use crate::rules::lets::Lets;
use crate::rules::scan::{Placed, Scan, shown};
use crate::rules::types::{ChannelKind, SlackAddress};

pub(in crate::rules) fn log(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    scan.finish("`log`")?;
    Ok(Clause::Sender(ChannelKind::Log))
}

pub(in crate::rules) fn webhook(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let url = if scan.rest().starts_with(['"', '`']) {
        plain_text(scan, "webhook")?
    } else {
        let chunk = scan.chunk();
        Placed {
            value: chunk.value.to_owned(),
            span: chunk.span,
        }
    };
    check_url(
        &Placed {
            value: url.value.as_str(),
            span: url.span,
        },
        "webhook",
    )?;
    let mut bearer = None;
    if !scan.rest().is_empty() {
        if scan.word("bearer").is_none() {
            let next = scan.next();
            let mistake =
                Mistake::error(next.span, format!("{} is too much here", shown(next.value)));
            return Err(mistake
                .label("after the address: nothing, or `bearer secret(NAME)`")
                .into());
        }
        bearer = Some(secret(scan, "bearer")?);
        scan.finish("the secret")?;
    }
    Ok(Clause::Sender(ChannelKind::Webhook {
        url: url.value,
        bearer,
    }))
}

pub(in crate::rules) fn slack(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    if scan.word("webhook").is_some() {
        let url = secret(scan, "webhook")?;
        scan.finish("the secret")?;
        return Ok(Clause::Sender(ChannelKind::Slack(SlackAddress::Hook {
            url,
        })));
    }
    let next = scan.next();
    if next.value.starts_with("https://") {
        return Err(
            Mistake::error(next.span, "the address of a Slack webhook is a secret")
                .label("write `slack webhook secret(NAME)`")
                .hidden()
                .help("who has the address can write into the channel")
                .into(),
        );
    }
    let channel = plain_text(scan, "slack").map_err(|mut spoiled| {
        if !next.value.starts_with('"') {
            for mistake in &mut spoiled.mistakes {
                mistake.help.push(
                    "`slack \"#alerts\" token secret(NAME)`, or `slack webhook secret(NAME)`"
                        .into(),
                );
                if next.value.is_empty() {
                    let comment = "outside of quotes `#` starts a comment";
                    mistake.help.push(comment.into());
                }
            }
        }
        spoiled
    })?;
    if channel.value.trim().is_empty() || channel.value.contains(char::is_whitespace) {
        return Err(Mistake::error(channel.span, "not a Slack channel")
            .label("expected \"#alerts\", or a channel's id")
            .into());
    }
    let token = keyed_secret(scan, "token", "the channel")?;
    Ok(Clause::Sender(ChannelKind::Slack(SlackAddress::Token {
        channel: channel.value,
        token,
    })))
}

pub(in crate::rules) fn email(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let mut to: Vec<String> = Vec::new();
    loop {
        let next = scan.next().value;
        let address = plain_text(scan, "email").map_err(|mut spoiled| {
            if next.contains('@') && !next.starts_with('"') {
                let address = next.trim_matches(['\'', ',']);
                for mistake in &mut spoiled.mistakes {
                    mistake.help.push(format!("write `email \"{address}\"`"));
                }
            }
            spoiled
        })?;
        let (user, host) = address.value.split_once('@').unwrap_or_default();
        let sound = !user.is_empty()
            && (host.contains('.') || host == "localhost")
            && !host.contains('@')
            && !address
                .value
                .contains(|c: char| c.is_whitespace() || c.is_control() || c == ',');
        if !sound {
            let message = format!("{} is not a mail address", shown(&address.value));
            let mistake = Mistake::error(address.span, message);
            let label = if address.value.contains(',') {
                "one address in each pair of quotes: `\"a@x.org\", \"b@x.org\"`"
            } else {
                "expected one such as \"ops@example.com\""
            };
            return Err(mistake.label(label).into());
        }
        to.push(address.value);
        if scan.symbol(",").is_none() {
            break;
        }
    }
    scan.finish("the addresses")?;
    Ok(Clause::Sender(ChannelKind::Email { to }))
}

pub(in crate::rules) fn pagerduty(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let key = keyed_secret(scan, "key", "pagerduty")?;
    Ok(Clause::Sender(ChannelKind::PagerDuty { key }))
}

pub(in crate::rules) fn telegram(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let chat = if scan.rest().starts_with(['"', '`']) {
        plain_text(scan, "telegram")?
    } else {
        let chunk = scan.chunk();
        Placed {
            value: chunk.value.to_owned(),
            span: chunk.span,
        }
    };
    let is_number = chat.value.parse::<i64>().is_ok();
    let is_name = chat.value.strip_prefix('@').is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    if !is_number && !is_name {
        let message = if chat.value.is_empty() {
            "a chat is missing after `telegram`".to_owned()
        } else {
            format!("{} is not a chat", shown(&chat.value))
        };
        return Err(Mistake::error(chat.span, message)
            .label("expected a chat's number such as -1001234, or \"@name\"")
            .into());
    }
    let token = keyed_secret(scan, "token", "the chat")?;
    Ok(Clause::Sender(ChannelKind::Telegram {
        chat: chat.value,
        token,
    }))
}

pub(in crate::rules) fn exec(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let program = plain_text(scan, "exec")?;
    let mistake = |message: &str| Mistake::error(program.span, message.to_owned());
    if !program.value.starts_with('/') {
        return Err(mistake("the program needs its whole path")
            .label("expected one that begins with `/`")
            .help("what a name alone stands for depends on who starts the server")
            .into());
    }
    if program.value.contains(char::is_whitespace) {
        return Err(mistake("a blank in the program's path")
            .label("no shell looks at it")
            .help("arguments stand in quotes of their own: `exec \"/usr/bin/page\" \"--loud\"`")
            .into());
    }
    let mut args = Vec::new();
    while !scan.rest().is_empty() {
        args.push(plain_text(scan, "exec")?.value);
    }
    Ok(Clause::Sender(ChannelKind::Exec {
        program: program.value,
        args,
    }))
}

/// `WORD secret(NAME)`, the rest of the clause.
fn keyed_secret(scan: &mut Scan<'_>, word: &str, after: &str) -> Parsed<String> {
    if scan.word(word).is_none() {
        let message = format!("`{word} secret(NAME)` is missing after {after}");
        return Err(scan.expected(message, &format!("`{word}`")).into());
    }
    let name = secret(scan, word)?;
    scan.finish("the secret")?;
    Ok(name)
}

pub(in crate::rules) fn retry(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let retry = scan.duration("retry")?;
    scan.finish("the time")?;
    Ok(Clause::Retry(retry.value))
}

pub(in crate::rules) fn fallback(scan: &mut Scan<'_>, _: &Lets) -> Parsed<Clause> {
    let name = name(scan, "channel", "fallback")?;
    scan.finish("the channel")?;
    Ok(Clause::Fallback(name))
}
