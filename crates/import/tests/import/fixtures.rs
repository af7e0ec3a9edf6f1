//! Small files of every format with what comes of them, findings first: `fixtures/FORMAT/NAME.yml` and
//! `NAME.expected`. `UPDATE_EXPECT=1 cargo test -p bellwether-import` writes the answers anew.

use std::path::{Path, PathBuf};

use bellwether_import::{Format, Options, Source, import};
use bellwether_lang::rules;
use expect_test::expect_file;

fn check(format: Format, folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import/fixtures")
        .join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("fixtures are there")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let name = path.file_name().expect("a name").to_string_lossy();
        let source = Source {
            path: name.into_owned(),
            bytes: std::fs::read(&path).expect("it can be read"),
        };
        let imported = import(format, &[source], &Options::default());
        let findings = imported.findings.iter().map(|f| format!("{f}\n"));
        let files = imported
            .files
            .iter()
            .map(|f| format!("--- {}\n{}", f.path, f.text));
        let shown: String = findings.chain(files).collect();
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert_eq!(imported.refused(), name.starts_with("refused"), "{shown}");
        let checked = rules::check(&imported.files);
        let warnings = rules::render(&checked.diagnostics, &imported.files, false);
        // What was a slip or a danger there is one here; of objectives we write everything ourselves.
        let of_rules = matches!(format, Format::Prometheus | Format::Alertmanager);
        assert!(of_rules || warnings.is_empty(), "{name}: {warnings}");
        expect_file![path.with_extension("expected")].assert_eq(&shown);
    }
}

#[test]
fn prometheus() {
    check(Format::Prometheus, "prometheus");
}

#[test]
fn alertmanager() {
    check(Format::Alertmanager, "alertmanager");
}

#[test]
fn objectives() {
    check(Format::Objectives, "objectives");
}

#[test]
fn sloth() {
    check(Format::Objectives, "sloth");
}

#[test]
fn pyrra() {
    check(Format::Objectives, "pyrra");
}

#[test]
fn openslo() {
    check(Format::Objectives, "openslo");
}
