//! What holds for any text: no panic, places inside the file, the same answer in any order; and for any rules:
//! their listing reads back as the same rules.

use bellwether_lang::rules::{
    Checked, RawFile, RuleSet, SourceFile, check, check_raw, render, to_github, to_json,
};
use proptest::prelude::*;

use super::{folder, read_case, rule_files};

fn raw(path: &str, bytes: &[u8]) -> RawFile {
    RawFile {
        path: path.to_owned(),
        bytes: Some(bytes.to_vec()),
    }
}

fn one(text: &str) -> Vec<SourceFile> {
    vec![SourceFile {
        path: "a.rules".into(),
        text: text.to_owned(),
    }]
}

/// Rules without places, which a listing changes.
fn meaning(rules: &RuleSet) -> String {
    let mut text = format!("{rules:?}");
    for begin in [" Place {", " span: Span {"] {
        let mut rest = text.as_str();
        let mut kept = String::new();
        while let Some((before, after)) = rest.split_once(begin) {
            kept += before;
            rest = after.split_once('}').unwrap().1;
        }
        text = kept + rest;
    }
    text
}

fn check_text(text: &str) -> Checked {
    let files = one(text);
    let checked = check(&files);
    for d in &checked.diagnostics {
        let line = text
            .split('\n')
            .nth(d.line as usize - 1)
            .expect("a line of the file");
        assert!(
            d.column >= 1 && d.column as usize <= line.chars().count() + 1,
            "{d}"
        );
        assert!(text.get(d.span.start..d.span.end).is_some(), "{d}");
    }
    render(&checked.diagnostics, &files, true);
    to_json(&checked.diagnostics);
    to_github(&checked.diagnostics);
    checked
}

fn every_case() -> Vec<Vec<SourceFile>> {
    let folders = ["good", "bad", "design"];
    let paths = folders.iter().flat_map(|name| rule_files(&folder(name)));
    paths.map(|path| read_case(&path)).collect()
}

#[test]
fn a_listing_reads_back_as_the_same_rules() {
    for files in every_case() {
        let rules = check(&files).rules;
        let listing = rules.to_string();
        let again = check(&one(&listing));
        // Targets and records that were spoiled are missing from the listing; warnings may stay.
        let errors: Vec<_> = again.diagnostics.iter().map(ToString::to_string).collect();
        let known = |e: &&String| !e.contains("no channel is named") && !e.contains("warning");
        assert_eq!(errors.iter().find(known), None, "{listing}");
        if !again.has_errors() {
            assert_eq!(meaning(&again.rules), meaning(&rules), "{listing}");
            assert_eq!(again.rules.to_string(), listing);
        }
    }
}

#[test]
fn the_order_of_files_and_items_does_not_matter() {
    for files in every_case() {
        let forward = check(&files);
        let mut reversed = files.clone();
        reversed.reverse();
        let backward = check(&reversed);
        assert_eq!(forward.rules, backward.rules);
        assert_eq!(forward.diagnostics, backward.diagnostics);
    }
    // Items of good files, in reverse: the same rules, in another order.
    for path in rule_files(&folder("good")) {
        let files = read_case(&path);
        let mut reversed = files.clone();
        for file in &mut reversed {
            file.text = reverse_items(&file.text);
        }
        let sorted = |rules: &RuleSet| {
            let listing = rules.to_string();
            let mut items: Vec<String> =
                listing.split("\n\n").map(|i| i.trim().to_owned()).collect();
            items.sort();
            items
        };
        assert_eq!(
            sorted(&check(&files).rules),
            sorted(&check(&reversed).rules),
            "{}",
            path.display()
        );
    }
}

fn reverse_items(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}');
    let mut items: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match items.last_mut() {
            Some(item) if !line.starts_with(|c: char| c.is_alphabetic()) => item.push_str(line),
            _ => items.push(line.to_owned()),
        }
    }
    items.reverse();
    items.concat()
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let (_, fine) = check_raw(&[raw("a.rules", "# \u{e4}".as_bytes())]);
    assert!(fine.diagnostics.is_empty());
    let files = [
        raw("a.rules", b"alert A\n  expr \xc3\xa4 \xff\n"),
        raw("b.rules", b"alret B\n"),
        RawFile {
            path: "c.rules".into(),
            bytes: None,
        },
    ];
    let (texts, checked) = check_raw(&files);
    let told: Vec<String> = checked
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    let size = "the file is larger than the 1048576 bytes that rules.file allows";
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "a.rules:2:10: the file is not UTF-8");
    assert!(told[1].starts_with("b.rules:1:1: "), "{}", told[1]);
    assert_eq!(told[2], format!("c.rules:1:1: {size}"));
    let drawn = render(&checked.diagnostics, &texts, false);
    assert!(drawn.contains("byte 0xff begins no character"), "{drawn}");
}

#[test]
fn a_file_of_another_encoding_is_named() {
    let little: Vec<u8> = "alert A"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let big: Vec<u8> = "alert A"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let files = [
        raw("a.rules", &[b"\xff\xfe".as_slice(), &little].concat()),
        raw("b.rules", &[b"\xfe\xff".as_slice(), &big].concat()),
        raw("c.rules", &little),
    ];
    let (_, checked) = check_raw(&files);
    let told: Vec<String> = checked
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "a.rules:1:1: the file is UTF-16, not UTF-8",
            "b.rules:1:1: the file is UTF-16, not UTF-8",
            "c.rules:1:2: the file has a NUL byte: it is not a text file",
        ]
    );
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let text = "# a comment\n".repeat(100_000);
    let checked = check_text(&text);
    assert_eq!(checked.diagnostics.len(), 1);
    let message = "a.rules:1:1: the file is larger than the 1048576 bytes that rules.file allows";
    assert_eq!(checked.diagnostics[0].to_string(), message);
}

#[test]
fn a_folder_with_too_many_rules_is_refused() {
    let records = |path: &str, from: usize, to: usize| {
        let items: Vec<String> = (from..to)
            .map(|i| format!("record a{i}\n  expr x\n"))
            .collect();
        SourceFile {
            path: path.to_owned(),
            text: items.concat(),
        }
    };
    assert!(!check(&[records("a", 0, 10_000)]).has_errors());
    let checked = check(&[records("a", 0, 6000), records("b", 6000, 12_000)]);
    let messages: Vec<String> = checked
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        messages,
        ["b:8001:8: the folder has 12000 rules, rules.max allows 10000"]
    );
}

#[test]
fn a_thousand_messages_are_enough() {
    let checked = check_text(&"nonsense\n".repeat(5000));
    assert_eq!(checked.diagnostics.len(), 1001);
    assert_eq!(
        checked.diagnostics[1000].message,
        "and 4000 more mistakes in this file"
    );
}

/// Pieces of rule files, so that random texts come further than the first word.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "alert",
        "record",
        "let",
        "defaults",
        "channel",
        "route",
        "sla",
        "expr",
        "warning",
        "critical",
        "for",
        "clear",
        "keep",
        "where",
        "never",
        "missing",
        "summary",
        "label",
        "to",
        "webhook",
        "secret(x)",
        "https://a",
        "A",
        "$a",
        "up",
        "rate(x[5m])",
        "sum by (job) (x)",
        "{",
        "}",
        "{job=\"a\"}",
        "\"{job} {value|percent}\"",
        "\"",
        "`",
        "'",
        "#",
        "\\",
        ">",
        "<",
        "==",
        "=",
        ",",
        "5",
        "5%",
        "10m",
        "\n",
        "\n",
        "\n  ",
        "\n  ",
        "\n    ",
        "\t",
        "\r\n",
        "\u{a0}",
        "\u{feff}",
        "\u{e4}",
        "\0",
        "(",
        ")",
        "[",
        "]",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn any_text_is_answered(pieces in proptest::collection::vec((piece(), any::<bool>()), 0..60)) {
        let words: Vec<String> = pieces.iter().map(|(p, blank)| format!("{p}{}", if *blank { " " } else { "" })).collect();
        let text = words.concat();
        check_text(&text);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (texts, checked) = check_raw(&[raw("a.rules", &bytes)]);
        prop_assert_eq!(checked.has_errors() || std::str::from_utf8(&bytes).is_ok(), true);
        check_text(&texts[0].text);
    }

    #[test]
    fn a_change_of_a_good_file_is_answered(case in any::<proptest::sample::Index>(), at in any::<proptest::sample::Index>(), piece in piece(), cut in 0usize..8) {
        let cases = every_case();
        let mut text = case.get(&cases)[0].text.clone();
        let start = text.floor_char_boundary(at.index(text.len() + 1));
        let end = text.floor_char_boundary((start + cut).min(text.len())).max(start);
        text.replace_range(start..end, &piece);
        let checked = check_text(&text);
        if !checked.has_errors() {
            let again = check(&one(&checked.rules.to_string()));
            prop_assert_eq!(meaning(&again.rules), meaning(&checked.rules));
        }
    }
}
