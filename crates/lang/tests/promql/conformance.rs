//! Upstream's own parser cases, and the queries of its compliance tester, when the shared data is there.

use std::path::PathBuf;

use bellwether_lang::promql::{Expr, ast::ExprKind, parse, parse_series_line};
use serde_json::Value;

/// A file of the shared data, or `None` and a line that says so.
#[expect(
    clippy::disallowed_methods,
    reason = "the cases lie outside of the repository"
)]
fn shared(path: &str) -> Option<String> {
    let root = std::env::var("BELLWETHER_SHARED").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = root.join(path);
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(e) => {
            println!("SKIP: {}: {e}", file.display());
            None
        }
    }
}

/// The text of a case, `None` when it is not UTF-8 (which no `&str` can carry).
fn input(case: &Value) -> Option<String> {
    if let Some(text) = case["input"].as_str() {
        return Some(text.to_string());
    }
    if let Some(hex) = case["input_hex"].as_str() {
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        return String::from_utf8(bytes).ok();
    }
    // The one recipe there is: `"(" + "-{}-1" x 10000 + ")" + "[1m:]" x 1000`.
    let mut text = String::new();
    for part in case["input_recipe"].as_str().unwrap().split(" + ") {
        let mut words = part.splitn(2, "\" x ");
        let piece = words.next().unwrap().trim_matches('"');
        let times = words.next().map_or(1, |n| n.parse().unwrap());
        text.push_str(&piece.repeat(times));
    }
    Some(text)
}

fn root(expr: &Expr) -> &'static str {
    match &expr.kind {
        ExprKind::Number(_) => "NumberLiteral",
        ExprKind::String(_) => "StringLiteral",
        ExprKind::Selector(_) => "VectorSelector",
        ExprKind::Range(_) => "MatrixSelector",
        ExprKind::Subquery(_) => "SubqueryExpr",
        ExprKind::Unary(..) => "UnaryExpr",
        ExprKind::Binary(_) => "BinaryExpr",
        ExprKind::Aggregate(_) => "AggregateExpr",
        ExprKind::Call(_) | ExprKind::StepValue(_) => "Call",
        ExprKind::Paren(_) => "ParenExpr",
    }
}

/// What is wrong about our answer to a case; `None` when it is right.
fn verdict(case: &Value) -> Option<String> {
    let accepted = case["ok"].as_bool().unwrap();
    let Some(text) = input(case) else {
        return accepted.then(|| "not UTF-8".to_string());
    };
    if case["kind"] == "series" {
        return series_verdict(case, &text, accepted);
    }
    let expr = match (parse(&text), accepted) {
        (Ok(expr), true) => expr,
        (Err(_), false) => return None,
        (Ok(expr), false) => return Some(format!("accepted as {expr}")),
        (Err(e), true) => return Some(format!("refused: {}", e.describe(&text))),
    };
    if let Some(want) = case["root"].as_str()
        && root(&expr) != want
    {
        return Some(format!("root is {}, not {want}", root(&expr)));
    }
    if let Some(range) = case["root_range"].as_array() {
        let want: Vec<u64> = range.iter().map(|v| v.as_u64().unwrap()).collect();
        let got = [expr.span.start as u64, expr.span.end as u64];
        if got[..] != want[..] {
            return Some(format!("root stands at {got:?}, not {want:?}"));
        }
    }
    let printed = expr.to_string();
    if let Some(want) = case["printed"].as_str()
        && printed != want
    {
        return Some(format!("printed as {printed:?}, not {want:?}"));
    }
    match parse(&printed) {
        Ok(again) if again == expr => None,
        Ok(again) => Some(format!("printed as {printed:?}, read again as {again:?}")),
        Err(e) => Some(format!("printed as {printed:?}, then refused: {e}")),
    }
}

fn series_verdict(case: &Value, text: &str, accepted: bool) -> Option<String> {
    let line = match (parse_series_line(text), accepted) {
        (Ok(line), true) => line,
        (Err(_), false) => return None,
        (Ok(line), false) => return Some(format!("accepted as {line:?}")),
        (Err(e), true) => return Some(format!("refused: {}", e.describe(text))),
    };
    let values: Vec<Option<f64>> = case["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::as_f64)
        .collect();
    if line.values != values {
        return Some(format!("values are {:?}", line.values));
    }
    let labels = case["labels"].as_object().unwrap();
    let same = line.labels.len() == labels.len()
        && labels.iter().all(|(n, v)| line.labels.get(n) == v.as_str());
    (!same).then(|| format!("labels are {}", line.labels))
}

#[test]
fn upstreams_parser_cases() {
    let Some(text) = shared("conformance/promql-parse.json") else {
        return;
    };
    let data: Value = serde_json::from_str(&text).unwrap();
    let cases: Vec<&Value> = data["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["kind"] != "histogram_series")
        .collect();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| verdict(case).map(|why| format!("{case}\n    {why}")))
        .collect();
    println!(
        "{} of {} cases right",
        cases.len() - wrong.len(),
        cases.len()
    );
    assert!(cases.len() > 250, "the file lost its cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The values that the templates' placeholders stand for.
const VARIANTS: [(&str, &[&str]); 11] = [
    ("range", &["1s", "15s", "1m", "5m", "15m", "1h"]),
    ("offset", &["1m", "5m", "10m"]),
    (
        "simpleAggrOp",
        &["sum", "avg", "max", "min", "count", "stddev", "stdvar"],
    ),
    ("topBottomOp", &["topk", "bottomk"]),
    (
        "quantile",
        &[
            "-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5",
        ],
    ),
    ("arithBinOp", &["+", "-", "*", "/", "%", "^"]),
    ("compBinOp", &["==", "!=", "<", ">", "<=", ">="]),
    (
        "binOp",
        &[
            "+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">=",
        ],
    ),
    (
        "simpleMathFunc",
        &[
            "abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round",
        ],
    ),
    (
        "simpleTimeAggrOp",
        &[
            "sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last",
        ],
    ),
    (
        "dateFunc",
        &[
            "day_of_month",
            "day_of_week",
            "days_in_month",
            "hour",
            "minute",
            "month",
            "year",
        ],
    ),
];

const MORE_VARIANTS: [(&str, &[&str]); 3] = [
    ("extrapolatedRateFunc", &["delta", "rate", "increase"]),
    ("instantRateFunc", &["idelta", "irate"]),
    ("clampFunc", &["clamp_min", "clamp_max"]),
];

/// A template with every combination of its placeholders' values.
fn unfold(template: &str) -> Vec<String> {
    let Some(start) = template.find("{{.") else {
        return vec![template.to_string()];
    };
    let end = start + template[start..].find("}}").unwrap();
    let name = &template[start + 3..end];
    let (_, values) = VARIANTS
        .iter()
        .chain(&MORE_VARIANTS)
        .find(|(n, _)| *n == name)
        .unwrap_or_else(|| panic!("{name} is not known"));
    values
        .iter()
        .flat_map(|value| {
            unfold(&format!(
                "{}{value}{}",
                &template[..start],
                &template[end + 2..]
            ))
        })
        .collect()
}

#[test]
fn upstreams_compliance_queries_are_read() {
    let Some(text) = shared("conformance/promql-compliance-queries.yml") else {
        return;
    };
    let mut count = 0;
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("- ");
        let Some(query) = line.strip_prefix("query: ") else {
            continue;
        };
        let template = query.trim_matches(|c| c == '\'' || c == '"');
        for query in unfold(template) {
            count += 1;
            // Upstream refuses this one when it reads it.
            let wanted = query != r#"{__name__=~".*"}"#;
            let got = parse(&query);
            assert_eq!(got.is_ok(), wanted, "{query}: {got:?}");
            if let Ok(expr) = got {
                assert_eq!(parse(&expr.to_string()).as_ref(), Ok(&expr), "{query}");
            }
        }
    }
    println!("{count} queries read");
    assert!(count > 400, "only {count} queries");
}

/// Every query in upstream's test scripts, also those that only fail when they run.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the cases lie outside of the repository"
)]
fn upstreams_script_queries_are_read() {
    let folders = ["core", "experimental", "native_histograms"];
    let files = [
        "aggregators",
        "at_modifier",
        "collision",
        "duration_expression",
        "extended_vectors",
        "fill-modifier",
        "functions",
        "histograms",
        "info",
        "limit",
        "literals",
        "name_label_dropping",
        "native_histograms",
        "operators",
        "range_queries",
        "selectors",
        "staleness",
        "start_timestamps",
        "subquery",
        "trig_functions",
        "type_and_unit",
    ];
    let mut count = 0;
    for (folder, file) in folders
        .iter()
        .flat_map(|d| files.iter().map(move |f| (d, f)))
    {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
        let path = format!("conformance/promql/{folder}/{file}.test");
        if !root.join(&path).exists() {
            continue;
        }
        let Some(text) = shared(&path) else { continue };
        count += script_queries(&path, &text);
    }
    println!("{count} queries read");
}

fn script_queries(path: &str, text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let mut count = 0;
    for (i, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let taken = match words.as_slice() {
            ["eval" | "eval_fail", "instant", "at", _, ..] => 4,
            [
                "eval" | "eval_fail",
                "range",
                "from",
                _,
                "to",
                _,
                "step",
                _,
                ..,
            ] => 8,
            _ => continue,
        };
        let mut query = line.trim();
        for _ in 0..taken {
            query = query
                .trim_start_matches(|c: char| !c.is_whitespace())
                .trim_start();
        }
        let block = lines[i + 1..].iter().take_while(|l| !l.trim().is_empty());
        let fails = words[0] == "eval_fail"
            || block
                .into_iter()
                .any(|l| l.trim().starts_with("expect fail"));
        count += 1;
        match parse(query) {
            Ok(expr) => assert_eq!(parse(&expr.to_string()).as_ref(), Ok(&expr), "{query}"),
            // Operators on native histograms alone.
            Err(_) if query.contains("</") || query.contains(">/") => {}
            Err(e) => assert!(fails, "{path}:{}: {query}\n{}", i + 1, e.describe(query)),
        }
    }
    count
}
