//! Hostile texts: refused by the limit's name, at once, without deep recursion.

use std::fmt::Write as _;

use bellwether_lang::promql::ast::ExprKind;
use bellwether_lang::promql::{Expr, parse, parse_series_line, parse_with_lets};
use bellwether_model::limits;

/// The stack of a thread that serves requests; the parser and the drop of its trees need a part of it.
const STACK: usize = 2 << 20;

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(STACK / 2)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

fn refusal(text: &str) -> String {
    parse(text).expect_err("a hostile text").to_string()
}

/// What comes first, and what comes again and again.
const BOMBS: [(&str, &str); 13] = [
    ("", "("),
    ("", "-"),
    ("", "+"),
    ("", "abs("),
    ("", "sum by (a) ("),
    ("a", "+a"),
    ("a", "^a"),
    ("a", " or {a=\"b\"}"),
    ("a[", "("),
    ("a[", "-"),
    ("a[1", "^1"),
    ("a offset ", "-"),
    ("a offset ", "("),
];

#[test]
fn a_million_of_anything_is_refused_by_its_length() {
    for (first, bomb) in BOMBS
        .into_iter()
        .chain([("", "a[1m:"), ("", "[1m:]"), ("", "{")])
    {
        let message = refusal(&format!("{first}{}", bomb.repeat(1_000_000)));
        assert!(message.contains("query.max_len"), "{bomb}: {message}");
    }
}

#[test]
fn sixteen_kib_of_anything_is_refused_by_its_depth() {
    on_a_small_stack(|| {
        for (first, bomb) in BOMBS {
            let times = limits::QUERY_LEN_MAX.usize() / bomb.len() - first.len();
            let message = refusal(&format!("{first}{}", bomb.repeat(times)));
            assert!(message.contains("query.max_depth"), "{bomb}: {message}");
        }
    });
}

#[test]
fn long_chains_are_refused_by_their_depth() {
    on_a_small_stack(|| {
        for (first, more) in [("a", " + a"), ("a", " ^ a"), ("1", " - 1"), ("a", " or a")] {
            let text = format!("{first}{}", more.repeat(1000));
            assert!(refusal(&text).contains("query.max_depth"), "{more}");
            let fits = format!("{first}{}", more.repeat(127));
            let expr = parse(&fits).unwrap();
            assert_eq!(parse(&expr.to_string()), Ok(expr));
        }
    });
}

#[test]
fn the_deepest_trees_are_read_printed_and_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        for (open, core, close) in [
            ("(", "1", ")"),
            ("abs(", "x", ")"),
            ("- (", "x", ")"),
            ("sum by (a) (", "x", ")"),
            ("1 + (", "1", ")"),
            ("label_replace(", "x", ", 'a', 'b', 'c', 'd')"),
        ] {
            let depth_of = |n: usize| format!("{}{core}{}", open.repeat(n), close.repeat(n));
            let deepest = (0..200)
                .rev()
                .find_map(|n| parse(&depth_of(n)).ok())
                .unwrap();
            let printed = deepest.to_string();
            assert_eq!(parse(&printed), Ok(deepest.clone()), "{open}");
            assert!(format!("{deepest:?}").len() > printed.len());
        }
    });
}

#[test]
fn many_small_parts_are_refused_by_their_number() {
    let mut args = String::new();
    for _ in 0..2100 {
        args.push_str(",'x'");
    }
    let message = refusal(&format!("label_join(x, 'a', 'b'{args})"));
    assert!(message.contains("query.max_nodes"), "{message}");
}

#[test]
fn many_patterns_are_refused_by_their_number() {
    let mut braces = String::new();
    for i in 0..33 {
        write!(braces, "l{i}=~\"x.*\",").unwrap();
    }
    let message = refusal(&format!("a{{{braces}}}"));
    assert!(message.contains("regex.per_query"), "{message}");
}

#[test]
fn a_pattern_that_costs_too_much_is_refused_where_it_stands() {
    let text = format!("up{{a=~\"{}\"}}", "(".repeat(3000));
    let error = parse(&text).expect_err("a hostile pattern");
    assert_eq!(error.span.start, 6, "{error}");
    let large = parse("up{a=~\"(?:a?){2000}a{2000}\"}").expect_err("a hostile pattern");
    assert!(large.message.contains("regex.size"), "{large}");
}

#[test]
fn lets_cannot_grow_beyond_the_limits() {
    let doubled = |n: usize| (0..n).fold(parse("a").unwrap(), |e, _| double(&e));
    let lets = |name: &str| (name == "big").then(|| doubled(7));
    assert!(parse_with_lets("$big + $big", 0, &lets).is_ok());
    let text = ["$big"; 5].join(" + ");
    let error = parse_with_lets(&text, 0, &lets).expect_err("five times 500 nodes");
    assert!(error[0].message.contains("query.max_nodes"), "{error:?}");
    let deep = parse(&format!("{}a{}", "(".repeat(120), ")".repeat(120))).unwrap();
    let lets = |_: &str| Some(deep.clone());
    let text = format!("{}$a{}", "(".repeat(20), ")".repeat(20));
    let error = parse_with_lets(&text, 0, &lets).expect_err("140 levels");
    assert!(error[0].message.contains("query.max_depth"), "{error:?}");
}

/// `(x) + (x)`
fn double(expr: &Expr) -> Expr {
    let lets = |_: &str| Some(expr.clone());
    let sum = parse_with_lets("$x + $x", 0, &lets).unwrap();
    let ExprKind::Binary(_) = sum.kind else {
        panic!("a sum");
    };
    sum
}

#[test]
fn series_lines_do_not_unfold_without_end() {
    for line in [
        "m 1x100000000",
        "m 1x99999999999999999999",
        "m _x18446744073709551615",
    ] {
        assert!(parse_series_line(line).is_err(), "{line}");
    }
    let long = format!("m {}", "1 ".repeat(100_000));
    let error = parse_series_line(&long).expect_err("200 KB");
    assert!(error.message.contains("ingest.max_line"), "{error}");
}
