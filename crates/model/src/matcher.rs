//! Matchers: what a selector asks of one label.
//!
//! A missing label has the empty value, so `{a=""}` and `{a!="x"}` match series without `a`.
//! Patterns match the whole value, in the language of RE2 (`re2.rs`).

use std::cell::RefCell;
use std::fmt;

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::HashMap;
use crate::labels::{Labels, Quoted, is_legacy_label_name};
use crate::re2::Parsed;

thread_local! {
    /// Patterns that matchers of this thread share; `None` while nobody holds a [`SharedPatterns`].
    static SHARED: RefCell<Option<HashMap<String, Pattern>>> = const { RefCell::new(None) };
}

/// While it lives, matchers that this thread makes of equal patterns share one compiled pattern.
///
/// Ten thousand rules ask for `code=~"5.."` ten thousand times, and compiling costs more than all else of reading a rule.
/// Meant for whoever keeps all of the matchers it makes: patterns are kept until the guard is dropped.
#[must_use = "patterns are shared while it lives"]
#[derive(Debug)]
pub struct SharedPatterns {
    /// The outermost one ends it.
    is_outermost: bool,
    /// It speaks of the thread it was made on.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl SharedPatterns {
    /// Begins to share.
    pub fn begin() -> SharedPatterns {
        let is_outermost = SHARED.with_borrow_mut(|shared| {
            let first = shared.is_none();
            shared.get_or_insert_default();
            first
        });
        SharedPatterns {
            is_outermost,
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for SharedPatterns {
    fn drop(&mut self) {
        if self.is_outermost {
            SHARED.with_borrow_mut(Option::take);
        }
    }
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl fmt::Display for MatchOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        })
    }
}

/// Why a matcher could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// The pattern is longer than `regex.max_len`.
    #[error("regular expression of {got} bytes is longer than regex.max_len ({max})")]
    TooLong {
        /// The pattern's length, bytes.
        got: usize,
        /// The limit, bytes.
        max: usize,
    },
    /// The pattern compiles to more than `regex.size` allows.
    #[error("regular expression is too large: it needs more than regex.size ({max} bytes)")]
    TooLarge {
        /// The limit, bytes.
        max: usize,
    },
    /// The pattern is not a regular expression.
    #[error("error parsing regexp: {0}")]
    Invalid(String),
}

/// One condition on one label.
#[derive(Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Pattern>,
}

/// A compiled pattern, by the cheapest means that decides it.
#[derive(Clone)]
enum Pattern {
    /// One of these texts, sorted: `a|b|c`, dashboards' variables.
    Literals(Vec<String>),
    /// Anything: `.*`.
    Anything,
    /// Anything but the empty text: `.+`.
    NotEmpty,
    Automaton {
        regex: Regex,
        prefix: String,
    },
}

impl Matcher {
    /// Builds a matcher; a pattern is compiled within the limits of `regex.*`.
    pub fn new(op: MatchOp, name: &str, value: &str) -> Result<Matcher, MatcherError> {
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::of(value)?),
        };
        Ok(Matcher {
            name: name.into(),
            op,
            value: value.into(),
            pattern,
        })
    }

    /// `name="value"`, which cannot fail.
    pub fn equal(name: &str, value: &str) -> Matcher {
        Matcher {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            pattern: None,
        }
    }

    /// The label it looks at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The text or pattern it compares with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// True when a label with this value matches. A missing label has the value `""`.
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => self.pattern.as_ref().is_some_and(|p| p.is_match(value)),
            MatchOp::NotRegex => !self.pattern.as_ref().is_some_and(|p| p.is_match(value)),
        }
    }

    /// True when the label of this set matches.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name).unwrap_or(""))
    }

    /// True when series without the label match.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The only values that can match, sorted, when the matcher names them: `="a"`, `=~"a|b"`.
    pub fn literals(&self) -> Option<Vec<&str>> {
        match (self.op, &self.pattern) {
            (MatchOp::Equal, _) => Some(vec![&self.value]),
            (MatchOp::Regex, Some(Pattern::Literals(set))) => {
                Some(set.iter().map(String::as_str).collect())
            }
            _ => None,
        }
    }

    /// What every matching value of a `=~` starts with; empty when nothing is known.
    pub fn prefix(&self) -> &str {
        match (self.op, &self.pattern) {
            (MatchOp::Regex, Some(Pattern::Automaton { prefix, .. })) => prefix,
            _ => "",
        }
    }
}

impl Pattern {
    /// Compiles a pattern, or takes it from those that are shared.
    fn of(pattern: &str) -> Result<Pattern, MatcherError> {
        let known = SHARED.with_borrow(|shared| shared.as_ref()?.get(pattern).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let compiled = Pattern::compile(pattern)?;
        SHARED.with_borrow_mut(|shared| {
            if let Some(shared) = shared {
                shared.insert(pattern.to_owned(), compiled.clone());
            }
        });
        Ok(compiled)
    }

    fn compile(pattern: &str) -> Result<Pattern, MatcherError> {
        let parsed = Parsed::new(pattern)?;
        if let Some(mut set) = literal_set(&parsed.hir) {
            set.sort();
            set.dedup();
            return Ok(Pattern::Literals(set));
        }
        match parsed.text.as_str() {
            ".*" => return Ok(Pattern::Anything),
            ".+" => return Ok(Pattern::NotEmpty),
            _ => {}
        }
        Ok(Pattern::Automaton {
            regex: parsed.compile()?,
            prefix: literal_prefix(&parsed.hir),
        })
    }

    fn is_match(&self, value: &str) -> bool {
        match self {
            Pattern::Literals(set) => set.binary_search_by(|s| s.as_str().cmp(value)).is_ok(),
            Pattern::Anything => true,
            Pattern::NotEmpty => !value.is_empty(),
            Pattern::Automaton { regex, prefix } => {
                value.starts_with(prefix.as_str()) && regex.is_match(value)
            }
        }
    }
}

/// The texts of a pattern that is a plain alternation of literals, up to 10,000 of them.
fn literal_set(hir: &Hir) -> Option<Vec<String>> {
    const LITERALS_MAX: usize = 10_000;
    match hir.kind() {
        HirKind::Empty => Some(vec![String::new()]),
        HirKind::Literal(l) => Some(vec![String::from_utf8(l.0.to_vec()).ok()?]),
        HirKind::Capture(c) => literal_set(&c.sub),
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class
                .iter()
                .map(|r| r.end() as usize - r.start() as usize + 1)
                .sum();
            if count > 16 {
                return None;
            }
            Some(
                class
                    .iter()
                    .flat_map(|r| r.start()..=r.end())
                    .map(String::from)
                    .collect(),
            )
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(literal_set(part)?);
                if all.len() > LITERALS_MAX {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(parts) => {
            let mut all = vec![String::new()];
            for part in parts {
                let tails = literal_set(part)?;
                if all.len() * tails.len() > LITERALS_MAX {
                    return None;
                }
                all = all
                    .iter()
                    .flat_map(|a| tails.iter().map(move |b| format!("{a}{b}")))
                    .collect();
            }
            Some(all)
        }
        _ => None,
    }
}

fn literal_prefix(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Literal(l) => String::from_utf8(l.0.to_vec()).unwrap_or_default(),
        HirKind::Capture(c) => literal_prefix(&c.sub),
        HirKind::Concat(parts) => {
            let mut prefix = String::new();
            for part in parts {
                match part.kind() {
                    HirKind::Literal(l) => match std::str::from_utf8(&l.0) {
                        Ok(text) => prefix.push_str(text),
                        Err(_) => break,
                    },
                    _ => break,
                }
            }
            prefix
        }
        _ => String::new(),
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (self.op, &self.name, &self.value) == (other.op, &other.name, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_legacy_label_name(&self.name) {
            write!(f, "{}{}{}", self.name, self.op, Quoted(&self.value))
        } else {
            write!(
                f,
                "{}{}{}",
                Quoted(&self.name),
                self.op,
                Quoted(&self.value)
            )
        }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Matcher {
        Matcher::new(MatchOp::Regex, "l", pattern).unwrap()
    }

    #[test]
    fn patterns_match_the_whole_value() {
        assert!(regex("a|b").matches("a"));
        assert!(!regex("a|b").matches("ab"));
        assert!(!regex("a.").matches("xab"));
        assert!(regex("a.*").matches("a\nb"));
        assert!(regex(".*").matches(""));
        assert!(!regex(".+").matches(""));
    }

    #[test]
    fn equal_patterns_are_compiled_once_while_they_are_shared() {
        let kept = || SHARED.with_borrow(|shared| shared.as_ref().map(HashMap::len));
        let outer = SharedPatterns::begin();
        let first = regex("5..");
        drop(SharedPatterns::begin());
        assert!(regex("5..").matches("500") && first.matches("599"));
        assert!(!regex("4..").matches("500"));
        assert_eq!(kept(), Some(2), "a guard inside of another ends nothing");
        drop(outer);
        assert_eq!(kept(), None);
        assert!(regex("5..").matches("500"));
    }

    #[test]
    fn plain_alternations_become_sets() {
        assert_eq!(regex("b|a|c").literals(), Some(vec!["a", "b", "c"]));
        assert_eq!(
            regex("host-(1|2)").literals(),
            Some(vec!["host-1", "host-2"])
        );
        assert_eq!(regex("host-.*").literals(), None);
        assert_eq!(regex("host-.*").prefix(), "host-");
        assert_eq!(regex("a|").literals(), Some(vec!["", "a"]));
    }

    #[test]
    fn a_pattern_that_costs_too_much_is_refused_by_name() {
        let long = Matcher::new(MatchOp::Regex, "l", &"a".repeat(9000)).unwrap_err();
        assert!(long.to_string().contains("regex.max_len"), "{long}");
        let large = Matcher::new(MatchOp::Regex, "l", "(?:a?){2000}a{2000}").unwrap_err();
        assert!(large.to_string().contains("regex.size"), "{large}");
        assert!(Matcher::new(MatchOp::Regex, "l", "(").is_err());
        assert!(Matcher::new(MatchOp::Regex, "l", &"(".repeat(5000)).is_err());
    }
}
