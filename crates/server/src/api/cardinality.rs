//! `/api/v1/status/tsdb`: what the series are made of, so that a label that has too many values is found.
//!
//! Every series counts that has samples. Chunks are not counted: a store of segments has none that a view could tell.

use std::fmt::Write as _;
use std::sync::Arc;

use bellwether_model::json::push_json_string;
use bellwether_model::{HashMap, Labels, METRIC_NAME, TimeRange};
use bellwether_query::{Control, QueryError};
use bellwether_store::View;

use super::asked::{Asked, bad};
use super::envelope::{push_list, success};
use super::run;
use super::series::failed;
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// Rows of each list when the request does not say how many it wants, and the most it may want: upstream's.
const ROWS: usize = 10;
const ROWS_MAX: usize = 10_000;

/// Series looked at between two looks at the control.
const LOOK_EVERY: usize = 4096;

/// `GET /api/v1/status/tsdb`.
pub(super) async fn tsdb(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let rows = rows(&asked)?;
    let patience = asked.patience(api.http.query_timeout)?;
    let store = api.store.clone();
    let body = run::run(&api, patience, move |control| {
        let view = store.view();
        let series = view.series(&[], TimeRange::ALL).map_err(|e| failed(&e))?;
        let counted = Counted::new(&view, &series, rows, control);
        Ok(body(&counted.map_err(|e| run::refusal(&e))?))
    });
    Ok(Answer::json(body.await?))
}

fn rows(asked: &Asked) -> Result<usize, Refusal> {
    let Some(text) = asked.params.get("limit") else {
        return Ok(ROWS);
    };
    match text.parse() {
        Ok(rows) if (1..=ROWS_MAX).contains(&rows) => Ok(rows),
        _ => Err(bad(
            "limit",
            format_args!("{text:?} is no number between 1 and {ROWS_MAX}"),
        )),
    }
}

/// Names with their figures, the greatest first.
type Top = Vec<(String, u64)>;

struct Counted {
    series: usize,
    pairs: u64,
    bounds: TimeRange,
    series_by_metric: Top,
    values_by_label: Top,
    bytes_by_label: Top,
    series_by_pair: Top,
}

impl Counted {
    /// One label after the other, so that the values of one at a time are in memory.
    fn new(
        view: &View,
        series: &[Labels],
        rows: usize,
        control: &Control,
    ) -> Result<Counted, QueryError> {
        let mut counted = Counted {
            series: series.len(),
            pairs: 0,
            bounds: view.time_bounds().unwrap_or(TimeRange::new(0, 0)),
            series_by_metric: Top::new(),
            values_by_label: Top::new(),
            bytes_by_label: Top::new(),
            series_by_pair: Top::new(),
        };
        for label in label_names(series, control)? {
            let mut series_of: HashMap<&str, u64> = HashMap::default();
            let mut bytes = 0;
            for (i, labels) in series.iter().enumerate() {
                if i.is_multiple_of(LOOK_EVERY) {
                    control.check()?;
                }
                if let Some(value) = labels.get(label) {
                    *series_of.entry(value).or_default() += 1;
                    bytes += value.len() as u64;
                }
            }
            let values = series_of.len() as u64;
            counted.pairs += values;
            counted.values_by_label.push((label.to_owned(), values));
            counted.bytes_by_label.push((label.to_owned(), bytes));
            let mut best: Vec<(&str, u64)> = series_of.into_iter().collect();
            sort_top(&mut best, rows);
            if label == METRIC_NAME {
                let own = |(value, count): &(&str, u64)| ((*value).to_owned(), *count);
                counted.series_by_metric = best.iter().map(own).collect();
            }
            let pair = |(value, count): (&str, u64)| (format!("{label}={value}"), count);
            counted.series_by_pair.extend(best.into_iter().map(pair));
            sort_top(&mut counted.series_by_pair, rows);
        }
        sort_top(&mut counted.values_by_label, rows);
        sort_top(&mut counted.bytes_by_label, rows);
        Ok(counted)
    }
}

/// The names of all labels, sorted.
fn label_names<'a>(series: &'a [Labels], control: &Control) -> Result<Vec<&'a str>, QueryError> {
    let mut names: Vec<&str> = Vec::new();
    for (i, labels) in series.iter().enumerate() {
        if i.is_multiple_of(LOOK_EVERY) {
            control.check()?;
        }
        for (name, _) in labels {
            if let Err(at) = names.binary_search(&name) {
                names.insert(at, name);
            }
        }
    }
    Ok(names)
}

/// The first `rows` by figure, those with the same figure by name.
fn sort_top<N: Ord>(top: &mut Vec<(N, u64)>, rows: usize) {
    top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    top.truncate(rows);
}

fn body(counted: &Counted) -> String {
    let data = |out: &mut String| {
        let Counted {
            series,
            pairs,
            bounds,
            ..
        } = counted;
        let (from, to) = (bounds.from.0, bounds.to.0);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{{\"headStats\":{{\"numSeries\":{series},\"numLabelPairs\":{pairs},\"chunkCount\":0,\"minTime\":{from},\"maxTime\":{to}}}"
        );
        for (name, top) in [
            ("seriesCountByMetricName", &counted.series_by_metric),
            ("labelValueCountByLabelName", &counted.values_by_label),
            ("memoryInBytesByLabelName", &counted.bytes_by_label),
            ("seriesCountByLabelValuePair", &counted.series_by_pair),
        ] {
            let _ = write!(out, ",\"{name}\":");
            push_list(out, top, |out, (name, value)| {
                out.push_str("{\"name\":");
                push_json_string(out, name);
                let _ = write!(out, ",\"value\":{value}}}");
            });
        }
        out.push('}');
    };
    success(data, &[], &[])
}

#[cfg(test)]
mod tests {
    use crate::api::testing::World;

    #[test]
    fn what_the_series_are_made_of() {
        let world = World::filled();
        let got = world.body("/api/v1/status/tsdb");
        expect_test::expect![[r#"{"status":"success","data":{"headStats":{"numSeries":4,"numLabelPairs":6,"chunkCount":0,"minTime":0,"maxTime":120000},"seriesCountByMetricName":[{"name":"up","value":2},{"name":"odd","value":1},{"name":"requests","value":1}],"labelValueCountByLabelName":[{"name":"__name__","value":3},{"name":"job","value":2},{"name":"http.code","value":1}],"memoryInBytesByLabelName":[{"name":"__name__","value":15},{"name":"http.code","value":7},{"name":"job","value":5}],"seriesCountByLabelValuePair":[{"name":"__name__=up","value":2},{"name":"__name__=odd","value":1},{"name":"__name__=requests","value":1},{"name":"http.code=200\"<b>","value":1},{"name":"job=api","value":1},{"name":"job=db","value":1}]}}"#]].assert_eq(&got);
        let got = world.body("/api/v1/status/tsdb?limit=1");
        expect_test::expect![[r#"{"status":"success","data":{"headStats":{"numSeries":4,"numLabelPairs":6,"chunkCount":0,"minTime":0,"maxTime":120000},"seriesCountByMetricName":[{"name":"up","value":2}],"labelValueCountByLabelName":[{"name":"__name__","value":3}],"memoryInBytesByLabelName":[{"name":"__name__","value":15}],"seriesCountByLabelValuePair":[{"name":"__name__=up","value":2}]}}"#]].assert_eq(&got);
        let got = World::new().body("/api/v1/status/tsdb");
        let want = r#"{"status":"success","data":{"headStats":{"numSeries":0,"numLabelPairs":0,"chunkCount":0,"minTime":0,"maxTime":0},"seriesCountByMetricName":[],"labelValueCountByLabelName":[],"memoryInBytesByLabelName":[],"seriesCountByLabelValuePair":[]}}"#;
        assert_eq!(got, want);
    }

    #[test]
    fn so_many_rows_and_no_more() {
        let world = World::filled();
        for limit in ["0", "-1", "10001", "x"] {
            let got = world.get(&format!("/api/v1/status/tsdb?limit={limit}"));
            assert_eq!(got.status, 400, "{}", got.body);
        }
    }
}
