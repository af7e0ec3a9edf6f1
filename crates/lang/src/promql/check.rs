//! Types: what may be an operand, an argument, an aggregation's parameter.
//!
//! Checked once, as each node is made from its checked children. The rules are upstream's; the messages say
//! what to write instead.

use super::ast::{
    Aggregate, AggregateOp, Binary, Cardinality, Expr, ExprKind, Fill, Grouping, Span, ValueType,
};
use super::error::ParseError;
use super::functions::Function;
use super::matching::Modified;
use super::parser::{Node, Parser};

/// `lhs op rhs`.
pub(super) fn join(
    parser: &mut Parser<'_>,
    lhs: Node,
    modified: Modified,
    rhs: Node,
) -> Result<Node, ParseError> {
    let span = Span {
        start: lhs.expr.span.start,
        end: rhs.expr.span.end,
    };
    for side in [&lhs.expr, &rhs.expr] {
        operand(side, "a binary operator")?;
    }
    let types = (lhs.expr.value_type(), rhs.expr.value_type());
    modifiers(&modified, types, span)?;
    let Modified {
        op,
        return_bool,
        mut matching,
        ..
    } = modified;
    if op.is_set() {
        matching.card = Cardinality::ManyToMany;
    }
    let both_vectors = types == (ValueType::Vector, ValueType::Vector);
    let kind = ExprKind::Binary(Binary {
        op,
        lhs: lhs.expr,
        rhs: rhs.expr,
        return_bool,
        matching: both_vectors.then_some(matching),
    });
    parser.node(kind, span, lhs.depth.max(rhs.depth))
}

/// What the modifiers ask of the operator and of both sides' types.
fn modifiers(
    modified: &Modified,
    types: (ValueType, ValueType),
    span: Span,
) -> Result<(), ParseError> {
    let Modified { op, matching, .. } = modified;
    let name = op.text();
    if modified.return_bool && !op.is_comparison() {
        return Err(ParseError::new(
            modified.span,
            "bool modifier can only be used on comparison operators",
        ));
    }
    let (scalar, vector) = (ValueType::Scalar, ValueType::Vector);
    if op.is_comparison() && !modified.return_bool && types == (scalar, scalar) {
        return Err(ParseError::new(
            modified.span,
            "comparisons between scalars must use BOOL modifier",
        )
        .help(format!("`{name} bool` yields 1 or 0")));
    }
    let filled = matching.fill != Fill::default();
    if types == (vector, vector) {
        if op.is_set() && modified.grouped {
            return Err(ParseError::new(
                modified.span,
                format!("no grouping allowed for \"{name}\" operation"),
            )
            .help("set operations always match many to many"));
        }
        if op.is_set() && filled {
            return Err(ParseError::new(
                modified.span,
                format!("no fill allowed for \"{name}\" operation"),
            ));
        }
        return Ok(());
    }
    if !matching.labels.is_empty() || modified.grouped || filled {
        return Err(ParseError::new(
            span,
            "vector matching only allowed between instant vectors",
        ));
    }
    if op.is_set() {
        let error = ParseError::new(
            span,
            format!("set operator \"{name}\" not allowed in binary scalar expression"),
        );
        return Err(error.help("`vector(1)` makes a vector of a number"));
    }
    Ok(())
}

/// `-x` and `+x`.
pub(super) fn unary(expr: &Expr, span: Span) -> Result<(), ParseError> {
    operand(expr, "a sign").map_err(|mut e| {
        e.span = span;
        e
    })
}

/// Operators work on numbers and instant vectors.
fn operand(expr: &Expr, of: &str) -> Result<(), ParseError> {
    let found = expr.value_type();
    if matches!(found, ValueType::Scalar | ValueType::Vector) {
        return Ok(());
    }
    let error = ParseError::new(
        expr.span,
        format!("{of} works on scalars and instant vectors, got {found}"),
    );
    Err(explain(error, ValueType::Vector, found))
}

/// `function(args)`: how many, and of which types.
pub(super) fn call(
    function: &'static Function,
    args: &[Expr],
    span: Span,
) -> Result<(), ParseError> {
    let (min, max) = (function.args_min(), function.args_max());
    if args.len() < min || max.is_some_and(|max| args.len() > max) {
        let expected = match max {
            None => format!("at least {min}"),
            Some(max) if max == min => min.to_string(),
            Some(max) => format!("{min} to {max}"),
        };
        let (name, got) = (function.name, args.len());
        return Err(ParseError::new(
            span,
            format!("expected {expected} argument(s) in call to \"{name}\", got {got}"),
        )
        .help(format!("the signature is `{function}`")));
    }
    for (i, arg) in args.iter().enumerate() {
        let Some(wanted) = function.arg(i) else {
            continue;
        };
        typed(arg, wanted, || {
            format!("call to function \"{}\"", function.name)
        })?;
    }
    if let ("info", Some(labels)) = (function.name, args.get(1)) {
        let only_labels = matches!(&labels.kind, ExprKind::Selector(s) if s.name.is_none());
        if !only_labels {
            return Err(ParseError::new(
                labels.span,
                "expected label selectors only, as the second argument of \"info\"",
            )
            .help("name another info metric by a matcher: `{__name__=\"build_info\"}`"));
        }
    }
    Ok(())
}

/// `op (param, expr)`: how many arguments, and of which types.
pub(super) fn aggregate(
    op: AggregateOp,
    args: Vec<Node>,
    grouping: Grouping,
    span: Span,
) -> Result<Aggregate, ParseError> {
    let wanted = if op.takes_parameter() { 2 } else { 1 };
    let got = args.len();
    let mut args = args.into_iter().map(|arg| arg.expr);
    let (param, expr) = match (wanted, args.next(), args.next(), args.next()) {
        (2, Some(param), Some(expr), None) => (Some(param), expr),
        (1, Some(expr), None, None) => (None, expr),
        _ => {
            let name = op.text();
            let error = ParseError::new(
                span,
                format!("expected {wanted} argument(s) in aggregation \"{name}\", got {got}"),
            );
            return Err(match (op, got) {
                (AggregateOp::CountValues, 1) => error.help("`count_values(\"label\", x)`"),
                (AggregateOp::Quantile, 1) => error.help("`quantile(0.9, x)`"),
                (_, 1) => error.help(format!("the number comes first: `{name}(5, x)`")),
                _ => error,
            });
        }
    };
    typed(&expr, ValueType::Vector, || {
        format!("aggregation \"{}\"", op.text())
    })?;
    if let Some(param) = &param {
        let wanted = match op {
            AggregateOp::CountValues => ValueType::String,
            _ => ValueType::Scalar,
        };
        typed(param, wanted, || {
            format!("the parameter of aggregation \"{}\"", op.text())
        })?;
    }
    Ok(Aggregate {
        op,
        expr,
        param,
        grouping,
    })
}

fn typed(expr: &Expr, wanted: ValueType, place: impl FnOnce() -> String) -> Result<(), ParseError> {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    let error = ParseError::new(
        expr.span,
        format!("expected {wanted} in {}, got {found}", place()),
    );
    Err(explain(error, wanted, found))
}

/// How to get from one type to the other.
fn explain(error: ParseError, wanted: ValueType, found: ValueType) -> ParseError {
    use ValueType::{Matrix, Scalar, Vector};
    match (wanted, found) {
        (Matrix, Vector) => {
            error.help("give it a range: `x[5m]`, or `(...)[1h:]` for an expression")
        }
        (Vector, Matrix) => error.help("a function makes one value of a range: `rate(x[5m])`"),
        (Vector, Scalar) => error.help("`vector(1)` makes a vector of a number"),
        (Scalar, Vector) => error.help("`scalar(x)` makes a number of a vector of one series"),
        _ => error,
    }
}
