//! One parser for each clause: what follows its word, into types. Which clause belongs to which item says
//! `table`.
//!
//! A parser sees its own clause only. What needs the rest of the item or the folder is checked later, so what is
//! read here keeps its spans.

pub(super) mod address;
pub(super) mod channel;
pub(super) mod level_line;
pub(super) mod mute;
mod parts;
pub(super) mod route;
pub(super) mod rule;
pub(super) mod sla;
pub(super) mod test;
pub(super) mod window;
