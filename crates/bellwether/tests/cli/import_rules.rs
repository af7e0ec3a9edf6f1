//! `bellwether import prometheus` and its like: files in, a rule folder and a report out.

use expect_test::expect;

use crate::run::World;

const ALERTS: &str = "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: up == 0\n    for: 5m\n    labels: {severity: critical, at: \"{{ $value }}\"}\n";

#[test]
fn what_is_imported_checks() {
    let world = World::new();
    world.write("alerts.yml", ALERTS);
    let ran = world.run(&[
        "import",
        "prometheus",
        "alerts.yml",
        "--out",
        "rules",
        "--every",
        "30s",
    ]);
    expect![[r"
        exit 0
        ! alerts.yml:7:34: lost: the label `at` holds the value: each change of it would begin a new alert
        ! 1 file written to rules; 1 lost, 0 changed
    "]]
    .assert_eq(&ran.to_string());
    let text = std::fs::read_to_string(world.path().join("rules/alerts.rules")).unwrap();
    expect![[r"
        # imported from alerts.yml

        defaults
          missing   clear

        # alerts.yml:4, group g
        alert Down
          expr      up
          critical  == 0  for 5m
    "]]
    .assert_eq(&text);
    let ran = world.run(&["check", "rules"]);
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn nothing_is_written_without_a_word() {
    let world = World::new();
    world.write("alerts.yml", ALERTS);
    let ran = world.run(&["import", "prometheus", "alerts.yml"]);
    assert!(
        ran.err.contains("1 file to write; --out DIR writes"),
        "{ran}"
    );

    world.write("rules/alerts.rules", "# mine\n");
    let args = ["import", "prometheus", "alerts.yml", "--out", "rules"];
    let ran = world.run(&args);
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(
        ran.err.contains("is there already; --force replaces it"),
        "{ran}"
    );
    let text = std::fs::read_to_string(world.path().join("rules/alerts.rules")).unwrap();
    assert_eq!(text, "# mine\n");
    let ran = world.run(&[&args[..], &["--force"]].concat());
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn a_refused_file_writes_nothing() {
    let world = World::new();
    world.write("good.yml", ALERTS);
    world.write(
        "bad.yml",
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: rate(x)\n    fro: 5m\n",
    );
    let ran = world.run(&[
        "import",
        "prometheus",
        "good.yml",
        "bad.yml",
        "--out",
        "rules",
    ]);
    expect![[r#"
        exit 1
        ! bad.yml:5:16: refused: could not parse `expr`: expected range vector in call to function "rate", got instant vector
        ! bad.yml:6:5: refused: a rule has no field `fro`
        ! 2 mistakes: nothing is written
    "#]]
    .assert_eq(&ran.to_string());
    assert!(!world.path().join("rules").exists());

    let ran = world.run(&["import", "alertmanager", "nowhere.yml"]);
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[test]
fn the_other_systems_are_read() {
    let world = World::new();
    world.write("am.yml", "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://a.example/x'}]}]\n");
    world.write(
        "openslo.yml",
        "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: x}\nspec: {}\n",
    );
    world.write("sloth.yml", "version: prometheus/v1\nservice: s\nslos:\n- name: a\n  objective: 99\n  sli: {events: {error_query: 'sum(rate(e[{{.window}}]))', total_query: 'sum(rate(t[{{.window}}]))'}}\n  alerting: {name: A}\n");
    for (system, file) in [
        ("alertmanager", "am.yml"),
        ("openslo", "openslo.yml"),
        ("sloth", "sloth.yml"),
    ] {
        let ran = world.run(&["import", system, file, "--out", "rules"]);
        assert_eq!(ran.code, Some(0), "{ran}");
    }
    let ran = world.run(&["check", "rules"]);
    assert!(ran.out.contains("1 route"), "{ran}");
}
