//! `/api/bw/v1/explain`: what a query does and what it takes, instead of its answer.

use std::sync::Arc;

use bellwether_query::When;

use super::asked::Asked;
use super::envelope::explained;
use super::query;
use super::run::{self, Patience};
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// `GET|POST /api/bw/v1/explain`: what the query does and takes, of a range when there is a `start`.
pub(super) async fn explain(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let when = match asked.given("start") {
        Some(_) => When::Over(asked.steps(&api.options)?),
        None => When::At(asked.time("time")?.unwrap_or(asked.now)),
    };
    let question = query::question(&api, &asked, when)?;
    let patience: Patience = asked.patience(api.http.query_timeout)?;
    let store = api.store.clone();
    let body = run::run(&api, patience, move |control| {
        let explanation = question
            .explain(&store, control)
            .map_err(|e| run::refusal(&e))?;
        Ok(explained(&explanation))
    });
    Ok(Answer::json(body.await?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::testing::World;

    /// The data of an answer, without what differs from run to run.
    fn explained(world: &World, path: &str) -> Value {
        fn without_times(value: &mut Value) {
            match value {
                Value::Object(fields) => {
                    assert!(fields.remove("seconds").is_none_or(|s| s.is_number()));
                    fields.remove("peakSamples");
                    fields.values_mut().for_each(without_times);
                }
                Value::Array(values) => values.iter_mut().for_each(without_times),
                _ => {}
            }
        }
        let got = world.get(path);
        assert_eq!(
            (got.status, got.content_type.as_str()),
            (200, "application/json")
        );
        let mut answer: Value = serde_json::from_str(&got.body).unwrap();
        let data = &mut answer["data"];
        assert!(data["totals"]["seconds"].is_number(), "{data}");
        without_times(data);
        data.take()
    }

    #[test]
    fn a_plan_has_what_was_expected_and_what_was_read() {
        let world = World::filled();
        let query =
            "/api/bw/v1/explain?query=sum(up%7Bjob%3D~%22a.%2B%22%7D)&start=0&end=90&step=30";
        let want = json!({
            "plan": {
                "label": "sum", "steps": 4, "step": 30, "state": "done", "series": 1,
                "inputs": [{
                    "label": "up{job=~\"a.+\"}", "steps": 4, "step": 30, "state": "streamed", "read": 0,
                    "inputs": [],
                }],
            },
            "reads": [{
                "selector": "up{job=~\"a.+\"}", "start": -299.999, "end": 90, "selectors": 1,
                "estimatedSeries": 1, "series": 1, "samples": 4, "samplesFromZones": 0,
            }],
            "totals": {"series": 1, "samples": 4, "samplesFromZones": 0},
        });
        assert_eq!(explained(&world, query), want);
    }

    #[test]
    fn series_that_match_and_have_nothing_then_are_estimated_only() {
        let world = World::filled();
        let data = explained(&world, "/api/bw/v1/explain?query=up&time=-1000");
        let read = &data["reads"][0];
        assert_eq!(
            (&read["estimatedSeries"], &read["series"]),
            (&json!(2), &json!(0))
        );
    }

    #[test]
    fn a_query_that_hits_a_limit_is_explained_up_to_there() {
        let world = World::filled_with(|options| options.samples_max = 2);
        let data = explained(
            &world,
            "/api/bw/v1/explain?query=count(up)%2Bcount(odd)&time=90",
        );
        let inputs = &data["plan"]["inputs"];
        assert_eq!(data["plan"]["state"], "not run");
        assert_eq!(
            (&inputs[0]["state"], &inputs[1]["state"]),
            (&json!("done"), &json!("not run"))
        );
        let error = data["error"].as_str().unwrap();
        assert!(error.contains("query.max_samples"), "{error}");
    }

    #[test]
    fn mistakes_are_those_of_a_query() {
        let world = World::new();
        for path in [
            "/api/bw/v1/explain",
            "/api/bw/v1/explain?query=sum(",
            "/api/bw/v1/explain?query=1&start=5",
            "/api/bw/v1/explain?query=up%5B1m%5D&start=0&end=1&step=1",
        ] {
            assert_eq!(world.get(path).status, 400, "{path}");
        }
    }
}
