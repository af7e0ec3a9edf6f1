//! Walks the plan: what streams is handed to a pipe, the rest works on whole vectors.

use std::sync::{Arc, Mutex, PoisonError};

use bellwether_lang::promql::ast::{AggregateOp, BinaryOp, Grouping, Span, VectorMatching};
use bellwether_model::{Labels, TimeRange};

use crate::aggregate::accumulate::Accumulator;
use crate::aggregate::{Groups, choose, spread};
use crate::answer::Options;
use crate::binary::sets::{self, Union};
use crate::binary::{arith, matching};
use crate::budget::{Budget, Charge, Pace};
use crate::control::Control;
use crate::error::QueryError;
use crate::explain::watch::Watch;
use crate::functions::map::Map;
use crate::functions::{call, info};
use crate::mask;
use crate::notes::Notes;
use crate::pipe::{Pipe, Ready};
use crate::plan::{Kernel, Kind, Node, Plan, Series, SubqueryInput, WindowSpec};
use crate::reads::{Answered, Buffer, SAMPLE_BYTES, Selection, without_stale};
use crate::scalar::Scalar;
use crate::source::{Columns, Source};
use crate::steps::Grid;
use crate::vector::{RowBuffer, RowName, Vector};
use crate::window::{self, Param, Row, Samples, Scratch, WindowFn, Windows};

/// Evaluates one plan.
pub(crate) struct Evaluator<'a> {
    source: &'a dyn Source,
    options: &'a Options,
    budget: Arc<Budget>,
    notes: Notes,
    selections: Vec<Selection<'a>>,
    /// Who wants to know what each node does and takes.
    watch: Option<&'a Watch<'a>>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        source: &'a dyn Source,
        options: &'a Options,
        control: &Control,
    ) -> Evaluator<'a> {
        Evaluator {
            source,
            options,
            budget: Budget::new(control, options.memory_max, options.samples_max),
            notes: Notes::default(),
            selections: plan.reads.iter().map(Selection::new).collect(),
            watch: None,
        }
    }

    /// The same, its nodes watched.
    pub(crate) fn watched(self, watch: &'a Watch<'a>) -> Evaluator<'a> {
        Evaluator {
            watch: Some(watch),
            ..self
        }
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The notes, once evaluation is over.
    pub(crate) fn into_notes(self) -> Notes {
        for selection in &self.selections {
            selection.finish(&self.notes);
        }
        self.notes
    }

    /// The value of a scalar node.
    pub(crate) fn scalar(&self, node: &Node, grid: Grid) -> Result<Scalar, QueryError> {
        self.budget.check()?;
        if node.invariant && grid.count > 1 {
            let first = self.scalar(node, grid.first_only())?;
            return Ok(Scalar::Const(first.at(0)));
        }
        self.watching(node, |_| 1, || self.fresh_scalar(node, grid))
    }

    fn fresh_scalar(&self, node: &Node, grid: Grid) -> Result<Scalar, QueryError> {
        Ok(match &node.kind {
            Kind::Number(v) => Scalar::Const(*v),
            Kind::Time => {
                let seconds = |step| grid.time(step) as f64 / 1000.0;
                Scalar::of_steps(grid.count, &self.budget, seconds)?
            }
            Kind::ScalarOp { op, lhs, rhs } => {
                let (lhs, rhs) = (self.scalar(lhs, grid)?, self.scalar(rhs, grid)?);
                lhs.zip(rhs, |l, r| arith::scalar(*op, l, r))?
            }
            Kind::ScalarPick { pick, lhs, rhs } => {
                let (lhs, rhs) = (self.scalar(lhs, grid)?, self.scalar(rhs, grid)?);
                lhs.zip(rhs, pick)?
            }
            Kind::ToScalar(arg) => only_value(&self.vector(arg, grid)?, &self.budget)?,
            _ => return Err(QueryError::eval(node.span, "expected a scalar")),
        })
    }

    /// The value of a text node.
    pub(crate) fn text(&self, node: &Node) -> Result<String, QueryError> {
        self.watching(
            node,
            |_| 1,
            || match &node.kind {
                Kind::Text(text) => Ok(text.clone()),
                _ => Err(QueryError::eval(node.span, "expected a string")),
            },
        )
    }

    /// The value of a vector node.
    pub(crate) fn vector(&self, node: &Node, grid: Grid) -> Result<Vector, QueryError> {
        self.budget.check()?;
        if grid.count == 0 {
            return Ok(Vector::new(0, &self.budget));
        }
        if node.invariant && grid.count > 1 {
            return self.vector(node, grid.first_only())?.broadcast(grid.count);
        }
        self.watching(node, Vector::len, || self.fresh_vector(node, grid))
    }

    /// Evaluates a node, under the eyes of the watch if there is one.
    fn watching<T>(
        &self,
        node: &Node,
        rows: impl FnOnce(&T) -> usize,
        evaluate: impl FnOnce() -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        match self.watch {
            None => evaluate(),
            Some(watch) => watch.evaluation(node, rows, evaluate),
        }
    }

    fn fresh_vector(&self, node: &Node, grid: Grid) -> Result<Vector, QueryError> {
        if let Some(pipe) = self.pipe(node, grid)? {
            return pipe.collect();
        }
        match &node.kind {
            Kind::OverSubquery {
                func,
                params,
                input,
            } => self.over_subquery(func, params, input, grid),
            Kind::Map {
                arg, drops_name, ..
            } => {
                let map = self.map(node, grid)?;
                let mut vector = self.vector(arg, grid)?;
                let pace = Pace::new(&self.budget);
                for row in 0..vector.len() {
                    map.apply(&mut vector.row_mut(row), &pace)?;
                }
                if *drops_name {
                    vector
                        .names_mut()
                        .iter_mut()
                        .for_each(|n| n.drop_name = true);
                }
                let order: Vec<usize> = (0..vector.len()).collect();
                vector.reordered(&order)
            }
            Kind::Aggregate {
                op,
                param,
                arg,
                grouping,
            } => self.aggregate(*op, param.as_deref(), arg, grouping, node.span, grid),
            Kind::Binary {
                op,
                lhs,
                rhs,
                return_bool,
                matching,
            } => {
                if *op == BinaryOp::Or {
                    return self.union(matching, lhs, rhs, grid)?.finish(node.span);
                }
                let (lhs, rhs) = (self.vector(lhs, grid)?, self.vector(rhs, grid)?);
                if op.is_set() {
                    sets::evaluate(*op, matching, lhs, &rhs)
                } else {
                    matching::evaluate(*op, *return_bool, matching, &lhs, &rhs, node.span)
                }
            }
            Kind::Absent { arg, labels } => self.absent(arg, labels, grid),
            Kind::Info(i) => {
                let base = self.vector(&i.base, grid)?;
                let info = self.vector(&i.joined, grid)?;
                let wanted = info::Wanted {
                    names: &i.names,
                    data: &i.data,
                };
                info::join(&base, &info, &wanted, node.span)
            }
            Kind::Call { func, args } => call::call(self, *func, args, node.span, grid),
            _ => Err(QueryError::eval(node.span, "expected an instant vector")),
        }
    }

    /// `lhs or rhs`. Where `lhs` is such a union itself, its cover of series is taken over: `a or b or c ..` does not look
    /// through `a` again for each operand that follows.
    fn union(
        &self,
        matching: &VectorMatching,
        lhs: &Node,
        rhs: &Node,
        grid: Grid,
    ) -> Result<Union, QueryError> {
        let mut union = match &lhs.kind {
            Kind::Binary {
                op: BinaryOp::Or,
                lhs: inner_lhs,
                rhs: inner_rhs,
                matching: inner,
                ..
            } if inner == matching && !(lhs.invariant && grid.count > 1) => {
                self.budget.check()?;
                self.watching(lhs, Union::len, || {
                    self.union(matching, inner_lhs, inner_rhs, grid)
                })?
            }
            _ => Union::new(matching, self.vector(lhs, grid)?),
        };
        union.add(self.vector(rhs, grid)?)?;
        Ok(union)
    }

    /// The pipe of a node whose rows come straight from series; `None` when they don't.
    fn pipe(&self, node: &Node, grid: Grid) -> Result<Option<Pipe<'_>>, QueryError> {
        match &node.kind {
            Kind::Series(series) => Ok(Some(self.series_pipe(series, grid)?)),
            Kind::Map {
                arg, drops_name, ..
            } if !(arg.invariant && grid.count > 1) => {
                let Some(mut pipe) = self.pipe(arg, grid)? else {
                    return Ok(None);
                };
                pipe.maps.push(self.map(node, grid)?);
                pipe.drop_name |= *drops_name;
                Ok(Some(pipe))
            }
            _ => Ok(None),
        }
    }

    fn series_pipe(&self, series: &Series, grid: Grid) -> Result<Pipe<'_>, QueryError> {
        let mut drop_name = false;
        let kernel = match &series.kernel {
            Kernel::Newest { lookback, wanted } => Ready::Newest {
                lookback: *lookback,
                wanted: *wanted,
            },
            Kernel::Smoothed { lookback } => Ready::Smoothed {
                lookback: *lookback,
            },
            Kernel::Window {
                func,
                extended,
                lookback,
                range,
                params,
            } => {
                drop_name = !func.keeps_name;
                Ready::Window {
                    func: *func,
                    extended: *extended,
                    lookback: *lookback,
                    range: *range,
                    params: self.window_params(params, grid)?,
                }
            }
        };
        let answered = self.answer(series.read)?;
        Ok(Pipe {
            answered,
            grid,
            shift: series.shift,
            kernel,
            maps: Vec::new(),
            drop_name,
            budget: &self.budget,
            notes: &self.notes,
            span: series.span,
            threads: self.options.threads,
            zones: self.options.zones,
        })
    }

    /// The scalar arguments of a window function.
    fn window_params(&self, params: &[Node], grid: Grid) -> Result<Vec<Param>, QueryError> {
        let param = |node: &Node| {
            Ok(Param {
                value: self.scalar(node, grid)?,
                span: node.span,
            })
        };
        params.iter().map(param).collect()
    }

    fn map(&self, node: &Node, grid: Grid) -> Result<Map, QueryError> {
        let Kind::Map { map, params, .. } = &node.kind else {
            return Err(QueryError::eval(node.span, "expected a function of values"));
        };
        let params = params
            .iter()
            .map(|p| self.scalar(p, grid))
            .collect::<Result<_, _>>()?;
        Ok(Map { kind: *map, params })
    }

    fn aggregate(
        &self,
        op: AggregateOp,
        param: Option<&Node>,
        arg: &Node,
        grouping: &Grouping,
        span: Span,
        grid: Grid,
    ) -> Result<Vector, QueryError> {
        let is_streamed = !(arg.invariant && grid.count > 1);
        if is_streamed
            && Accumulator::new(op, 0, 0, &self.budget).is_some()
            && let Some(pipe) = self.pipe(arg, grid)?
        {
            return self.aggregate_stream(op, &pipe, grouping, grid);
        }
        let vector = self.vector(arg, grid)?;
        let groups = Groups::of_rows(grouping, &vector)?;
        if let Some(mut all) = Accumulator::new(op, groups.labels.len(), grid.count, &self.budget) {
            for row in 0..vector.len() {
                let dropped = vector.name(row).drop_name;
                all.add(
                    groups.of[row],
                    dropped,
                    vector.values(row),
                    vector.mask(row),
                )?;
            }
            return all.finish(&groups);
        }
        let Some(param) = param else {
            return Err(QueryError::eval(span, "missing parameter"));
        };
        if let Kind::Text(label) = &param.kind {
            return spread::count_values(label, grouping, &vector, &groups, span);
        }
        let value = self.scalar(param, grid)?;
        match op {
            AggregateOp::Quantile => {
                spread::quantile(&value, &vector, &groups, &self.notes, param.span)
            }
            AggregateOp::Limitk => choose::limit(&value, vector, &groups, span),
            AggregateOp::LimitRatio => {
                choose::limit_ratio(&value, vector, &self.notes, span, param.span)
            }
            _ => choose::top(op, &value, vector, &groups, span),
        }
    }

    /// Aggregates rows as they come out of the pipe.
    fn aggregate_stream(
        &self,
        op: AggregateOp,
        pipe: &Pipe<'_>,
        grouping: &Grouping,
        grid: Grid,
    ) -> Result<Vector, QueryError> {
        let groups = Groups::new(grouping, pipe.labels().iter(), &self.budget)?;
        let budget = &self.budget; // The threads share this, not the evaluator.
        let new = || Accumulator::new(op, groups.labels.len(), grid.count, budget);
        let Some(mut all) = new() else {
            return Ok(Vector::new(grid.count, &self.budget));
        };
        // Group after group, so that parts have few groups in common, and little is to be merged.
        let order = groups.series_in_order(&self.budget)?;
        // Parts that are merged serve again, since clearing their memory costs less than getting more.
        let merged = Mutex::new(Vec::new());
        let lock = || merged.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.fold(
            |place| order.series[place],
            || lock().pop().or_else(new),
            |part, series, row| match part {
                Some(part) => part.add(groups.of[series], pipe.drop_name, &row.values, &row.mask),
                None => Ok(()),
            },
            |part| {
                let Some(mut part) = part else { return Ok(()) };
                all.merge(&part)?;
                part.clear();
                lock().push(part);
                Ok(())
            },
        )?;
        all.finish(&groups)
    }

    /// A window function over the steps of a subquery.
    fn over_subquery(
        &self,
        func: &WindowFn,
        params: &[Node],
        input: &SubqueryInput,
        grid: Grid,
    ) -> Result<Vector, QueryError> {
        let params = self.window_params(params, grid)?;
        let WindowSpec { shift, range } = input.window;
        let (inner, inner_grid) = self.subquery(input, grid)?;
        let windows = Windows { grid, shift, range };
        let mut out = Vector::new(grid.count, &self.budget);
        let mut charge = Charge::new(&self.budget);
        // The row being written.
        charge.grow(grid.count.saturating_mul(9))?;
        let (mut points, mut fresh) = (Buffer::new(&self.budget), Buffer::new(&self.budget));
        let (mut scratch, pace) = (Scratch::new(&self.budget), Pace::new(&self.budget));
        let mut buffer = RowBuffer::new(grid.count);
        for row in 0..inner.len() {
            self.budget.check()?;
            self.points(&inner, row, inner_grid, &mut points)?;
            buffer.reset();
            let mut windowed = Row {
                span: input.span,
                samples: without_stale(points.samples(), &mut fresh)?,
                windows,
                params: &params,
                notes: &self.notes,
                pace: &pace,
                out: &mut buffer,
            };
            window::run(func, None, &mut windowed, &mut scratch)?;
            let name = inner.name(row);
            if func.wants_counter && !mask::is_empty(&buffer.mask) {
                self.notes.info_unless_counter(&name.labels, input.span);
            }
            let name = RowName {
                labels: name.labels.clone(),
                drop_name: name.drop_name || !func.keeps_name,
            };
            out.push(name, &buffer.values, &buffer.mask)?;
        }
        Ok(out)
    }

    /// A row of a subquery as samples. They count as read: a window over them costs what one over stored samples does.
    fn points(
        &self,
        inner: &Vector,
        row: usize,
        grid: Grid,
        points: &mut Buffer,
    ) -> Result<(), QueryError> {
        let (mask, values) = (inner.mask(row), inner.values(row));
        let count = mask.iter().map(|word| word.count_ones() as usize).sum();
        self.budget.add_samples(count)?;
        let columns = points.clear_for(count)?;
        for step in mask::ones(mask) {
            columns.times.push(grid.time(step));
            columns.values.push(values[step]);
        }
        Ok(())
    }

    /// The inner expression of a subquery at all its steps that windows at `grid` look at.
    fn subquery(&self, input: &SubqueryInput, grid: Grid) -> Result<(Vector, Grid), QueryError> {
        let steps = input.steps(grid);
        // Whatever is evaluated at these steps needs a number for each: so many steps that there is no room for
        // that are refused before anything is allocated for them.
        Charge::new(&self.budget).grow(steps.count.saturating_mul(8))?;
        Ok((self.vector(&input.inner, steps)?, steps))
    }

    /// A scalar as a vector of one series without labels.
    pub(crate) fn scalar_as_vector(&self, node: &Node, grid: Grid) -> Result<Vector, QueryError> {
        let mut out = Vector::new(grid.count, &self.budget);
        let row = out.push_empty(RowName {
            labels: Labels::empty(),
            drop_name: false,
        })?;
        let scalar = self.scalar(node, grid)?;
        let row = out.row_mut(row);
        for (step, value) in row.values.iter_mut().enumerate() {
            *value = scalar.at(step);
        }
        mask::fill(row.mask, grid.count);
        Ok(out)
    }

    fn absent(&self, arg: &Node, labels: &Labels, grid: Grid) -> Result<Vector, QueryError> {
        let vector = self.vector(arg, grid)?;
        let mut present = vec![0; mask::words(grid.count)];
        for row in 0..vector.len() {
            let mask = vector.mask(row);
            present.iter_mut().zip(mask).for_each(|(p, m)| *p |= m);
        }
        let mut out = vector.like();
        let row = out.push_empty(RowName {
            labels: labels.clone(),
            drop_name: false,
        })?;
        for step in (0..grid.count).filter(|step| !mask::get(&present, *step)) {
            out.put(row, step, 1.0);
        }
        out.reordered(&[0])
    }

    /// The samples of a range selector or subquery at one step: the answer to an instant query for a range vector.
    pub(crate) fn matrix(&self, node: &Node, at: i64) -> Result<RangeVector, QueryError> {
        let rows = |out: &RangeVector| out.rows.len();
        self.watching(node, rows, || self.fresh_matrix(node, at))
    }

    fn fresh_matrix(&self, node: &Node, at: i64) -> Result<RangeVector, QueryError> {
        let mut out = RangeVector {
            rows: Vec::new(),
            charge: Charge::new(&self.budget),
        };
        let mut buffer = Buffer::new(&self.budget);
        match &node.kind {
            Kind::RawRange { read, window } => {
                let answered = self.answer(*read)?;
                let end = window.shift.apply(at);
                let range = TimeRange::new(end.saturating_sub(window.range).saturating_add(1), end);
                let mut fresh = Buffer::new(&self.budget);
                for (index, labels) in answered.labels.iter().enumerate() {
                    self.budget.check()?;
                    let samples = answered.read(index, range, &mut buffer)?;
                    let name = RowName {
                        labels: labels.clone(),
                        drop_name: false,
                    };
                    out.push(name, without_stale(samples, &mut fresh)?)?;
                }
            }
            Kind::RawSubquery(input) => {
                let (inner, steps) = self.subquery(input, Grid::instant(at))?;
                for row in 0..inner.len() {
                    self.budget.check()?;
                    self.points(&inner, row, steps, &mut buffer)?;
                    out.push(inner.name(row).clone(), buffer.samples())?;
                }
            }
            _ => return Err(QueryError::eval(node.span, "expected a range vector")),
        }
        Ok(out)
    }

    fn answer(&self, read: usize) -> Result<&Answered<'a>, QueryError> {
        self.selections[read].answer(
            self.source,
            self.options.series_max,
            &self.budget,
            &self.notes,
        )
    }
}

/// Samples as they are stored, or as a subquery has made them.
#[derive(Debug)]
pub(crate) struct RangeVector {
    pub(crate) rows: Vec<(RowName, Columns)>,
    charge: Charge,
}

impl RangeVector {
    /// Adds a row, unless it has no samples.
    fn push(&mut self, name: RowName, samples: Samples<'_>) -> Result<(), QueryError> {
        if samples.times.is_empty() {
            return Ok(());
        }
        let bytes = samples.times.len() * SAMPLE_BYTES + size_of::<(RowName, Columns)>();
        self.charge.grow(bytes)?;
        let columns = Columns {
            times: samples.times.to_vec(),
            values: samples.values.to_vec(),
        };
        self.rows.push((name, columns));
        Ok(())
    }
}

/// At each step the value of the only row that has one, else NaN.
fn only_value(vector: &Vector, budget: &Arc<Budget>) -> Result<Scalar, QueryError> {
    let at = |step| {
        let mut values = (0..vector.len()).filter_map(|row| vector.get(row, step));
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            _ => f64::NAN,
        }
    };
    Scalar::of_steps(vector.steps(), budget, at)
}
