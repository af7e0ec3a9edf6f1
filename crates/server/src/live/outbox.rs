//! Between the engine's effects and the ledger's rows, and back.

use std::sync::Arc;

use bellwether_engine::{Approach, Tick, Transition};
use bellwether_ledger::{
    HistoryRow, InstanceRow, NewNotice, OutboxRow, RuleSources, Status, TickCommit,
};
use bellwether_model::TimestampMs;
use bellwether_model::notice::Notice;
use bellwether_model::rows::RowError;
use bellwether_notify::Tries;

use super::queue::Waiting;

/// Everything of `effects` but the samples, as one commit of the tick at `tick`, made at `now`; with the rules that
/// were loaded since the last one.
pub(crate) fn tick_commit(
    effects: &Tick,
    tick: TimestampMs,
    now: TimestampMs,
    rules: Option<RuleSources>,
) -> TickCommit {
    TickCommit {
        rules,
        tick,
        instances: effects
            .instances
            .iter()
            .map(|change| InstanceRow {
                key: change.key.clone(),
                state: change.state.clone(),
            })
            .collect(),
        notices: effects
            .notices
            .iter()
            .map(|notice| new_notice(notice, now))
            .collect(),
        history: history(effects),
    }
}

fn new_notice(notice: &Notice, now: TimestampMs) -> NewNotice {
    NewNotice {
        key: notice.key.clone(),
        channel: notice.channel.clone(),
        payload: notice.encode(),
        created: now,
        send_at: now,
        silenced: None,
    }
}

/// What is told of an alert comes before what begins anew of it.
fn history(effects: &Tick) -> Vec<HistoryRow> {
    let told = effects.transitions.iter().map(history_row);
    told.chain(effects.approaches.iter().map(approach_row))
        .collect()
}

fn approach_row(approach: &Approach) -> HistoryRow {
    HistoryRow {
        at: approach.at,
        rule: approach.rule.clone(),
        labels: approach.identity.clone(),
        kind: approach.kind().text().to_owned(),
        from: approach.from.map(|level| level as u8),
        to: approach.to.map(|level| level as u8),
        value: approach.value,
        threshold: approach.threshold,
        reason: approach.reason.clone(),
    }
}

fn history_row(transition: &Transition) -> HistoryRow {
    HistoryRow {
        at: transition.at,
        rule: transition.rule.clone(),
        labels: transition.identity.clone(),
        kind: transition.kind.text().to_owned(),
        from: transition.from.map(|level| level as u8),
        to: transition.to.map(|level| level as u8),
        value: transition.value,
        threshold: transition.threshold,
        reason: transition.reason.clone(),
    }
}

/// An open row as the senders' queue holds it. How many attempts were refused is not kept over a restart.
pub(crate) fn waiting(row: &OutboxRow) -> Result<Waiting, RowError> {
    let notice = Arc::new(Notice::decode(&row.payload)?);
    let due = match &row.status {
        Status::Open { next_attempt, .. } => *next_attempt,
        _ => row.created,
    };
    Ok(Waiting {
        notice,
        created: row.created,
        due,
        tries: Tries {
            attempts: row.attempts,
            refused: 0,
        },
    })
}

/// The same notice for the channel that stands in for one that gave up. Its key is as stable as the first.
pub(crate) fn for_fallback(notice: &Notice, fallback: &str) -> Notice {
    Notice {
        key: format!("{}-{fallback}", notice.key),
        channel: fallback.to_owned(),
        ..notice.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_lang::rules::Level;
    use bellwether_model::Labels;
    use bellwether_model::notice::NoticeKind;

    #[test]
    fn history_keeps_all_that_a_transition_says() {
        let transition = Transition {
            at: TimestampMs(1),
            rule: "A".into(),
            identity: Labels::from_pairs([("alertname", "A")]),
            kind: NoticeKind::Rise,
            from: Some(Level::Warning),
            to: Some(Level::Critical),
            value: 7.0,
            threshold: Some(5.0),
            episode: TimestampMs(0),
            sequence: 1,
            channels: vec!["log".into()],
            reason: Some("the series is missing".into()),
        };
        let want = HistoryRow {
            at: TimestampMs(1),
            rule: "A".into(),
            labels: Labels::from_pairs([("alertname", "A")]),
            kind: "rise".into(),
            from: Some(2),
            to: Some(4),
            value: 7.0,
            threshold: Some(5.0),
            reason: Some("the series is missing".into()),
        };
        assert_eq!(history_row(&transition), want);
    }
}
