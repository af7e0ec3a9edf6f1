//! Selectors, matchers and lists of labels.
//!
//! A metric's name stands before the braces or, quoted, inside them; it is a matcher like the others, the first
//! one. Not here: what follows a selector (`parse.rs`).

use bellwether_model::{METRIC_NAME, MatchOp, Matcher, limits};

use super::ast::{ExprKind, Modifiers, Span, VectorSelector};
use super::error::ParseError;
use super::lex::{self, Colon, Token};
use super::parser::{Node, Parser};
use super::quote::unquote;

/// Reads `{a="b", c=~"d"}`, nothing before or after it. The braces may be empty.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text, 0, &limits::QUERY_LEN_MAX, None)?;
    let read = parser.matchers();
    parser.first(read)
}

/// As [`parse_matchers`], for a part of a file that begins at byte `at` of it; with every mistake behind which the
/// text can be read on.
pub fn parse_matchers_part(text: &str, at: usize) -> Result<Vec<Matcher>, Vec<ParseError>> {
    let mut parser = Parser::new(text, at, &limits::QUERY_LEN_MAX, None).map_err(|e| vec![e])?;
    let read = parser.matchers();
    match parser.all(read) {
        (Some(read), mistakes) if mistakes.is_empty() => Ok(read),
        (_, mistakes) => Err(mistakes),
    }
}

/// Reads one selector as `match[]` takes it: `up{job="api"}`, without range or shift. At least one matcher
/// refuses the empty value, so that no selector stands for everything there is.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text, 0, &limits::QUERY_LEN_MAX, None)?;
    let read = parser.lone_selector();
    parser.first(read)
}

/// What stands between braces.
struct Braces {
    items: Vec<Item>,
}

enum Item {
    /// A quoted text alone: the metric's name.
    Name(String),
    Matcher(Matcher),
}

impl Braces {
    fn into_matchers(self) -> Vec<Matcher> {
        let matcher = |item| match item {
            Item::Name(name) => Matcher::equal(METRIC_NAME, &name),
            Item::Matcher(matcher) => matcher,
        };
        self.items.into_iter().map(matcher).collect()
    }
}

impl Parser<'_> {
    /// Braces and nothing around them.
    fn matchers(&mut self) -> Result<Vec<Matcher>, ParseError> {
        if !self.at("{")? {
            return Err(self.unexpected("label matching", "`{`"));
        }
        let matchers = self.braces()?.into_matchers();
        self.finish()?;
        Ok(matchers)
    }

    /// A selector and nothing behind it.
    fn lone_selector(&mut self) -> Result<Vec<Matcher>, ParseError> {
        let (token, span) = (self.peek()?, self.peek_span()?);
        let node = match token {
            Token::Symbol("{") => self.selector(None)?,
            Token::Word(word) => {
                self.next()?;
                self.selector(Some((word, span)))?
            }
            _ => return Err(self.unexpected("", "a metric name or `{`")),
        };
        self.finish()?;
        match node.expr.kind {
            ExprKind::Selector(selector) => Ok(selector.matchers),
            // `Parser::selector` makes nothing else.
            _ => Err(ParseError::new(span, "expected a selector")),
        }
    }

    /// A selector from the name (already taken) or the braces on.
    pub(super) fn selector(&mut self, name: Option<(&str, Span)>) -> Result<Node, ParseError> {
        let labels_only = std::mem::take(&mut self.labels_only);
        let start = match name {
            Some((_, span)) => span.start,
            None => self.peek_span()?.start,
        };
        let told = self.told();
        let braces = if self.at("{")? {
            Some(self.braces()?)
        } else {
            None
        };
        let end = self.end();
        let span = Span { start, end };
        let (name, matchers) = match (name, braces) {
            (Some((name, _)), braces) => named(name, braces, span)?,
            (None, Some(braces)) if labels_only => (None, braces.into_matchers()),
            // A matcher that was told to be wrong may have been the one that is needed.
            (None, Some(braces)) if self.told() > told => (None, braces.into_matchers()),
            (None, Some(braces)) => unnamed(braces, span)?,
            (None, None) => return Err(self.unexpected("", "a metric name or `{`")),
        };
        let kind = ExprKind::Selector(VectorSelector {
            name,
            matchers,
            at: Modifiers::default(),
            extended: None,
        });
        self.node(kind, span, 0)
    }

    fn braces(&mut self) -> Result<Braces, ParseError> {
        self.next()?;
        self.set_colon(Colon::Separates);
        let mut items = Vec::new();
        while !self.at("}")? {
            items.extend(self.brace_item()?);
            if !self.take(",")? && !self.at("}")? {
                return Err(self.unexpected("label matching", "`,` or `}`"));
            }
        }
        self.next()?;
        self.set_colon(Colon::InWords);
        Ok(Braces { items })
    }

    /// A name or a matcher; `None` when it is told that its pattern is none.
    fn brace_item(&mut self) -> Result<Option<Item>, ParseError> {
        const DIGIT_FIRST: &str = "quote a name that starts with a digit";
        // `0a` is a bad number, which is not what was meant here.
        let token = self.peek().map_err(|e| {
            if lex::blanks(self.rest()).starts_with(|c: char| c.is_ascii_digit()) {
                e.help(DIGIT_FIRST)
            } else {
                e
            }
        })?;
        let (name, quoted) = match token {
            Token::Word(word) => {
                self.next()?;
                (word.to_string(), false)
            }
            Token::Quoted(_) => (self.string("label matching")?.0, true),
            token => {
                let error = self.unexpected("label matching", "a label name or `}`");
                return Err(match token {
                    Token::Number(_) | Token::Duration(_) => error.help(DIGIT_FIRST),
                    _ => error,
                });
            }
        };
        let Some(op) = self.match_op()? else {
            if quoted {
                return Ok(Some(Item::Name(name)));
            }
            let error = self.unexpected("label matching", "`=`, `!=`, `=~` or `!~`");
            return Err(match self.peek()? {
                Token::Symbol("==") => error.help("labels are compared with a single `=`"),
                Token::Symbol("," | "}") => {
                    error.help("a metric's name inside braces is quoted: `{\"name\"}`")
                }
                Token::Symbol("<" | "<=" | ">" | ">=") => {
                    error.help("labels are texts: they have no order")
                }
                _ => error,
            });
        };
        let is_pattern = matches!(op, MatchOp::Regex | MatchOp::NotRegex);
        let (value, span) = self.string("label matching").map_err(|e| {
            if e.help.is_some() {
                e
            } else {
                e.help(format!("write the value in quotes: `{name}{op}\"...\"`"))
            }
        })?;
        if is_pattern {
            self.count_pattern(span)?;
        }
        match Matcher::new(op, &name, &value) {
            Ok(matcher) => Ok(Some(Item::Matcher(matcher))),
            Err(error) => {
                self.tell(ParseError::new(span, error.to_string()));
                Ok(None)
            }
        }
    }

    fn match_op(&mut self) -> Result<Option<MatchOp>, ParseError> {
        let op = match self.peek()? {
            Token::Symbol("=") => MatchOp::Equal,
            Token::Symbol("!=") => MatchOp::NotEqual,
            Token::Symbol("=~") => MatchOp::Regex,
            Token::Symbol("!~") => MatchOp::NotRegex,
            _ => return Ok(None),
        };
        self.next()?;
        Ok(Some(op))
    }

    /// Takes a quoted text and reads it.
    pub(super) fn string(&mut self, place: &str) -> Result<(String, Span), ParseError> {
        let Token::Quoted(raw) = self.peek()? else {
            return Err(self.unexpected(place, "a string"));
        };
        let (_, span) = self.next()?;
        Ok((unquote(raw, span)?, span))
    }

    /// `(a, "b.c", d,)`: any word is a label's name here, keywords too.
    pub(super) fn label_list(&mut self, place: &str) -> Result<Vec<String>, ParseError> {
        self.expect("(", place, "`(`")?;
        let mut labels = Vec::new();
        while !self.at(")")? {
            match self.peek()? {
                Token::Word(word) => {
                    self.next()?;
                    labels.push(word.to_string());
                }
                Token::Quoted(_) => labels.push(self.string(place)?.0),
                Token::End => return Err(self.unexpected(place, "a label or `)`")),
                _ => return Err(self.unexpected(place, "a label")),
            }
            if !self.take(",")? && !self.at(")")? {
                return Err(self.unexpected(place, "`,` or `)`"));
            }
        }
        self.next()?;
        Ok(labels)
    }

    /// `{a="b", "c.d"="e", "name"}`: names and values of labels, as they identify a series.
    pub(super) fn label_pairs(&mut self) -> Result<Vec<(String, String)>, ParseError> {
        const PLACE: &str = "label set";
        self.expect("{", PLACE, "`{`")?;
        self.set_colon(Colon::Separates);
        let mut pairs = Vec::new();
        while !self.at("}")? {
            let (name, quoted) = match self.peek()? {
                Token::Word(word) => {
                    self.next()?;
                    (word.to_string(), false)
                }
                Token::Quoted(_) => (self.string(PLACE)?.0, true),
                _ => return Err(self.unexpected(PLACE, "a label name or `}`")),
            };
            if quoted && !self.at("=")? {
                pairs.push((METRIC_NAME.to_string(), name));
            } else {
                self.expect("=", PLACE, "`=`")?;
                pairs.push((name, self.string(PLACE)?.0));
            }
            if !self.take(",")? && !self.at("}")? {
                return Err(self.unexpected(PLACE, "`,` or `}`"));
            }
        }
        self.next()?;
        self.set_colon(Colon::InWords);
        Ok(pairs)
    }

    /// Fails unless the whole text has been taken.
    pub(super) fn finish(&mut self) -> Result<(), ParseError> {
        match self.peek()? {
            Token::End => Ok(()),
            _ => Err(self.unexpected("", "the end of the selector")),
        }
    }
}

/// What a selector says, and the metric that it names.
type Named = (Option<String>, Vec<Matcher>);

/// A selector whose name stands before the braces, if there are any.
fn named(name: &str, braces: Option<Braces>, span: Span) -> Result<Named, ParseError> {
    let inside = braces.map(Braces::into_matchers).unwrap_or_default();
    if let Some(second) = inside.iter().find(|m| m.name() == METRIC_NAME) {
        return Err(ParseError::new(
            span,
            format!(
                "metric name must not be set twice: {name:?} or {:?}",
                second.value()
            ),
        ));
    }
    let mut matchers = Vec::with_capacity(1 + inside.len());
    matchers.push(Matcher::equal(METRIC_NAME, name));
    matchers.extend(inside);
    Ok((Some(name.to_string()), matchers))
}

/// A selector of braces alone. A quoted name inside is *the* name unless another matcher speaks of it too.
fn unnamed(mut braces: Braces, span: Span) -> Result<Named, ParseError> {
    let speaks_of_name = |item: &&Item| match item {
        Item::Name(_) => true,
        Item::Matcher(m) => m.name() == METRIC_NAME,
    };
    let alone = braces.items.iter().filter(speaks_of_name).count() == 1;
    let at = braces
        .items
        .iter()
        .position(|item| matches!(item, Item::Name(name) if !name.is_empty()));
    let mut name = None;
    if let (true, Some(at)) = (alone, at) {
        // The name comes first, wherever it was written.
        braces.items[..=at].rotate_right(1);
        if let Item::Name(text) = &braces.items[0] {
            name = Some(text.clone());
        }
    }
    let matchers = braces.into_matchers();
    if matchers.iter().all(Matcher::matches_empty) {
        return Err(ParseError::new(
            span,
            "vector selector must contain at least one non-empty matcher",
        )
        .help(
            "name a metric, or a label with a value: a pattern that matches the empty text is none",
        ));
    }
    Ok((name, matchers))
}
