//! What came of the tests: for people, as JSON, as JUnit's XML.

use std::fmt::Write as _;
use std::time::Duration;

use bellwether_engine::trial::{Coverage, Failure, Outcome, Share};
use bellwether_lang::rules::{RuleSet, Test};
use bellwether_model::text::counted;
use serde_json::{Value, json};

/// The tests that ran and what came of them.
pub(super) struct Report<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) tests: Vec<Ran<'a>>,
    pub(super) coverage: Coverage,
    pub(super) took: Duration,
}

/// One test that ran.
pub(super) struct Ran<'a> {
    pub(super) test: &'a Test,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

impl Ran<'_> {
    fn failed(&self) -> bool {
        !self.outcome.failures.is_empty()
    }

    /// Nothing of it was checked.
    fn skipped(&self) -> bool {
        !self.failed()
            && !self.test.steps.is_empty()
            && self.outcome.not_run.len() == self.test.steps.len()
    }
}

impl Report<'_> {
    /// How many tests failed.
    pub(super) fn failed(&self) -> usize {
        self.tests.iter().filter(|ran| ran.failed()).count()
    }

    fn skipped(&self) -> usize {
        self.tests.iter().filter(|ran| ran.skipped()).count()
    }

    fn passed(&self) -> usize {
        self.tests.len() - self.failed() - self.skipped()
    }

    fn shares(&self) -> [(&'static str, Share); 3] {
        [
            ("rules", self.coverage.rules(self.rules)),
            ("levels", self.coverage.levels(self.rules)),
            ("missing", self.coverage.missing(self.rules)),
        ]
    }

    /// Failures, steps that were not run, and a closing line. `verbose` adds tests that passed and what no test covers.
    pub(super) fn text(&self, verbose: bool) -> String {
        let mut text = String::new();
        // A String takes all of it: writing to it cannot fail.
        for ran in &self.tests {
            let Ran { test, outcome, .. } = ran;
            if ran.skipped() {
                let _ = writeln!(text, "skipped {}: {:?}", test.place, test.name);
            } else if !outcome.failures.is_empty() {
                let _ = writeln!(text, "FAILED {}: {:?}", test.place, test.name);
            } else if verbose {
                let _ = writeln!(text, "ok     {}: {:?}", test.place, test.name);
            }
            for failure in &outcome.failures {
                let _ = writeln!(text, "  {}", failure.place);
                for line in failure.lines.iter().chain(&failure.background) {
                    let _ = writeln!(text, "    {line}");
                }
            }
            for not_run in &outcome.not_run {
                let _ = writeln!(text, "not run {}: {}", not_run.place, not_run.why);
            }
        }
        self.close(&mut text, verbose);
        text
    }

    fn close(&self, text: &mut String, verbose: bool) {
        if !text.is_empty() {
            text.push('\n');
        }
        let failed = self.failed();
        let not_run: usize = self.tests.iter().map(|ran| ran.outcome.not_run.len()).sum();
        let _ = write!(
            text,
            "{}: {} passed, {failed} failed",
            counted(self.tests.len(), "test"),
            self.passed()
        );
        let skipped = self.skipped();
        if skipped > 0 {
            let _ = write!(text, ", {skipped} skipped");
        }
        if not_run > 0 {
            let _ = write!(text, "; {} not run", counted(not_run, "step"));
        }
        text.push('\n');
        let shares = self.shares();
        let covered: Vec<String> = shares
            .iter()
            .map(|(what, share)| format!("{what} {} of {}", share.covered, share.of))
            .collect();
        let _ = writeln!(text, "covered: {}", covered.join(", "));
        for (what, share) in shares {
            if verbose && !share.open.is_empty() {
                let _ = writeln!(text, "  no test covers {what}: {}", share.open.join(", "));
            }
        }
    }

    /// One object.
    pub(super) fn json(&self) -> String {
        let tests: Vec<Value> = self.tests.iter().map(one).collect();
        let shares = self.shares().map(|(what, share)| {
            let value = json!({ "covered": share.covered, "of": share.of, "open": share.open });
            (what.to_owned(), value)
        });
        let coverage: serde_json::Map<String, Value> = shares.into_iter().collect();
        json!({
            "tests": tests,
            "passed": self.passed(),
            "failed": self.failed(),
            "skipped": self.skipped(),
            "coverage": coverage,
        })
        .to_string()
    }

    /// JUnit's XML, one suite for each file.
    pub(super) fn junit(&self) -> String {
        let of_file = |a: &Ran<'_>, b: &Ran<'_>| a.test.place.file == b.test.place.file;
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"bellwether test\" {}>\n",
            counts(&self.tests, self.took)
        );
        for suite in self.tests.chunk_by(of_file) {
            let file = suite.first().map_or("", |ran| &ran.test.place.file);
            let took = suite.iter().map(|ran| ran.took).sum();
            let _ = writeln!(
                xml,
                "  <testsuite name=\"{}\" {}>",
                attribute(file),
                counts(suite, took)
            );
            for ran in suite {
                case(&mut xml, ran);
            }
            xml.push_str("  </testsuite>\n");
        }
        xml + "</testsuites>\n"
    }
}

/// The attributes of a suite.
fn counts(tests: &[Ran<'_>], took: Duration) -> String {
    let failed = tests.iter().filter(|ran| ran.failed()).count();
    let skipped = tests.iter().filter(|ran| ran.skipped()).count();
    format!(
        "tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{}\"",
        tests.len(),
        seconds(took)
    )
}

/// As JUnit writes times.
fn seconds(took: Duration) -> String {
    format!("{:.6}", took.as_secs_f64())
}

fn one(ran: &Ran<'_>) -> Value {
    let Ran { test, outcome, .. } = ran;
    let failures = outcome.failures.iter().map(|failure| {
        json!({
            "place": failure.place.to_string(),
            "lines": failure.lines,
            "background": failure.background,
        })
    });
    let not_run = outcome.not_run.iter();
    let not_run = not_run.map(|step| json!({ "place": step.place.to_string(), "why": step.why }));
    json!({
        "name": test.name,
        "place": test.place.to_string(),
        "passed": !ran.failed() && !ran.skipped(),
        "skipped": ran.skipped(),
        "seconds": ran.took.as_secs_f64(),
        "failures": failures.collect::<Vec<_>>(),
        "notRun": not_run.collect::<Vec<_>>(),
    })
}

fn case(xml: &mut String, ran: &Ran<'_>) {
    let Ran { test, outcome, .. } = ran;
    let name = attribute(&test.name);
    let (file, line) = (attribute(&test.place.file), test.place.line);
    let _ = write!(
        xml,
        "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\" time=\"{}\"",
        seconds(ran.took)
    );
    if outcome.failures.is_empty() && outcome.not_run.is_empty() {
        xml.push_str("/>\n");
        return;
    }
    xml.push_str(">\n");
    failed(xml, &outcome.failures);
    if ran.skipped() {
        xml.push_str("      <skipped message=\"none of its steps is run yet\"/>\n");
    }
    if !outcome.not_run.is_empty() {
        let lines: Vec<String> = outcome
            .not_run
            .iter()
            .map(|step| format!("not run {}: {}", step.place, step.why))
            .collect();
        let _ = writeln!(
            xml,
            "      <system-out>{}</system-out>",
            escape(&lines.join("\n"))
        );
    }
    xml.push_str("    </testcase>\n");
}

/// One element for all that failed: the schema has one for a case, and readers of it show the first.
fn failed(xml: &mut String, failures: &[Failure]) {
    let Some(first) = failures.first().and_then(|failure| failure.lines.first()) else {
        return;
    };
    let more = match failures.len() - 1 {
        0 => String::new(),
        more => format!(" (and {} more)", counted(more, "step")),
    };
    let texts = failures.iter().map(|failure| {
        let lines = [&failure.lines[..], &failure.background[..]].concat();
        format!("{}\n{}", failure.place, lines.join("\n"))
    });
    let texts: Vec<String> = texts.collect();
    let _ = writeln!(
        xml,
        "      <failure type=\"unexpected\" message=\"{}{more}\">{}</failure>",
        attribute(first),
        escape(&texts.join("\n\n"))
    );
}

/// Text of an attribute, where the end of a line would be read as a blank.
fn attribute(text: &str) -> String {
    escape(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Text as XML takes it; characters that XML cannot hold become `\u{fffd}`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
