//! Channels: where a message goes.

use bellwether_model::DurationMs;

use super::Place;

/// `channel NAME`: where a message goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Unique in the folder.
    pub name: String,
    /// How it is sent.
    pub kind: ChannelKind,
    /// How long a notice is tried before the fallback; `None`: `notify.max_age`.
    pub retry: Option<DurationMs>,
    /// The channel that takes over; exists, and no chain of fallbacks is a circle.
    pub fallback: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// The kinds of channel. A secret is here by its name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// The server's own log.
    Log,
    /// HTTP POST of Alertmanager's JSON.
    Webhook {
        /// `http` or `https`, with a host, without user and password.
        url: String,
        /// The name of the secret sent as `Authorization: Bearer`.
        bearer: Option<String>,
    },
    /// A message in Slack.
    Slack(SlackAddress),
    /// A mail.
    Email {
        /// At least one address, each with one `@`.
        to: Vec<String>,
    },
    /// An event for PagerDuty, version 2 of its events API.
    PagerDuty {
        /// The name of the secret that is the routing key.
        key: String,
    },
    /// A message in Telegram.
    Telegram {
        /// A chat's number, or `@name` of a public one.
        chat: String,
        /// The name of the secret that is the bot's token.
        token: String,
    },
    /// A program on this machine: the JSON of a webhook on its standard input.
    Exec {
        /// An absolute path; no shell looks at it.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

impl ChannelKind {
    /// The clause's word.
    pub fn word(&self) -> &'static str {
        match self {
            ChannelKind::Log => "log",
            ChannelKind::Webhook { .. } => "webhook",
            ChannelKind::Slack(_) => "slack",
            ChannelKind::Email { .. } => "email",
            ChannelKind::PagerDuty { .. } => "pagerduty",
            ChannelKind::Telegram { .. } => "telegram",
            ChannelKind::Exec { .. } => "exec",
        }
    }
}

/// The two ways into Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlackAddress {
    /// As a bot, into a channel.
    Token {
        /// `#name`, or the channel's id.
        channel: String,
        /// The name of the secret that is the bot's token.
        token: String,
    },
    /// Through an incoming webhook, whose address is a secret and knows its channel.
    Hook {
        /// The name of the secret that is the address.
        url: String,
    },
}
