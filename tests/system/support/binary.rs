//! The binary under test: built once, started on a free port, stopped or killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{http, wait_for, workspace};

/// Path of the built `bellwether`.
pub(crate) fn path() -> PathBuf {
    built().join("bellwether")
}

/// Path of a built example.
pub(crate) fn example(name: &str) -> PathBuf {
    built().join("examples").join(name)
}

/// Where the binary and its examples are, built on first use with the profile of this test.
fn built() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let me = std::env::current_exe().expect("a test runs from a file");
        // target/<profile>/deps/system-… lies two levels below the profile's folder.
        let profile = me
            .parent()
            .and_then(Path::parent)
            .expect("cargo's layout")
            .to_owned();
        // As the whole workspace: the same features as this test, so that nothing is built twice.
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(workspace()).args([
            "build",
            "--locked",
            "--workspace",
            "--bin",
            "bellwether",
            "--example",
            "embedded",
        ]);
        build
            .arg("--target-dir")
            .arg(profile.parent().expect("cargo's layout"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.output().expect("cargo runs");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        profile
    })
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
    /// They end with the pipes they read.
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts `serve` on the folder's `data` and `rules` and waits until it is ready.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Server {
        let mut server = Server::spawn(folder, more);
        let address = server.address.clone();
        wait_for("/-/ready", Duration::from_secs(30), || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", server.log());
            }
            let answer = http::get(&address, "/-/ready").ok()?;
            (answer.status == 200).then_some(())
        });
        server
    }

    fn spawn(folder: &Path, more: &[&str]) -> Server {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut child = Command::new(path())
            .arg("serve")
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--rules")
            .arg(folder.join("rules"))
            .args(["--listen", &address])
            .args(more)
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let pipes: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("piped")),
            Box::new(child.stderr.take().expect("piped")),
        ];
        let read = |pipe| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let mut log = log.lock().expect("no reader panics");
                    log.push_str(&line);
                    log.push('\n');
                }
            })
        };
        let readers = pipes.into_iter().map(read).collect();
        Server {
            child,
            address,
            log,
            readers,
        }
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that the server has printed.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no reader panics").clone()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ctrl-C; asserts a clean end and returns the log.
    pub(crate) fn stop(mut self) -> String {
        self.signal("INT");
        let status = wait_for("a clean stop", Duration::from_secs(20), || {
            self.child.try_wait().unwrap()
        });
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panics");
        }
        let log = self.log();
        assert!(status.success(), "ended with {status}: {log}");
        log
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(sent.expect("kill runs").success());
    }

    /// The answer to `GET`, as JSON.
    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let answer = http::get(&self.address, path).expect("the server answers");
        serde_json::from_str(&answer.body)
            .unwrap_or_else(|e| panic!("{path}: {e}: {}", answer.body))
    }

    /// The number an instant query gives: of a scalar, or of the only series of a vector.
    pub(crate) fn number(&self, expr: &str) -> Option<f64> {
        let answer = self.json(&format!("/api/v1/query?query={}", http::encode(expr)));
        let result = &answer["data"]["result"];
        let value = if result[0].is_object() {
            &result[0]["value"][1]
        } else {
            &result[1]
        };
        value.as_str()?.parse().ok()
    }

    /// The value of a metric without labels on `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let answer = http::get(&self.address, "/metrics").expect("the server answers");
        let lines = answer.body.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.into_iter().find(|(n, _)| *n == name)?;
        value.parse().ok()
    }

    /// The states of the alerts named `name`.
    pub(crate) fn alert_states(&self, name: &str) -> Vec<String> {
        let answer = self.json("/api/v1/alerts");
        let alerts = answer["data"]["alerts"]
            .as_array()
            .expect("alerts are a list");
        let named = alerts.iter().filter(|a| a["labels"]["alertname"] == name);
        named
            .map(|a| a["state"].as_str().expect("a state").to_owned())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that ended well has none any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port nobody listens on right now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
