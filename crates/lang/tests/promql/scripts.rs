//! Our own cases as text: `*.txt` beside this file, a query and what becomes of it.
//!
//! A line `> ...` is a query (several in a row are one query of several lines). What follows, up to the next
//! blank line, is written by this test: the printed form after `=` (in several lines after `-`, if it is long) and the tree,
//! or the message under the place. `UPDATE_EXPECT=1` rewrites the files; the change is then reviewed like code.

use std::fmt::Write as _;
use std::path::Path;

use bellwether_lang::promql::ast::{
    Aggregate, Binary, DurationExpr, Expr, ExprKind, Grouping, Modifiers, VectorSelector,
};
use bellwether_lang::promql::error::line_and_column;
use bellwether_lang::promql::{ParseError, parse};

#[test]
#[expect(clippy::disallowed_methods, reason = "scripts are files")]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            count += check_file(&path);
        }
    }
    assert!(count >= 100, "only {count} queries");
}

#[expect(clippy::disallowed_methods, reason = "scripts are files")]
fn check_file(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let mut out = String::new();
    let mut count = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(first) = line.strip_prefix("> ") else {
            continue;
        };
        let mut query = first.to_string();
        while let Some(more) = lines.next_if(|l| l.starts_with("> ")) {
            writeln!(out, "{more}").unwrap();
            query.push('\n');
            query.push_str(&more[2..]);
        }
        while lines.next_if(|l| !l.trim().is_empty()).is_some() {}
        answer(&query, &mut out);
        count += 1;
    }
    expect_test::expect_file![path].assert_eq(&out);
    count
}

fn answer(query: &str, out: &mut String) {
    match parse(query) {
        Err(e) => draw(query, &e, out),
        Ok(expr) => {
            writeln!(out, "= {expr}").unwrap();
            let pretty = expr.pretty();
            if pretty.contains('\n') {
                pretty
                    .lines()
                    .for_each(|line| writeln!(out, "- {line}").unwrap());
            }
            assert_eq!(parse(&pretty).as_ref(), Ok(&expr), "{pretty}");
            dump(&expr, 1, out);
            assert_eq!(parse(&expr.to_string()).as_ref(), Ok(&expr), "{query}");
        }
    }
}

/// The message under carets; above it the line when it is not the last one.
fn draw(query: &str, error: &ParseError, out: &mut String) {
    let (line, column) = line_and_column(query, error.span.start);
    if line != query.lines().count().max(1) {
        writeln!(out, "| {}", query.lines().nth(line - 1).unwrap_or("")).unwrap();
    }
    let under = query.get(error.span.start..error.span.end).unwrap_or("");
    let width = under.lines().next().map_or(0, |l| l.chars().count()).max(1);
    let indent = " ".repeat(column + 1);
    writeln!(
        out,
        "{indent}{} {line}:{column}: {}",
        "^".repeat(width),
        error.message
    )
    .unwrap();
    if let Some(help) = &error.help {
        writeln!(out, "{indent}help: {help}").unwrap();
    }
}

/// One node a line, children indented, with the place of each.
fn dump(expr: &Expr, level: usize, out: &mut String) {
    let indent = "  ".repeat(level);
    let (start, end) = (expr.span.start, expr.span.end);
    writeln!(out, "{indent}{} {start}..{end}", title(expr)).unwrap();
    for child in expr.children() {
        dump(child, level + 1, out);
    }
}

fn title(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number(n) if n.is_duration => format!("number {} (duration)", n.value),
        ExprKind::Number(n) => format!("number {}", n.value),
        ExprKind::String(s) => format!("string {s:?}"),
        ExprKind::Selector(s) => format!("selector {}", selector(s)),
        ExprKind::Range(r) => format!("range {} of {}", duration(&r.range), selector(&r.selector)),
        ExprKind::Subquery(s) => {
            let step = s.step.as_ref().map_or("default".into(), duration);
            format!(
                "subquery {} step {step}{}",
                duration(&s.range),
                modifiers(&s.at)
            )
        }
        ExprKind::Unary(op, _) => format!("unary {op:?}"),
        ExprKind::Binary(b) => binary(b),
        ExprKind::Aggregate(Aggregate { op, grouping, .. }) => match grouping {
            Grouping::By(labels) => format!("{} by {labels:?}", op.text()),
            Grouping::Without(labels) => format!("{} without {labels:?}", op.text()),
        },
        ExprKind::Call(call) => format!("call {}", call.function.name),
        ExprKind::Paren(_) => "paren".into(),
        ExprKind::StepValue(value) => format!("{value:?}").to_lowercase(),
    }
}

fn selector(s: &VectorSelector) -> String {
    let mut text = format!("{:?}", s.matchers);
    if let Some(name) = &s.name {
        write!(text, " named {name:?}").unwrap();
    }
    if let Some(extended) = s.extended {
        write!(text, " {extended:?}").unwrap();
    }
    text.push_str(&modifiers(&s.at));
    text
}

fn modifiers(m: &Modifiers) -> String {
    let offset = m
        .offset
        .as_ref()
        .map(|o| format!(" offset {}", duration(o)));
    let at = m.at.map(|at| format!(" at {at:?}"));
    [offset, at].into_iter().flatten().collect()
}

fn duration(d: &DurationExpr) -> String {
    match d {
        DurationExpr::Const(ms) => format!("{}ms", ms.0),
        DurationExpr::Dynamic(e) => format!("`{e}`"),
    }
}

fn binary(b: &Binary) -> String {
    let bool = if b.return_bool { " bool" } else { "" };
    let matching = b.matching.as_ref().map_or(String::new(), |m| {
        let on = if m.on { "on" } else { "ignoring" };
        let mut text = format!(" {:?} {on} {:?}", m.card, m.labels);
        if !m.include.is_empty() {
            write!(text, " include {:?}", m.include).unwrap();
        }
        if m.fill.left.is_some() || m.fill.right.is_some() {
            write!(text, " fill {:?} {:?}", m.fill.left, m.fill.right).unwrap();
        }
        text
    });
    format!("binary {}{bool}{matching}", b.op.text())
}
