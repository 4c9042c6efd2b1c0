//! Makes sure that Chromium and its driver, and nginx, are there for the tests of browsers and proxies. The tests themselves live in `tests/`.

use std::process::Command;

use crate::run::{on_path, run};

/// Installs Debian's Chromium, ChromeDriver and nginx where they are missing.
pub fn install() -> Result<(), String> {
    install_chromium()?;
    install_nginx()
}

/// nginx is no service here: the tests start it themselves, with configurations of their own. The package's own service may start at its
/// installation, as Debian's do.
fn install_nginx() -> Result<(), String> {
    // Where Debian puts it, which is on the PATH of root alone.
    if on_path("nginx") || std::path::Path::new("/usr/sbin/nginx").is_file() {
        return Ok(());
    }
    if !on_path("apt-get") {
        return Err(
            "The tests of proxies need nginx on the PATH. Install it, then run this again.".into(),
        );
    }
    eprintln!("installing nginx-light");
    apt(&["update", "-qq"])?;
    apt(&[
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "nginx-light",
    ])
}

fn install_chromium() -> Result<(), String> {
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
