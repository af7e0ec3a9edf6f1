//! Receivers as channels. A secret never reaches a rule file or a message: it is named, and whoever imports gives it to
//! the server under that name.

use std::collections::BTreeSet;

use super::Taken;
use super::config::Config;
use super::receivers::{Global, Receiver, Target};
use crate::report::{Reporter, shown};
use crate::write::{self, Item};

/// The channels each receiver sends to.
pub(super) fn channels<'a>(
    config: &Config<'a>,
    taken: &mut Taken,
    items: &mut Vec<Item>,
    report: &mut Reporter<'_>,
) -> Vec<(&'a str, Vec<String>)> {
    let mut found = Vec::new();
    for receiver in &config.receivers {
        found.push((
            receiver.name,
            of_receiver(receiver, &config.global, taken, items, report),
        ));
    }
    found
}

fn of_receiver(
    receiver: &Receiver<'_>,
    global: &Global<'_>,
    taken: &mut Taken,
    items: &mut Vec<Item>,
    report: &mut Reporter<'_>,
) -> Vec<String> {
    let mut to = Vec::new();
    for target in &receiver.configs {
        let wanted = match receiver.configs.len() {
            1 => receiver.name.to_owned(),
            _ => format!("{}-{}", receiver.name, target.kind.word),
        };
        let Some(address) = address(target, &wanted, global, &mut taken.secrets, report) else {
            continue;
        };
        let name = match receiver.configs.len() {
            1 => Taken::name(
                &mut taken.channels,
                &wanted,
                "receiver",
                receiver.place,
                report,
            ),
            _ => taken
                .channels
                .take(&write::legal_name(&wanted).unwrap_or(wanted)),
        };
        let mut item = Item::new(format!("channel {name}"));
        item.comments = address.comments;
        item.clause(address.word, address.rest);
        items.push(item);
        to.push(name);
    }
    if to.is_empty() {
        let name = shown(receiver.name);
        let why = if receiver.configs.is_empty() {
            format!(
                "the receiver {name} sends nothing: what is routed to it goes to the server's log"
            )
        } else {
            format!(
                "nothing of the receiver {name} has a channel: what is routed to it goes to the server's log"
            )
        };
        report.change(receiver.place, why);
        to.push("log".to_owned());
    }
    to
}

/// The clause that says where a channel sends to.
struct Address {
    word: &'static str,
    rest: String,
    comments: Vec<String>,
}

/// Where a target sends to; `None` when there is no channel for it here, which is told.
fn address(
    target: &Target<'_>,
    name: &str,
    global: &Global<'_>,
    taken: &mut BTreeSet<String>,
    report: &mut Reporter<'_>,
) -> Option<Address> {
    let fields = &target.fields;
    let place = fields.place;
    let word = target.kind.word;
    let mut secrets = Secrets::new(name, global, target, taken);
    let rest = match word {
        "webhook" => webhook(target, &mut secrets, report)?,
        "email" => email(target, report)?,
        "slack" => slack(target, &mut secrets, report)?,
        "pagerduty" => {
            let older = ["service_key", "service_key_file"];
            if older.iter().any(|name| fields.get(name).is_some()) {
                let why = "a `service_key` is one of PagerDuty's integration with Prometheus: the channel sends events of version 2, whose key is another one";
                report.change(place, why);
            }
            let found = secrets.take(&["routing_key", "service_key"], &[], "key");
            found.map(|key| format!("key secret({key})"))?
        }
        "telegram" => {
            let token = secrets.take(&["bot_token"], &["telegram_bot_token"], "token")?;
            let Some(chat) = fields.get("chat_id").and_then(|node| node.text()) else {
                report.lose(
                    place,
                    "a Telegram chat that stands in a file: write its number here",
                );
                return None;
            };
            if chat.parse::<i64>().is_err() {
                report.lose(
                    place,
                    format!("{} is not the number of a chat", shown(chat)),
                );
                return None;
            }
            format!("{chat} token secret({token})")
        }
        _ => {
            report.lose(
                place,
                format!("there is no channel of the kind {word}: use a webhook that passes on"),
            );
            return None;
        }
    };
    lost_fields(target, report);
    for (secret, _) in &secrets.named {
        report.change(
            place,
            format!(
                "a secret is called `{secret}` here: give it to the server as BELLWETHER__SECRETS__{}",
                secret.to_ascii_uppercase()
            ),
        );
    }
    Some(Address {
        word: target.kind.channel_word(),
        rest,
        comments: secrets.comments(),
    })
}

/// What a target says besides its address, named in one finding.
fn lost_fields(target: &Target<'_>, report: &mut Reporter<'_>) {
    const ADDRESS: &[&str] = &[
        "url",
        "to",
        "api_url",
        "api_url_file",
        "app_token",
        "app_token_file",
        "channel",
        "service_key",
        "service_key_file",
        "routing_key",
        "routing_key_file",
        "bot_token",
        "bot_token_file",
        "chat_id",
    ];
    let mut lost = Vec::new();
    for (key, value) in target
        .fields
        .entries()
        .filter(|(_, value)| !value.is_null())
    {
        let name = key.text().unwrap_or("");
        let resolved = name == "send_resolved" && value.text() == Some("true");
        let only_address =
            ADDRESS.contains(&name) && (name != "channel" || target.kind.word == "slack");
        let told_there = name == "http_config" && target.kind.word == "webhook";
        if ![only_address, resolved, told_there].contains(&true) {
            lost.push(format!("`{name}`"));
        }
    }
    if !lost.is_empty() {
        let list = lost.join(", ");
        report.lose(
            target.fields.place,
            format!(
                "{list} of this {} receiver: messages have one form here, and resolutions are told",
                target.kind.word
            ),
        );
    }
}

fn webhook(
    target: &Target<'_>,
    secrets: &mut Secrets<'_>,
    report: &mut Reporter<'_>,
) -> Option<String> {
    let fields = &target.fields;
    let Some(node) = fields.get("url") else {
        report.lose(
            fields.place,
            "a webhook whose address stands in a file: write it here, and only its token there",
        );
        return None;
    };
    let url = node.text().unwrap_or("");
    if !is_address(url) {
        report.lose(
            node.place,
            "an address that a webhook does not take: http or https, a host, no user and password",
        );
        return None;
    }
    let mut rest = url.to_owned();
    if let Some(http) = fields.get("http_config") {
        let bearer = http
            .get("bearer_token")
            .or(http.get("bearer_token_file"))
            .or_else(|| {
                let authorization = http.get("authorization")?;
                let kind = authorization.get("type").and_then(|node| node.text());
                matches!(kind, None | Some("Bearer"))
                    .then(|| {
                        authorization
                            .get("credentials")
                            .or(authorization.get("credentials_file"))
                    })
                    .flatten()
            });
        let count = match &http.value {
            crate::yaml::Value::Mapping(entries) => entries.len(),
            _ => 0,
        };
        if bearer.is_some() {
            let name = secrets.name("token", None);
            rest = format!("{url} bearer secret({name})");
        }
        if count > usize::from(bearer.is_some()) {
            report.lose(
                http.place,
                "`http_config`: a webhook has a bearer token at most",
            );
        }
    }
    Some(rest)
}

fn is_address(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some(host) = rest.and_then(|rest| rest.split(['/', '?', '#']).next()) else {
        return false;
    };
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty()
        && name.chars().all(legal)
        && port.parse::<u16>().is_ok()
        && url
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '`' | '{' | '}'))
}

fn email(target: &Target<'_>, report: &mut Reporter<'_>) -> Option<String> {
    let node = target.fields.get("to")?;
    let mut addresses = Vec::new();
    for part in node.text().unwrap_or("").split(',') {
        // `Ops <ops@example.com>`
        let inner = part
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'));
        let address = inner.map_or(part, |(address, _)| address).trim();
        let (user, host) = address.split_once('@').unwrap_or_default();
        let odd = |c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '@' | '"' | '`' | '{' | '\\')
        };
        if user.is_empty()
            || !(host.contains('.') || host == "localhost")
            || user.contains(odd)
            || host.contains(odd)
        {
            report.lose(node.place, format!("{} is not a mail address", shown(part)));
        } else {
            addresses.push(write::quoted(address));
        }
    }
    if addresses.is_empty() {
        return None;
    }
    Some(addresses.join(", "))
}

fn slack(
    target: &Target<'_>,
    secrets: &mut Secrets<'_>,
    report: &mut Reporter<'_>,
) -> Option<String> {
    let fields = &target.fields;
    let channel = fields.get("channel").and_then(|node| node.text());
    if let Some(token) = secrets.take(&["app_token"], &["slack_app_token"], "token") {
        let sound = channel
            .filter(|c| !c.is_empty() && !c.contains(char::is_whitespace) && !c.contains('{'));
        let Some(channel) = sound else {
            report.lose(
                fields.place,
                "a Slack channel that is a template or missing",
            );
            return None;
        };
        return Some(format!("{} token secret({token})", write::quoted(channel)));
    }
    if channel.is_some() {
        report.change(
            fields.place,
            "the address of a Slack webhook decides the channel, not `channel`",
        );
    }
    let url = secrets.take(&["api_url"], &["slack_api_url"], "webhook")?;
    Some(format!("webhook secret({url})"))
}

/// The secrets of one channel, by the names they get.
struct Secrets<'a> {
    base: String,
    global: &'a Global<'a>,
    target: &'a Target<'a>,
    /// Names of secrets that others have: two keys under one name would be one key.
    taken: &'a mut BTreeSet<String>,
    /// Name, and the file it is in now.
    named: Vec<(String, Option<String>)>,
}

impl<'a> Secrets<'a> {
    fn new(
        name: &str,
        global: &'a Global<'a>,
        target: &'a Target<'a>,
        taken: &'a mut BTreeSet<String>,
    ) -> Secrets<'a> {
        let lower = name.to_ascii_lowercase();
        let base: String = lower
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let base = if base.starts_with(|c: char| c.is_ascii_alphabetic()) {
            base
        } else {
            format!("s_{base}")
        };
        Secrets {
            base,
            global,
            target,
            taken,
            named: Vec::new(),
        }
    }

    fn name(&mut self, what: &str, file: Option<&str>) -> String {
        let wanted = format!("{}_{what}", self.base);
        let free = |name: &String| !self.taken.contains(name) && !Global::is_field(name);
        let numbered = (2..).map(|n| format!("{wanted}_{n}"));
        // There is always one that nobody has yet.
        let name = std::iter::once(wanted.clone())
            .chain(numbered)
            .find(free)
            .unwrap_or(wanted);
        self.taken.insert(name.clone());
        self.named.push((name.clone(), file.map(str::to_owned)));
        name
    }

    /// The name of the secret in the first of these fields that is set, here or in `global`.
    fn take(&mut self, own: &[&str], global: &[&str], what: &str) -> Option<String> {
        let target = self.target;
        let from_own = own.iter().find_map(|field| {
            let file = target
                .fields
                .get(&format!("{field}_file"))
                .and_then(|node| node.text());
            (target.fields.get(field).is_some() || file.is_some()).then_some(file)
        });
        // What all receivers share is one secret.
        if let Some(file) = from_own {
            return Some(self.name(what, file));
        }
        let shared = global.iter().find_map(|field| {
            let file = self.global.get(&format!("{field}_file"));
            (self.global.get(field).is_some() || file.is_some()).then_some((*field, file))
        });
        let (field, file) = shared?;
        self.named.push((field.to_owned(), file.map(str::to_owned)));
        Some(field.to_owned())
    }

    /// Where the secrets stand, for whoever reads the rule file.
    fn comments(&self) -> Vec<String> {
        let line = |(name, file): &(String, Option<String>)| {
            let upper = name.to_ascii_uppercase();
            let file = file
                .as_deref()
                .filter(|f| f.chars().all(|c| c.is_ascii_graphic()));
            let file = file.unwrap_or("/path/to/the/secret");
            format!("BELLWETHER__SECRETS__{upper}=file:{file}")
        };
        self.named.iter().map(line).collect()
    }
}
