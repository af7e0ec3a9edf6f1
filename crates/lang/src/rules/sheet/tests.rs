//! Canonical forms, as text in and text out.

use expect_test::{Expect, expect};

use super::*;

fn file(text: &str) -> SourceFile {
    SourceFile {
        path: "a.rules".into(),
        text: text.to_owned(),
    }
}

fn check(text: &str, expected: Expect) {
    let formatted = format(&file(text)).unwrap();
    expected.assert_eq(&formatted);
    assert_eq!(format(&file(&formatted)).unwrap(), formatted);
    let json = to_rules_json(&file(text)).unwrap();
    assert_eq!(from_rules_json(&json).unwrap(), formatted, "{json}");
}

#[test]
fn clauses_stand_in_columns_and_comments_stay() {
    check(
        "\u{feff}# top\n\n# of A\nalert   A # head\r\n\texpr   a\n\t  + b   # plus\n\n\n    # about it\n\twarning <5% for  5m\n\t\tclear>8%\n  # end of A\n\n# of B\nalert B\n    expr b\n# last\n",
        expect![[r"
            # top

            # of A
            alert A  # head
              expr      a
                   + b  # plus

              # about it
              warning   < 5%  for 5m  clear > 8%
              # end of A

            # of B
            alert B
              expr      b

            # last
        "]],
    );
}

#[test]
fn values_over_several_lines_keep_their_shape() {
    check(
        "let free = a\n           / b\nlet c = 5%\n\nlet d=\n  x\n  + y\nrecord r\n  expr  sum(a)\n      / sum(b)\n  label a=\"b\"\nalert T\n  summary `one\n      two # no comment\n\n    three`  # comment\n",
        expect![[r#"
            let free = a
                       / b
            let c = 5%

            let d = x
                    + y

            record r
              expr      sum(a)
                      / sum(b)
              label     a = "b"

            alert T
              summary   `one
                  two # no comment

                three`  # comment
        "#]],
    );
}

#[test]
fn comments_inside_a_value_stand_above_what_they_speak_of() {
    check(
        "alert A\n  expr sum by (job) (  # open\n         up\n   # of all jobs\n         )\n    # what is left\n       / 2\n  # the level\n  warning\n# so far\n    > 5\n",
        expect![[r"
            alert A
              expr      sum by (job) (  # open
                          up
                          # of all jobs
                          )
                        # what is left
                        / 2
              # the level
              warning
                        # so far
                        > 5
        "]],
    );
}

#[test]
fn tests_have_columns_of_values() {
    check(
        "test   \"x\"\n    start 2026-03-29T00:00:00Z\n    load   1m\n          up{a=\"b\" ,c=\"d\"}   1x4  _\n          # a comment\n          y 1\n    at 4m\n          none\n    eval 1m sum( up )\n          {}   1\n    notify 5m  c  resolved A{x=\"y\"}\n",
        expect![[r#"
            test "x"
              start 2026-03-29T00:00:00Z
              load 1m
                up{a="b", c="d"} 1x4 _
                # a comment
                y                1
              at 4m
                none
              eval 1m sum( up )
                {} 1
              notify 5m c resolved A{x="y"}
        "#]],
    );
}

#[test]
fn what_is_not_known_is_left_as_it_is() {
    check(
        "groups:\n- name: x\n  rules:\n",
        expect![[r"
        groups:

        - name: x
          rules:
    "]],
    );
    check(
        "alert A\n  colour   red, blue\n  expr: up\n",
        expect![[r"
        alert A
          colour    red, blue
          expr: up
    "]],
    );
    check(
        "# only a comment",
        expect![[r"
        # only a comment
    "]],
    );
    check("", expect![[r""]]);
}

#[test]
fn a_file_that_cannot_be_cut_is_refused() {
    let told = format(&file("alert A\n    expr a\n  warning\n")).unwrap_err();
    assert_eq!(
        told[0].to_string(),
        "a.rules:3:3: clauses of one item line up"
    );
}

#[test]
fn the_json_form_is_for_programs() {
    let text = "alert A\n  expr a\n    + b\n  warning < 5%  for 5m  where {a=\"b\"}\n  label team = \"infra\"\n  summary \"a \\\"b\\\"\"\n";
    let json: serde_json::Value =
        serde_json::from_str(&to_rules_json(&file(text)).unwrap()).unwrap();
    let clauses = &json["items"][0]["clauses"];
    assert_eq!(clauses[0]["value"], "a\n         + b");
    assert_eq!(clauses[1]["for"], "5m");
    assert_eq!(clauses[1]["where"], "{a=\"b\"}");
    assert_eq!(
        (&clauses[2]["name"], &clauses[2]["text"]),
        (&"team".into(), &"infra".into())
    );
    assert_eq!(clauses[3]["text"], "a \"b\"");
}

#[test]
fn words_that_the_language_does_not_have_are_told_with_their_paths() {
    let json = "{\"format\":\"bellwether rules\",\"version\":1,\"items\":[{\"item\":\"alert\",\"name\":\"A\",\"clauses\":[\
        {\"clause\":\"expr\",\"value\":\"up\"},{\"clause\":\"warnign\"}]},{\"item\":\"alret\",\"name\":\"B\"},{\"item\":\"xyzzy\"}]}";
    assert_eq!(
        unknown_in_json(json).unwrap(),
        [
            "items[0].clauses[1].clause: `alert` has no clause `warnign` (did you mean `warning`?)",
            "items[1].item: no item is called `alret` (did you mean `alert`?)",
            "items[2].item: no item is called `xyzzy`",
        ]
    );
}

#[test]
fn json_of_another_kind_is_refused() {
    for (json, said) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (
            "{\"format\":\"x\",\"version\":2,\"items\":[]}",
            "expected `\"format\": \"bellwether rules\"` and `\"version\": 1`, got \"x\" and 2",
        ),
        (
            "{\"format\":\"bellwether rules\",\"version\":1,\"items\":[{\"item\":\"a b\"}]}",
            "an item cannot be \"a b\"",
        ),
        (
            "{\"format\":\"bellwether rules\",\"version\":1,\"items\":[{\"item\":\"let\",\"colour\":1}]}",
            "unknown field `colour`, expected one of `comments`, `item`, `name`, `in`, `value`, `lines`, `comment`, `clauses`, `end` at line 1 column 72",
        ),
    ] {
        assert_eq!(from_rules_json(json).unwrap_err().to_string(), said);
    }
}
