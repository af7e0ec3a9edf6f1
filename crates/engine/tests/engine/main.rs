//! The engine through its public face: scripts, crashes, events, what is shown.
#![forbid(unsafe_code)]

mod crash;
mod events;
mod replay;
mod scripts;
mod world;
