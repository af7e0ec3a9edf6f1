//! An expression as the JSON tree that Prometheus 3 answers from `/api/v1/parse_query`, for clients that draw it.
//!
//! Names, types and nesting are upstream's. A duration that is arithmetic (`[2 * step()]`) has no value before the
//! query runs, and is 0 there as it is upstream. `step()` and its like, which upstream cannot draw, are calls without
//! arguments.

use bellwether_lang::promql::Expr;
use bellwether_lang::promql::ast::{
    Aggregate, At, Binary, Call, Cardinality, DurationExpr, ExprKind, Extended, Grouping,
    Modifiers, StepValue, Subquery, UnaryOp, ValueType, VectorMatching, VectorSelector,
};
use bellwether_model::{METRIC_NAME, Matcher};
use serde_json::{Map, Value, json};

/// The tree of `expr`. As deep as `query.max_depth` lets an expression be.
pub(super) fn tree(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(number) => {
            json!({ "type": "numberLiteral", "val": decimal(number.value) })
        }
        ExprKind::String(text) => json!({ "type": "stringLiteral", "val": text }),
        ExprKind::Selector(selector) => Value::Object(selector_fields("vectorSelector", selector)),
        ExprKind::Range(range) => {
            let mut fields = selector_fields("matrixSelector", &range.selector);
            fields.insert("range".into(), millis(Some(&range.range)));
            Value::Object(fields)
        }
        ExprKind::Subquery(subquery) => subquery_tree(subquery),
        ExprKind::Unary(op, inner) => {
            let op = match op {
                UnaryOp::Neg => "-",
                UnaryOp::Pos => "+",
            };
            json!({ "type": "unaryExpr", "op": op, "expr": tree(inner) })
        }
        ExprKind::Binary(binary) => binary_tree(binary),
        ExprKind::Aggregate(aggregate) => aggregate_tree(aggregate),
        ExprKind::Call(call) => call_tree(call),
        ExprKind::Paren(inner) => json!({ "type": "parenExpr", "expr": tree(inner) }),
        ExprKind::StepValue(value) => step_value_tree(*value),
    }
}

/// A number without an exponent, as upstream writes it here.
fn decimal(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        // The shortest digits that read back, and `NaN`.
        _ => value.to_string(),
    }
}

fn selector_fields(kind: &str, selector: &VectorSelector) -> Map<String, Value> {
    let (mut fields, extended) = (Map::new(), selector.extended);
    fields.insert("type".into(), kind.into());
    fields.insert("name".into(), selector.name.as_deref().unwrap_or("").into());
    fields.insert("matchers".into(), matchers(selector));
    fields.insert(
        "anchored".into(),
        (extended == Some(Extended::Anchored)).into(),
    );
    fields.insert(
        "smoothed".into(),
        (extended == Some(Extended::Smoothed)).into(),
    );
    add_modifiers(&mut fields, &selector.at);
    fields
}

/// The matchers, that of the name last when it stands before the braces.
fn matchers(selector: &VectorSelector) -> Value {
    let is_name = |m: &&Matcher| selector.name.is_some() && m.name() == METRIC_NAME;
    let others = selector.matchers.iter().filter(|m| !is_name(m));
    let names = selector.matchers.iter().filter(is_name);
    others
        .chain(names)
        .map(|m| json!({ "name": m.name(), "value": m.value(), "type": m.op().to_string() }))
        .collect()
}

fn add_modifiers(fields: &mut Map<String, Value>, modifiers: &Modifiers) {
    let (timestamp, start_or_end) = match modifiers.at {
        None => (Value::Null, Value::Null),
        Some(At::Time(time)) => (time.0.into(), Value::Null),
        Some(At::Start) => (Value::Null, "start".into()),
        Some(At::End) => (Value::Null, "end".into()),
    };
    fields.insert("offset".into(), millis(modifiers.offset.as_ref()));
    fields.insert("timestamp".into(), timestamp);
    fields.insert("startOrEnd".into(), start_or_end);
}

/// Milliseconds; 0 for what is not written and for what only the query's steps give a value.
fn millis(duration: Option<&DurationExpr>) -> Value {
    match duration {
        Some(DurationExpr::Const(duration)) => duration.0.into(),
        Some(DurationExpr::Dynamic(_)) | None => 0.into(),
    }
}

fn subquery_tree(subquery: &Subquery) -> Value {
    let mut fields = Map::new();
    fields.insert("type".into(), "subquery".into());
    fields.insert("expr".into(), tree(&subquery.expr));
    fields.insert("range".into(), millis(Some(&subquery.range)));
    fields.insert("step".into(), millis(subquery.step.as_ref()));
    add_modifiers(&mut fields, &subquery.at);
    Value::Object(fields)
}

fn binary_tree(binary: &Binary) -> Value {
    json!({
        "type": "binaryExpr",
        "op": binary.op.text(),
        "lhs": tree(&binary.lhs),
        "rhs": tree(&binary.rhs),
        "matching": binary.matching.as_ref().map(matching_tree),
        "bool": binary.return_bool,
    })
}

fn matching_tree(matching: &VectorMatching) -> Value {
    let card = match matching.card {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    json!({
        "card": card,
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
        "fillValues": { "lhs": matching.fill.left, "rhs": matching.fill.right },
    })
}

fn aggregate_tree(aggregate: &Aggregate) -> Value {
    let (grouping, without) = match &aggregate.grouping {
        Grouping::By(labels) => (labels, false),
        Grouping::Without(labels) => (labels, true),
    };
    json!({
        "type": "aggregation",
        "op": aggregate.op.text(),
        "expr": tree(&aggregate.expr),
        "param": aggregate.param.as_deref().map(tree),
        "grouping": grouping,
        "without": without,
    })
}

fn call_tree(call: &Call) -> Value {
    let function = call.function;
    // Upstream's count: how many arguments may be left out, or -1 for any number of them.
    let variadic = if function.variadic {
        -1
    } else {
        function.optional as i64
    };
    let types: Vec<&str> = function.args.iter().copied().map(type_word).collect();
    json!({
        "type": "call",
        "func": {
            "name": function.name,
            "argTypes": types,
            "variadic": variadic,
            "returnType": type_word(function.returns),
        },
        "args": call.args.iter().map(tree).collect::<Vec<_>>(),
    })
}

fn step_value_tree(value: StepValue) -> Value {
    let name = match value {
        StepValue::Step => "step",
        StepValue::Range => "range",
        StepValue::Start => "start",
        StepValue::End => "end",
    };
    json!({
        "type": "call",
        "func": { "name": name, "argTypes": [], "variadic": 0, "returnType": "scalar" },
        "args": [],
    })
}

fn type_word(of: ValueType) -> &'static str {
    match of {
        ValueType::Scalar => "scalar",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
        ValueType::String => "string",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    fn check(text: &str, want: Expect) {
        let expr = bellwether_lang::promql::parse(text).unwrap();
        want.assert_eq(&super::tree(&expr).to_string());
    }

    #[test]
    fn selectors_with_everything_that_can_be_said_of_them() {
        check(
            r#"up{job=~"a.*",x!="y"}"#,
            expect![[
                r#"{"anchored":false,"matchers":[{"name":"job","type":"=~","value":"a.*"},{"name":"x","type":"!=","value":"y"},{"name":"__name__","type":"=","value":"up"}],"name":"up","offset":0,"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"}"#
            ]],
        );
        check(
            "up[5m] @ 1.5 offset -1m",
            expect![[
                r#"{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"up"}],"name":"up","offset":-60000,"range":300000,"smoothed":false,"startOrEnd":null,"timestamp":1500,"type":"matrixSelector"}"#
            ]],
        );
        check(
            "(-x)[1h:5m] @ end()",
            expect![[
                r#"{"expr":{"expr":{"expr":{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"x"}],"name":"x","offset":0,"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},"op":"-","type":"unaryExpr"},"type":"parenExpr"},"offset":0,"range":3600000,"startOrEnd":"end","step":300000,"timestamp":null,"type":"subquery"}"#
            ]],
        );
    }

    #[test]
    fn operators_calls_and_literals() {
        check(
            "1e21",
            expect![[r#"{"type":"numberLiteral","val":"1000000000000000000000"}"#]],
        );
        check(
            r#"label_join(vector(-Inf), "a", ",")"#,
            expect![[
                r#"{"args":[{"args":[{"type":"numberLiteral","val":"-Inf"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},{"type":"stringLiteral","val":"a"},{"type":"stringLiteral","val":","}],"func":{"argTypes":["vector","string","string","string"],"name":"label_join","returnType":"vector","variadic":-1},"type":"call"}"#
            ]],
        );
        check(
            "vector(1) > bool on (a) group_left (b) vector(NaN)",
            expect![[
                r#"{"bool":true,"lhs":{"args":[{"type":"numberLiteral","val":"1"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},"matching":{"card":"many-to-one","fillValues":{"lhs":null,"rhs":null},"include":["b"],"labels":["a"],"on":true},"op":">","rhs":{"args":[{"type":"numberLiteral","val":"NaN"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},"type":"binaryExpr"}"#
            ]],
        );
        check(
            "topk without (a) (2, vector(time()))",
            expect![[
                r#"{"expr":{"args":[{"args":[],"func":{"argTypes":[],"name":"time","returnType":"scalar","variadic":0},"type":"call"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},"grouping":["a"],"op":"topk","param":{"type":"numberLiteral","val":"2"},"type":"aggregation","without":true}"#
            ]],
        );
        check(
            "sum(vector(1)) + 0x10",
            expect![[
                r#"{"bool":false,"lhs":{"expr":{"args":[{"type":"numberLiteral","val":"1"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},"grouping":[],"op":"sum","param":null,"type":"aggregation","without":false},"matching":null,"op":"+","rhs":{"type":"numberLiteral","val":"16"},"type":"binaryExpr"}"#
            ]],
        );
    }
}
