//! What a disk promises, asked of the real one and of the simulated one, and what a crash may do.

mod behaviour;
mod crash;
mod fault;
mod properties;
mod redb;
