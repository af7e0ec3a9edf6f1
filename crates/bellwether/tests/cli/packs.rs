//! The rule packs that ship: their own tests pass, and nearly all of their rules are in some test.

use std::path::Path;

use crate::run::World;

#[test]
fn the_tests_of_the_packs_pass() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let rules = rules.to_str().unwrap();
    let ran = World::new().run(&["test", rules, "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(ran.code, Some(0), "{report:#}");
    let covered = &report["coverage"]["rules"];
    let open = covered["of"].as_u64().unwrap() - covered["covered"].as_u64().unwrap();
    assert!(open <= 6, "without a test: {}", covered["open"]);
}
