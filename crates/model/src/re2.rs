//! Regular expressions of queries: written in RE2's language, compiled by the `regex` crate, matched against whole values.
//!
//! The two languages differ where a pattern would mean something else without anyone being told, so each is rewritten first:
//! `\d \w \s \b` are ASCII; inside `[..]` a second `[`, `&&`, `--` and `~~` are themselves; a `{` that begins no repetition is
//! itself; `\<` and `\>` are themselves; `\Q..\E` quotes; `\123` is octal; `\p{^Greek}` is `\P{Greek}`. `.` takes line ends.
//!
//! Promises: what RE2 takes means here what it means there, but for a few forms that nobody writes (`docs/http.md`). A pattern
//! that RE2 refuses may be taken. Every pattern is compiled within the limits of `regex.*`; none makes this panic.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::Hir;

use crate::limits;
use crate::matcher::MatcherError;

/// Compiles `pattern` so that it matches whole values only.
pub fn whole_value(pattern: &str) -> Result<Regex, MatcherError> {
    Parsed::new(pattern)?.compile()
}

/// A pattern that is one, not yet compiled.
pub(crate) struct Parsed {
    /// The pattern in the language of `regex`.
    pub(crate) text: String,
    pub(crate) hir: Hir,
}

impl Parsed {
    /// Parsed by itself: `a)|(b` is no pattern, though it would be one between parentheses.
    pub(crate) fn new(pattern: &str) -> Result<Parsed, MatcherError> {
        let max = limits::REGEX_LEN_MAX.usize();
        if pattern.len() > max {
            let got = pattern.len();
            return Err(MatcherError::TooLong { got, max });
        }
        let text = rewrite(pattern);
        let hir = regex_syntax::ParserBuilder::new()
            .dot_matches_new_line(true)
            .nest_limit(limits::QUERY_DEPTH_MAX.value as u32)
            .build()
            .parse(&text)
            .map_err(|e| MatcherError::Invalid(last_line(&e.to_string())))?;
        Ok(Parsed { text, hir })
    }

    pub(crate) fn compile(&self) -> Result<Regex, MatcherError> {
        let max = limits::REGEX_SIZE_MAX.usize();
        RegexBuilder::new(&format!("^(?s:{})$", self.text))
            .size_limit(max)
            .dfa_size_limit(limits::REGEX_DFA_MAX.usize())
            .build()
            .map_err(|e| match e {
                regex::Error::CompiledTooBig(_) => MatcherError::TooLarge { max },
                other => MatcherError::Invalid(last_line(&other.to_string())),
            })
    }
}

/// The last line of the parser's message names the mistake; the lines above draw it.
fn last_line(message: &str) -> String {
    message
        .lines()
        .last()
        .unwrap_or(message)
        .trim_start_matches("error: ")
        .to_string()
}

/// `pattern` in the language of `regex`. What is no pattern in either stays none, and the parser says why.
fn rewrite(pattern: &str) -> String {
    let mut rewriter = Rewriter {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 8),
    };
    while let Some(c) = rewriter.next() {
        match c {
            '\\' => rewriter.escape(),
            '[' => rewriter.class(),
            '{' => rewriter.brace(),
            '}' | ']' => rewriter.literal(c),
            _ => rewriter.out.push(c),
        }
    }
    rewriter.out
}

const DIGITS: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACES: &str = r"\t\n\x0c\r ";

struct Rewriter<'a> {
    rest: &'a str,
    out: String,
}

impl Rewriter<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        Some(next)
    }

    /// A character that stands for itself.
    fn literal(&mut self, c: char) {
        if c.is_ascii_punctuation() && c != '<' && c != '>' {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// What follows a backslash outside classes.
    fn escape(&mut self) {
        match self.rest.chars().next() {
            Some('Q') => self.quoted(),
            // Of `regex` itself these are more: `\b{start}`.
            Some(c @ ('b' | 'B')) => {
                self.next();
                self.out.push_str("(?-u:\\");
                self.out.push(c);
                self.out.push(')');
            }
            _ => self.escape_anywhere(),
        }
    }

    /// `\Q..\E`, or up to the end.
    fn quoted(&mut self) {
        let text = &self.rest[1..];
        let (quoted, rest) = text.split_once("\\E").unwrap_or((text, ""));
        for c in quoted.chars() {
            self.literal(c);
        }
        self.rest = rest;
    }

    /// What follows a backslash, in a class or outside. What RE2 does not know is left to the parser.
    fn escape_anywhere(&mut self) {
        let Some(c) = self.next() else {
            self.out.push('\\');
            return;
        };
        let set = |negated: &str, class: &str| format!("[{negated}{class}]");
        match c {
            'd' => self.out.push_str(&set("", DIGITS)),
            'w' => self.out.push_str(&set("", WORD)),
            's' => self.out.push_str(&set("", SPACES)),
            'D' => self.out.push_str(&set("^", DIGITS)),
            'W' => self.out.push_str(&set("^", WORD)),
            'S' => self.out.push_str(&set("^", SPACES)),
            'p' | 'P' => self.property(c),
            'x' => {
                self.out.push_str("\\x");
                self.braced();
            }
            '0'..='7' => self.octal(c),
            _ if c.is_ascii_punctuation() => self.literal(c),
            _ => {
                self.out.push('\\');
                self.out.push(c);
            }
        }
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`.
    fn property(&mut self, letter: char) {
        let mut letter = letter;
        if let Some(rest) = self.rest.strip_prefix("{^") {
            letter = if letter == 'p' { 'P' } else { 'p' };
            self.out.push('\\');
            self.out.push(letter);
            self.out.push('{');
            self.rest = rest;
        } else {
            self.out.push('\\');
            self.out.push(letter);
            if !self.rest.starts_with('{') {
                return;
            }
        }
        self.braced();
    }

    /// Copies up to `}`, if there is a `{`; the inside of one that was opened already is copied, too.
    fn braced(&mut self) {
        if !self.rest.starts_with('{') && !self.out.ends_with('{') {
            return;
        }
        let end = self.rest.find('}').map_or(self.rest.len(), |at| at + 1);
        self.out.push_str(&self.rest[..end]);
        self.rest = &self.rest[end..];
    }

    /// `\0`, `\12`, `\123`. `\1` alone would refer back, which neither language can.
    fn octal(&mut self, first: char) {
        let digits = self.rest.bytes().take(2);
        let more = digits.take_while(|b| (b'0'..=b'7').contains(b)).count();
        if first != '0' && more == 0 {
            self.out.push('\\');
            self.out.push(first);
            return;
        }
        let mut code = u32::from(first) - u32::from('0');
        for _ in 0..more {
            let digit = self.next().and_then(|c| c.to_digit(8)).unwrap_or(0);
            code = code * 8 + digit;
        }
        // A String takes all of it.
        let _ = write!(self.out, "\\x{{{code:x}}}");
    }

    /// A `{`: `{2}`, `{2,}` and `{2,5}` repeat, anything else is a text.
    fn brace(&mut self) {
        match repetition(self.rest) {
            Some(end) => {
                self.out.push('{');
                self.out.push_str(&self.rest[..end]);
                self.rest = &self.rest[end..];
            }
            None => self.literal('{'),
        }
    }

    /// A class, whose `[` has been read. One without an end stays without, and the parser says so.
    fn class(&mut self) {
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        let mut is_first = true;
        while let Some(c) = self.next() {
            match c {
                ']' if !is_first => {
                    self.out.push(']');
                    return;
                }
                '[' => self.bracket_in_class(),
                '\\' => self.escape_anywhere(),
                _ => self.literal(c),
            }
            self.class_range();
            is_first = false;
        }
    }

    /// A `[` in a class is `[:alpha:]`, or itself.
    fn bracket_in_class(&mut self) {
        let named = self.rest.strip_prefix(':').and_then(|name| name.find(":]"));
        let Some(end) = named.map(|at| at + 3) else {
            return self.literal('[');
        };
        self.out.push('[');
        self.out.push_str(&self.rest[..end]);
        self.rest = &self.rest[end..];
    }

    /// Behind an item of a class: the `-` of a range and its end. A `-` elsewhere is itself.
    fn class_range(&mut self) {
        let Some(rest) = self.rest.strip_prefix('-') else {
            return;
        };
        // The last `-` is itself, and so is one behind a set: `[\d-z]`.
        if rest.starts_with(']') || self.out.ends_with(']') && !self.out.ends_with("\\]") {
            return;
        }
        self.rest = rest;
        self.out.push('-');
        match self.next() {
            Some('\\') => self.escape_anywhere(),
            Some(c) => self.literal(c),
            None => {}
        }
    }
}

/// Where `2}`, `2,}` or `2,5}` ends at the start of `text`. Numbers with leading zeros do not count.
fn repetition(text: &str) -> Option<usize> {
    let number = |at: usize| {
        let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
        let padded = digits > 1 && text.as_bytes()[at] == b'0';
        (!padded).then_some(at + digits)
    };
    let mut end = number(0).filter(|end| *end > 0)?;
    if text[end..].starts_with(',') {
        end = number(end + 1)?;
    }
    text[end..].starts_with('}').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `yes` match `pattern`, `no` do not.
    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let regex = whole_value(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        for value in yes {
            assert!(regex.is_match(value), "{pattern} should match {value:?}");
        }
        for value in no {
            assert!(!regex.is_match(value), "{pattern} matches {value:?}");
        }
    }

    #[test]
    fn classes_with_names_are_ascii() {
        check(r"\d+", &["19"], &["٣"]);
        check(r"[\d.]+", &["1.5"], &["٣"]);
        check(r"\w", &["a", "_"], &["ü"]);
        check(r"\W", &["ü", "-"], &["a"]);
        check(r"[\W\d]", &["ü", "1"], &["a"]);
        check(r"[^\W]", &["a"], &["ü"]);
        check(r"\s", &[" ", "\n"], &["\u{a0}", "\u{b}"]);
        check(r"\S", &["\u{a0}"], &[" "]);
        check(r"ä\bb", &["äb"], &[]);
        check(r"ä\B\.", &["ä."], &[]);
        check(r"\b{start}", &[], &["{start}"]);
        check(r"a\\d", &[r"a\d"], &["a1"]);
        check("[[:alpha:]-]+", &["a-b"], &["1", ":"]);
        check("[[:^alpha:]]", &["1"], &["a"]);
    }

    #[test]
    fn operators_of_classes_are_texts() {
        check("[[]", &["["], &["]"]);
        check("[^[]", &["a"], &["["]);
        check("[]a]+", &["]a"], &["["]);
        check("[^]]", &["["], &["]"]);
        check("[a[b]+", &["[ab"], &["]"]);
        check("[a&&b]+", &["a&b"], &["c"]);
        check("[a~~b]+", &["a~b"], &["c"]);
        check("[+--]+", &["+,-"], &["."]);
        check("[a-]+", &["a-"], &["b"]);
        check("[-a]+", &["a-"], &["b"]);
        check(r"[\d-z]+", &["1-z"], &["a"]);
        check(r"[\]-a]+", &["]^a"], &["-"]);
        check(r"[a-c-e]+", &["b-e"], &["d"]);
        check("[[:]+", &["[:"], &["]"]);
        check("[ #]+", &["# "], &["a"]);
    }

    #[test]
    fn a_brace_that_repeats_nothing_is_a_text() {
        check("{", &["{"], &[""]);
        check("a{", &["a{"], &["a"]);
        check("a{x}", &["a{x}"], &["ax"]);
        check("a{,5}", &["a{,5}"], &["aa"]);
        check("a{01}", &["a{01}"], &["a"]);
        check("a{2}", &["aa"], &["a", "a{2}"]);
        check("a{1,}b", &["aab"], &["b"]);
        check("a{1,2}?", &["a", "aa"], &["aaa"]);
        check("{}]", &["{}]"], &[]);
    }

    #[test]
    fn quotes_escapes_and_groups_are_those_of_re2() {
        check(r"\Qa.b*[\E.", &["a.b*[x"], &["axb*[x"]);
        check(r"a\Q.*", &["a.*"], &["ab"]);
        check(r"\Q\\E+", &[r"\\"], &["E"]);
        check(r"\<a\>", &["<a>"], &["a"]);
        check(r"\_\-\ ", &["_- "], &[]);
        check(r"\101\0", &["A\0"], &["101"]);
        check(r"\x41\x{42}", &["AB"], &[]);
        check(r"\p{Greek}\pL\P{^L}[\p{^L}]", &["αbc1"], &["aaaa"]);
        check("(?P<n>a)(?<m>b)(?i:c)(?:d)", &["abCd"], &["abcD"]);
        check("a.b", &["a\nb"], &[]);
        check("a|b", &["a", "b"], &["ab"]);
    }

    #[test]
    fn what_is_no_pattern_by_itself_is_none() {
        for pattern in [
            "(", "a)|(b", "[a", "[", "[^", r"\", r"[\", "*", r"\1", "[b-a]", "a{2,1}",
        ] {
            assert!(whole_value(pattern).is_err(), "{pattern}");
        }
    }

    /// Short texts of what the rewriter looks at: none of them makes it, or the parser behind it, panic.
    #[test]
    fn no_pattern_panics() {
        const PIECES: [&str; 18] = [
            "\\", "[", "]", "^", "-", "{", "}", ",", "0", "a", "ä", "Q", "E", "p", "x", "[:", ":]",
            "&&",
        ];
        let mut patterns = vec![String::new()];
        for _ in 0..3 {
            patterns = patterns
                .iter()
                .flat_map(|start| PIECES.iter().map(move |piece| format!("{start}{piece}")))
                .collect();
            for pattern in &patterns {
                let _ = whole_value(pattern);
            }
        }
        for pattern in &patterns {
            for piece in PIECES {
                let _ = rewrite(&format!("{pattern}{piece}"));
            }
        }
    }
}
