//! The other ways in: parts of files, lets, matchers, selectors.

use bellwether_lang::promql::ast::{Expr, Span};
use bellwether_lang::promql::{
    parse, parse_matchers, parse_matchers_part, parse_part, parse_selector, parse_with_lets,
};

#[test]
fn places_in_a_part_are_places_in_the_file() {
    let file = "alert Ä\n  expr  up{job=\"a\"} == rate(x)\n";
    let at = file.find("up").unwrap();
    let part = &file[at..].trim_end();
    let error = parse_part(part, at).expect_err("rate of a vector");
    assert_eq!(&file[error.span.start..error.span.end], "x");
    assert!(
        error
            .describe(file)
            .starts_with("2:29: parse error: expected range vector")
    );
    let fine = "up{job=\"a\"}";
    let expr = parse_part(fine, at).unwrap();
    let end = at + fine.len();
    assert_eq!(expr.span, Span { start: at, end });
    let long = parse_part(&" ".repeat(20_000), at).expect_err("20 KB");
    assert!(long.span.start > at && long.span.end == at + 20_000);
    let open = parse_part("up{a=\"\\c\"}", 100).expect_err("a bad escape");
    assert_eq!((open.span.start, open.span.end), (106, 108));
}

/// The lets of these tests.
fn lets(name: &str) -> Option<Expr> {
    let text = match name {
        "errors" => "http_requests_total{code=~\"5..\"}",
        "sum" => "a + b",
        "window" => "5m",
        "ratio" => "0.1",
        "text" => "\"x\"",
        _ => return None,
    };
    Some(parse(text).unwrap())
}

fn with_lets(text: &str) -> String {
    match parse_with_lets(text, 0, &lets) {
        Ok(expr) => expr.to_string(),
        Err(errors) => {
            let told: Vec<String> = errors.iter().map(|e| e.describe(text)).collect();
            told.join("; ")
        }
    }
}

#[test]
fn mistakes_behind_which_a_text_can_be_read_on_are_told_together() {
    for (text, want) in [
        (
            "foo(up) + bar(rate(up))",
            "1:1: unknown function `foo`; 1:11: unknown function `bar`; \
             1:20: expected range vector in call to function \"rate\", got instant vector",
        ),
        // What is made of something unknown is not asked for its type.
        (
            "rate(foo(x)[5m]) + sum(-foo(x)) and foo(1) > 5",
            "1:6: unknown function `foo`; 1:25: unknown function `foo`; 1:37: unknown function `foo`",
        ),
        (
            "foo(x)[5m:] offset 1m + $nope * $neither[$nor]",
            "1:1: unknown function `foo`; 1:25: there is no `let nope`; 1:33: there is no `let neither`; 1:42: there is no `let nor`; 1:1: a binary operator works on scalars and instant vectors, got range vector",
        ),
        (
            "rate(x[5m], 1) / topk(x) + time(1)",
            "1:1: expected 1 argument(s) in call to \"rate\", got 2; 1:18: expected 2 argument(s) in aggregation \"topk\", got 1; 1:28: expected 0 argument(s) in call to \"time\", got 1",
        ),
        (
            "{a=~\"(\"} + b{c=~\"[\", d=~\"ok\"}[5m] + -x[5m]",
            "1:5: bad pattern; 1:17: bad pattern; 1:12: a binary operator works on scalars and instant vectors, got range vector; 1:37: a sign works on scalars and instant vectors, got range vector",
        ),
        (
            "foo(x) + bar(",
            "1:1: unknown function `foo`; 1:10: unknown function `bar`; 1:14: expected an expression, found end of input",
        ),
        (
            "1 > 2 and x",
            "1:3: comparisons between scalars must use BOOL modifier; 1:1: set operator \"and\" not allowed in binary scalar expression",
        ),
    ] {
        let errors = parse_with_lets(text, 0, &lets).unwrap_err();
        let told: Vec<String> = errors
            .iter()
            .map(|e| {
                let column = e.span.start + 1;
                let message = if e.message.contains("regex") {
                    "bad pattern"
                } else {
                    e.message.as_str()
                };
                format!("1:{column}: {message}")
            })
            .collect();
        assert_eq!(told.join("; "), want, "{text}");
        // Without `let`s, the first of them ends the parse.
        if !text.contains('$') {
            assert_eq!(parse(text).unwrap_err(), errors[0], "{text}");
        }
    }
}

#[test]
fn lets_stand_where_expressions_do() {
    for (text, want) in [
        ("$sum * 2", "(a + b) * 2"),
        (
            "$errors / $errors > $ratio",
            "(http_requests_total{code=~\"5..\"}) / (http_requests_total{code=~\"5..\"}) > (0.1)",
        ),
        (
            "rate($errors[$window])",
            "rate(http_requests_total{code=~\"5..\"}[5m])",
        ),
        (
            "$errors offset $window",
            "http_requests_total{code=~\"5..\"} offset 5m",
        ),
        (
            "$errors[1h:$window * 2]",
            "http_requests_total{code=~\"5..\"}[1h:5m * 2]",
        ),
        ("$sum[1h:]", "(a + b)[1h:]"),
        ("$window + 1", "(5m) + 1"),
        ("sum by (job) ($sum)", "sum by (job) ((a + b))"),
        (
            "$non + 1",
            "1:1: parse error: there is no `let non` (define it: `let non = ...`)",
        ),
        (
            "x[$sum]",
            "1:3: parse error: `$sum` stands where a duration is expected, but is none",
        ),
        (
            "$sum[5m]",
            "1:5: parse error: ranges are only allowed for vector selectors (a subquery has a \
             colon: `[1h:]` or `[1h:5m]`)",
        ),
        (
            "-$text",
            "1:1: parse error: a sign works on scalars and instant vectors, got string",
        ),
        ("$ x", "1:1: parse error: unexpected character '$'"),
        ("$5", "1:1: parse error: unexpected character '$'"),
    ] {
        assert_eq!(with_lets(text), want, "{text}");
    }
}

#[test]
fn the_place_of_a_let_is_where_it_is_used() {
    let expr = parse_with_lets("1 + $sum", 10, &lets).unwrap();
    assert_eq!(expr.span, Span { start: 10, end: 18 });
    assert_eq!(expr.children()[1].span, Span { start: 14, end: 18 });
}

fn shown(result: Result<Vec<bellwether_model::Matcher>, String>) -> String {
    match result {
        Ok(matchers) => format!("{matchers:?}"),
        Err(e) => e,
    }
}

#[test]
fn matchers_stand_in_braces_alone() {
    for (text, want) in [
        ("{}", "[]"),
        (
            " { a = 'b', \"c.d\" !~ `e` , } ",
            "[a=\"b\", \"c.d\"!~\"e\"]",
        ),
        ("{a=\"\"}", "[a=\"\"]"),
        (
            "up{}",
            "1:1: parse error: expected `{` in label matching, found `up`",
        ),
        (
            "{a=\"b\"} 1",
            "1:9: parse error: expected the end of the selector, found number `1`",
        ),
        (
            "",
            "1:1: parse error: expected `{` in label matching, found end of input",
        ),
    ] {
        assert_eq!(
            shown(parse_matchers(text).map_err(|e| e.describe(text))),
            want,
            "{text}"
        );
    }
    let error = parse_matchers_part("{a}", 7).expect_err("no operator");
    assert_eq!(error[0].span, Span { start: 9, end: 10 });
}

#[test]
fn selectors_of_the_api_have_no_range_and_no_shift() {
    for (text, want) in [
        ("up", "[__name__=\"up\"]"),
        ("sum{a=\"b\"}", "[__name__=\"sum\", a=\"b\"]"),
        ("{\"a.b\"}", "[__name__=\"a.b\"]"),
        (
            "up[5m]",
            "1:3: parse error: expected the end of the selector, found `[`",
        ),
        (
            "up offset 5m",
            "1:4: parse error: expected the end of the selector, found `offset`",
        ),
        (
            "1",
            "1:1: parse error: expected a metric name or `{`, found number `1`",
        ),
    ] {
        assert_eq!(
            shown(parse_selector(text).map_err(|e| e.describe(text))),
            want,
            "{text}"
        );
    }
    assert!(parse_selector("{}").is_err());
}
