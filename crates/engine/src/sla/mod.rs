//! Objectives: what was promised, what happened, what is left of the budget.
//!
//! Everything is computed from stored samples, for any stretch of time: nothing is generated, nothing has to have run.
//!
//! - `events`: what counts: exact increases of counters, and slices of time.
//! - `tally`: sums of it, by time. `period`: stretches of time with names.
//! - `live`: at each evaluation, for series and alerts. [`report`]: one period of each objective, with its evidence.
//!
//! ```text
//! budget = (1 - objective) x total      remaining = 1 - bad / budget      ratio = 1 - bad / total
//! ```
//!
//! No events are no events: the ratio is not defined, the budget untouched, no alert is raised, and a report says that there is
//! no data.

mod counters;
mod events;
mod exact;
pub(crate) mod live;
mod period;
mod report;
mod slices;
mod tally;

pub use events::SlaError;
pub use period::NamedPeriod;
pub use report::{Bad, Current, SlaReport, Verdict, When, report};
pub use tally::Tally;

#[cfg(test)]
mod tests;
