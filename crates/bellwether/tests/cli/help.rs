//! What `--help` says, command by command. `UPDATE_EXPECT=1 cargo test -p bellwether --test cli` writes it anew.

use expect_test::expect_file;

use crate::run::World;

#[test]
fn help_of_every_command() {
    let world = World::new();
    let whole = world.run(&["--help"]);
    expect_file!["help/bellwether.txt"].assert_eq(&whole.to_string());
    let commands = [
        &["serve"][..],
        &["check"],
        &["fmt"],
        &["query"],
        &["test"],
        &["sla"],
        &["sla", "report"],
        &["backtest"],
        &["windows"],
        &["alerts"],
        &["import"],
        &["import", "lp"],
        &["import", "prometheus"],
        &["import", "alertmanager"],
        &["import", "sloth"],
        &["import", "pyrra"],
        &["import", "openslo"],
        &["bench"],
        &["verify"],
    ];
    for words in commands {
        let help = world.run(&[words, &["--help"]].concat());
        let file = format!("help/{}.txt", words.join("-"));
        expect_file![file].assert_eq(&help.to_string());
    }
    // A command that is added is listed above, too.
    let listed = whole.out.split("Commands:\n").nth(1).unwrap();
    let listed = listed
        .lines()
        .take_while(|l| !l.is_empty())
        .filter(|l| !l.starts_with("   ")) // What a long description goes on with.
        .map(|l| l.split_whitespace().next().unwrap());
    for name in listed {
        assert!(commands.iter().any(|words| words[0] == name), "{name}");
    }
}

#[test]
fn wrong_words_are_answered_with_proposals() {
    let world = World::new();
    for (args, said) in [
        (&["chekc"][..], "'check'"),
        (&["query", "up", "--ouput", "csv"], "'--output'"),
        (&["check", "--format", "xml"], "human, json, github"),
        (&["bench", "--hosts", "0"], "0 is not in 1.."),
        (&["bench", "--hours", "0"], "0 is not in 1.."),
        (&["bench", "--runs", "0"], "0 is not in 1.."),
        (&["serve", "--listen", ":9091"], "such as 127.0.0.1:9091"),
    ] {
        let ran = world.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran}");
        assert!(ran.err.contains(said), "{args:?}: {ran}");
    }
}
