//! `/api/v1/export` and `/api/v1/export/csv`: samples as they are stored, as JSON lines or CSV, however many.
//!
//! Made while it is sent: a few parts of [`PART_BYTES`] and the samples that are being read are all that is in memory.
//! A client that stops reading stops the work (`http.write_timeout`), and one that leaves ends it. What fails behind the
//! first part cuts the connection, because the status is gone by then. `query.timeout` does not count here, and exports
//! take no places from queries: they have `export.concurrency` of their own.

use std::ops::ControlFlow;
use std::sync::Arc;

use bellwether_model::limits::{EXPORT_CONCURRENCY, EXPORT_LINE_SAMPLES, QUERY_SERIES_MAX};
use bellwether_model::{Labels, Matcher, TimeRange};
use bellwether_query::source::store::ViewSource;
use bellwether_query::{Columns, QueryError, Select, SeriesReader, Source, SourceError};
use bellwether_store::Store;
use bellwether_wire::export::{CSV_TYPE, CsvFormat, JSON_LINES_TYPE, push_json_line};
use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::asked::{Asked, bad};
use super::run;
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// How large a part is before it is sent.
const PART_BYTES: usize = 64 * 1024;
/// How many parts wait for a slow client.
const PARTS_WAITING: usize = 4;
/// Samples of one series in memory at a time; a longer series is read in pieces.
const ROOM: usize = 256 * 1024;
/// When one that was turned away may come again, in seconds.
const RETRY_AFTER: u32 = 30;

/// `GET|POST /api/v1/export`: JSON lines, each of one series and at most `max_rows_per_line` samples.
pub(super) async fn json_lines(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let rows_max = rows_per_line(&asked)?;
    export(
        &api,
        &asked,
        JSON_LINES_TYPE,
        String::new(),
        move |out, labels, columns| {
            let lines = columns.times.chunks(rows_max);
            for (times, values) in lines.zip(columns.values.chunks(rows_max)) {
                push_json_line(out.text(), labels, times, values);
                out.flush_if_full()?;
            }
            ControlFlow::Continue(())
        },
    )
    .await
}

/// `GET|POST /api/v1/export/csv`: a header and a row for each sample, with the columns of `format`.
pub(super) async fn csv(api: Arc<Api>, call: Call) -> Result<Answer, Refusal> {
    let asked = Asked::read(call, &api.http).await?;
    let format = CsvFormat::parse(asked.params.get("format").unwrap_or(""))
        .map_err(|error| bad("format", format_args!("{error}")))?;
    let mut header = String::new();
    format.push_header(&mut header);
    /// Rows between two looks at the size of a part.
    const ROWS: usize = 512;
    export(
        &api,
        &asked,
        CSV_TYPE,
        header,
        move |out, labels, columns| {
            let pieces = columns.times.chunks(ROWS);
            for (times, values) in pieces.zip(columns.values.chunks(ROWS)) {
                format.push_rows(out.text(), labels, times, values);
                out.flush_if_full()?;
            }
            ControlFlow::Continue(())
        },
    )
    .await
}

fn rows_per_line(asked: &Asked) -> Result<usize, Refusal> {
    let max = EXPORT_LINE_SAMPLES.usize();
    let Some(text) = asked.params.get("max_rows_per_line") else {
        return Ok(max);
    };
    match text.parse::<usize>() {
        Ok(0) => Ok(max),
        Ok(rows) => Ok(rows.min(max)),
        Err(_) => Err(bad(
            "max_rows_per_line",
            format_args!("cannot parse {text:?} to a number that is not negative"),
        )),
    }
}

/// What is to be exported.
struct Job {
    store: Store,
    selectors: Vec<Vec<Matcher>>,
    range: TimeRange,
    /// The most series.
    limit: usize,
}

/// Begins the export and answers with its first part. `push` writes one series' samples, or some of them.
async fn export(
    api: &Api,
    asked: &Asked,
    content_type: &'static str,
    header: String,
    push: impl FnMut(&mut Parts, &Labels, &Columns) -> ControlFlow<Gone> + Send + 'static,
) -> Result<Answer, Refusal> {
    let selectors = asked.selectors()?;
    if selectors.is_empty() {
        return Err(Refusal::bad_request("no match[] parameter provided"));
    }
    let job = Job {
        store: api.store.clone(),
        selectors,
        range: asked.time_range()?,
        limit: asked.limit()?,
    };
    let place = Arc::clone(&api.exports).try_acquire_owned();
    let place = place.map_err(|_| no_place())?;
    let (tell, told) = oneshot::channel();
    let (send, rest) = mpsc::channel(PARTS_WAITING);
    let parts = Parts {
        text: header,
        first: Some(tell),
        send,
    };
    tokio::task::spawn_blocking(move || produce(place, &job, parts, push));
    let failed = |_| {
        let text = "the server made a mistake over this export; its log says more";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    };
    let First { bytes, whole } = told.await.map_err(failed)??;
    let mut answer = Answer::new(StatusCode::OK, content_type, bytes);
    answer.rest = (!whole).then_some(rest);
    Ok(answer)
}

fn no_place() -> Refusal {
    let mut refusal = Refusal::limited(
        StatusCode::SERVICE_UNAVAILABLE,
        "other exports are running",
        &EXPORT_CONCURRENCY,
    );
    refusal.retry_after = Some(RETRY_AFTER);
    refusal
}

fn produce(
    place: OwnedSemaphorePermit,
    job: &Job,
    mut parts: Parts,
    push: impl FnMut(&mut Parts, &Labels, &Columns) -> ControlFlow<Gone>,
) {
    match write(job, &mut parts, push) {
        Ok(ControlFlow::Continue(())) => parts.finish(),
        Ok(ControlFlow::Break(Gone)) => {}
        Err(error) => parts.fail(error),
    }
    drop(place);
}

/// Writes every series that any of the selectors matches, each once, sorted within what one selector matches.
fn write(
    job: &Job,
    parts: &mut Parts,
    mut push: impl FnMut(&mut Parts, &Labels, &Columns) -> ControlFlow<Gone>,
) -> Result<ControlFlow<Gone>, SourceError> {
    let view = job.store.view();
    // Reading by halves begins with what there is, not with all of time.
    let Some(range) = view.time_bounds().and_then(|held| overlap(held, job.range)) else {
        return Ok(ControlFlow::Continue(()));
    };
    let source = ViewSource(&view);
    let mut left = job.limit;
    for (index, matchers) in job.selectors.iter().enumerate() {
        let select = Select {
            matchers,
            range,
            series_max: QUERY_SERIES_MAX.usize(),
        };
        let series = source.select(&select)?;
        let earlier = &job.selectors[..index];
        for (at, labels) in series.labels.iter().enumerate() {
            let done = |matchers: &Vec<Matcher>| matchers.iter().all(|m| m.matches_labels(labels));
            if earlier.iter().any(done) {
                continue;
            }
            if left == 0 {
                return Ok(ControlFlow::Continue(()));
            }
            left -= 1;
            let write = |columns: &Columns| push(parts, labels, columns);
            if let ControlFlow::Break(gone) = read_in_pieces(&*series.reader, at, range, write)? {
                return Ok(ControlFlow::Break(gone));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn overlap(a: TimeRange, b: TimeRange) -> Option<TimeRange> {
    let (from, to) = (a.from.max(b.from), a.to.min(b.to));
    (from <= to).then_some(TimeRange { from, to })
}

/// Hands the samples of one series to `write`, in order, never more than [`ROOM`] at a time: where that is not enough,
/// the time is halved.
fn read_in_pieces(
    reader: &dyn SeriesReader,
    index: usize,
    range: TimeRange,
    mut write: impl FnMut(&Columns) -> ControlFlow<Gone>,
) -> Result<ControlFlow<Gone>, SourceError> {
    let mut columns = Columns::default();
    let mut pieces = vec![range];
    while let Some(piece) = pieces.pop() {
        match reader.read(index, piece, ROOM, &mut columns) {
            Ok(()) => {}
            Err(SourceError::NoRoom { .. }) if piece.from < piece.to => {
                let (from, to) = (piece.from.0, piece.to.0);
                let middle = i64::midpoint(from, to);
                pieces.push(TimeRange::new(middle + 1, to));
                pieces.push(TimeRange::new(from, middle));
                continue;
            }
            Err(error) => return Err(error),
        }
        if let ControlFlow::Break(gone) = write(&columns) {
            return Ok(ControlFlow::Break(gone));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Nobody reads any more.
struct Gone;

/// The first part, and whether it is the whole answer.
struct First {
    bytes: Bytes,
    whole: bool,
}

/// The text in the making, sent part by part.
struct Parts {
    text: String,
    /// Takes the first part, or the reason why there is none.
    first: Option<oneshot::Sender<Result<First, Refusal>>>,
    /// Takes the others, and `None` at the end.
    send: mpsc::Sender<Option<Bytes>>,
}

impl Parts {
    fn text(&mut self) -> &mut String {
        &mut self.text
    }

    fn flush_if_full(&mut self) -> ControlFlow<Gone> {
        if self.text.len() < PART_BYTES {
            return ControlFlow::Continue(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.text));
        let whole = false;
        let sent = match self.first.take() {
            Some(first) => first.send(Ok(First { bytes, whole })).is_ok(),
            // Waits while enough parts wait.
            None => self.send.blocking_send(Some(bytes)).is_ok(),
        };
        if sent {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Gone)
        }
    }

    /// The end: nobody is told anything when nobody reads.
    fn finish(self) {
        let bytes = Bytes::from(self.text);
        if let Some(first) = self.first {
            drop(first.send(Ok(First { bytes, whole: true })));
        } else if self.send.blocking_send(Some(bytes)).is_ok() {
            let _ = self.send.blocking_send(None);
        }
    }

    fn fail(self, error: SourceError) {
        if let Some(first) = self.first {
            drop(first.send(Err(run::refusal(&QueryError::Source(error)))));
        } else {
            // Without the word of the end the connection is cut.
            tracing::error!("an export broke off: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use bellwether_model::TimestampMs;
    use expect_test::expect;

    use super::*;
    use crate::api::testing::{Got, World, block_on};

    #[test]
    fn every_sample_of_any_selector_once() {
        let world = World::filled();
        let got = world
            .get("/api/v1/export?match[]={job=%22db%22}&match[]={__name__=~%22up|odd%22}&start=30");
        assert_eq!(
            (got.status, got.content_type.as_str()),
            (200, JSON_LINES_TYPE)
        );
        expect![[r#"
            {"metric":{"__name__":"up","job":"db"},"values":[0,0,0,0],"timestamps":[30000,60000,90000,120000]}
            {"metric":{"__name__":"odd"},"values":["+Inf","-Inf",1.5],"timestamps":[30000,60000,90000]}
            {"metric":{"__name__":"up","job":"api"},"values":[1,1,1,1],"timestamps":[30000,60000,90000,120000]}
        "#]]
        .assert_eq(&got.body);
        assert_eq!(world.body("/api/v1/export?match[]=nothing"), "");
        assert_eq!(world.body("/api/v1/export?match[]=up&start=86400"), "");
    }

    #[test]
    fn limits_of_series_and_of_samples_in_a_line() {
        let world = World::filled();
        expect![[r#"
            {"metric":{"__name__":"up","job":"api"},"values":[1,1],"timestamps":[0,30000]}
            {"metric":{"__name__":"up","job":"api"},"values":[1],"timestamps":[60000]}
        "#]]
        .assert_eq(&world.body("/api/v1/export?match[]=up&end=60&limit=1&max_rows_per_line=2"));
    }

    #[test]
    fn rows_of_the_columns_that_were_asked_for() {
        let world = World::filled();
        let path = "/api/v1/export/csv?match[]=up&start=90\
                    &format=__name__,job,__value__,__timestamp__:unix_s";
        let got = world.get(path);
        assert_eq!((got.status, got.content_type.as_str()), (200, CSV_TYPE));
        let rows = "__name__,job,__value__,__timestamp__\r\n\
                    up,api,1,90\r\nup,api,1,120\r\nup,db,0,90\r\nup,db,0,120\r\n";
        assert_eq!(got.body, rows);
        let nothing = "/api/v1/export/csv?match[]=nothing&format=job";
        assert_eq!(world.body(nothing), "job\r\n");
    }

    #[test]
    fn wrong_questions_are_refused() {
        let world = World::filled();
        for (path, error) in [
            ("/api/v1/export", "no match[] parameter provided"),
            ("/api/v1/export?match[]={}", "match[]"),
            ("/api/v1/export?match[]=up&start=2&end=1", r#"\"end\""#),
            ("/api/v1/export?match[]=up&limit=-1", r#"\"limit\""#),
            (
                "/api/v1/export?match[]=up&max_rows_per_line=x",
                r#"\"max_rows_per_line\""#,
            ),
            (
                "/api/v1/export/csv?match[]=up",
                r#"\"format\": column 1 has no name"#,
            ),
            (
                "/api/v1/export/csv?match[]=up&format=__timestamp__:x",
                "unix_ms",
            ),
        ] {
            let got = world.get(path);
            assert_eq!(got.status, 400, "{path}: {}", got.body);
            assert!(got.body.contains(error), "{path}: {}", got.body);
        }
    }

    /// Samples of one series, a millisecond apart, so many that they are read in pieces and sent in parts.
    const LONG: i64 = ROOM as i64 + 40_000;

    fn with_a_long_series() -> World {
        let world = World::new();
        let mut appender = world.api.store.appender();
        let labels = Labels::from_pairs([("__name__", "long")]);
        let series = appender.series(&labels).unwrap();
        for i in 0..LONG {
            appender.push(series, TimestampMs(120_000 - LONG + i), i as f64);
        }
        let commit = appender.commit(TimestampMs(120_000)).unwrap();
        assert_eq!(commit.accepted as i64, LONG);
        world
    }

    /// The body out of its chunks; it must end as a whole one does.
    fn unchunked(got: &Got) -> String {
        assert_eq!(got.header("transfer-encoding"), "chunked");
        let (mut body, mut rest) = (String::new(), got.body.as_str());
        loop {
            let (length, after) = rest.split_once("\r\n").unwrap();
            let length = usize::from_str_radix(length, 16).unwrap();
            body.push_str(&after[..length]);
            rest = after[length..].strip_prefix("\r\n").unwrap();
            if length == 0 {
                assert_eq!(rest, "");
                return body;
            }
        }
    }

    #[test]
    fn a_long_series_comes_whole_and_in_order() {
        let world = with_a_long_series();
        let mut want = String::from("__timestamp__,__value__\r\n");
        for i in 0..LONG {
            let _ = write!(want, "{},{i}\r\n", 120_000 - LONG + i);
        }
        let got =
            world.get("/api/v1/export/csv?match[]=long&format=__timestamp__:unix_ms,__value__");
        assert!(unchunked(&got) == want, "not the samples that were stored");
        let got = unchunked(&world.get("/api/v1/export?match[]=long"));
        let lines = got.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["values"].as_array().unwrap().len()
        });
        let lines: Vec<usize> = lines.collect();
        assert_eq!(lines.iter().sum::<usize>() as i64, LONG);
        assert!(lines.iter().all(|n| *n <= EXPORT_LINE_SAMPLES.usize()));
    }

    #[test]
    fn exports_beyond_the_places_are_told_to_come_again_and_queries_go_on() {
        let world = World::filled();
        let places = EXPORT_CONCURRENCY.value as u32;
        let taken = Arc::clone(&world.api.exports).try_acquire_many_owned(places);
        let got = world.get("/api/v1/export?match[]=up");
        assert_eq!((got.status, got.header("retry-after")), (503, "30".into()));
        assert!(
            got.body
                .contains("\"limit\":\"export.concurrency\",\"max\":2")
        );
        assert_eq!(world.get("/api/v1/query?query=up").status, 200);
        drop(taken.unwrap());
        assert_eq!(world.get("/api/v1/export?match[]=up").status, 200);
    }

    #[test]
    fn a_client_that_leaves_ends_the_export() {
        let world = with_a_long_series();
        world.read_some_of("/api/v1/export?match[]=long");
        // Hangs if the work goes on waiting for the client.
        let places = EXPORT_CONCURRENCY.value as u32;
        block_on(async { drop(world.api.exports.acquire_many(places).await.unwrap()) });
    }
}
