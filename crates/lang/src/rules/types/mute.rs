//! Mutes: what is not told, when, and why.

use bellwether_model::{Matcher, TimestampMs};

use super::Place;

/// `mute NAME`: a silence, a mute timing, and an inhibition in one.
///
/// An instance is muted while its labels match and every kind of clause that was written holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Mute {
    /// Unique in the folder.
    pub name: String,
    /// On the labels of the instance; empty: every instance.
    pub matchers: Vec<Matcher>,
    /// Names of windows: one of them has to be open. Empty: no condition.
    pub during: Vec<String>,
    /// Names of windows: none of them may be open. Empty: no condition.
    pub outside: Vec<String>,
    /// Ends here, exclusive.
    pub until: Option<TimestampMs>,
    /// An instance that has to be firing.
    pub cause: Option<Cause>,
    /// Never empty.
    pub reason: String,
    /// Where it stands.
    pub place: Place,
}

/// `while {..} same (..)`: the alert that explains the muted ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// On the labels of the firing instance; at least one.
    pub matchers: Vec<Matcher>,
    /// Labels that have the same value on both; missing and empty are the same. No name twice.
    pub same: Vec<String>,
}
