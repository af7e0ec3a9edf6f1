//! What series there are: `/api/v1/series`, `/api/v1/labels`, `/api/v1/label/NAME/values`.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_model::json::push_json_string;
use bellwether_model::limits::LABELS_RESPONSE_MAX;
use bellwether_model::{Labels, Matcher, TimeRange};
use bellwether_store::{StoreError, View};
use hyper::StatusCode;

use super::asked::Asked;
use super::envelope::{TRUNCATED, push_labels, push_list, success};
use super::escape::unescape_name;
use super::run;
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// `GET|POST /api/v1/series`: the label sets that any of the selectors matches.
pub(super) async fn series(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let selectors = asked.selectors()?;
    if selectors.is_empty() {
        return Err(Refusal::bad_request("no match[] parameter provided"));
    }
    let look = |view: &View, matchers: &[Matcher], range| view.series(matchers, range);
    list(&api, &asked, selectors, look, |out, labels: &Labels| {
        push_labels(out, labels);
    })
    .await
}

/// `GET|POST /api/v1/labels`: names of labels.
pub(super) async fn label_names(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let selectors = asked.selectors()?;
    let look = |view: &View, matchers: &[Matcher], range| view.label_names(matchers, range);
    list(&api, &asked, selectors, look, |out, name: &String| {
        push_json_string(out, name);
    })
    .await
}

/// `GET /api/v1/label/NAME/values`: values of one label. Its name may be escaped as `U__..`.
pub(super) async fn label_values(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let name = unescape_name(asked.path_part.as_deref().unwrap_or(""));
    if name.is_empty() {
        return Err(Refusal::bad_request("invalid label name: \"\""));
    }
    let selectors = asked.selectors()?;
    let look =
        move |view: &View, matchers: &[Matcher], range| view.label_values(&name, matchers, range);
    list(&api, &asked, selectors, look, |out, value: &String| {
        push_json_string(out, value);
    })
    .await
}

/// What `look` finds for each of the selectors, together: sorted, each once, at most the limit.
async fn list<T: Ord + Send + 'static>(
    api: &Api,
    asked: &Asked,
    selectors: Vec<Vec<Matcher>>,
    look: impl Fn(&View, &[Matcher], TimeRange) -> Result<Vec<T>, StoreError> + Send + 'static,
    push: impl Fn(&mut String, &T) + Send + 'static,
) -> Result<Answer, Refusal> {
    let range = asked.bounds()?;
    let limit = asked.limit()?;
    let patience = asked.patience(api.http.query_timeout)?;
    let store = api.store.clone();
    let body = run::run(api, patience, move |_| {
        let view = store.view();
        let found = match selectors.as_slice() {
            _ if range.to < range.from => Vec::new(),
            [] => look(&view, &[], range).map_err(|e| failed(&e))?,
            [only] => look(&view, only, range).map_err(|e| failed(&e))?,
            several => {
                let mut all = BTreeSet::new();
                for matchers in several {
                    all.extend(look(&view, matchers, range).map_err(|e| failed(&e))?);
                }
                all.into_iter().collect()
            }
        };
        Ok(body(&found, limit, push))
    });
    Ok(Answer::json(body.await?))
}

fn body<T>(found: &[T], limit: usize, push: impl Fn(&mut String, &T)) -> String {
    let max = LABELS_RESPONSE_MAX.usize();
    let shown = found.len().min(limit).min(max);
    let mut warnings = Vec::new();
    if shown < found.len() {
        warnings.push(TRUNCATED.to_owned());
        if shown == max {
            let (name, got) = (LABELS_RESPONSE_MAX.name, found.len());
            warnings.push(format!("{name} is {max}, the whole list has {got}"));
        }
    }
    success(|out| push_list(out, &found[..shown], push), &warnings, &[])
}

pub(super) fn failed(error: &StoreError) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::api::testing::World;

    fn check(path: &str, want: Expect) {
        want.assert_eq(&World::filled().body(path));
    }

    #[test]
    fn series_of_any_selector() {
        check(
            "/api/v1/series?match[]=up",
            expect![[
                r#"{"status":"success","data":[{"__name__":"up","job":"api"},{"__name__":"up","job":"db"}]}"#
            ]],
        );
        check(
            "/api/v1/series?match[]=odd&match[]=up{job=%22db%22}&match[]={job=%22db%22}",
            expect![[
                r#"{"status":"success","data":[{"__name__":"odd"},{"__name__":"up","job":"db"}]}"#
            ]],
        );
        check(
            "/api/v1/series?match[]={__name__!=%22%22}&limit=1",
            expect![[
                r#"{"status":"success","data":[{"__name__":"odd"}],"warnings":["results truncated due to limit"]}"#
            ]],
        );
        check(
            "/api/v1/series?match[]=nothing",
            expect![[r#"{"status":"success","data":[]}"#]],
        );
        for range in ["start=86400", "start=60&end=0"] {
            check(
                &format!("/api/v1/series?match[]=up&{range}"),
                expect![[r#"{"status":"success","data":[]}"#]],
            );
        }
    }

    #[test]
    fn label_names_with_and_without_selectors() {
        check(
            "/api/v1/labels",
            expect![[r#"{"status":"success","data":["__name__","http.code","job"]}"#]],
        );
        check(
            "/api/v1/labels?match[]=odd",
            expect![[r#"{"status":"success","data":["__name__"]}"#]],
        );
        check(
            "/api/v1/labels?match[]=odd&match[]=up&limit=1",
            expect![[
                r#"{"status":"success","data":["__name__"],"warnings":["results truncated due to limit"]}"#
            ]],
        );
    }

    #[test]
    fn label_values_by_plain_and_escaped_names() {
        check(
            "/api/v1/label/job/values",
            expect![[r#"{"status":"success","data":["api","db"]}"#]],
        );
        check(
            "/api/v1/label/job/values?match[]=up{job!=%22db%22}",
            expect![[r#"{"status":"success","data":["api"]}"#]],
        );
        check(
            "/api/v1/label/__name__/values?start=0&end=100&limit=40000",
            expect![[r#"{"status":"success","data":["odd","requests","up"]}"#]],
        );
        check(
            "/api/v1/label/U__http_2e_code/values",
            expect![[r#"{"status":"success","data":["200\"<b>"]}"#]],
        );
        check(
            "/api/v1/label/http.code/values",
            expect![[r#"{"status":"success","data":["200\"<b>"]}"#]],
        );
        check(
            "/api/v1/label/nothing/values",
            expect![[r#"{"status":"success","data":[]}"#]],
        );
    }

    #[test]
    fn wrong_selectors_and_ranges_are_refused() {
        let world = World::new();
        for (path, error) in [
            ("/api/v1/series", "no match[] parameter provided"),
            (
                "/api/v1/series?match[]={}",
                r#"invalid parameter \"match[]\": 1:1: parse error"#,
            ),
            ("/api/v1/series?match[]=up%5B5m%5D", "parse error"),
            ("/api/v1/labels?match[]={a==%22b%22}", "parse error"),
            ("/api/v1/labels?end=x", r#"invalid parameter \"end\""#),
            ("/api/v1/label/U__/values", r#"invalid label name: \"\""#),
            (
                "/api/v1/label/job/values?limit=x",
                r#"invalid parameter \"limit\""#,
            ),
        ] {
            let got = world.get(path);
            assert_eq!(got.status, 400, "{path}: {}", got.body);
            assert!(got.body.contains(error), "{path}: {}", got.body);
        }
    }

    #[test]
    fn long_lists_are_cut_and_name_the_limit() {
        let many: Vec<String> = (0..=LABELS_RESPONSE_MAX.usize())
            .map(|i| i.to_string())
            .collect();
        let got = body(&many, usize::MAX, |out, item| push_json_string(out, item));
        let tail = r#"],"warnings":["results truncated due to limit","labels.response is 100000, the whole list has 100001"]}"#;
        assert!(got.ends_with(tail), "{}", &got[got.len() - 150..]);
    }
}
