//! The canonical form of every case: it stays as it is, says the same, and comes back from its JSON form.

use bellwether_lang::rules::{check, format, from_rules_json, to_rules_json};
use expect_test::expect_file;

use super::{folder, read_case, rule_files};

#[test]
fn formatting_changes_the_look_and_nothing_else() {
    let folders = ["good", "bad", "design"];
    let mut formatted = 0;
    for path in folders.iter().flat_map(|name| rule_files(&folder(name))) {
        let files = read_case(&path);
        let mut after = files.clone();
        for file in &mut after {
            let Ok(text) = format(file) else { continue };
            formatted += 1;
            let json = to_rules_json(file).unwrap();
            assert_eq!(from_rules_json(&json).unwrap(), text, "{}", path.display());
            file.text = text;
            assert_eq!(format(file).unwrap(), file.text, "{}", path.display());
        }
        // What a message shows of a word may change with the blanks around it; what is wrong does not.
        let mistakes = |files: &[_]| {
            let told = check(files).diagnostics.into_iter();
            // Tabs are what the canonical form is free of.
            told.filter(|d| d.message != "a tab in the indentation")
                .map(|d| d.to_string())
                .collect::<Vec<_>>()
        };
        let (before, again) = (mistakes(&files), mistakes(&after));
        assert_eq!(before.len(), again.len(), "{before:#?} {again:#?}");
        if !check(&files).has_errors() {
            let (rules, again) = (check(&files).rules, check(&after).rules);
            assert_eq!(rules.to_string(), again.to_string(), "{}", path.display());
        }
    }
    assert!(formatted > 100, "{formatted} files");
}

#[test]
fn the_files_of_the_design_in_their_canonical_form() {
    let formatted = rule_files(&folder("design")).into_iter().map(|path| {
        let files = read_case(&path);
        format!("#-- file {}\n{}", files[0].path, format(&files[0]).unwrap())
    });
    let text: String = formatted.collect();
    expect_file![folder("formatted/design.txt")].assert_eq(&text);
}
