//! The commands of `README.md` work as they stand, in their order, on an empty folder; the rules that it and
//! `docs/rules.md` show are rules.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::binary::{self, Server};
use crate::support::workspace;

/// The texts of every block fenced as `kind`, in order.
fn blocks(file: &str, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join(file)).expect("it is there");
    let fence = format!("```{kind}\n");
    text.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next().map(str::to_owned))
        .collect()
}

/// The lines of the README's ```sh blocks.
fn commands() -> Vec<String> {
    let blocks = blocks("README.md", "sh");
    let lines = blocks
        .iter()
        .flat_map(|block| block.lines())
        .map(|l| l.split(" #").next().unwrap_or(l).trim().to_owned());
    lines.filter(|l| !l.is_empty()).collect()
}

#[test]
fn the_server_comes_first_and_the_tests_are_named() {
    let commands = commands();
    assert_eq!(commands[0], "cargo run --release -- serve");
    assert!(commands.contains(&"cargo test --workspace".to_owned()));
}

#[test]
fn every_other_command_works() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIP: curl is not installed; the README's commands use it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    copy_rules(folder.path());
    let server = Server::start(folder.path(), &[]);
    for command in commands() {
        // The server runs already, and so do the tests.
        if command == "cargo run --release -- serve" || command == "cargo test --workspace" {
            continue;
        }
        let command = command
            .replace("cargo run --release --", "bellwether")
            .replace("127.0.0.1:9090", &server.address);
        let output = run(&command, folder.path(), &server.address);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let status = output.status;
        assert!(status.success(), "`{command}` ended with {status}:\n{said}");
    }
    server.stop();
}

/// Runs a line of the README in `folder`, with the server at `address` as the one to ask.
fn run(command: &str, folder: &Path, address: &str) -> Output {
    let binary = binary::path();
    let bin = binary.parent().expect("it lies in a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{bin}:{path}"))
        .env("BELLWETHER__QUERY__URL", format!("http://{address}"))
        .stdin(Stdio::null())
        .output()
        .expect("sh runs")
}

/// The blocks of a page together are a folder.
#[test]
fn the_rules_that_are_shown_are_rules() {
    for page in ["README.md", "docs/rules.md"] {
        let blocks = blocks(page, "rules");
        assert!(!blocks.is_empty(), "{page} shows no rules");
        let folder = tempfile::tempdir().unwrap();
        for (number, block) in blocks.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{number}.rules")), block).unwrap();
        }
        let checked = Command::new(binary::path())
            .args(["check", "."])
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{page}:\n{said}");
        assert!(said.contains("no errors, 0 warnings"), "{page}:\n{said}");
    }
}

fn copy_rules(to: &Path) {
    std::fs::create_dir(to.join("rules")).unwrap();
    for entry in std::fs::read_dir(workspace().join("rules")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join("rules").join(path.file_name().unwrap())).unwrap();
    }
}
