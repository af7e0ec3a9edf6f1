//! The rule packs that ship: their own tests pass, and cover every rule, level and `missing` branch.

use std::path::Path;

use crate::run::World;

#[test]
fn the_tests_of_the_packs_pass() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let rules = rules.to_str().unwrap();
    let ran = World::new().run(&["test", rules, "-o", "json"]);
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
