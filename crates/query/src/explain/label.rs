//! What a node of a plan is called: close to how it is written, constants included.

use bellwether_lang::promql::ast::Extended;
use bellwether_model::labels::{Quoted, is_legacy_metric_name};
use bellwether_model::value::format_value;
use bellwether_model::{DurationMs, METRIC_NAME, MatchOp, Matcher, TimestampMs};

use crate::functions::MapKind;
use crate::plan::{Kernel, Kind, Node, Read, SubqueryInput};
use crate::window::Shift;

/// The label of a node of a plan with these reads.
pub(super) fn node(node: &Node, reads: &[Read]) -> String {
    match &node.kind {
        Kind::Number(v) => format_value(*v),
        Kind::Text(text) => Quoted(text).to_string(),
        Kind::Time => "time()".to_owned(),
        Kind::ScalarOp { op, .. } => op.text().to_owned(),
        Kind::Series(series) => match &series.kernel {
            Kernel::Newest { .. } => selector(&reads[series.read], series.shift),
            Kernel::Smoothed { .. } => selector(&reads[series.read], series.shift) + " smoothed",
            Kernel::Window {
                extended,
                range,
                params,
                ..
            } => {
                let function = call(node, params);
                format!("{function} [{}]{}", DurationMs(*range), modifier(*extended))
            }
        },
        Kind::OverSubquery { params, .. } => call(node, params),
        Kind::RawRange { read, window } => {
            let selector = selector(&reads[*read], Shift::default());
            let range = DurationMs(window.range);
            format!("{selector}[{range}]{}", shifted(window.shift))
        }
        Kind::RawSubquery(input) => subquery(input),
        Kind::Map { map, params, .. } => mapped(node, *map, params),
        Kind::Aggregate {
            op,
            param,
            grouping,
            ..
        } => {
            let constant = constants(param.as_deref());
            format!("{}{constant}{grouping}", op.text())
        }
        Kind::Binary {
            op,
            return_bool,
            matching,
            ..
        } => {
            let bool = if *return_bool { " bool" } else { "" };
            format!("{}{bool}{matching}", op.text())
        }
        Kind::Call { args, .. } => call(node, args),
        Kind::ScalarPick { .. } | Kind::ToScalar(_) | Kind::Absent { .. } | Kind::Info(_) => {
            call(node, &[])
        }
    }
}

/// `[1h:5m] offset 1h`: a subquery without what is evaluated.
pub(super) fn subquery(input: &SubqueryInput) -> String {
    let (range, step) = (DurationMs(input.window.range), DurationMs(input.step));
    format!("subquery [{range}:{step}]{}", shifted(input.window.shift))
}

/// `up{job="x"} offset 5m`
pub(super) fn selector(read: &Read, shift: Shift) -> String {
    matchers(&read.matchers) + &shifted(shift)
}

/// As a selector is written, the name before the braces where it can stand there.
pub(super) fn matchers(matchers: &[Matcher]) -> String {
    let is_name = |m: &&Matcher| {
        m.name() == METRIC_NAME && m.op() == MatchOp::Equal && is_legacy_metric_name(m.value())
    };
    let name = matchers.iter().find(is_name);
    let others: Vec<String> = matchers
        .iter()
        .filter(|m| !name.is_some_and(|name| std::ptr::eq(name, *m)))
        .map(ToString::to_string)
        .collect();
    match (name, others.as_slice()) {
        (Some(name), []) => name.value().to_owned(),
        (name, others) => {
            let name = name.map_or("", Matcher::value);
            format!("{name}{{{}}}", others.join(","))
        }
    }
}

/// Those that have no place in the label of the node above them.
pub(super) fn varying<'a>(
    nodes: impl IntoIterator<Item = &'a Node>,
) -> impl Iterator<Item = &'a Node> {
    nodes.into_iter().filter(|node| !is_constant(node))
}

fn is_constant(node: &Node) -> bool {
    matches!(node.kind, Kind::Number(_) | Kind::Text(_))
}

/// The function a node stands for, with its constants.
fn call(node: &Node, args: &[Node]) -> String {
    // Windows that the planner makes by itself, as for `absent_over_time`, stand for none.
    node.function.unwrap_or("present_over_time").to_owned() + &constants(args)
}

/// `(0.9, "le")`; nothing without any.
fn constants<'a>(args: impl IntoIterator<Item = &'a Node>) -> String {
    let constants: Vec<String> = args
        .into_iter()
        .filter(|arg| is_constant(arg))
        .map(|arg| node(arg, &[]))
        .collect();
    if constants.is_empty() {
        return String::new();
    }
    format!("({})", constants.join(", "))
}

fn mapped(node: &Node, map: MapKind, params: &[Node]) -> String {
    let MapKind::Arith {
        op,
        scalar_left,
        return_bool,
    } = map
    else {
        return match node.function {
            Some(_) => call(node, params),
            None => "-".to_owned(), // The only map that is written without a name or an operand.
        };
    };
    let bool = if return_bool { " bool" } else { "" };
    let op = format!("{}{bool}", op.text());
    match params {
        [scalar] if is_constant(scalar) && scalar_left => {
            format!("{} {op}", self::node(scalar, &[]))
        }
        [scalar] if is_constant(scalar) => format!("{op} {}", self::node(scalar, &[])),
        _ => op,
    }
}

fn modifier(extended: Option<Extended>) -> &'static str {
    match extended {
        None => "",
        Some(Extended::Anchored) => " anchored",
        Some(Extended::Smoothed) => " smoothed",
    }
}

/// ` @ 12.5 offset 5m`, what there is of it.
fn shifted(shift: Shift) -> String {
    let at = shift.at.map_or(String::new(), |t| {
        format!(" @ {}", format_value(TimestampMs(t).as_seconds()))
    });
    match shift.offset {
        0 => at,
        offset => format!("{at} offset {}", DurationMs(offset)),
    }
}
