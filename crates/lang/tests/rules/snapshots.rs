//! `good/*.rules` with the listing of what they mean, `bad/*.rules` with the messages they get.
//!
//! `UPDATE_EXPECT=1 cargo test` writes them anew; a changed message is read aloud before it is committed.

use bellwether_lang::rules::{Lint, Severity, check, render, to_github, to_json};
use expect_test::expect_file;

use super::{folder, read_case, rule_files};

#[test]
fn good_files_mean_what_their_listing_says() {
    for path in rule_files(&folder("good")) {
        let files = read_case(&path);
        let checked = check(&files);
        assert_eq!(
            render(&checked.diagnostics, &files, false),
            "",
            "{}",
            path.display()
        );
        expect_file![path.with_extension("listing")].assert_eq(&checked.rules.to_string());
    }
}

#[test]
fn bad_files_get_their_messages() {
    let paths = rule_files(&folder("bad"));
    assert!(paths.len() >= 150, "{} wrong files", paths.len());
    for path in paths {
        let files = read_case(&path);
        let checked = check(&files);
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(!checked.diagnostics.is_empty(), "nothing wrong with {name}");
        let only_warnings = !checked.has_errors();
        assert_eq!(only_warnings, name.starts_with("warning_"), "{name}");
        expect_file![path.with_extension("expected")].assert_eq(&render(
            &checked.diagnostics,
            &files,
            false,
        ));
    }
}

#[test]
fn every_message_points_into_its_file() {
    for path in rule_files(&folder("bad")) {
        let files = read_case(&path);
        for diagnostic in check(&files).diagnostics {
            let file = files.iter().find(|f| f.path == diagnostic.file).unwrap();
            let line = file
                .text
                .split('\n')
                .nth(diagnostic.line as usize - 1)
                .unwrap();
            assert!(
                diagnostic.column as usize <= line.chars().count() + 1,
                "{diagnostic}"
            );
            assert!(
                diagnostic.span.start <= diagnostic.span.end
                    && diagnostic.span.end <= file.text.len()
            );
            assert!(
                !diagnostic.message.ends_with('.') && !diagnostic.message.contains('\n'),
                "{diagnostic}"
            );
        }
    }
}

/// A mistake in one item says nothing about the next: of the good items around it none is lost.
#[test]
fn a_mistake_spoils_its_own_item_only() {
    for path in rule_files(&folder("bad")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut files = read_case(&path);
        // What refuses a file as a whole is about the whole file; and that no alert has a label is about all alerts.
        if ["nul", "warning_labels_nowhere"].contains(&name) {
            continue;
        }
        let before = check(&files);
        let first = &mut files[0];
        let good = |name: &str| format!("alert {name}\n  expr zz{name}\n  warning > 5\n");
        let at_end = if first.text.ends_with('\n') { "" } else { "\n" };
        first.text = format!(
            "{}{}{at_end}{}",
            good("ZzFirst"),
            first.text,
            good("ZzLast")
        );
        let after = check(&files);
        for name in ["ZzFirst", "ZzLast"] {
            assert!(
                after.rules.alerts.iter().any(|a| a.name == name),
                "{}",
                path.display()
            );
        }
        let messages = |checked: &bellwether_lang::rules::Checked| {
            let all = checked.diagnostics.iter();
            all.map(|d| d.message.clone()).collect::<Vec<_>>()
        };
        // An indented line before the first item now goes to ours; nothing else may change.
        if name != "line_before_first_item" {
            assert_eq!(messages(&before), messages(&after), "{}", path.display());
        }
    }
}

#[test]
fn json_holds_every_message() {
    for path in rule_files(&folder("bad")) {
        let diagnostics = check(&read_case(&path)).diagnostics;
        let json: serde_json::Value = serde_json::from_str(&to_json(&diagnostics)).unwrap();
        let objects = json.as_array().unwrap();
        assert_eq!(objects.len(), diagnostics.len());
        for (object, diagnostic) in objects.iter().zip(&diagnostics) {
            assert_eq!(object["severity"], diagnostic.severity.to_string());
            assert_eq!(object["file"], diagnostic.file);
            let lint = diagnostic.lint.map(Lint::name);
            assert_eq!(object["lint"].as_str(), lint);
            assert_eq!(lint.is_some(), diagnostic.severity == Severity::Warning);
            assert_eq!(object["line"], diagnostic.line);
            assert_eq!(object["column"], diagnostic.column);
            assert_eq!(object["message"], diagnostic.message);
            assert_eq!(object["label"], diagnostic.label);
            assert_eq!(
                object["help"].as_array().unwrap().len(),
                diagnostic.help.len()
            );
        }
    }
}

#[test]
fn github_annotations_are_one_line_each() {
    let files = read_case(&folder("bad/route_no_channels.rules"));
    let diagnostics = check(&files).diagnostics;
    assert_eq!(
        to_github(&diagnostics),
        "::error file=route_no_channels.rules,line=2,col=6::no channel is named `pager`%0A\
         the folder has no channel%0A\
         `log` is always there; others are items: `channel NAME` with a line such as `webhook https://...`\n"
    );
}

#[test]
fn colours_change_nothing_but_the_colours() {
    let files = read_case(&folder("bad/warning_counter.rules"));
    let diagnostics = check(&files).diagnostics;
    let coloured = render(&diagnostics, &files, true);
    assert!(coloured.contains("\x1b[1;33m"));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain += before;
        rest = after.split_once('m').unwrap().1;
    }
    plain += rest;
    assert_eq!(plain, render(&diagnostics, &files, false));
    assert!(diagnostics.iter().all(|d| d.severity == Severity::Warning));
}
