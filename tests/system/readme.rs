//! The commands of `README.md` work as they stand, in their order, on an empty folder.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::binary::{self, Server};
use crate::support::{wait_for, workspace};

/// The lines of every ```sh block, in order.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join("README.md")).expect("the README is there");
    let blocks = text
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let lines = blocks
        .flat_map(str::lines)
        .map(|l| l.split(" #").next().unwrap_or(l).trim().to_owned());
    lines.filter(|l| !l.is_empty()).collect()
}

#[test]
fn the_two_commands_come_first() {
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
    let bin = binary::path().parent().expect("it lies in a folder");
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    for command in commands() {
        // These two build and test all that runs right now; the third wants a terminal's patience.
        if command.starts_with("cargo run --release -- serve") || command.starts_with("cargo test")
        {
            continue;
        }
        let command = command
            .replace("cargo run --release --", "bellwether")
            .replace("127.0.0.1:9090", &server.address);
        let output = wait_for(&command, Duration::from_mins(2), || {
            let output = Command::new("sh")
                .args(["-c", &command])
                .current_dir(folder.path())
                .env("PATH", &path)
                .env(
                    "BELLWETHER__QUERY__URL",
                    format!("http://{}", server.address),
                )
                .stdin(Stdio::null())
                .output()
                .expect("sh runs");
            Some(output)
        });
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success(),
            "`{command}` ended with {}:\n{said}",
            output.status
        );
    }
    server.stop();
}

fn copy_rules(to: &std::path::Path) {
    std::fs::create_dir(to.join("rules")).unwrap();
    for entry in std::fs::read_dir(workspace().join("rules")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join("rules").join(path.file_name().unwrap())).unwrap();
    }
}
