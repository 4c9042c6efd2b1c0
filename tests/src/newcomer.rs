//! What a newcomer does: a fresh package outside of this repository, the example pasted, no wasm toolchain in sight. What is seen then is the caller's matter.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::root;

/// Counts the squares on hello's canvas by their pixels: 16 x 16 each, while they do not touch.
pub const DOTS: &str = "(() => { const c = document.querySelector('canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0; \
    for (let i = 3; i < d.length; i += 4) if (d[i]) n++; return Math.round(n / 256) })()";

/// Makes the package anew, builds it, and gives its binary.
pub fn build() -> PathBuf {
    let package = home().join("dots");
    // What was built of the dependencies stays, so that only the first run is a cold one.
    let _ = std::fs::remove_dir_all(package.join("src"));
    let _ = std::fs::remove_file(package.join("Cargo.toml"));
    std::fs::create_dir_all(&package).expect("the temporary folder can be written");
    cargo(
        &package,
        &["init", "--quiet", "--vcs", "none", "--name", "dots"],
    );
    std::fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock"))
        .expect("the package can be written");
    let facade = root().join("crates/tickwire");
    cargo(
        &package,
        &[
            "add",
            "--quiet",
            "--path",
            facade.to_str().expect("paths are text"),
        ],
    );
    std::fs::copy(
        root().join("examples/hello/src/main.rs"),
        package.join("src/main.rs"),
    )
    .expect("hello is there");
    cargo(&package, &["build", "--quiet"]);
    built().join("debug/dots")
}

/// Forgets what was built, so that the next build is a cold one.
pub fn forget() {
    let _ = std::fs::remove_dir_all(home());
    let _ = std::fs::remove_dir_all(built());
}

/// Gigabytes in the end: beside all else that is built, so that `cargo clean` knows of them and nothing is left in the temporary folder.
fn built() -> PathBuf {
    root().join("target/newcomer")
}

fn home() -> PathBuf {
    std::env::temp_dir().join("tickwire-newcomer")
}

/// Cargo with nothing on the PATH but the compiler and the system's linker: no wasm tools of anybody's.
fn cargo(dir: &Path, args: &[&str]) {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let rustc = Command::new("sh")
        .args(["-c", "dirname \"$(command -v rustc)\""])
        .output()
        .expect("there is a shell");
    let tools = String::from_utf8_lossy(&rustc.stdout).trim().to_owned();
    let status = Command::new(&program)
        .current_dir(dir)
        .args(args)
        .env("PATH", format!("{tools}:/usr/bin:/bin"))
        .env("CARGO_TARGET_DIR", built())
        .env_remove("RUSTFLAGS")
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cargo {args:?} in {}",
        dir.display()
    );
}
