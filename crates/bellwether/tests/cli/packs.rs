//! The rule packs that ship: their own tests pass, and cover every rule, level and `missing` branch; they look as `fmt` has them.

use std::path::Path;

use crate::run::World;

fn packs() -> String {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    rules.to_str().unwrap().to_owned()
}

#[test]
fn the_packs_are_in_canonical_form() {
    let ran = World::new().run(&["fmt", "--check", &packs()]);
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn the_tests_of_the_packs_pass() {
    let ran = World::new().run(&["test", &packs(), "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(ran.code, Some(0), "{report:#}");
    for part in ["rules", "levels", "missing"] {
        let open = &report["coverage"][part]["open"];
        assert!(
            open.as_array().unwrap().is_empty(),
            "without a test: {part} {open}"
        );
    }
}
