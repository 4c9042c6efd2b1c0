//! Servers as child processes: built once, started on a free port, stopped as an operator would. What they serve is the caller's matter.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{root, target};

/// The binary of a package of this workspace, built first where needed: as tests are.
pub fn binary(package: &str) -> PathBuf {
    built(package, false)
}

/// The same as people run it: for figures.
pub fn release(package: &str) -> PathBuf {
    built(package, true)
}

fn built(package: &str, release: bool) -> PathBuf {
    static ONE_BUILD: Mutex<()> = Mutex::new(());
    let _one = ONE_BUILD
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--quiet", "--package", package, "--bin", package])
        .args(release.then_some("--release"))
        .args(["--target-dir".as_ref(), target().as_os_str()])
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "{package} does not build"
    );
    let folder = if release { "release" } else { "debug" };
    target().join(folder).join(package)
}

/// A server in a process of its own; it is ended when this goes.
pub struct Served {
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
    /// `http://127.0.0.1:PORT`, as the server printed it.
    pub url: String,
}

impl Served {
    /// Starts a server binary and waits for its address.
    pub fn start(binary: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(binary)
            .args(args)
            .current_dir(root())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (mut stderr, kept) = (child.stderr.take().expect("stderr is piped"), log.clone());
        // The log is drained as it comes, so that a full pipe never stops the server.
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut chunk) {
                kept.lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .extend_from_slice(&chunk[..read]);
            }
        });
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        out.read_line(&mut line)
            .expect("the server says where it listens");
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("first line of stdout was {line:?}"));
        let url = url.to_owned();
        std::thread::spawn(move || {
            let mut sink = String::new();
            let _ = out.read_to_string(&mut sink);
        });
        Self { child, log, url }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("plain HTTP")
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        let log = self
            .log
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Resident memory of the process, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name: TERM, INT.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(told.is_ok_and(|status| status.success()));
    }

    /// How it ended, within `patience`, and its log.
    pub fn ended(mut self, patience: Duration) -> (ExitStatus, String) {
        let status = wait(&mut self.child, patience).expect("the server ends when it is asked to");
        (status, self.log())
    }

    /// SIGTERM, then the exit code that the server ends with within `patience`.
    pub fn stop(self, patience: Duration) -> ExitStatus {
        self.signal("TERM");
        self.ended(patience).0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child's end, at most so long.
pub fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}
