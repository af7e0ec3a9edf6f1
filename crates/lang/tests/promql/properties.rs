//! Any tree the parser could have made is printed as a text that the parser makes it of again.
//!
//! The generator makes trees of every kind, puts parentheses where the grammar needs them, and fills names and
//! texts with anything.

use bellwether_lang::promql::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, DurationExpr, Expr, ExprKind,
    Extended, Fill, Grouping, Modifiers, NumberLiteral, RangeSelector, Span, StepValue, Subquery,
    UnaryOp, ValueType, VectorMatching, VectorSelector,
};
use bellwether_lang::promql::{FUNCTIONS, Function, function, parse, parse_matchers};
use bellwether_model::limits::QUERY_LEN_MAX;
use bellwether_model::{DurationMs, METRIC_NAME, MatchOp, Matcher, TimestampMs};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn expr(kind: ExprKind) -> Expr {
    let span = Span::default();
    Expr { kind, span }
}

fn paren(e: Expr) -> Expr {
    expr(ExprKind::Paren(Box::new(e)))
}

/// How strongly the outermost part of an expression binds.
fn strength(e: &Expr) -> u8 {
    use BinaryOp::{Add, And, Atan2, Div, Mod, Mul, Or, Pow, Sub, Unless};
    match &e.kind {
        ExprKind::Binary(b) => match b.op {
            Or => 1,
            And | Unless => 2,
            Add | Sub => 4,
            Mul | Div | Mod | Atan2 => 5,
            Pow => 6,
            _ => 3,
        },
        ExprKind::Unary(..) => 5,
        // A sign: as weak as any other.
        ExprKind::Number(n) if n.value.is_sign_negative() && !n.value.is_nan() => 5,
        _ => 7,
    }
}

/// In parentheses unless it binds at least so strongly.
fn at_least(e: Expr, weakest: u8) -> Expr {
    if strength(&e) < weakest { paren(e) } else { e }
}

/// A right side: signs need no parentheses there, even after `^`.
fn right(e: Expr, weakest: u8) -> Expr {
    let signed = matches!(e.kind, ExprKind::Unary(..) | ExprKind::Number(_));
    if signed { e } else { at_least(e, weakest) }
}

fn join(op: BinaryOp, lhs: Expr, rhs: Expr, return_bool: bool, m: VectorMatching) -> Expr {
    let types = (lhs.value_type(), rhs.value_type());
    let vectors = types == (ValueType::Vector, ValueType::Vector);
    let scalars = types == (ValueType::Scalar, ValueType::Scalar);
    let op = if op.is_set() && !vectors {
        BinaryOp::Sub
    } else {
        op
    };
    let mut b = Binary {
        op,
        lhs: Box::new(lhs),
        rhs: Box::new(rhs),
        return_bool: op.is_comparison() && (return_bool || scalars),
        matching: vectors.then_some(m),
    };
    if let (Some(m), true) = (&mut b.matching, op.is_set()) {
        m.card = Cardinality::ManyToMany;
        m.include.clear();
        m.fill = Fill::default();
    }
    let whole = expr(ExprKind::Binary(b.clone()));
    let own = strength(&whole);
    let (left, beside) = if op == BinaryOp::Pow {
        (own + 1, own)
    } else {
        (own, own + 1)
    };
    b.lhs = Box::new(at_least(*b.lhs, left));
    b.rhs = Box::new(right(*b.rhs, beside));
    expr(ExprKind::Binary(b))
}

fn sign(op: UnaryOp, e: Expr) -> Expr {
    // A sign before a bare number would become a part of it.
    let e = match e.kind {
        ExprKind::Number(_) => paren(e),
        ExprKind::Unary(..) => e,
        _ => at_least(e, 6),
    };
    expr(ExprKind::Unary(op, Box::new(e)))
}

fn number() -> impl Strategy<Value = Expr> {
    let any = prop_oneof![
        any::<f64>(),
        (-1000i32..1000).prop_map(f64::from),
        select(vec![
            0.0,
            0.1,
            1e21,
            1e-7,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MIN_POSITIVE
        ]),
    ]
    .prop_map(|value| NumberLiteral {
        value,
        is_duration: false,
    });
    let duration = (0i64..1 << 50).prop_map(|ms| NumberLiteral {
        value: DurationMs(ms).as_seconds(),
        is_duration: true,
    });
    prop_oneof![3 => any, 1 => duration].prop_map(|n| expr(ExprKind::Number(n)))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
        select(vec![
            "sum",
            "by",
            "on",
            "ON",
            "bool",
            "offset",
            "inf",
            "NaN",
            "and",
            "atan2",
            "fill",
            "step",
            "start",
            "anchored",
            "group_left",
            "topk",
            "min_of",
            "0a",
            "a b",
        ])
        .prop_map(String::from),
        ".{1,6}",
    ]
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let plain = (name(), any::<bool>(), ".{0,6}").prop_map(|(name, equal, value)| {
        let op = if equal {
            MatchOp::Equal
        } else {
            MatchOp::NotEqual
        };
        Matcher::new(op, &name, &value).unwrap()
    });
    let patterns = select(vec!["a.*", "a|b", "", "[^\"\\\\]+", "\\d{2,3}", ".+"]);
    let pattern = (name(), any::<bool>(), patterns).prop_map(|(name, is, value)| {
        let op = if is {
            MatchOp::Regex
        } else {
            MatchOp::NotRegex
        };
        Matcher::new(op, &name, value).unwrap()
    });
    prop_oneof![2 => plain, 1 => pattern]
}

fn selector() -> impl Strategy<Value = VectorSelector> {
    let extended = option::weighted(0.2, select(vec![Extended::Anchored, Extended::Smoothed]));
    (
        option::of(name()),
        vec(matcher(), 0..3),
        modifiers(),
        extended,
    )
        .prop_map(|(name, mut matchers, at, extended)| {
            match &name {
                Some(name) => {
                    matchers.retain(|m| m.name() != METRIC_NAME);
                    matchers.insert(0, Matcher::equal(METRIC_NAME, name));
                }
                None => matchers.push(Matcher::equal("job", "x")),
            }
            VectorSelector {
                name,
                matchers,
                at,
                extended,
            }
        })
}

fn modifiers() -> impl Strategy<Value = Modifiers> {
    let offset = prop_oneof![
        (-1i64 << 40..1 << 40).prop_map(|ms| DurationExpr::Const(DurationMs(ms))),
        (any::<bool>(), duration_tree()).prop_map(|(negative, e)| {
            // One operand, perhaps with a sign.
            let atom = match e.kind {
                ExprKind::Call(_) | ExprKind::StepValue(_) | ExprKind::Paren(_) => e,
                _ => paren(e),
            };
            let e = if negative {
                sign(UnaryOp::Neg, atom)
            } else {
                atom
            };
            DurationExpr::Dynamic(Box::new(e))
        }),
    ];
    let at = prop_oneof![
        (-1i64 << 45..1 << 45).prop_map(|ms| At::Time(TimestampMs(ms))),
        Just(At::Start),
        Just(At::End),
    ];
    (option::weighted(0.2, offset), option::weighted(0.2, at))
        .prop_map(|(offset, at)| Modifiers { offset, at })
}

/// Arithmetic of durations.
fn duration_tree() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        number().prop_filter("finite", |e| match e.kind {
            ExprKind::Number(n) =>
                n.value.is_finite() && n.value != 0.0 && n.value.is_sign_positive(),
            _ => false,
        }),
        select(vec![StepValue::Step, StepValue::Range]).prop_map(|v| expr(ExprKind::StepValue(v))),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let ops = select(vec![
            BinaryOp::Add,
            BinaryOp::Sub,
            BinaryOp::Mul,
            BinaryOp::Div,
            BinaryOp::Mod,
            BinaryOp::Pow,
        ]);
        prop_oneof![
            (ops, inner.clone(), inner.clone()).prop_map(|(op, l, r)| join(
                op,
                l,
                r,
                false,
                VectorMatching::default()
            )),
            inner.clone().prop_map(|e| sign(UnaryOp::Neg, e)),
            inner.clone().prop_map(paren),
            (any::<bool>(), inner.clone(), inner).prop_map(|(min, a, b)| {
                let function = function(if min { "min_of" } else { "max_of" }).unwrap();
                let args = vec![a, b];
                expr(ExprKind::Call(Call { function, args }))
            }),
        ]
    })
}

/// A duration in brackets.
fn duration() -> impl Strategy<Value = DurationExpr> {
    prop_oneof![
        3 => (1i64..1 << 42).prop_map(|ms| DurationExpr::Const(DurationMs(ms))),
        1 => duration_tree().prop_map(|e| match e.kind {
            ExprKind::Number(_) => DurationExpr::Dynamic(Box::new(paren(e))),
            _ => DurationExpr::Dynamic(Box::new(e)),
        }),
    ]
}

fn string() -> impl Strategy<Value = Expr> {
    ".{0,8}".prop_map(|s| expr(ExprKind::String(s)))
}

fn matching() -> impl Strategy<Value = VectorMatching> {
    let cards = select(vec![
        Cardinality::OneToOne,
        Cardinality::ManyToOne,
        Cardinality::OneToMany,
    ]);
    let fill = || option::weighted(0.2, any::<f64>());
    (
        any::<bool>(),
        vec(name(), 0..3),
        cards,
        vec(name(), 0..3),
        fill(),
        fill(),
    )
        .prop_map(|(on, labels, card, mut include, left, right)| {
            if card == Cardinality::OneToOne {
                include.clear();
            }
            include.retain(|l| !on || !labels.contains(l));
            VectorMatching {
                card,
                on,
                labels,
                include,
                fill: Fill { left, right },
            }
        })
}

fn binary_op() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp::{Add, And, Atan2, Div, Eq, Ge, Gt, Le, Lt, Mod, Mul, Ne, Or, Pow, Sub, Unless};
    select(vec![
        Pow, Mul, Div, Mod, Atan2, Add, Sub, Eq, Ne, Gt, Ge, Lt, Le, And, Unless, Or,
    ])
}

/// Vectors and scalars, which are what operators join.
fn operand() -> impl Strategy<Value = Expr> {
    let steps = select(vec![
        StepValue::Step,
        StepValue::Range,
        StepValue::Start,
        StepValue::End,
    ]);
    let leaf = prop_oneof![
        2 => number(),
        4 => selector().prop_map(|s| expr(ExprKind::Selector(s))),
        1 => steps.prop_map(|v| expr(ExprKind::StepValue(v))),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let unary = (any::<bool>(), inner.clone())
            .prop_map(|(neg, e)| sign(if neg { UnaryOp::Neg } else { UnaryOp::Pos }, e));
        let binary = (
            binary_op(),
            inner.clone(),
            inner.clone(),
            any::<bool>(),
            matching(),
        )
            .prop_map(|(op, l, r, b, m)| join(op, l, r, b, m));
        prop_oneof![
            1 => inner.clone().prop_map(paren),
            1 => unary,
            4 => binary,
            2 => aggregate(inner.clone()),
            3 => call(inner),
        ]
    })
}

fn as_vector(e: Expr) -> Expr {
    if e.value_type() == ValueType::Vector {
        return e;
    }
    let function = function("vector").unwrap();
    let args = vec![e];
    expr(ExprKind::Call(Call { function, args }))
}

fn as_scalar(e: Expr) -> Expr {
    if e.value_type() == ValueType::Scalar {
        return e;
    }
    let function = function("scalar").unwrap();
    let args = vec![e];
    expr(ExprKind::Call(Call { function, args }))
}

fn aggregate(inner: impl Strategy<Value = Expr> + Clone) -> impl Strategy<Value = Expr> {
    let grouping = (any::<bool>(), vec(name(), 0..3)).prop_map(|(by, labels)| {
        if by {
            Grouping::By(labels)
        } else {
            Grouping::Without(labels)
        }
    });
    let ops = select(AggregateOp::ALL.to_vec());
    (ops, grouping, inner.clone(), inner, string()).prop_map(|(op, grouping, e, number, text)| {
        let param = op.takes_parameter().then(|| match op {
            AggregateOp::CountValues => Box::new(text),
            _ => Box::new(as_scalar(number)),
        });
        let expr_below = Box::new(as_vector(e));
        expr(ExprKind::Aggregate(Aggregate {
            op,
            expr: expr_below,
            param,
            grouping,
        }))
    })
}

/// A range selector or a subquery.
fn matrix(inner: impl Strategy<Value = Expr>) -> impl Strategy<Value = Expr> {
    let range = (selector(), duration())
        .prop_map(|(selector, range)| expr(ExprKind::Range(RangeSelector { selector, range })));
    let subquery = (inner, duration(), option::of(duration()), modifiers()).prop_map(
        |(e, range, step, at)| {
            expr(ExprKind::Subquery(Subquery {
                expr: Box::new(at_least(as_vector(e), 7)),
                range,
                step,
                at,
            }))
        },
    );
    prop_oneof![range, subquery]
}

fn call(inner: impl Strategy<Value = Expr> + Clone + 'static) -> impl Strategy<Value = Expr> {
    let functions: Vec<&'static Function> = FUNCTIONS.iter().collect();
    let arg = (inner.clone(), matrix(inner), string());
    (select(functions), vec(arg, 3), 0usize..3, selector()).prop_map(
        |(function, args, more, labels)| {
            let wanted = function.args_min() + more;
            let count = wanted.min(function.args_max().unwrap_or(wanted));
            let fit = |(i, (e, matrix, text)): (usize, (Expr, Expr, Expr))| match function.arg(i) {
                Some(ValueType::Matrix) => matrix,
                Some(ValueType::String) => text,
                Some(ValueType::Scalar) => as_scalar(e),
                _ => as_vector(e),
            };
            let mut args: Vec<Expr> = args
                .into_iter()
                .cycle()
                .take(count)
                .enumerate()
                .map(fit)
                .collect();
            if let ("info", Some(second)) = (function.name, args.get_mut(1)) {
                // Braces alone, which may be empty.
                let mut labels = labels;
                labels.matchers.truncate(usize::from(labels.name.is_none()));
                labels.name = None;
                labels.extended = None;
                *second = expr(ExprKind::Selector(labels));
            }
            expr(ExprKind::Call(Call { function, args }))
        },
    )
}

fn query() -> impl Strategy<Value = Expr> {
    prop_oneof![8 => operand(), 1 => matrix(operand()), 1 => string()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_trees_are_read_again(tree in query()) {
        let text = tree.to_string();
        // A tree beyond the limits is refused, which other tests are about.
        match parse(&text) {
            Ok(again) => {
                prop_assert_eq!(&again, &tree, "{}", text);
                prop_assert_eq!(again.to_string(), text);
                let pretty = tree.pretty();
                if let Ok(again) = parse(&pretty) {
                    prop_assert_eq!(&again, &tree, "{}", pretty);
                } else {
                    prop_assert!(pretty.len() > QUERY_LEN_MAX.usize(), "{}", pretty);
                }
            }
            Err(e) => prop_assert!(
                e.message.contains("query.") || e.message.contains("regex."),
                "{}: {}", text, e.describe(&text)
            ),
        }
    }

    #[test]
    fn printed_matchers_are_read_again(matchers in vec(matcher(), 0..4)) {
        let parts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        prop_assert_eq!(parse_matchers(&format!("{{{}}}", parts.join(", "))), Ok(matchers));
    }
}
