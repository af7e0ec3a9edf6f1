//! Types: what may be an operand, an argument, an aggregation's parameter.
//!
//! Checked once, as each node is made from its checked children. The rules are upstream's; the messages say
//! what to write instead.

use super::ast::{
    Aggregate, AggregateOp, Binary, Cardinality, ExprKind, Fill, Grouping, Span, ValueType,
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
    let mut is_odd = false;
    for side in [&lhs, &rhs] {
        is_odd |= operand(parser, side, "a binary operator", side.expr.span);
    }
    let types = (lhs.expr.value_type(), rhs.expr.value_type());
    if !is_odd && let Err(error) = modifiers(&modified, types, span) {
        parser.tell(error);
    }
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
    let node = parser.node(kind, span, lhs.depth.max(rhs.depth))?;
    Ok(Node { is_odd, ..node })
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

/// `-x` and `+x`; true when nothing is known of the type.
pub(super) fn unary(parser: &mut Parser<'_>, operand_of: &Node, span: Span) -> bool {
    operand(parser, operand_of, "a sign", span)
}

/// Operators work on numbers and instant vectors. True when this is neither: its mistake is told.
fn operand(parser: &mut Parser<'_>, node: &Node, of: &str, span: Span) -> bool {
    let found = node.expr.value_type();
    if node.is_odd {
        return true;
    }
    if matches!(found, ValueType::Scalar | ValueType::Vector) {
        return false;
    }
    let error = ParseError::new(
        span,
        format!("{of} works on scalars and instant vectors, got {found}"),
    );
    parser.tell(explain(error, ValueType::Vector, found));
    true
}

/// `function(args)`: how many, and of which types.
pub(super) fn call(
    parser: &mut Parser<'_>,
    function: &'static Function,
    args: &[Node],
    span: Span,
) {
    let (min, max) = (function.args_min(), function.args_max());
    if args.len() < min || max.is_some_and(|max| args.len() > max) {
        let expected = match max {
            None => format!("at least {min}"),
            Some(max) if max == min => min.to_string(),
            Some(max) => format!("{min} to {max}"),
        };
        let (name, got) = (function.name, args.len());
        parser.tell(
            ParseError::new(
                span,
                format!("expected {expected} argument(s) in call to \"{name}\", got {got}"),
            )
            .help(format!("the signature is `{function}`")),
        );
        // With one too few or too many, which stands where is a guess.
        return;
    }
    for (i, arg) in args.iter().enumerate() {
        if let Some(wanted) = function.arg(i) {
            let place = || format!("call to function \"{}\"", function.name);
            typed(parser, arg, wanted, place);
        }
    }
    if let ("info", Some(labels)) = (function.name, args.get(1))
        && !labels.is_odd
        && labels.expr.value_type() == ValueType::Vector
    {
        let only_labels = matches!(&labels.expr.kind, ExprKind::Selector(s) if s.name.is_none());
        if !only_labels {
            parser.tell(
                ParseError::new(
                    labels.expr.span,
                    "expected label selectors only, as the second argument of \"info\"",
                )
                .help("name another info metric by a matcher: `{__name__=\"build_info\"}`"),
            );
        }
    }
}

/// `op (param, expr)`: how many arguments, and of which types. `None` when it is told that their number is wrong.
pub(super) fn aggregate(
    parser: &mut Parser<'_>,
    op: AggregateOp,
    args: Vec<Node>,
    grouping: Grouping,
    span: Span,
) -> Option<Aggregate> {
    let wanted = if op.takes_parameter() { 2 } else { 1 };
    let got = args.len();
    let mut args = args.into_iter();
    let (param, expr) = match (wanted, args.next(), args.next(), args.next()) {
        (2, Some(param), Some(expr), None) => (Some(param), expr),
        (1, Some(expr), None, None) => (None, expr),
        _ => {
            let name = op.text();
            let error = ParseError::new(
                span,
                format!("expected {wanted} argument(s) in aggregation \"{name}\", got {got}"),
            );
            parser.tell(match (op, got) {
                (AggregateOp::CountValues, 1) => error.help("`count_values(\"label\", x)`"),
                (AggregateOp::Quantile, 1) => error.help("`quantile(0.9, x)`"),
                (_, 1) => error.help(format!("the number comes first: `{name}(5, x)`")),
                _ => error,
            });
            return None;
        }
    };
    typed(parser, &expr, ValueType::Vector, || {
        format!("aggregation \"{}\"", op.text())
    });
    if let Some(param) = &param {
        let wanted = match op {
            AggregateOp::CountValues => ValueType::String,
            _ => ValueType::Scalar,
        };
        typed(parser, param, wanted, || {
            format!("the parameter of aggregation \"{}\"", op.text())
        });
    }
    Some(Aggregate {
        op,
        expr: expr.expr,
        param: param.map(|param| param.expr),
        grouping,
    })
}

/// Tells when an expression has another type than it needs here.
fn typed(parser: &mut Parser<'_>, node: &Node, wanted: ValueType, place: impl FnOnce() -> String) {
    let found = node.expr.value_type();
    if found == wanted || node.is_odd {
        return;
    }
    let error = ParseError::new(
        node.expr.span,
        format!("expected {wanted} in {}, got {found}", place()),
    );
    parser.tell(explain(error, wanted, found));
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
