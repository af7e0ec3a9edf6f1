//! `docs/limits.md` is the table of `model::limits`, row by row.

use std::fmt::Write as _;

use bellwether_model::limits::{ALL, Limit, Unit};

use crate::support::workspace;

#[test]
fn the_docs_show_every_limit_with_its_default() {
    let page = std::fs::read_to_string(workspace().join("docs/limits.md"))
        .expect("docs/limits.md is there");
    let table: String =
        page.lines()
            .filter(|l| l.starts_with("| `"))
            .fold(String::new(), |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            });
    let mut want = String::new();
    for limit in ALL {
        let _ = writeln!(
            want,
            "| `{}` | {} | {} |",
            limit.name,
            default(limit),
            limit.beyond
        );
    }
    assert!(
        table == want,
        "docs/limits.md is out of date; its table should be:\n{want}"
    );
}

fn default(limit: &Limit) -> String {
    let value = limit.value;
    match limit.unit {
        Unit::Count => value.to_string(),
        Unit::Bytes if value.is_multiple_of(1 << 20) => format!("{} MiB", value >> 20),
        Unit::Bytes if value.is_multiple_of(1 << 10) => format!("{} KiB", value >> 10),
        Unit::Bytes => format!("{value} B"),
        Unit::Millis => bellwether_model::DurationMs(value as i64).to_string(),
    }
}
