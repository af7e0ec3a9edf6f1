//! Helpers of the unit tests.

use bellwether_lang::rules::{self, RuleSet, SourceFile};

/// The rules of one file's text, which must have no mistakes.
pub(crate) fn rules(text: &str) -> RuleSet {
    let files = [SourceFile {
        path: "test.rules".to_owned(),
        text: text.to_owned(),
    }];
    let checked = rules::check(&files);
    assert!(
        !checked.has_errors(),
        "{}",
        rules::render(&checked.diagnostics, &files, false)
    );
    checked.rules
}
