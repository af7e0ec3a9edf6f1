//! What has to hold for any bytes that claim to be a rule file.

use super::{
    Checked, RawFile, RuleSet, SourceFile, check, check_raw, format, from_rules_json, render,
    to_github, to_json, to_rules_json,
};

/// Reads any bytes as a rule file: every diagnostic has its place inside the input, they are in order, all forms
/// of messages can be written, and the listing of rules without errors reads back as the same rules.
pub fn rule_parse(data: &[u8]) {
    let raw = RawFile {
        path: "fuzz.rules".to_owned(),
        bytes: Some(data.to_vec()),
    };
    let (files, checked) = check_raw(&[raw]);
    match std::str::from_utf8(data) {
        Ok(text) => assert_eq!(files[0].text, text),
        Err(_) => assert!(checked.has_errors()),
    }
    check_places(&checked, &files[0].text);
    let drawn = render(&checked.diagnostics, &files, false);
    assert_eq!(drawn.is_empty(), checked.diagnostics.is_empty());
    assert!(to_json(&checked.diagnostics).starts_with('['));
    assert_eq!(
        to_github(&checked.diagnostics).lines().count(),
        checked.diagnostics.len()
    );
    if !checked.has_errors() {
        check_listing(&checked.rules);
    }
    check_form(&files[0], &checked);
}

/// Reads any bytes as the JSON form: what comes out is in the canonical form.
pub fn rule_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(formatted) = from_rules_json(text) {
        let again = format(&file(&formatted));
        // Names and values may hold anything, also what the lexer refuses.
        assert!(again.is_err() || formatted.ends_with('\n') || formatted.is_empty());
    }
}

fn file(text: &str) -> SourceFile {
    SourceFile {
        path: "fuzz.rules".into(),
        text: text.to_owned(),
    }
}

/// The canonical form stays as it is, says the same, and comes back from its JSON form.
fn check_form(source: &SourceFile, checked: &Checked) {
    let Ok(formatted) = format(source) else {
        return;
    };
    let formatted = file(&formatted);
    // Columns may make a file longer than a file can be.
    let Ok(again) = format(&formatted) else {
        return;
    };
    assert_eq!(again, formatted.text);
    let json = to_rules_json(source).expect("it has a form");
    assert_eq!(
        from_rules_json(&json).expect("our own form"),
        formatted.text
    );
    if !checked.has_errors() {
        let after = check(&[formatted]);
        assert_eq!(after.rules.to_string(), checked.rules.to_string());
    }
}

fn check_places(checked: &Checked, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    for diagnostic in &checked.diagnostics {
        let line = lines[diagnostic.line as usize - 1];
        assert!(
            (1..=line.chars().count() + 1).contains(&(diagnostic.column as usize)),
            "{diagnostic}"
        );
        assert!(
            text.get(diagnostic.span.start..diagnostic.span.end)
                .is_some(),
            "{diagnostic}"
        );
    }
    let starts = checked.diagnostics.iter().map(|d| (d.line, d.column));
    assert!(starts.is_sorted());
}

fn check_listing(rules: &RuleSet) {
    let listing = rules.to_string();
    let again = check(&[file(&listing)]);
    // What is spelled out is longer than what was written: it may be too long for a file or a query.
    let too_long = |d: &super::Diagnostic| {
        d.message.contains("rules.file") || d.message.contains("query.max_")
    };
    if again.diagnostics.iter().any(too_long) {
        return;
    }
    assert!(!again.has_errors(), "{listing}\n{:?}", again.diagnostics);
    assert_eq!(again.rules.to_string(), listing);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"defaults
  every 1m
  label team = "infra"
let free = a{x!~"y|z"} / b # comment
alert A
  expr $free
    and on (job) sum by (job) (rate(c_total[5m])) > 0.5
  warning < 15% for 10m clear > 20% keep 5m where {job=~"a.*"}
  critical never where {job="b"}
  critical < 5%
  missing critical after 10m
  summary "{job}: {value|percent} of {threshold|%.2f} {{"
  runbook https://example.com/a
record job:x:rate5m
  expr sum by (job) (rate(x[5m]))
channel pager
  webhook https://example.com bearer secret(key)
  fallback log
route all
  match {severity="critical"}
  to pager, log
route below in all
  then after 10m to log
  group by (job)
  limit 20 per 1h
  continue
sla checkout
  objective 99.9% over month in "Europe/Berlin"
  bad x_total{code="5"} - y_total # comment
  total x_total
  by (job)
  burn 2% in 1h critical
  exclude patching
window patching
  every mon-fri, sun 22:00-06:00 in "Europe/Berlin"
  on 2026-12-28 22:00 to 2026-12-29 03:00
  except 2026-12-24 to 2027-01-01
mute night
  during patching
  while {alertname="A"} same (job)
  reason `a
    b`
test "t"
  start 2026-10-25T00:00:00Z
  load 1m
    a{x="b"} 1x5 _ stale 0+1x3
  eval 5m a
    {__name__="a", x="b"} 1
  at 5m
    none
  notify 6m pager resolved A{job="b"}
"#;

    /// A small generator (xorshift64*), so that every run is the same.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
        }
    }

    #[test]
    fn changed_rule_files_keep_the_promises() {
        rule_parse(SAMPLE.as_bytes());
        let mut random = Random(0x5eed);
        let pieces: [&[u8]; 12] = [
            b"\n",
            b"\n  ",
            b"\"",
            b"`",
            b"{",
            b"}",
            b"\t",
            b"$free",
            b"#",
            b"\xff",
            b"\xe2\x80\x8b",
            b"5m",
        ];
        for _ in 0..3000 {
            let mut data = SAMPLE.as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(data.len());
                match random.below(4) {
                    0 => data[at] = random.below(256) as u8,
                    1 => drop(data.drain(at..(at + random.below(20)).min(data.len()))),
                    2 => drop(
                        data.splice(at..at, pieces[random.below(pieces.len())].iter().copied()),
                    ),
                    _ => {
                        let end = (at + random.below(60)).min(data.len());
                        let copied = data[at..end].to_vec();
                        let to = random.below(data.len());
                        data.splice(to..to, copied);
                    }
                }
                data.push(b'\n');
            }
            rule_parse(&data);
        }
    }
}
