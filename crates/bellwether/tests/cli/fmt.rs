//! `bellwether fmt`.

use expect_test::{Expect, expect};

use crate::run::World;

const UGLY: &str = "# disks\nalert   Full\n\texpr free\n\twarning <15% for   10m # soon\n";
const PRETTY: &str = "# disks\nalert Full\n  expr      free\n  warning   < 15%  for 10m  # soon\n";

fn check(world: &World, args: &[&str], expect: Expect) {
    let ran = world.run(&[&["fmt"], args].concat());
    expect.assert_eq(&ran.to_string());
}

fn read(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.path().join(name)).unwrap()
}

#[test]
fn files_are_formatted_once() {
    let world = World::new();
    world.write("rules/a.rules", UGLY);
    world.write("rules/b.rules", PRETTY);
    check(
        &world,
        &["--check"],
        expect![[r"
        exit 1
        rules/a.rules
        1 to format, of 2 files
    "]],
    );
    assert_eq!(read(&world, "rules/a.rules"), UGLY);
    check(
        &world,
        &[],
        expect![[r"
        exit 0
        rules/a.rules
        1 formatted, of 2 files
    "]],
    );
    assert_eq!(read(&world, "rules/a.rules"), PRETTY);
    check(
        &world,
        &["--check"],
        expect![[r"
        exit 0
        0 to format, of 2 files
    "]],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_left_alone() {
    let world = World::new();
    world.write("rules/a.rules", UGLY);
    world.write("rules/b.rules", "alert B\n    expr b\n  warning\n");
    check(
        &world,
        &[],
        expect![[r"
        exit 1
        rules/a.rules
        1 formatted, of 2 files
        ! rules/b.rules:3:3: clauses of one item line up
        !    |
        !  3 |   warning
        !    |   ^^^^^^^ indented by 2, the first clause by 4
    "]],
    );
    assert_eq!(read(&world, "rules/a.rules"), PRETTY);
    check(
        &world,
        &["nowhere"],
        expect![[r"
        exit 2
        0 formatted, of 0 files
        ! bellwether: nowhere: No such file or directory (os error 2)
    "]],
    );
}

#[test]
fn json_and_back_is_the_canonical_form() {
    let world = World::new();
    world.write("a.rules", UGLY);
    let json = world.run(&["fmt", "--json", "a.rules"]);
    world.write("a.json", &json.out);
    check(
        &world,
        &["--json", "a.rules"],
        expect![[r##"
        exit 0
        {
          "format": "bellwether rules",
          "version": 1,
          "items": [
            {
              "comments": [
                "# disks"
              ],
              "item": "alert",
              "name": "Full",
              "clauses": [
                {
                  "clause": "expr",
                  "value": "free"
                },
                {
                  "clause": "warning",
                  "value": "< 15%",
                  "for": "10m",
                  "comment": "# soon"
                }
              ]
            }
          ]
        }
    "##]],
    );
    let back = world.run(&["fmt", "--from-json", "a.json"]);
    assert_eq!(back.out, PRETTY);
    world.write("a.json", "{}");
    check(
        &world,
        &["--from-json", "a.json"],
        expect![[r"
        exit 1
        ! a.json: missing field `format` at line 1 column 2
    "]],
    );
}
