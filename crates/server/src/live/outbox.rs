//! Between the engine's effects and the ledger's rows, and back.

use std::sync::Arc;

use bellwether_engine::{Tick, Transition};
use bellwether_ledger::{HistoryRow, InstanceRow, NewNotice, OutboxRow, Status, TickCommit};
use bellwether_model::TimestampMs;
use bellwether_model::notice::Notice;
use bellwether_model::rows::RowError;
use bellwether_notify::Tries;

use super::queue::Waiting;

/// Everything of `effects` but the samples, as one commit of the tick at `tick`, made at `now`.
pub(crate) fn tick_commit(effects: &Tick, tick: TimestampMs, now: TimestampMs) -> TickCommit {
    TickCommit {
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
        history: effects.transitions.iter().map(history_row).collect(),
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

fn history_row(transition: &Transition) -> HistoryRow {
    HistoryRow {
        at: transition.at,
        rule: transition.rule.clone(),
        labels: transition.identity.clone(),
        kind: transition.kind.text().to_owned(),
        from: transition.from.map(|level| level as u8),
        to: transition.to.map(|level| level as u8),
        value: transition.value,
        threshold: None,
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
