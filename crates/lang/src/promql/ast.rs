//! The typed tree of a PromQL expression, with the place of every node in the text.
//!
//! Built once by the parser, which has checked types and argument counts: whoever walks it needs no
//! second check. Two trees are equal when they mean the same, wherever they stood.
//!
//! Not here: how it is read (`parse.rs`), how it is printed (`print.rs`), what it computes (`query`).

use std::fmt;

use bellwether_model::{DurationMs, Matcher, TimestampMs};

use super::functions::Function;

/// A half-open range of bytes of the source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What an expression yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number a step.
    Scalar,
    /// At most one sample a series and step.
    Vector,
    /// Many samples a series: a range selector or a subquery.
    Matrix,
    /// A text.
    String,
}

/// As error messages name it, in Prometheus' words.
impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueType::Scalar => "scalar",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            ValueType::String => "string",
        })
    }
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands in the text it was parsed from.
    pub span: Span,
}

/// Equality of meaning: spans are not compared.
impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.kind == other.kind
    }
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1`, `0x1f`, `5m` (300), `Inf`, `NaN`.
    Number(NumberLiteral),
    /// `"text"`.
    String(String),
    /// `up{job="api"} offset 5m @ 10`.
    Selector(VectorSelector),
    /// `x[5m]`.
    Range(RangeSelector),
    /// `expr[1h:5m]`.
    Subquery(Subquery),
    /// `-x` or `+x`.
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`.
    Binary(Binary),
    /// `sum by (job) (x)`.
    Aggregate(Aggregate),
    /// `rate(x[5m])`.
    Call(Call),
    /// `(x)`.
    Paren(Box<Expr>),
    /// `step()`, `range()`, `start()`, `end()` as values, resolved at evaluation.
    StepValue(StepValue),
}

/// A number; `NaN` literals are equal to each other.
#[derive(Clone, Copy, Debug)]
pub struct NumberLiteral {
    /// The value; a duration is in seconds.
    pub value: f64,
    /// Written as a duration (`5m`), to be printed as one.
    pub is_duration: bool,
}

impl PartialEq for NumberLiteral {
    fn eq(&self, other: &NumberLiteral) -> bool {
        self.value == other.value || self.value.is_nan() && other.value.is_nan()
    }
}

/// A vector selector: which series, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric's name when it is written before the braces or quoted inside; also in `matchers`.
    pub name: Option<String>,
    /// Every condition, the one on `__name__` included, in the order written (name first).
    pub matchers: Vec<Matcher>,
    /// Shift and pinning.
    pub at: Modifiers,
    /// `anchored` or `smoothed` (experimental upstream).
    pub extended: Option<Extended>,
}

/// `anchored` and `smoothed`: how a window treats its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// `anchored`
    Anchored,
    /// `smoothed`
    Smoothed,
}

/// `offset` and `@`, common to selectors and subqueries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modifiers {
    /// `offset 5m`: how far to look back; negative looks forward.
    pub offset: Option<DurationExpr>,
    /// `@ 1.5`, `@ start()`, `@ end()`.
    pub at: Option<At>,
}

/// What `@` pins to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A fixed time.
    Time(TimestampMs),
    /// The query's first step.
    Start,
    /// The query's end, which no step is later than.
    End,
}

/// A duration as written: a constant, or arithmetic over constants and `step()`/`range()`
/// (experimental upstream).
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    /// A constant, in milliseconds.
    Const(DurationMs),
    /// Arithmetic in seconds, evaluated when the query's step and range are known.
    Dynamic(Box<Expr>),
}

/// `x[range]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSelector {
    /// The series and the shift.
    pub selector: VectorSelector,
    /// The length of the window, `(t - range, t]`. Positive when constant.
    pub range: DurationExpr,
}

/// `expr[range:step]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated at each step.
    pub expr: Box<Expr>,
    /// The length of the window, `(t - range, t]`.
    pub range: DurationExpr,
    /// The distance of the steps, aligned to multiples of itself; `None` is the default step.
    pub step: Option<DurationExpr>,
    /// Shift and pinning.
    pub at: Modifiers,
}

/// A prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `+`
    Pos,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the operators")]
pub enum BinaryOp {
    Pow,
    Mul,
    Div,
    Mod,
    Atan2,
    Add,
    Sub,
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    And,
    Unless,
    Or,
}

impl BinaryOp {
    /// The operator's text.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOp::Pow => "^",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Atan2 => "atan2",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::And => "and",
            BinaryOp::Unless => "unless",
            BinaryOp::Or => "or",
        }
    }

    /// `== != > >= < <=`
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Eq, Ge, Gt, Le, Lt, Ne};
        matches!(self, Eq | Ne | Gt | Ge | Lt | Le)
    }

    /// `and unless or`
    pub fn is_set(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Unless | BinaryOp::Or)
    }
}

/// `lhs op rhs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left side.
    pub lhs: Box<Expr>,
    /// Right side.
    pub rhs: Box<Expr>,
    /// `bool` was written.
    pub return_bool: bool,
    /// How series of two vectors find each other; present exactly when both sides are vectors.
    pub matching: Option<VectorMatching>,
}

/// How the series of two vectors find each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorMatching {
    /// One-to-one, or which side may have many.
    pub card: Cardinality,
    /// `on (..)` when true, else `ignoring (..)` (also when neither was written).
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// The labels of `group_left` or `group_right`, copied from the one side.
    pub include: Vec<String>,
    /// `fill`, `fill_left`, `fill_right`: the value of a missing partner (experimental upstream).
    pub fill: Fill,
}

/// Values that stand in for a missing partner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fill {
    /// For a missing left side.
    pub left: Option<f64>,
    /// For a missing right side.
    pub right: Option<f64>,
}

/// `NaN` fills are equal to each other.
impl PartialEq for Fill {
    fn eq(&self, other: &Fill) -> bool {
        let number = |value| NumberLiteral {
            value,
            is_duration: false,
        };
        self.left.map(number) == other.left.map(number)
            && self.right.map(number) == other.right.map(number)
    }
}

/// Cardinality of a match between vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cardinality {
    /// Each series matches at most one.
    #[default]
    OneToOne,
    /// `group_left`: many on the left.
    ManyToOne,
    /// `group_right`: many on the right.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// The aggregation operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the operators")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    /// Every operator, in the order of their names' table.
    pub const ALL: [AggregateOp; 14] = [
        AggregateOp::Sum,
        AggregateOp::Avg,
        AggregateOp::Count,
        AggregateOp::Min,
        AggregateOp::Max,
        AggregateOp::Group,
        AggregateOp::Stddev,
        AggregateOp::Stdvar,
        AggregateOp::Topk,
        AggregateOp::Bottomk,
        AggregateOp::CountValues,
        AggregateOp::Quantile,
        AggregateOp::Limitk,
        AggregateOp::LimitRatio,
    ];

    /// As written.
    pub fn text(self) -> &'static str {
        match self {
            AggregateOp::Sum => "sum",
            AggregateOp::Avg => "avg",
            AggregateOp::Count => "count",
            AggregateOp::Min => "min",
            AggregateOp::Max => "max",
            AggregateOp::Group => "group",
            AggregateOp::Stddev => "stddev",
            AggregateOp::Stdvar => "stdvar",
            AggregateOp::Topk => "topk",
            AggregateOp::Bottomk => "bottomk",
            AggregateOp::CountValues => "count_values",
            AggregateOp::Quantile => "quantile",
            AggregateOp::Limitk => "limitk",
            AggregateOp::LimitRatio => "limit_ratio",
        }
    }

    /// True for the operators that take a parameter before the vector.
    pub fn takes_parameter(self) -> bool {
        use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Quantile, Topk};
        matches!(
            self,
            Topk | Bottomk | CountValues | Quantile | Limitk | LimitRatio
        )
    }
}

/// `op by (labels) (param, expr)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// The vector aggregated.
    pub expr: Box<Expr>,
    /// The parameter of `topk`, `quantile`, `count_values` and their like.
    pub param: Option<Box<Expr>>,
    /// Which labels make a group.
    pub grouping: Grouping,
}

/// Which labels make a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// `by (..)`; an empty list (also when nothing was written) makes one group.
    By(Vec<String>),
    /// `without (..)`; the metric's name goes too.
    Without(Vec<String>),
}

/// `function(args)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which function: an entry of the one table in `functions.rs`.
    pub function: &'static Function,
    /// The arguments, checked against the function's signature.
    pub args: Vec<Expr>,
}

/// Values of the evaluation itself (experimental upstream).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepValue {
    /// `step()`: seconds between two steps; 0 at an instant.
    Step,
    /// `range()`: seconds from the query's start to its end.
    Range,
    /// `start()`: the first step, Unix seconds.
    Start,
    /// `end()`: the query's end, Unix seconds.
    End,
}

impl Expr {
    /// What the expression yields.
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::StepValue(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Range(_) | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Unary(_, e) | ExprKind::Paren(e) => e.value_type(),
            ExprKind::Binary(b) => {
                if b.lhs.value_type() == ValueType::Scalar
                    && b.rhs.value_type() == ValueType::Scalar
                {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
            ExprKind::Call(call) => call.function.returns,
        }
    }

    /// The expressions directly inside, in the order written.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Selector(_)
            | ExprKind::Range(_)
            | ExprKind::StepValue(_) => Vec::new(),
            ExprKind::Subquery(s) => vec![&s.expr],
            ExprKind::Unary(_, e) | ExprKind::Paren(e) => vec![e],
            ExprKind::Binary(b) => vec![&b.lhs, &b.rhs],
            ExprKind::Aggregate(a) => a.param.iter().map(|p| &**p).chain([&*a.expr]).collect(),
            ExprKind::Call(c) => c.args.iter().collect(),
        }
    }

    /// The expression inside any number of parentheses.
    pub fn unparenthesized(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}
