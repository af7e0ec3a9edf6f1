//! Words for how bad it is, made into levels.

use bellwether_lang::rules::Level;

/// The level of a word that other systems use; `None` when nobody knows.
pub(crate) fn level_of(word: &str, own: &[(String, Level)]) -> Option<Level> {
    if let Some((_, level)) = own.iter().find(|(known, _)| known == word) {
        return Some(*level);
    }
    let lower = word.to_ascii_lowercase();
    Some(match lower.as_str() {
        "info" | "information" | "informational" | "notice" | "none" | "debug" | "low" | "p5"
        | "sev5" => Level::Info,
        "warning" | "warn" | "medium" | "minor" | "ticket" | "slack" | "p3" | "p4" | "sev3"
        | "sev4" => Level::Warning,
        "error" | "err" | "major" | "high" | "p2" | "sev2" => Level::Error,
        "critical" | "crit" | "page" | "pager" | "paging" | "fatal" | "severe" | "p1" | "sev1" => {
            Level::Critical
        }
        "emergency" | "emerg" | "disaster" | "blocker" | "p0" | "sev0" => Level::Emergency,
        _ => return None,
    })
}

/// The level of what names none, or one that nobody knows: someone should look, nobody is woken.
pub(crate) const UNKNOWN: Level = Level::Warning;
