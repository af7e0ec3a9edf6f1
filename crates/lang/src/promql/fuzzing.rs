//! What must hold for every text, as functions that a fuzzer calls with arbitrary bytes.
//!
//! Not here: the fuzzer, and the samples it starts from.

use bellwether_model::limits;

use super::ast::{Expr, Span};
use super::parse::measure;
use super::{ParseError, parse, parse_matchers, parse_selector, parse_series_line};

/// A query is refused with a place inside of the text, or read as a tree within the limits, whose places nest
/// and whose printed form is read as the same tree.
pub fn promql_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let expr = match parse(text) {
        Ok(expr) => expr,
        Err(e) => return check_error(text, &e),
    };
    let (nodes, depth) = measure(&expr);
    assert!(nodes <= limits::QUERY_NODES_MAX.usize(), "{nodes} nodes");
    assert!(depth <= limits::QUERY_DEPTH_MAX.usize(), "{depth} levels");
    let whole = Span {
        start: 0,
        end: text.len(),
    };
    check_places(&expr, whole);
    let printed = expr.to_string();
    if printed.len() > limits::QUERY_LEN_MAX.usize() {
        return; // Escapes and blanks may make the printed form the longer one.
    }
    match parse(&printed) {
        Ok(again) => {
            assert!(again == expr, "{printed:?} is another tree");
            assert_eq!(again.to_string(), printed);
            let pretty = expr.pretty();
            if pretty.len() <= limits::QUERY_LEN_MAX.usize() {
                assert_eq!(parse(&pretty).as_ref(), Ok(&expr), "{pretty:?}");
            }
        }
        Err(e) => panic!("{printed:?} is refused: {e}"),
    }
}

/// Matchers and series lines are read or refused with a place inside of the text; matchers, printed, are read
/// as the same again.
pub fn promql_pieces(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(e) = parse_selector(text) {
        check_error(text, &e);
    }
    if let Err(e) = parse_series_line(text) {
        check_error(text, &e);
    }
    match parse_matchers(text) {
        Err(e) => check_error(text, &e),
        Ok(matchers) => {
            let parts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            let printed = format!("{{{}}}", parts.join(","));
            if printed.len() <= limits::QUERY_LEN_MAX.usize() {
                assert_eq!(
                    parse_matchers(&printed).as_ref(),
                    Ok(&matchers),
                    "{printed:?}"
                );
            }
        }
    }
}

fn check_places(expr: &Expr, parent: Span) {
    let Span { start, end } = expr.span;
    assert!(
        parent.start <= start && start < end && end <= parent.end,
        "{start}..{end} lies outside of {}..{}",
        parent.start,
        parent.end
    );
    for child in expr.children() {
        check_places(child, expr.span);
    }
}

fn check_error(text: &str, error: &ParseError) {
    let Span { start, end } = error.span;
    assert!(start <= end && end <= text.len(), "{error:?}");
    assert!(
        text.get(start..end).is_some(),
        "not between characters: {error:?}"
    );
    assert!(
        !error.message.is_empty() && !error.message.contains('\n'),
        "{error:?}"
    );
    assert!(error.describe(text).contains(": parse error: "));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [&str; 14] = [
        "sum by (job, \"a.b\") (rate(http_requests_total{code=~\"5..\",job!=''}[5m] offset -1h @ end())) / 2",
        "a - on(b) group_left(x) fill_left(-5) c unless ignoring() d",
        "topk without (x) (5, {\"m.n\", a=\"\\u00e4\"}[1h:5m] offset (step()*2))",
        "-1 ^ -2 ^ Inf % NaN atan2 0x1f == bool 5m # end",
        "foo[200-min_of(-step()^+step(),1)] smoothed",
        "label_join(up, \"a\", `b`, 'c', \"d\\x41\")",
        "histogram_quantile(0.9, sum(x) by (le)) > bool scalar(y) + time()",
        "info(a, {__name__=~\".+_info\"}) or count_values(\"v\", group(x))",
        "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:] @ -160377509)[4m:3s]",
        "step() + range() - start() * end()",
        "{a=\"b\", c!~\"d|e\", \"f\"=`g`,}",
        "m{a=\"b\"} 1+2x3 _ _x2 stale -5-1x2 NaN 1e3",
        "((((((((1))))))))",
        "ä \"\u{fffd}\" $x",
    ];

    /// A generator of the same numbers on every run (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end.max(1) as u64) as usize
        }
    }

    /// One sample with a few bytes or pieces changed.
    fn mutant(numbers: &mut Numbers) -> Vec<u8> {
        let pick = |n: &mut Numbers| SAMPLES[n.below(SAMPLES.len())].as_bytes();
        let mut bytes = pick(numbers).to_vec();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len());
            match numbers.below(5) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(at, b" ()[]{}\"'`\\,:=!~+-^@$#0x5me_."[numbers.below(29)]),
                3 => {
                    let other = pick(numbers);
                    let from = numbers.below(other.len());
                    let to = from + numbers.below(other.len() - from);
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => {
                    let to = at + numbers.below(bytes.len() - at);
                    let piece = bytes[at..to].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }

    #[test]
    fn mutated_samples_keep_the_promises() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut read = 0;
        for sample in SAMPLES {
            promql_parse(sample.as_bytes());
            promql_pieces(sample.as_bytes());
        }
        for _ in 0..8_000 {
            let bytes = mutant(&mut numbers);
            promql_parse(&bytes);
            promql_pieces(&bytes);
            read += usize::from(std::str::from_utf8(&bytes).is_ok_and(|t| parse(t).is_ok()));
        }
        assert!(
            read > 500,
            "only {read} mutants are queries: the samples are too fragile"
        );
    }
}
