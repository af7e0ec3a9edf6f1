//! Receivers: every kind Alertmanager has, with its fields and what it cannot do without.
//!
//! A table, so that a field nobody knows is refused for all kinds alike, whether there is a channel for them here or not.

use super::values;
use crate::report::{Reporter, shown};
use crate::yaml::{self, Fields, Place};

/// A named receiver.
pub(super) struct Receiver<'a> {
    pub(super) name: &'a str,
    pub(super) place: Place,
    pub(super) configs: Vec<Target<'a>>,
}

/// One place it sends to.
pub(super) struct Target<'a> {
    pub(super) kind: &'static Kind,
    pub(super) fields: Fields<'a>,
}

/// A kind of receiver.
pub(super) struct Kind {
    /// `slack_configs`
    pub(super) key: &'static str,
    /// What it is called in sentences and names.
    pub(super) word: &'static str,
    /// Its fields beside `send_resolved` and `http_config`.
    fields: &'static str,
    /// Each of these sets is satisfied by one of its words: a field of the receiver, or `global.FIELD`.
    needs: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        key: "webhook_configs",
        word: "webhook",
        fields: "url url_file max_alerts timeout payload",
        needs: &["url url_file"],
    },
    Kind {
        key: "email_configs",
        word: "email",
        fields: "to from smarthost hello auth_username auth_password auth_password_file auth_secret \
            auth_secret_file auth_identity require_tls tls_config headers html text force_implicit_tls threading",
        needs: &[
            "to",
            "smarthost global.smtp_smarthost",
            "from global.smtp_from",
        ],
    },
    Kind {
        key: "slack_configs",
        word: "slack",
        fields: "api_url api_url_file app_token app_token_file app_url channel username color title title_link \
            pretext text message_text fields short_fields footer fallback callback_id icon_emoji icon_url image_url \
            thumb_url link_names mrkdwn_in actions timeout update_message",
        needs: &[
            "api_url api_url_file app_token app_token_file global.slack_api_url global.slack_api_url_file \
            global.slack_app_token global.slack_app_token_file",
        ],
    },
    Kind {
        key: "pagerduty_configs",
        word: "pagerduty",
        fields: "service_key service_key_file routing_key routing_key_file url client client_url description details \
            images links source severity class component group timeout",
        needs: &["service_key service_key_file routing_key routing_key_file"],
    },
    Kind {
        key: "telegram_configs",
        word: "telegram",
        fields: "api_url bot_token bot_token_file chat_id chat_id_file message_thread_id message \
            disable_notifications parse_mode",
        needs: &[
            "bot_token bot_token_file global.telegram_bot_token global.telegram_bot_token_file",
            "chat_id chat_id_file",
        ],
    },
    Kind {
        key: "opsgenie_configs",
        word: "opsgenie",
        fields: "api_key api_key_file api_url message description source details responders tags note priority \
            update_alerts entity actions",
        needs: &["api_key api_key_file global.opsgenie_api_key global.opsgenie_api_key_file"],
    },
    Kind {
        key: "victorops_configs",
        word: "victorops",
        fields: "api_key api_key_file api_url routing_key message_type state_message entity_display_name \
            monitoring_tool custom_fields",
        needs: &[
            "api_key api_key_file global.victorops_api_key global.victorops_api_key_file",
            "routing_key",
        ],
    },
    Kind {
        key: "pushover_configs",
        word: "pushover",
        fields: "user_key user_key_file token token_file title message url url_title device sound priority retry \
            expire ttl html monospace",
        needs: &["user_key user_key_file", "token token_file"],
    },
    Kind {
        key: "wechat_configs",
        word: "wechat",
        fields: "api_secret api_secret_file corp_id message api_url to_user to_party to_tag agent_id message_type",
        needs: &[
            "api_secret api_secret_file global.wechat_api_secret global.wechat_api_secret_file",
            "corp_id global.wechat_api_corp_id",
        ],
    },
    Kind {
        key: "sns_configs",
        word: "sns",
        fields: "api_url sigv4 topic_arn phone_number target_arn subject message attributes",
        needs: &["topic_arn target_arn phone_number"],
    },
    Kind {
        key: "discord_configs",
        word: "discord",
        fields: "webhook_url webhook_url_file title message content username avatar_url",
        needs: &["webhook_url webhook_url_file"],
    },
    Kind {
        key: "webex_configs",
        word: "webex",
        fields: "api_url room_id message",
        needs: &["room_id", "http_config"],
    },
    Kind {
        key: "msteams_configs",
        word: "msteams",
        fields: "webhook_url webhook_url_file title summary text",
        needs: &["webhook_url webhook_url_file"],
    },
    Kind {
        key: "msteamsv2_configs",
        word: "msteamsv2",
        fields: "webhook_url webhook_url_file title text",
        needs: &["webhook_url webhook_url_file"],
    },
    Kind {
        key: "jira_configs",
        word: "jira",
        fields: "api_url api_type project summary description labels priority issue_type reopen_transition \
            resolve_transition wont_fix_resolution reopen_duration custom_fields fields",
        needs: &["project", "issue_type", "api_url global.jira_api_url"],
    },
    Kind {
        key: "rocketchat_configs",
        word: "rocketchat",
        fields: "api_url token token_file token_id token_id_file channel color title title_link text fields \
            short_fields emoji icon_url image_url thumb_url link_names actions",
        needs: &[
            "token token_file global.rocketchat_token global.rocketchat_token_file",
            "token_id token_id_file global.rocketchat_token_id global.rocketchat_token_id_file",
        ],
    },
    Kind {
        key: "mattermost_configs",
        word: "mattermost",
        fields: "webhook_url webhook_url_file channel username text icon_url icon_emoji attachments type props \
            priority fallback color pretext author_name author_link author_icon title title_link fields thumb_url \
            footer footer_icon image_url",
        needs: &[
            "webhook_url webhook_url_file global.mattermost_webhook_url global.mattermost_webhook_url_file",
        ],
    },
    Kind {
        key: "incidentio_configs",
        word: "incidentio",
        fields: "url url_file alert_source_token alert_source_token_file max_alerts timeout metadata",
        needs: &["url url_file"],
    },
];

const GLOBAL: &str = "resolve_timeout http_config smtp_from smtp_hello smtp_smarthost smtp_auth_username \
    smtp_auth_password smtp_auth_password_file smtp_auth_secret smtp_auth_secret_file smtp_auth_identity \
    smtp_require_tls smtp_tls_config smtp_force_implicit_tls slack_api_url slack_api_url_file slack_app_token \
    slack_app_token_file slack_app_url pagerduty_url opsgenie_api_url opsgenie_api_key opsgenie_api_key_file \
    wechat_api_url wechat_api_secret wechat_api_secret_file wechat_api_corp_id victorops_api_url victorops_api_key \
    victorops_api_key_file telegram_api_url telegram_bot_token telegram_bot_token_file webex_api_url jira_api_url \
    rocketchat_api_url rocketchat_token rocketchat_token_file rocketchat_token_id rocketchat_token_id_file \
    mattermost_webhook_url mattermost_webhook_url_file";

const HTTP: &str = "authorization basic_auth bearer_token bearer_token_file oauth2 proxy_url no_proxy \
    proxy_from_environment proxy_connect_header tls_config follow_redirects enable_http2 http_headers";

impl Kind {
    /// The clause of a channel of this kind.
    pub(super) fn channel_word(&self) -> &'static str {
        self.word
    }
}

/// The keys under which receivers list their targets.
pub(super) fn kind_names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.key).collect()
}

/// What `global` sets.
pub(super) struct Global<'a> {
    fields: Option<Fields<'a>>,
}

impl<'a> Global<'a> {
    /// Reads `global`; what is a server's configuration here is told as lost.
    pub(super) fn read(config: &Fields<'a>, report: &mut Reporter<'_>) -> Global<'a> {
        let fields = config
            .get("global")
            .and_then(|node| Fields::of(node, "`global`", report));
        let Some(fields) = fields else {
            return Global { fields: None };
        };
        fields.only(&words(GLOBAL), "`global`", report);
        one_of_each(&fields, report);
        http_config(&fields, report);
        slack_ways(&fields, report);
        values::of_global(&fields, report);
        let smtp = fields
            .entries()
            .find(|(key, _)| key.text().is_some_and(|k| k.starts_with("smtp_")));
        if let Some((key, _)) = smtp {
            report.lose(
                key.place,
                "`smtp_*`: the mail server belongs to the configuration of the server, not to its rules",
            );
        }
        if let Some((key, _)) = fields.entry("resolve_timeout") {
            fields.duration("resolve_timeout", report);
            report.lose(
                key.place,
                "`resolve_timeout`: an alert ends by its rule here, never because nobody repeats it",
            );
        }
        if let Some((key, _)) = fields.entry("http_config") {
            report.lose(key.place, "`http_config` of all receivers");
        }
        Global {
            fields: Some(fields),
        }
    }

    /// True for the name of one of its fields: a secret that all receivers share is called after it.
    pub(super) fn is_field(name: &str) -> bool {
        words(GLOBAL).contains(&name)
    }

    /// A field that is set.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.as_ref()?.get(name)?.text()
    }
}

/// True for the key of a kind that nobody knows: newer than this table, and no mistake, unless it is nearly one of them.
fn is_another_kind(name: &str) -> bool {
    let near = |kind: &Kind| {
        let known = kind.key.trim_end_matches("_configs");
        yaml::is_near(name.trim_end_matches("_configs"), known)
    };
    name.ends_with("_configs") && !KINDS.iter().any(near)
}

/// Slack's token and the address of a webhook exclude each other, unless the address is the one that takes tokens.
fn slack_ways(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    const TAKES_TOKENS: &str = "https://slack.com/api/chat.postMessage";
    let token = fields
        .get("slack_app_token")
        .or(fields.get("slack_app_token_file"));
    let takes = fields
        .get("slack_app_url")
        .and_then(|node| node.text())
        .unwrap_or(TAKES_TOKENS);
    if let (Some(_), Some(url)) = (token, fields.get("slack_api_url"))
        && url.text() != Some(takes)
    {
        report.refuse(
            url.place,
            "at most one of `slack_app_token` and `slack_api_url` is set",
        );
    }
}

fn words(list: &'static str) -> Vec<&'static str> {
    list.split_whitespace().collect()
}

/// Refuses fields that stand beside their own `_file`.
fn one_of_each(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    for (key, _) in fields.entries() {
        let Some(name) = key.text().and_then(|name| name.strip_suffix("_file")) else {
            continue;
        };
        if fields.get(name).is_some() && fields.entry(&format!("{name}_file")).is_some() {
            report.refuse(
                key.place,
                format!("at most one of `{name}` and `{name}_file` is set"),
            );
        }
    }
}

/// Reads a receiver and what it needs.
pub(super) fn receiver<'a>(
    fields: &Fields<'a>,
    global: &Global<'a>,
    report: &mut Reporter<'_>,
) -> Receiver<'a> {
    let known = [&["name", "labels"], kind_names().as_slice()].concat();
    let others: Vec<(&str, Place)> = fields
        .entries()
        .filter_map(|(key, _)| Some((key.text()?, key.place)))
        .filter(|(name, _)| !known.contains(name) && is_another_kind(name))
        .collect();
    for (name, place) in &others {
        report.lose(
            *place,
            format!("nobody here knows receivers of the kind {}", shown(name)),
        );
    }
    let others: Vec<&str> = others.into_iter().map(|(name, _)| name).collect();
    fields.only(&[known, others].concat(), "a receiver", report);
    let name = fields.text("name", report).unwrap_or("");
    let place = fields.get("name").map_or(fields.place, |node| node.place);
    if name.is_empty() {
        report.refuse(fields.place, "a receiver has no `name`");
    }
    for (key, value) in fields.pairs("labels", report) {
        let (label, text) = (key.text().unwrap_or(""), value.text().unwrap_or(""));
        if label == "name" && text != name {
            let (text, name) = (shown(text), shown(name));
            report.refuse(
                value.place,
                format!("the label `name` is {text}, the receiver {name}"),
            );
        }
    }
    if let Some((key, _)) = fields.entry("labels") {
        report.lose(key.place, "`labels` of a receiver");
    }
    let mut configs = Vec::new();
    for kind in KINDS {
        for node in fields.list(kind.key, report) {
            if let Some(fields) = Fields::of(node, "a receiver's configuration", report) {
                check(kind, &fields, global, report);
                configs.push(Target { kind, fields });
            }
        }
    }
    Receiver {
        name,
        place,
        configs,
    }
}

fn check(kind: &Kind, fields: &Fields<'_>, global: &Global<'_>, report: &mut Reporter<'_>) {
    let known = [
        words(kind.fields).as_slice(),
        &["send_resolved", "http_config"],
    ]
    .concat();
    fields.only(&known, &format!("the {} receiver", kind.word), report);
    fields.flag("send_resolved", report);
    one_of_each(fields, report);
    http_config(fields, report);
    values::of_receiver(kind.word, fields, report);
    for need in kind.needs {
        let mut any = need.split_whitespace();
        let is_set = any.any(|field| match field.strip_prefix("global.") {
            Some(field) => global.get(field).is_some(),
            None => fields
                .entry(field)
                .is_some_and(|(_, value)| value.text() != Some("")),
        });
        if !is_set {
            let list: Vec<String> = need.split_whitespace().map(|f| format!("`{f}`")).collect();
            let list = list.join(" or ");
            report.refuse(
                fields.place,
                format!("the {} receiver needs {list}", kind.word),
            );
        }
    }
}

fn http_config(fields: &Fields<'_>, report: &mut Reporter<'_>) {
    let Some(http) = fields
        .get("http_config")
        .and_then(|n| Fields::of(n, "`http_config`", report))
    else {
        return;
    };
    http.only(&words(HTTP), "`http_config`", report);
    let ways = [
        "authorization",
        "basic_auth",
        "bearer_token",
        "bearer_token_file",
        "oauth2",
    ];
    let set: Vec<&str> = ways
        .into_iter()
        .filter(|way| http.get(way).is_some())
        .collect();
    if let [first, second, ..] = set.as_slice() {
        report.refuse(
            http.place,
            format!("at most one of `{first}` and `{second}` is set"),
        );
    }
}
