//! The times an expression is evaluated at.

use bellwether_model::{DurationMs, TimestampMs};

use crate::error::QueryError;

/// The steps of a range query: `start`, `start + step`, ... up to `end`, which is included when a step falls on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first step.
    pub start: TimestampMs,
    /// No step is later than this.
    pub end: TimestampMs,
    /// The distance of two steps, positive.
    pub step: DurationMs,
}

impl Steps {
    /// How many points there are. Errors when the step is not positive, when the end lies before the start, and when there are
    /// more than `points_max` steps. Both ends are points, so that there may be one point more: as in Prometheus, whose
    /// clients (Grafana is one) divide the range by the limit to find the smallest step.
    pub fn points(self, points_max: usize) -> Result<usize, QueryError> {
        if self.step.0 <= 0 {
            return Err(QueryError::Steps(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        if self.end < self.start {
            return Err(QueryError::Steps(
                "end timestamp must not be before start time",
            ));
        }
        let span = i128::from(self.end.0) - i128::from(self.start.0);
        let steps = usize::try_from(span / i128::from(self.step.0)).unwrap_or(usize::MAX);
        if steps > points_max {
            let (max, got) = (points_max, steps);
            return Err(QueryError::PointsLimit { max, got });
        }
        Ok(steps.saturating_add(1))
    }
}

/// Evenly spaced times: the steps of a query, or those of a subquery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start: i64,
    pub(crate) step: i64,
    pub(crate) count: usize,
}

impl Grid {
    /// One step.
    pub(crate) fn instant(at: i64) -> Grid {
        Grid {
            start: at,
            step: 1,
            count: 1,
        }
    }

    /// The points of `steps`, or why they are none.
    pub(crate) fn range(steps: Steps, points_max: usize) -> Result<Grid, QueryError> {
        Ok(Grid {
            start: steps.start.0,
            step: steps.step.0,
            count: steps.points(points_max)?,
        })
    }

    /// The multiples of `step` inside `(after, last]`; `step` is positive.
    pub(crate) fn aligned(after: i64, last: i64, step: i64) -> Grid {
        let first = after
            .div_euclid(step)
            .saturating_add(1)
            .saturating_mul(step);
        let count = if first > last {
            0
        } else {
            (i128::from(last) - i128::from(first)) / i128::from(step) + 1
        };
        Grid {
            start: first,
            step,
            count: usize::try_from(count).unwrap_or(usize::MAX),
        }
    }

    /// Only the first step.
    pub(crate) fn first_only(self) -> Grid {
        Grid { count: 1, ..self }
    }

    /// The time of a step. Those of the grid are exact; behind the last one, none is later than the calendar's end.
    pub(crate) fn time(self, step: usize) -> i64 {
        let time = i128::from(self.start) + i128::from(self.step) * step as i128;
        i64::try_from(time).unwrap_or(i64::MAX)
    }

    /// As [`Grid::time`], for steps of the grid only: their times fit, so what wraps on the way to them comes back.
    #[inline(always)]
    pub(crate) fn time_within(self, step: usize) -> i64 {
        debug_assert!(step < self.count);
        self.start.wrapping_add(self.step.wrapping_mul(step as i64))
    }

    /// The time of the last step.
    pub(crate) fn last(self) -> i64 {
        self.time(self.count.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subquery_steps_are_multiples_inside_a_left_open_range() {
        let grid = Grid::aligned(-100, 50, 50);
        assert_eq!((grid.start, grid.count, grid.last()), (-50, 3, 50));
        assert_eq!(Grid::aligned(0, 49, 50).count, 0);
    }

    #[test]
    fn a_time_that_fits_is_exact_though_its_distance_from_the_start_does_not_fit() {
        let steps = Steps {
            start: TimestampMs(i64::MIN),
            end: TimestampMs(i64::MAX),
            step: DurationMs(i64::MAX),
        };
        let grid = Grid::range(steps, 11_000).unwrap();
        assert_eq!((grid.time(1), grid.count), (-1, 3));
        assert!((0..3).all(|step| grid.time_within(step) == grid.time(step)));
        assert_eq!(grid.last(), i64::MAX - 1);
        assert_eq!(grid.time(3), i64::MAX);
    }

    #[test]
    fn too_many_points_are_refused_without_overflow() {
        let steps = Steps {
            start: TimestampMs(i64::MIN),
            end: TimestampMs(i64::MAX),
            step: DurationMs(1),
        };
        let error = Grid::range(steps, 11_000).unwrap_err();
        assert_eq!(error.limit(), Some("query.max_points"));
        let said = error.to_string();
        assert!(
            said.contains("11,000 points per timeseries (query.max_points)"),
            "{said}"
        );
    }

    #[test]
    fn a_range_may_have_as_many_steps_as_the_limit_and_so_one_point_more() {
        let points = |end| {
            let steps = Steps {
                start: TimestampMs(0),
                end: TimestampMs(end),
                step: DurationMs(10),
            };
            steps.points(5)
        };
        assert_eq!((points(0).unwrap(), points(59).unwrap()), (1, 6));
        assert!(matches!(
            points(60),
            Err(QueryError::PointsLimit { max: 5, got: 6 })
        ));
    }
}
