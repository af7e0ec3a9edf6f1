//! store

pub mod codec;
