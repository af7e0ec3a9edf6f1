//! What other systems call things, and what stands for it here.
//!
//! Rules are written by people who come from somewhere: Prometheus, Alertmanager, Sloth, promtool. Their words are
//! answered with ours before slips of the hand are looked for.

/// What stands for an item that other systems have.
pub(super) fn item_advice(word: &str) -> Option<&'static str> {
    Some(match word {
        "groups" | "rules" => "rules stand alone here: `alert NAME`, `record METRIC`",
        "receivers" | "receiver" | "contact" | "notifier" => "did you mean `channel`?",
        "inhibit_rules" | "inhibit" | "inhibition" => {
            "a mute does it: `mute NAME` with `while {...} same (...)`"
        }
        "silence" | "silences" | "downtime" => "a mute does it: `mute NAME` with `until TIME`",
        "time_intervals" | "mute_time_intervals" | "calendar" | "maintenance" | "schedule" => {
            "did you mean `window`?"
        }
        "objective" | "sli" => "did you mean `sla`?",
        "escalation" | "policy" => "a route does it: `then after 10m to CHANNEL`",
        "global" | "templates" => "there is nothing like it: each item says all it needs",
        "const" | "var" | "define" => "did you mean `let`?",
        "recording" => "did you mean `record`?",
        "include" | "import" => "all files of the folder are read together",
        "tests" | "rule_files" | "evaluation_interval" => {
            "tests stand beside the rules: `test \"...\"`"
        }
        _ => return None,
    })
}

/// What stands for a clause that other systems have.
pub(super) fn clause_advice(item: &str, word: &str) -> Option<&'static str> {
    let of_item = match item {
        "alert" => of_alert(word),
        "sla" => of_sla(word),
        "window" => of_window(word),
        "mute" => of_mute(word),
        "route" => of_route(word),
        "channel" => of_channel(word),
        "test" => of_test(word),
        _ => None,
    };
    of_item.or_else(|| of_any(word))
}

fn of_any(word: &str) -> Option<&'static str> {
    Some(match word {
        "query" | "promql" | "expression" => "did you mean `expr`?",
        "interval" | "evaluation_interval" => "did you mean `every`?",
        "query_offset" | "offset" => "did you mean `delay`?",
        "limit" => "did you mean `max`?",
        "labels" => "one line each: `label NAME = \"...\"`",
        "runbook_url" => "did you mean `runbook`?",
        _ => return None,
    })
}

fn of_alert(word: &str) -> Option<&'static str> {
    Some(match word {
        "for" => "it stands on a level line: `warning > 5 for 10m`",
        "clear" => "it stands on a level line: `warning > 5 clear < 3`",
        "where" => "it stands on a level line: `warning > 5 where {...}`",
        "severity" | "level" | "threshold" => "levels are lines: `warning > 5` and `critical > 10`",
        "if" | "when" | "condition" => {
            "the value is `expr`, the condition stands on a level line: `warning > 5`"
        }
        "annotations" | "annotation" => {
            "one line each: `summary \"...\"`, `description \"...\"`, `note NAME = \"...\"`"
        }
        "keep" | "keep_firing_for" => "it stands on a level line: `warning > 5 keep 10m`",
        "message" => "did you mean `summary`?",
        "channel" | "to" | "notify" | "receiver" => {
            "who is told is decided by a `route` with `match {...}` and `to`"
        }
        "info_level" | "warn" => "did you mean `warning`?",
        "page" | "crit" | "fatal" | "high" => "did you mean `critical`?",
        "no_data" | "nodata" | "no_data_state" | "absent" => "did you mean `missing`?",
        _ => return None,
    })
}

fn of_sla(word: &str) -> Option<&'static str> {
    Some(match word {
        "target" | "slo" | "goal" | "availability" => "did you mean `objective`?",
        "window" | "period" | "over" | "time_window" => {
            "it stands behind the objective: `objective 99.9% over 30d`"
        }
        "errors" | "error_query" | "error" | "failures" => "did you mean `bad`?",
        "total_query" | "requests" | "events" => "did you mean `total`?",
        "sli" | "indicator" | "expr" | "query" => {
            "events: `good` or `bad`, and `total`; slices of time: `ok` and `slice`"
        }
        "alert" | "alerting" | "burn_rate" | "alerts" => {
            "did you mean `burn`? without it four lines apply"
        }
        "group" | "grouping" => "did you mean `by`?",
        "warning" | "critical" | "info" | "emergency" => {
            "levels stand behind `burn` and `breach`: `burn 2% in 1h critical`"
        }
        _ => return None,
    })
}

fn of_window(word: &str) -> Option<&'static str> {
    Some(match word {
        "times" | "weekdays" | "days" | "days_of_month" | "days_of_the_week" | "from" => {
            "one line: `every mon-fri 09:00-17:30`"
        }
        "location" | "zone" | "timezone" | "in" | "tz" => {
            "it ends the line it is for: `every mon-fri 09:00-17:30 in \"Europe/Berlin\"`"
        }
        "months" | "month" | "years" => {
            "days of every month: `every month 1-7`; dates: `on DATE to DATE`"
        }
        "not" | "without" | "holidays" => "did you mean `except`?",
        _ => return None,
    })
}

fn of_mute(word: &str) -> Option<&'static str> {
    Some(match word {
        "comment" | "description" | "because" | "why" => "did you mean `reason`?",
        "matchers" | "target_match" | "target_matchers" | "target_match_re" | "where" => {
            "did you mean `match`?"
        }
        "source_match" | "source_matchers" | "source_match_re" => "did you mean `while`?",
        "equal" | "same" => "it stands behind `while {...}`: `while {...} same (LABEL, ...)`",
        "ends_at" | "endsAt" | "end" | "to" | "for" => "did you mean `until`? it names a time",
        "starts_at" | "startsAt" | "start" | "from" | "on" | "every" => {
            "times that start stand in a `window`; here `during WINDOW`"
        }
        _ => return None,
    })
}

fn of_route(word: &str) -> Option<&'static str> {
    Some(match word {
        "receiver" | "channel" => "did you mean `to`?",
        "matchers" | "where" | "match_re" => "did you mean `match`?",
        "group_by" => "did you mean `group by (...)`?",
        "group_wait" => "did you mean `wait`?",
        "group_interval" => "did you mean `batch`?",
        "repeat_interval" => "did you mean `repeat`?",
        "routes" | "children" => "routes below are items of their own: `route NAME in PARENT`",
        "mute_time_intervals" | "mute" => {
            "a mute is an item of its own: `mute NAME` with `during WINDOW`"
        }
        "active_time_intervals" => "a mute does it: `mute NAME` with `outside WINDOW`",
        "escalate" | "after" | "escalation" => "did you mean `then after 10m to CHANNEL`?",
        "rate_limit" | "throttle" => "did you mean `limit`?",
        _ => return None,
    })
}

fn of_channel(word: &str) -> Option<&'static str> {
    Some(match word {
        "url" | "http" | "https" | "webhook_configs" => "write `webhook URL`",
        "token" | "bearer" | "secret" => {
            "it stands behind the address: `webhook URL bearer secret(NAME)`"
        }
        "slack_configs" | "api_url" => "write `slack \"#CHANNEL\" token secret(NAME)`",
        "email_configs" | "mail" | "smtp" | "to" => "write `email \"ADDRESS\"`",
        "pagerduty_configs" | "routing_key" | "service_key" => "write `pagerduty key secret(NAME)`",
        "telegram_configs" | "bot_token" | "chat_id" => "write `telegram CHAT token secret(NAME)`",
        "command" | "script" | "run" => "write `exec \"/PATH\"`",
        "send_resolved" => "what was told is always told to be over",
        "teams" | "discord" | "opsgenie" | "victorops" | "sns" | "pushover" | "webex" => {
            "this version has no such channel; most take a `webhook`"
        }
        "timeout" => "did you mean `retry`? it says how long a message is tried",
        _ => return None,
    })
}

fn of_test(word: &str) -> Option<&'static str> {
    Some(match word {
        "input_series" | "series" | "interval" => {
            "did you mean `load 1m`? series and values stand on the lines below"
        }
        "alert_rule_test" | "exp_alerts" | "alertname" | "eval_time" | "expect" => {
            "did you mean `at 10m`? what is expected stands on the lines below"
        }
        "promql_expr_test" | "exp_samples" | "expr" => {
            "did you mean `eval 10m PROMQL`? what is expected stands on the lines below"
        }
        "acknowledge" => "did you mean `ack`?",
        "none" => "it stands below `at`, deeper indented",
        "pending" | "info" | "warning" | "error" | "critical" | "emergency" => {
            "it stands below `at`, deeper indented"
        }
        _ => return None,
    })
}
