//! Makes sure that Chromium and its driver are there for the browser tests. The tests themselves live in `tests/`.

use std::process::Command;

use crate::run::{on_path, run};

/// Installs Debian's Chromium and ChromeDriver where they are missing.
pub fn install() -> Result<(), String> {
    let browser = on_path("chromium") || on_path("google-chrome") || on_path("chromium-browser");
    if browser && on_path("chromedriver") {
        return Ok(());
    }
    if !on_path("apt-get") {
        return Err("The browser tests need Chromium and ChromeDriver on the PATH. Install both, then run this again.".into());
    }
    eprintln!("installing chromium and chromium-driver");
    apt(&["update", "-qq"])?;
    apt(&[
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "chromium",
        "chromium-driver",
        "fonts-dejavu-core",
    ])
}

/// Debian's package manager, by root or by sudo.
pub fn apt(args: &[&str]) -> Result<(), String> {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| out.stdout.starts_with(b"0\n"));
    let mut command = if root {
        Command::new("apt-get")
    } else {
        Command::new("sudo")
    };
    if !root {
        command.arg("apt-get");
    }
    run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
}
