//! Every limit and default, once: code, errors, docs and tests read them here.
//!
//! The names are those of `docs/limits.md`, which a test holds against this table.

/// One limit: its public name, its value, what the value counts, and what happens beyond it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// As errors, metrics and docs name it.
    pub name: &'static str,
    /// The default.
    pub value: u64,
    /// What `value` counts.
    pub unit: Unit,
    /// What a caller sees beyond it, in a few words.
    pub beyond: &'static str,
}

/// What a limit's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds.
    Millis,
}

impl Limit {
    /// The value as a `usize`, for lengths.
    pub const fn usize(&self) -> usize {
        self.value as usize
    }

    /// The value as milliseconds; meaningful for [`Unit::Millis`].
    pub const fn millis(&self) -> i64 {
        self.value as i64
    }
}

macro_rules! limits {
    ($($ident:ident = $name:literal, $value:expr, $unit:ident, $beyond:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: beyond it, ", $beyond, ".")]
            pub const $ident: Limit =
                Limit { name: $name, value: $value, unit: Unit::$unit, beyond: $beyond };
        )*
        /// The whole table, in the order of the docs.
        pub const ALL: &[Limit] = &[$($ident),*];
    };
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

limits! {
    HTTP_CONNECTIONS_MAX = "http.max_connections", 4096, Count, "503 and close";
    HTTP_HEADER_TIMEOUT = "http.header_timeout", 5 * SECOND, Millis, "the connection is closed";
    HTTP_BODY_TIMEOUT = "http.body_timeout", 30 * SECOND, Millis, "408";
    HTTP_BODY_MIN_RATE = "http.body_min_rate", KIB, Bytes, "408 (bytes per second, after http.body_rate_grace)";
    HTTP_BODY_RATE_GRACE = "http.body_rate_grace", 10 * SECOND, Millis, "- (how long a body may take before its rate is looked at)";
    HTTP_WRITE_TIMEOUT = "http.write_timeout", 30 * SECOND, Millis, "the connection is closed";
    HTTP_KEEPALIVE_IDLE = "http.keepalive_idle", 60 * SECOND, Millis, "the connection is closed";
    HTTP_HEADER_BYTES_MAX = "http.header_bytes", 16 * KIB, Bytes, "431";
    HTTP_HEADERS_MAX = "http.headers", 64, Count, "431";
    HTTP_URI_BYTES_MAX = "http.uri_bytes", 8 * KIB, Bytes, "414";
    HTTP_FORM_MAX = "http.max_form", 64 * KIB, Bytes, "413 (parameters sent as a form)";
    HTTP_CHUNK_EXTENSION_MAX = "http.chunk_extension", KIB, Bytes, "400";
    INGEST_BODY_MAX = "ingest.max_body", 32 * MIB, Bytes, "413";
    INGEST_DECODED_MAX = "ingest.max_decoded", 64 * MIB, Bytes, "413";
    INGEST_RATIO_MAX = "ingest.max_ratio", 200, Count, "413 (decoded bytes per encoded byte, after the first MiB)";
    INGEST_LINE_MAX = "ingest.max_line", 64 * KIB, Bytes, "400 for the line";
    INGEST_SAMPLES_MAX = "ingest.max_samples", 1_000_000, Count, "413";
    INGEST_INFLIGHT_MAX = "ingest.inflight_bytes", 128 * MIB, Bytes, "503";
    SERIES_ACTIVE_MAX = "series.max_active", 2_000_000, Count, "429: new series are refused, known ones go on";
    LABEL_NAME_MAX = "label.max_name", 256, Bytes, "400 for the line";
    LABEL_VALUE_MAX = "label.max_value", 4 * KIB, Bytes, "400 for the line";
    LABELS_MAX = "labels.max", 64, Count, "400 for the line";
    METRIC_NAME_MAX = "metric.max_name", 256, Bytes, "400 for the line";
    TIME_FUTURE_MAX = "time.future_max", 10 * MINUTE, Millis, "the sample is refused as future_timestamp";
    TIME_OOO_WINDOW = "time.ooo_window", 2 * HOUR, Millis, "the sample is refused as too_old";
    RETENTION_RAW = "retention.raw", 90 * DAY, Millis, "samples are dropped, and refused on arrival";
    QUERY_LEN_MAX = "query.max_len", 16 * KIB, Bytes, "400";
    QUERY_DEPTH_MAX = "query.max_depth", 128, Count, "400";
    QUERY_NODES_MAX = "query.max_nodes", 2000, Count, "400";
    QUERY_TIMEOUT = "query.timeout", 30 * SECOND, Millis, "503";
    QUERY_QUEUE_MAX = "query.queue", 32, Count, "503";
    QUERY_QUEUE_WAIT = "query.queue_wait", 5 * SECOND, Millis, "503";
    QUERY_CONCURRENCY = "query.concurrency", 8, Count, "the query waits in the queue";
    QUERY_SERIES_MAX = "query.max_series", 100_000, Count, "422";
    QUERY_SAMPLES_MAX = "query.max_samples", 150_000_000, Count, "422";
    QUERY_POINTS_MAX = "query.max_points", 11_000, Count, "400 (steps of a range query)";
    QUERY_MEMORY_MAX = "query.memory", 256 * MIB, Bytes, "422";
    QUERY_RESPONSE_MAX = "query.response_bytes", 64 * MIB, Bytes, "422";
    QUERY_LOOKBACK = "query.lookback", 5 * MINUTE, Millis, "a sample is too old to be a series' value";
    QUERY_NOTES_MAX = "query.max_notes", 100, Count, "further warnings and infos of an answer are left out, which one more says";
    QUERY_SUBQUERY_STEP = "query.subquery_step", MINUTE, Millis, "- (the step of a subquery that names none)";
    LABELS_RESPONSE_MAX = "labels.response", 100_000, Count, "truncated, with a warning";
    EXPORT_CONCURRENCY = "export.concurrency", 2, Count, "503";
    EXPORT_LINE_SAMPLES = "export.line_samples", 10_000, Count, "the series goes on in the next line";
    READ_REQUEST_MAX = "read.request", MIB, Bytes, "413 (remote read, decoded)";
    READ_QUERIES_MAX = "read.queries", 64, Count, "400";
    READ_MATCHERS_MAX = "read.matchers", 64, Count, "400 (matchers of one query)";
    READ_RESPONSE_MAX = "read.response", 64 * MIB, Bytes, "422";
    REMOTE_MEMORY_MAX = "remote.memory", 256 * MIB, Bytes, "the query fails (what is held of the samples that another server has answered)";
    REGEX_LEN_MAX = "regex.max_len", 8 * KIB, Bytes, "400";
    REGEX_SIZE_MAX = "regex.size", 256 * KIB, Bytes, "400";
    REGEX_DFA_MAX = "regex.dfa", 4 * MIB, Bytes, "the pattern runs without the cache";
    REGEX_PER_QUERY_MAX = "regex.per_query", 32, Count, "400";
    RULES_FILE_MAX = "rules.file", MIB, Bytes, "the file is refused";
    LINT_SERIES = "lint.series", 1000, Count, "- (a rule whose result may have more series gets a warning)";
    RULES_JSON_MAX = "rules.json", 16 * MIB, Bytes, "the JSON form of a rule file is refused";
    RULES_MAX = "rules.max", 10_000, Count, "the folder is refused";
    RULES_KEPT_MAX = "rules.kept", 16 * MIB, Bytes, "a start with a broken folder has no rules to fall back on";
    RULES_INSTANCES_MAX = "rules.alerts_per_rule", 10_000, Count, "those active stay, then the first ones";
    RULES_BACKLOG_MAX = "rules.backlog", 200_000, Count, "the oldest samples that rules recorded while the store was busy are dropped, staleness markers last";
    RULES_EVERY = "rules.every", 30 * SECOND, Millis, "- (how often a rule is evaluated that says nothing)";
    RULES_EVAL_TIMEOUT = "rules.eval_timeout", 10 * SECOND, Millis, "the evaluation fails and state is frozen (or the rule's interval, if that is shorter)";
    RULES_CATCHUP_MAX = "rules.catchup_max", HOUR, Millis, "the gap is recorded and not evaluated";
    RULES_MISSING_KEEP = "rules.missing_keep", 5 * MINUTE, Millis, "- (how long a vanished series keeps its level)";
    RULES_RELOAD_POLL = "rules.reload_poll", 2 * SECOND, Millis, "- (how often the rule folder is looked at)";
    ROUTE_WAIT = "route.wait", 30 * SECOND, Millis, "- (how long a new group gathers whose route says nothing)";
    ROUTE_BATCH = "route.batch", 5 * MINUTE, Millis, "- (distance of two messages of a group that changes, where the route says nothing)";
    ROUTE_REPEAT = "route.repeat", 4 * HOUR, Millis, "- (distance of two messages of a group that does not, where the route says nothing)";
    ROUTE_DEPTH_MAX = "route.depth", 32, Count, "the folder is refused (routes below routes)";
    IMPORT_FILE_MAX = "import.file", 16 * MIB, Bytes, "the file is refused (a file of another system, to be made into rules)";
    IMPORT_NODES_MAX = "import.nodes", 250_000, Count, "the file is refused (values in a YAML file, aliases as what they stand for)";
    IMPORT_DEPTH_MAX = "import.depth", 64, Count, "the file is refused (lists and mappings inside each other)";
    NOTIFY_TIMEOUT = "notify.timeout", 10 * SECOND, Millis, "the attempt failed and is retried";
    NOTIFY_CONCURRENCY = "notify.concurrency", 8, Count, "the notice waits (attempts at a time, per channel)";
    NOTIFY_BACKOFF_FIRST = "notify.backoff_first", SECOND, Millis, "- (wait before the first retry, doubling)";
    NOTIFY_BACKOFF_MAX = "notify.backoff_max", 5 * MINUTE, Millis, "- (longest wait between two retries)";
    NOTIFY_RETRY_AFTER_MAX = "notify.retry_after_max", HOUR, Millis, "a longer Retry-After is shortened to it";
    NOTIFY_MAX_AGE = "notify.max_age", DAY, Millis, "the notice becomes a dead letter";
    NOTIFY_CLIENT_ERROR_TRIES = "notify.client_error_tries", 3, Count, "the notice becomes a dead letter (tries answered with another 4xx)";
    NOTIFY_DEAD_LETTER_KEEP = "notify.dead_letter_keep", 30 * DAY, Millis, "dead letters are forgotten";
    BACKTEST_FORM_MAX = "backtest.form", 4 * MIB, Bytes, "413 (rules that are sent to be tested)";
    BACKTEST_TRANSITIONS_MAX = "backtest.transitions", 100_000, Count, "further transitions are left out of the report, which says how many";
    BACKTEST_VALUES_MAX = "backtest.values", 16_000_000, Count, "rules are evaluated in shorter blocks (results held at a time)";
    HISTORY_PAGE = "history.page", 1000, Count, "the page ends, and says how to go on";
    HISTORY_SCAN_MAX = "history.scan", 100_000, Count, "the page ends with what was found so far (rows looked at)";
    HISTORY_FLAPPING = "history.flapping", 3, Count, "an alert is called flapping (times it began to fire within history.flapping_window)";
    HISTORY_FLAPPING_WINDOW = "history.flapping_window", HOUR, Millis, "- (the stretch of time in which history.flapping counts)";
    HISTORY_KEEP = "history.keep", 400 * DAY, Millis, "what happened to alerts is forgotten";
    TEMPLATE_OUTPUT_MAX = "template.output", 64 * KIB, Bytes, "the text is cut and marked";
    WAL_FILE_BYTES = "wal.segment", 64 * MIB, Bytes, "the next file begins";
    WAL_TOTAL_MAX = "wal.max_total", 1024 * MIB, Bytes, "503 until a flush has made room";
    WAL_FRAME_MAX = "wal.max_frame", 256 * KIB, Bytes, "the record is split over frames";
    HEAD_FLUSH_BYTES = "head.flush_bytes", 128 * MIB, Bytes, "the head is flushed to a segment";
    HEAD_FLUSH_WAL_BYTES = "head.flush_wal_bytes", 256 * MIB, Bytes, "the head is flushed to a segment";
    HEAD_FLUSH_AGE = "head.flush_age", 2 * HOUR, Millis, "the head is flushed to a segment";
    DISK_FREE_MIN = "disk.min_free", 256 * MIB, Bytes, "read-only: 503 on ingest, queries go on";
    DISK_FREE_MIN_PERCENT = "disk.min_free_percent", 2, Count, "as below disk.min_free; the greater of the two counts (percent of the disk)";
    DISK_RESERVE = "disk.hysteresis", 128 * MIB, Bytes, "- (room above disk.min_free before ingest resumes)";
    HOST_METRICS_EVERY = "host.every", 10 * SECOND, Millis, "- (how often the host is looked at)";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (i, limit) in ALL.iter().enumerate() {
            assert!(
                ALL[..i].iter().all(|l| l.name != limit.name),
                "{}",
                limit.name
            );
            assert!(!limit.beyond.is_empty());
        }
    }
}
