//! What the tests share: servers as child processes and a real browser. The tests themselves live in `all/`.
#![allow(missing_docs)]

pub mod browser;
pub mod delay;
pub mod metrics;
pub mod newcomer;
pub mod nginx;
pub mod peer;
pub mod process;
pub mod relay;

/// The Rust of the guide, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-socket-io.md")]
pub struct FromSocketIo;

/// The Rust of the chapter on interest, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/interest.md")]
pub struct Interest;

/// The Rust of the chapter on prediction, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/prediction.md")]
pub struct Prediction;

/// The Rust of the chapter on lag compensation, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/lag-compensation.md")]
pub struct LagCompensation;

/// The Rust of the chapter on interpolation, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/interpolation.md")]
pub struct Interpolation;

/// The Rust of the chapter on clocks and commands, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/clock-and-commands.md")]
pub struct ClockAndCommands;

/// The Rust of the chapter on Bevy, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/bevy.md")]
pub struct Bevy;

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lie in the repository")
        .to_path_buf()
}

/// Where pictures and logs of a run are kept.
pub fn artefacts() -> PathBuf {
    let dir = target().join("artefacts");
    std::fs::create_dir_all(&dir).expect("the target folder can be written");
    dir
}

/// The target folder that this very test was built into.
pub fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    // Cargo marks it; what is built may lie deeper in it than a test does.
    let marked = |dir: &&std::path::Path| dir.join("CACHEDIR.TAG").exists();
    exe.ancestors()
        .find(marked)
        .expect("cargo's target folder")
        .to_path_buf()
}
