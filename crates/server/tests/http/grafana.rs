//! What Grafana's Prometheus data source sends, each request as it is on the wire, and what it must get back.
//!
//! Its backend sends queries as forms with sorted keys, times and steps as seconds with as many decimals as they need;
//! its editor, variables and alert list send the rest. A request that is refused as a form is tried again as a GET.

use crate::harness::{Got, Server};

/// Two minutes of one counter, two series of it, and a name that needs escapes in a path.
const LINES: &str = "cpu,host=a user=1 1767322980\ncpu,host=a user=2.5 1767323040\n\
                     cpu,host=b user=4 1767323040\n";

/// How it is sent.
enum Sent {
    Get(&'static str),
    /// A path and the form.
    Form(&'static str, &'static str),
}
use Sent::{Form, Get};

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let got = server.post("/write?precision=s", LINES);
    assert_eq!(got.status, 204, "{}", got.body);
    (folder, server)
}

fn send(server: &Server, sent: &Sent) -> Got {
    match sent {
        Get(path) => server.get(path),
        Form(path, form) => server.post_with(
            path,
            "User-Agent: Grafana/11.2.0\r\nAccept-Encoding: gzip\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            form.as_bytes(),
        ),
    }
}

/// Every request gets exactly this `data`, as JSON, and nothing beside it.
fn check(cases: &[(Sent, &str)]) {
    let (_folder, server) = server();
    for (sent, data) in cases {
        let got = send(&server, sent);
        let (Get(shown) | Form(shown, _)) = sent;
        let want = format!(r#"{{"status":"success","data":{data}}}"#);
        assert_eq!((got.status, got.body), (200, want), "{shown}");
        let json = "content-type: application/json";
        assert!(got.head.contains(json), "{shown}: {}", got.head);
    }
}

#[test]
fn save_and_test() {
    let two = r#"{"resultType":"scalar","result":[4,"2"]}"#;
    let build = concat!(
        r#"{"version":"2.55.0","revision":"bellwether-"#,
        env!("CARGO_PKG_VERSION"),
        r#"","branch":"","buildUser":"","buildDate":"","goVersion":""}"#
    );
    check(&[
        (Form("/api/v1/query", "query=1%2B1&time=4"), two),
        (Get("/api/v1/query?query=1%2B1&time=4"), two),
        (Get("/api/v1/status/buildinfo"), build),
    ]);
}

#[test]
fn panels() {
    let both = r#"{"resultType":"matrix","result":[{"metric":{"__name__":"cpu_user","host":"a"},"values":[[1767322980,"1"],[1767323010,"1"],[1767323040,"2.5"]]},{"metric":{"__name__":"cpu_user","host":"b"},"values":[[1767323040,"4"]]}]}"#;
    let fine = r#"{"resultType":"matrix","result":[{"metric":{"host":"b"},"values":[[1767323040.25,"8"],[1767323040.75,"8"]]}]}"#;
    let now = r#"{"resultType":"vector","result":[{"metric":{},"value":[1767323041.5,"6.5"]}]}"#;
    check(&[
        (
            Form(
                "/api/v1/query_range",
                "end=1767323040&query=cpu_user&start=1767322980&step=30",
            ),
            both,
        ),
        (
            Get(
                "/api/v1/query_range?end=1767323040&query=cpu_user&start=1767322980&step=30s&timeout=60s",
            ),
            both,
        ),
        (
            Form(
                "/api/v1/query_range",
                "end=1767323040.75&query=cpu_user%7Bhost%3D%22b%22%7D+%2A+2&start=1767323040.25&step=0.5",
            ),
            fine,
        ),
        (
            Form("/api/v1/query", "query=sum%28cpu_user%29&time=1767323041.5"),
            now,
        ),
        (
            Form(
                "/api/v1/query_exemplars",
                "end=1767323040&query=cpu_user&start=1767322980",
            ),
            "[]",
        ),
    ]);
}

#[test]
fn editor_and_variables() {
    check(&[
        (
            Get(
                "/api/v1/label/__name__/values?start=1767319440&end=1767323040&limit=40000&match%5B%5D=%7B__name__%3D~%22.*cpu.*%22%7D",
            ),
            r#"["cpu_user"]"#,
        ),
        (
            Form(
                "/api/v1/labels",
                "end=1767323040&match%5B%5D=%7B__name__%3D%22cpu_user%22%7D&start=1767319440",
            ),
            r#"["__name__","host"]"#,
        ),
        (
            Get("/api/v1/labels?start=1767319440&end=1767323040&match[]=cpu_user&limit=40000"),
            r#"["__name__","host"]"#,
        ),
        (
            Get(
                "/api/v1/label/host/values?match%5B%5D=cpu_user%7Bhost%3D~%22a%7Cb%22%7D&start=1767319440&end=1767323040",
            ),
            r#"["a","b"]"#,
        ),
        (
            Get("/api/v1/label/U__host/values?match[]=cpu_user"),
            r#"["a","b"]"#,
        ),
        (
            Form(
                "/api/v1/series",
                "end=1767323040&match%5B%5D=%7B__name__%21%3D%22%22%2Chost%3D%22b%22%7D&start=1767319440",
            ),
            r#"[{"__name__":"cpu_user","host":"b"}]"#,
        ),
        (
            Get("/api/v1/series?match[]=cpu_user&match[]=cpu_user&start=1767319440&end=1767323040"),
            r#"[{"__name__":"cpu_user","host":"a"},{"__name__":"cpu_user","host":"b"}]"#,
        ),
        (Get("/api/v1/metadata?limit=40000&metric=cpu_user"), "{}"),
        (
            Get("/api/v1/format_query?query=sum(cpu_user)by(host)"),
            r#""sum by (host) (cpu_user)""#,
        ),
        (
            Form("/api/v1/parse_query", "query=1"),
            r#"{"type":"numberLiteral","val":"1"}"#,
        ),
    ]);
}

#[test]
fn alert_list() {
    check(&[
        (Get("/api/v1/rules"), r#"{"groups":[]}"#),
        (Get("/api/v1/rules?type=alert"), r#"{"groups":[]}"#),
        (Get("/api/v1/alerts"), r#"{"alerts":[]}"#),
    ]);
}

/// It tries a form first where it may, and takes these answers as the word to ask again with a GET.
#[test]
fn what_takes_no_form_says_so() {
    let (_folder, server) = server();
    for path in [
        "/api/v1/label/host/values",
        "/api/v1/metadata",
        "/api/v1/rules",
        "/api/v1/alerts",
        "/api/v1/status/buildinfo",
    ] {
        let got = send(&server, &Form(path, "limit=40000"));
        assert_eq!(got.status, 405, "{path}: {}", got.body);
        assert!(got.head.contains("allow: GET"), "{path}: {}", got.head);
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn mistakes_in_the_editor_are_shown_with_their_place() {
    let (_folder, server) = server();
    for (sent, error) in [
        (
            Form("/api/v1/query", "query=sum%28&time=4"),
            r#"invalid parameter \"query\": 1:5: parse error"#,
        ),
        (
            Form("/api/v1/query_range", "query=1&start=2&end=1&step=1"),
            r#"invalid parameter \"end\": end timestamp must not be before start time"#,
        ),
        (
            Form("/api/v1/query_range", "query=1&start=1&end=2&step=0"),
            r#"invalid parameter \"step\": zero or negative query resolution step widths"#,
        ),
        (
            Form("/api/v1/query_range", "query=1&start=0&end=11002&step=1"),
            "exceeded maximum resolution of 11,000 points per timeseries",
        ),
        (
            Form("/api/v1/labels", "match%5B%5D=%7B%7D"),
            r#"invalid parameter \"match[]\""#,
        ),
        (
            Get("/api/v1/parse_query?query=up["),
            r#"invalid parameter \"query\": 1:4: parse error"#,
        ),
    ] {
        let got = send(&server, &sent);
        assert_eq!(got.status, 400, "{}", got.body);
        let starts = r#"{"status":"error","errorType":"bad_data","error":""#;
        assert!(got.body.starts_with(starts), "{}", got.body);
        assert!(got.body.contains(error), "{error:?} is not in {}", got.body);
    }
}
