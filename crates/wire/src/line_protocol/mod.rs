//! InfluxDB line protocol: `measurement,tag=value field=1,other=2i 1700000000000000000`.
//!
//! Read in two steps, because a server sees the same series over and over: [`Cursor`] takes a line apart
//! without looking into its measurement and tags, whose bytes are the key of a cache; only when the key is
//! new does [`Head`] take those apart and [`Mapping`] turn them into labels.
//!
//! ```
//! use bellwether_wire::line_protocol::{Cursor, Lines, Precision};
//!
//! let body = b"cpu,host=a user=1.5,system=2i 1700000000000000000\n";
//! for (number, line) in Lines::new(body) {
//!     let mut cursor = Cursor::new(line).map_err(|fault| fault.at_line(number, line))?;
//!     assert_eq!(cursor.series_key(), b"cpu,host=a");
//!     let user = cursor.field(b"").map_err(|fault| fault.at_line(number, line))?;
//!     assert_eq!(user.map(|f| (f.key, f.value.sample())), Some((&b"user"[..], Some(1.5))));
//!     while cursor.field(b"").map_err(|fault| fault.at_line(number, line))?.is_some() {}
//!     let time = cursor.timestamp(Precision::Nanoseconds).map_err(|fault| fault.at_line(number, line))?;
//!     assert_eq!(time.map(|t| t.0), Some(1_700_000_000_000));
//! }
//! # Ok::<(), bellwether_wire::line_protocol::LineError>(())
//! ```
//!
//! Format: protocol reference of InfluxDB 1.x and 2.x. An escape is a backslash before a byte that the
//! place gives a meaning to; any other backslash is an ordinary byte, so the byte before a delimiter
//! decides alone.

mod cursor;
mod error;
mod head;
mod number;
mod precision;
mod print;

pub use cursor::{Cursor, Field, FieldValue, Lines, parse_line};
pub use error::{Fault, FaultKind, LineError, shown};
pub use head::{Head, Mapping};
pub use precision::Precision;
pub use print::{PrintError, print_line};

#[cfg(test)]
mod tests;
