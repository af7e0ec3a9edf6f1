//! The rule engine: pure state machines that turn rules, time and data into alerts.
//!
//! No clock, no disk, no network, no thread: the caller says what time it is, shows a
//! [`Source`](bellwether_query::Source), and carries out the effects in [`Tick`]. Live running, tests,
//! replay after a crash and backtests drive the same code, and get the same transitions byte for byte.
//!
//! - `engine`: rules, state, ticks, events; the way in.
//! - `plan`, `order`, `slots`, `share`: a rule set made ready to run: which rule when, after which other, what they have in common.
//! - `ask`, `overlay`: a rule's question, and what it sees of the running tick.
//! - `alerts`, `instance`: one evaluation of one alert; the life of one instance.
//! - `series`, `tell`: alerts as series, alerts as notices.
//! - `own`: the engine's alerts about itself. `removal`: the end of a rule.
//! - `calendar`: when windows are open. `route`: what is muted.
//! - `state`: rows for the ledger. `status`: what is shown. [`history`]: what has happened, summed up.
//! - [`replay`]: rules over the past, on a virtual clock. [`trial`]: tests in rule files.
//! - [`sla`]: objectives, computed from stored samples: reports of any period, and what they say and raise while they run.
//!
//! Not here: sending (`notify`, `server`), keeping (`ledger`), escalation (later work).
#![forbid(unsafe_code)]

mod effects;
mod engine;

mod order;
mod plan;
mod share;
mod slots;

mod ask;
mod overlay;

mod alerts;
mod instance;
mod own;
mod removal;
mod series;
mod tell;

pub mod history;
pub mod replay;
pub mod sla;
mod state;
mod status;
pub mod trial;

pub mod calendar;
pub mod route;

#[cfg(test)]
mod testing;

pub use bellwether_model::notice::{Notice, NoticeKind};
pub use effects::{Approach, InstanceChange, Tick, Transition};
pub use engine::{Engine, Evaluating, Event, Options, Restored};
pub use order::{Circle, check};
pub use slots::Spread;
pub use status::{
    AlertState, AlertStatus, GroupStatus, Health, OWN_GROUP, RuleKind, RuleStatus, Status,
};

/// Fuzz targets: plain functions over bytes, each with an oracle.
#[doc(hidden)]
pub mod fuzzing {
    /// See `decode_any` in `state.rs`.
    pub fn engine_rows(data: &[u8]) {
        crate::state::decode_any(data);
    }
}
