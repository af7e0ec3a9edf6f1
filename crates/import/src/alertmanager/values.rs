//! What Alertmanager asks of the values of a receiver's fields, beyond that they are there: addresses with a scheme and
//! a host, words out of a short list, fields that exclude each other.
//!
//! Not here: which fields there are, and which of them are needed (`receivers.rs`).

use crate::report::{Reporter, shown};
use crate::yaml::{Fields, Node};

/// Fields of `global` that are addresses.
const GLOBAL_ADDRESSES: &[&str] = &[
    "slack_api_url",
    "slack_app_url",
    "pagerduty_url",
    "opsgenie_api_url",
    "wechat_api_url",
    "victorops_api_url",
    "telegram_api_url",
    "webex_api_url",
    "jira_api_url",
    "rocketchat_api_url",
    "mattermost_webhook_url",
];

/// Checks the values of `global`.
pub(super) fn of_global(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    addresses(fields, GLOBAL_ADDRESSES, report);
    mail_server(fields, "smtp_smarthost", report);
}

/// Checks the values of a receiver of the kind that is called `word`.
pub(super) fn of_receiver(word: &str, fields: &Fields<'_>, report: &mut Reporter<'_>) {
    // Where a mail, a message or a phone goes is no address of the web, and neither is SNS' own.
    if !matches!(word, "pushover" | "sns") {
        addresses(
            fields,
            &["url", "api_url", "app_url", "webhook_url"],
            report,
        );
    }
    match word {
        "webhook" | "incidentio" => not_negative(fields, "max_alerts", report),
        "email" => {
            mail_server(fields, "smarthost", report);
            headers(fields, report);
        }
        "slack" => attachments(fields, report),
        "telegram" => {
            one_word_of(
                fields,
                "parse_mode",
                &["Markdown", "MarkdownV2", "HTML"],
                report,
            );
            chat(fields, report);
        }
        "opsgenie" => responders(fields, report),
        "victorops" => custom_fields(fields, report),
        "wechat" => one_word_of(fields, "message_type", &["text", "markdown"], report),
        "pushover" => one_markup(fields, report),
        "sns" => one_target(fields, report),
        "webex" => {
            let http = fields.get("http_config");
            if let Some(http) = http.filter(|http| http.get("authorization").is_none()) {
                report.refuse(
                    http.place,
                    "the webex receiver needs `http_config.authorization`",
                );
            }
        }
        _ => {}
    }
}

/// Refuses an address without a scheme of the web, or without a host. A template decides when the message is sent.
fn addresses(fields: &Fields<'_>, names: &[&str], report: &mut Reporter<'_>) {
    for name in names {
        let Some(node) = fields.get(name) else {
            continue;
        };
        let Some(text) = fields.text(name, report) else {
            continue;
        };
        // A word alone, such as `<secret>` or `url`, stands for an address that is not shown, or not filled in yet.
        let is_word = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '<' | '>'));
        if is_word || text.contains("{{") {
            continue;
        }
        // Never the address itself: it may be the secret.
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            report.refuse(
                node.place,
                format!("`{name}` is no address that begins with http:// or https://"),
            );
        } else if host(rest).is_empty() {
            report.refuse(node.place, format!("the address `{name}` has no host"));
        }
    }
}

/// The host of an address behind its scheme, without user and port.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if host.starts_with('[') {
        return host;
    }
    host.split_once(':').map_or(host, |(host, _)| host)
}

/// `HOST:PORT`
fn mail_server(fields: &Fields<'_>, name: &str, report: &mut Reporter<'_>) {
    let Some(node) = fields.get(name) else {
        return;
    };
    let text = node.text().unwrap_or_default();
    let sound = text.rsplit_once(':').is_some_and(|(host, port)| {
        !port.is_empty() && (!host.contains(':') || host.ends_with(']'))
    });
    if !text.is_empty() && !sound {
        report.refuse(
            node.place,
            format!("`{name}: {text}` is not a host and its port, such as mail.example.com:587"),
        );
    }
}

/// Names of headers do not differ by capital letters.
fn headers(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    let mut seen: Vec<String> = Vec::new();
    for (key, _) in fields.pairs("headers", report) {
        let name = key.text().unwrap_or_default().to_ascii_lowercase();
        if seen.contains(&name) {
            report.refuse(
                key.place,
                format!("the header {} is set twice", shown(&name)),
            );
        }
        seen.push(name);
    }
}

fn not_negative(fields: &Fields<'_>, name: &str, report: &mut Reporter<'_>) {
    if fields
        .integer(name, report)
        .is_some_and(|number| number < 0)
    {
        let place = fields.get(name).map_or(fields.place, |node| node.place);
        report.refuse(place, format!("`{name}` is negative"));
    }
}

fn one_word_of(fields: &Fields<'_>, name: &str, words: &[&str], report: &mut Reporter<'_>) {
    let Some(node) = fields.get(name) else {
        return;
    };
    let text = node.text().unwrap_or_default();
    if !text.is_empty() && !words.contains(&text) {
        let list: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        report.refuse(
            node.place,
            format!("`{name}` is {}, found {}", list.join(" or "), shown(text)),
        );
    }
}

/// A chat of Telegram is a number, and not 0.
fn chat(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    let Some(node) = fields.get("chat_id") else {
        return;
    };
    match node.text().map(str::parse::<i64>) {
        Some(Ok(0)) => report.refuse(node.place, "`chat_id` is 0, which is no chat"),
        Some(Ok(_)) => {}
        _ => report.refuse(
            node.place,
            format!(
                "`chat_id` is the number of a chat, found {}",
                shown(node.text().unwrap_or_default())
            ),
        ),
    }
}

/// Buttons and fields of a message in Slack.
fn attachments(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    for node in fields.list("fields", report) {
        needs(node, "a field of the message", &["title", "value"], report);
    }
    for node in fields.list("actions", report) {
        needs(node, "a button", &["type", "text"], report);
        if is_empty(node, "url") && is_empty(node, "name") {
            report.refuse(node.place, "a button needs `url` or `name`");
        }
        if let Some(confirm) = node.get("confirm") {
            needs(confirm, "`confirm`", &["text"], report);
        }
    }
}

fn responders(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    const TYPES: &[&str] = &["team", "teams", "user", "escalation", "schedule"];
    for node in fields.list("responders", report) {
        let Some(responder) = Fields::of(node, "a responder", report) else {
            continue;
        };
        responder.only(&["id", "name", "username", "type"], "a responder", report);
        if ["id", "name", "username"]
            .iter()
            .all(|name| is_empty(node, name))
        {
            report.refuse(node.place, "a responder needs `id` or `name` or `username`");
        }
        let kind = node.get("type").and_then(Node::text).unwrap_or_default();
        if !kind.contains("{{") && !TYPES.contains(&kind.to_ascii_lowercase().as_str()) {
            let place = node.get("type").map_or(node.place, |kind| kind.place);
            report.refuse(
                place,
                format!(
                    "the `type` of a responder is one of {}, found {}",
                    TYPES.join(", "),
                    shown(kind)
                ),
            );
        }
    }
}

fn custom_fields(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    const TAKEN: &[&str] = &[
        "routing_key",
        "message_type",
        "state_message",
        "entity_display_name",
        "monitoring_tool",
        "entity_id",
        "entity_state",
    ];
    for (key, _) in fields.pairs("custom_fields", report) {
        let name = key.text().unwrap_or_default();
        if TAKEN.contains(&name) {
            report.refuse(
                key.place,
                format!("`{name}` is a field of its own, and none of `custom_fields`"),
            );
        }
    }
}

/// A message of Pushover is HTML, or set in one width, or plain.
fn one_markup(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    let html = fields.flag("html", report) == Some(true);
    let monospace = fields.flag("monospace", report) == Some(true);
    if html && monospace {
        report.refuse(fields.place, "at most one of `html` and `monospace` is set");
    }
}

/// A message of SNS goes to one of three.
fn one_target(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    let set: Vec<&str> = ["topic_arn", "target_arn", "phone_number"]
        .into_iter()
        .filter(|name| {
            let node = fields.get(name);
            node.and_then(Node::text)
                .is_some_and(|text| !text.is_empty())
        })
        .collect();
    if let [first, second] = set.as_slice() {
        report.refuse(
            fields.place,
            format!("at most one of `{first}` and `{second}` is set"),
        );
    }
}

/// Refuses a mapping without one of these fields.
fn needs(node: &Node, what: &str, names: &[&str], report: &mut Reporter<'_>) {
    for name in names.iter().filter(|name| is_empty(node, name)) {
        report.refuse(node.place, format!("{what} needs `{name}`"));
    }
}

fn is_empty(node: &Node, name: &str) -> bool {
    let text = node.get(name).and_then(Node::text);
    text.is_none_or(str::is_empty)
}
