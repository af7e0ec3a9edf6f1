//! Events of the YAML parser, put together to trees.

use bellwether_model::limits;
use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{Node, Place, Value};

/// A file that could be read.
#[derive(Debug)]
pub(crate) struct Read {
    /// One root a document; empty documents are left out.
    pub(crate) documents: Vec<Node>,
    comments: Vec<Line>,
}

/// What stands on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// A comment alone, without its `#`.
    Comment(String),
    Other,
}

impl Read {
    /// The comment lines directly above `line`, first to last.
    pub(crate) fn comments_above(&self, line: u32) -> Vec<&str> {
        let above = &self.comments[..(line as usize).saturating_sub(1).min(self.comments.len())];
        let mut found: Vec<&str> = above
            .iter()
            .rev()
            .map_while(|line| match line {
                Line::Comment(text) => Some(text.as_str()),
                Line::Other => None,
            })
            .collect();
        found.reverse();
        found
    }
}

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Reads the bytes of a file.
pub(crate) fn read(bytes: &[u8]) -> Result<Read, Unreadable> {
    let at_start = |message: String| Unreadable {
        place: Place { line: 1, column: 1 },
        message,
    };
    let limit = limits::IMPORT_FILE_MAX;
    if bytes.len() > limit.usize() {
        let len = bytes.len();
        let message = format!(
            "the file has {len} bytes, {} allows {}",
            limit.name, limit.value
        );
        return Err(at_start(message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| not_text(bytes, error.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str(text) {
        let event = event.map_err(|error| Unreadable {
            place: place(error.marker().line(), error.marker().col()),
            message: format!("not YAML: {}", error.kind()),
        });
        let read = event.and_then(|(event, span)| builder.event(event, span));
        read.map_err(|error| explained(text, error))?;
    }
    Ok(builder.finish())
}

/// What cannot be read, by its reason where that is plain: tabs, and templates that were not filled in.
fn explained(text: &str, error: Unreadable) -> Unreadable {
    let lines: Vec<&str> = text.lines().take(error.place.line as usize + 1).collect();
    let near = lines.len().saturating_sub(3);
    let at = |line: usize, byte: usize| Place {
        line: u32::try_from(line + 1).unwrap_or(u32::MAX),
        column: u32::try_from(lines[line][..byte].chars().count() + 1).unwrap_or(u32::MAX),
    };
    let numbered = || lines.iter().enumerate();
    // A template of its own begins a line or a value; those of Prometheus stand inside of texts.
    let helm = numbered().find_map(|(number, line)| {
        let byte = line.find("{{")?;
        let code = line[byte + 2..].trim_start_matches('-').trim_start();
        let own = [
            ".Values",
            ".Release",
            ".Chart",
            ".Capabilities",
            "include ",
            "template ",
        ];
        let is_bare = matches!(
            line[..byte].trim_end().chars().last(),
            None | Some(':' | '-')
        );
        let is_own = own.iter().any(|word| code.starts_with(word));
        (is_bare && (is_own || number >= near)).then(|| at(number, byte))
    });
    if let Some(place) = helm {
        let message = "a template of a Helm chart, which is no YAML yet: import what `helm template` makes of it";
        return Unreadable {
            place,
            message: message.to_owned(),
        };
    }
    let tab = numbered().skip(near).find_map(|(number, line)| {
        let blanks = line.len() - line.trim_start().len();
        let byte = line[..blanks].find('\t')?;
        Some(at(number, byte))
    });
    match tab {
        Some(place) => Unreadable {
            place,
            message: "a tab in the indentation: YAML wants blanks there".to_owned(),
        },
        None => error,
    }
}

fn not_text(bytes: &[u8], valid: usize) -> Unreadable {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    Unreadable {
        place: Place { line, column },
        message: format!("not UTF-8: byte 0x{:02x}", bytes[valid]),
    }
}

fn place(line: usize, col: usize) -> Place {
    Place {
        line: u32::try_from(line).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(col).unwrap_or(u32::MAX).saturating_add(1),
    }
}

/// A list or mapping whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// Nodes made before it.
    before: u64,
    /// The key whose value comes next.
    key: Option<Node>,
}

struct Builder<'t> {
    lines: Vec<&'t str>,
    open: Vec<Open>,
    /// Anchored nodes and how many nodes each is. The parser's ids begin at 1.
    anchors: Vec<Option<(Node, u64)>>,
    nodes: u64,
    documents: Vec<Node>,
    /// Lines inside scalars of several lines: nothing there is a comment.
    covered: Vec<bool>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Builder<'t> {
        let lines: Vec<&str> = text.lines().collect();
        Builder {
            covered: vec![false; lines.len()],
            lines,
            open: Vec::new(),
            anchors: Vec::new(),
            nodes: 0,
            documents: Vec::new(),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Unreadable> {
        let at = place(span.start.line(), span.start.col());
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let block = self.block_place(&text, style, span);
                let node = Node {
                    place: at,
                    value: Value::Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain,
                        block,
                    },
                };
                self.count(at, 1)?;
                self.keep(anchor, &node, 1);
                self.put(node);
                Ok(())
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(at, anchor, Value::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => self.begin(at, anchor, Value::Mapping(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => self.alias(at, id),
            Event::DocumentStart(..) | Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            // The others are asked for by options that are not set.
            _ => Ok(()),
        }
    }

    /// Where the first line of a `|` block stands, and marks the lines of every long scalar. The span of a block is
    /// that of its content.
    fn block_place(&mut self, text: &str, style: ScalarStyle, span: Span) -> Option<Place> {
        let first = span.start.line().saturating_sub(1);
        let end = span.end.line() - usize::from(span.end.col() == 0);
        if end > first + 1 || matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            self.covered
                .iter_mut()
                .take(end)
                .skip(first)
                .for_each(|covered| *covered = true);
        }
        let line = self
            .lines
            .get(first)
            .filter(|line| !line.trim().is_empty())?;
        // An indentation that is written (`|2`) makes leading blanks a part of the text: no exact place then.
        let head = first.checked_sub(1).and_then(|head| self.lines.get(head))?;
        let odd = head.trim_end().ends_with(|c: char| c.is_ascii_digit()) || text.starts_with('\n');
        if style != ScalarStyle::Literal || odd {
            return None;
        }
        let indent = line.chars().take_while(|c| *c == ' ').count();
        Some(place(first + 1, indent))
    }

    fn count(&mut self, at: Place, nodes: u64) -> Result<(), Unreadable> {
        self.nodes = self.nodes.saturating_add(nodes);
        let limit = limits::IMPORT_NODES_MAX;
        if self.nodes > limit.value {
            return Err(Unreadable {
                place: at,
                message: format!(
                    "more than {} values ({}), aliases counted as what they stand for",
                    limit.value, limit.name
                ),
            });
        }
        Ok(())
    }

    fn keep(&mut self, anchor: usize, node: &Node, nodes: u64) {
        if anchor == 0 {
            return;
        }
        // Ids grow by one, so this grows with the input at most.
        if self.anchors.len() <= anchor {
            self.anchors.resize_with(anchor + 1, || None);
        }
        self.anchors[anchor] = Some((node.clone(), nodes));
    }

    fn begin(&mut self, at: Place, anchor: usize, value: Value) -> Result<(), Unreadable> {
        let limit = limits::IMPORT_DEPTH_MAX;
        if self.open.len() >= limit.usize() {
            return Err(Unreadable {
                place: at,
                message: format!("nested deeper than {} ({})", limit.value, limit.name),
            });
        }
        let before = self.nodes;
        self.count(at, 1)?;
        self.open.push(Open {
            node: Node { place: at, value },
            anchor,
            before,
            key: None,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        if let Value::Mapping(entries) = &mut open.node.value {
            let merged = merge(std::mem::take(entries))?;
            // What `<<` brought was counted with its alias.
            *entries = merged;
        }
        if open.anchor != 0 {
            // A copy of an anchored node is made here and at each alias: both count.
            let nodes = self.nodes - open.before;
            self.count(open.node.place, nodes)?;
            self.keep(open.anchor, &open.node, nodes);
        }
        self.put(open.node);
        Ok(())
    }

    fn alias(&mut self, at: Place, id: usize) -> Result<(), Unreadable> {
        let Some(Some((node, nodes))) = self.anchors.get(id) else {
            return Err(Unreadable {
                place: at,
                message: "an alias inside the value that it names".into(),
            });
        };
        let nodes = *nodes;
        let depth = depth(node);
        if self.open.len() + depth > limits::IMPORT_DEPTH_MAX.usize() {
            let limit = limits::IMPORT_DEPTH_MAX;
            return Err(Unreadable {
                place: at,
                message: format!("nested deeper than {} ({})", limit.value, limit.name),
            });
        }
        self.count(at, nodes)?;
        // Mistakes in what an alias stands for are told where it stands, once.
        let node = self.anchors[id].as_ref().map(|(node, _)| node.clone());
        if let Some(node) = node {
            self.put(node);
        }
        Ok(())
    }

    fn put(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return;
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::Sequence(items), _) => items.push(node),
            (Value::Mapping(_), None) => open.key = Some(node),
            // Keys that stand twice are looked for when the mapping ends: once, not at every key.
            (Value::Mapping(entries), Some(key)) => entries.push((key, node)),
            (Value::Scalar { .. }, _) => {}
        }
    }

    fn finish(self) -> Read {
        let comments = self
            .lines
            .iter()
            .zip(&self.covered)
            .map(|(line, covered)| match line.trim().strip_prefix('#') {
                Some(text) if !covered => Line::Comment(text.trim().to_owned()),
                _ => Line::Other,
            })
            .collect();
        Read {
            documents: self.documents,
            comments,
        }
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 0,
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Mapping(entries) => {
            1 + entries
                .iter()
                .map(|(key, value)| depth(key).max(depth(value)))
                .max()
                .unwrap_or(0)
        }
    }
}

/// Refuses keys that stand twice, and puts in what `<<` names where the mapping has no key of that name.
fn merge(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Unreadable> {
    let mut seen: std::collections::BTreeMap<String, Place> = std::collections::BTreeMap::new();
    let mut own = Vec::with_capacity(entries.len());
    let mut sources = Vec::new();
    for (key, value) in entries {
        let Value::Scalar { text, .. } = &key.value else {
            return Err(Unreadable {
                place: key.place,
                message: format!("{} as a key", key.kind()),
            });
        };
        if let Some(first) = seen.insert(text.clone(), key.place) {
            return Err(Unreadable {
                place: key.place,
                message: format!("the key `{text}` stands here and in line {}", first.line),
            });
        }
        if text == "<<" {
            match value.value {
                Value::Sequence(items) => sources.extend(items),
                _ => sources.push(value),
            }
        } else {
            own.push((key, value));
        }
    }
    for source in sources {
        let place = source.place;
        let Value::Mapping(entries) = source.value else {
            return Err(Unreadable {
                place,
                message: "`<<` takes a mapping, or a list of them".into(),
            });
        };
        for (key, value) in entries {
            let name = key.text().unwrap_or("").to_owned();
            if let std::collections::btree_map::Entry::Vacant(slot) = seen.entry(name) {
                slot.insert(key.place);
                own.push((key, value));
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = read(text.as_bytes()).unwrap_err();
        let Place { line, column } = error.place;
        format!("{line}:{column}: {}", error.message)
    }

    #[test]
    fn values_know_their_places() {
        let file = read(b"a:\n  - b: 'x y'\n    c: |\n      one\n      two three\n").unwrap();
        let item = match &file.documents[0].get("a").unwrap().value {
            Value::Sequence(items) => &items[0],
            other => panic!("{other:?}"),
        };
        let at = |place: Place| (place.line, place.column);
        assert_eq!(at(item.place), (2, 5));
        let b = item.get("b").unwrap();
        assert_eq!((at(b.place), at(b.place_of(2))), ((2, 8), (2, 11)));
        let c = item.get("c").unwrap();
        assert_eq!(c.text(), Some("one\ntwo three\n"));
        assert_eq!(at(c.place_of(8)), (5, 11));
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let file = read(b"- &x {a: 1, b: 2}\n- *x\n- {<<: *x, b: 3}\n").unwrap();
        let Value::Sequence(items) = &file.documents[0].value else {
            panic!("a list");
        };
        let text = |i: usize, key: &str| items[i].get(key).unwrap().text().unwrap().to_owned();
        assert_eq!(
            (text(1, "a"), text(2, "a"), text(2, "b")),
            ("1".into(), "1".into(), "3".into())
        );
    }

    #[test]
    fn comments_above_a_line_are_found() {
        let file = read(b"# top\n\n# one\n  # two\na: |\n  # text\n  x\nb: 1\n").unwrap();
        assert_eq!(file.comments_above(5), ["one", "two"]);
        assert!(file.comments_above(8).is_empty());
        assert!(file.comments_above(7).is_empty());
    }

    #[test]
    fn mistakes_have_a_place() {
        assert_eq!(
            refused("a: 1\nb: 2\na: 3\n"),
            "3:1: the key `a` stands here and in line 1"
        );
        assert_eq!(
            refused("a: *x\n"),
            "1:4: not YAML: while parsing node, found unknown anchor"
        );
        assert_eq!(
            refused("a: &x [*x]\n"),
            "1:8: an alias inside the value that it names"
        );
        assert_eq!(refused("[a]: 1\n"), "1:1: a list as a key");
        assert_eq!(
            refused("<<: 1\n"),
            "1:5: `<<` takes a mapping, or a list of them"
        );
        let error = read(b"a: b\nc: \xff").unwrap_err();
        assert_eq!((error.place.line, error.place.column), (2, 4));
    }

    #[test]
    fn alias_bombs_and_towers_end_early() {
        let row = |i: usize| match i {
            0 => "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned(),
            _ => format!(
                "a{i}: &a{i} [{}]",
                vec![format!("*a{}", i - 1); 10].join(", ")
            ),
        };
        let bomb: Vec<String> = (0..12).map(row).collect();
        assert!(refused(&bomb.join("\n")).contains("import.nodes"));
        let tower = "[".repeat(100_000);
        assert!(!refused(&tower).is_empty());
        let blocks: Vec<String> = (0..200).map(|i| format!("{}a:", " ".repeat(i))).collect();
        assert!(refused(&blocks.join("\n")).contains("import.depth"));
    }
}
