//! Building a game's own browser client: which package, by which compiler, into which folder. Glue and packing are `pack`'s matter.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::pack::{CORE, bind, pack};

const TARGET: &str = "wasm32-unknown-unknown";
/// A program to call as `cargo` for wasm32, where it is not the usual one.
const CARGO: &str = "TICKWIRE_WASM_CARGO";
/// How a client is compiled: small, since every player fetches it.
const PROFILE: [&str; 5] = [
    "profile.release.opt-level=\"s\"",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.strip=\"debuginfo\"",
];

/// What is to be built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The package of the game; `None`: the only one, or that of the folder one is in.
    pub package: Option<String>,
    /// Where the files go; `None`: `tickwire/PACKAGE` in the target folder.
    pub out: Option<PathBuf>,
    /// Quick to build, slow to run and large.
    pub dev: bool,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Where it is.
    pub folder: PathBuf,
    /// The files with their sizes, for people.
    pub sizes: Vec<(String, String)>,
}

/// Why it could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no project here.
    #[error(
        "NoProject: cargo finds no project here: {0}. Go into the folder of your game's Cargo.toml"
    )]
    NoProject(String),
    /// Which package is not clear.
    #[error("WhichPackage: {asked} Name one with --package: {}", names.join(", "))]
    WhichPackage {
        /// What is wrong with what was asked for.
        asked: String,
        /// Those with a library.
        names: Vec<String>,
    },
    /// It does not compile for wasm32.
    #[error(
        "NotBuilt: the game does not compile for {TARGET} (above). If the target is missing: rustup target add {TARGET}. What wants sockets or \
         files is left out there by #[cfg(not(target_arch = \"wasm32\"))]; how Cargo.toml looks is in the documentation of tickwire::web_game"
    )]
    NotBuilt,
    /// The game is not inside.
    #[error(
        "NoGame: package {0} has no game for browsers: its library says tickwire::web_game!(\"kind\", game); once"
    )]
    NoGame(String),
    /// The compiled module cannot be bound, or a file not be written.
    #[error("NotPacked: {0}")]
    NotPacked(String),
    /// A program could not be started.
    #[error("NoCargo: {0} could not be started: {1}")]
    NoCargo(String, std::io::Error),
}

/// What cargo tells of a project.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    #[serde(default)]
    workspace_default_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    /// The name of its library, as files have it.
    fn library(&self) -> Option<String> {
        let is_library = |kind: &String| ["lib", "rlib", "cdylib"].contains(&kind.as_str());
        let library = self
            .targets
            .iter()
            .find(|it| it.kind.iter().any(is_library));
        library.map(|it| it.name.replace('-', "_"))
    }
}

/// Builds it.
///
/// # Errors
/// See [`BuildError`]: each says what to do.
pub fn build(plan: &Plan) -> Result<Built, BuildError> {
    let metadata = metadata()?;
    let (package, library) = choose(&metadata, plan.package.as_deref())?;
    let target = metadata.target_directory.join("tickwire-wasm");
    compile(&package, &target, plan.dev)?;
    let profile = if plan.dev { "debug" } else { "release" };
    let wasm = target
        .join(TARGET)
        .join(profile)
        .join(format!("{library}.wasm"));
    let out = plan.out.clone();
    let folder = out.unwrap_or_else(|| metadata.target_directory.join("tickwire").join(&package));
    let failed = |e: std::io::Error| BuildError::NotPacked(format!("{}: {e}", folder.display()));
    fs::create_dir_all(&folder).map_err(failed)?;
    if !has_game(&wasm) {
        return Err(BuildError::NoGame(package));
    }
    bind(&wasm, &folder).map_err(BuildError::NotPacked)?;
    let mut sizes = Vec::new();
    for name in [format!("{CORE}_bg.wasm"), format!("{CORE}.js")] {
        if plan.dev {
            continue; // packing takes longer than it saves here
        }
        let [plain, gz, br] = pack(&folder, &name).map_err(BuildError::NotPacked)?;
        sizes.push((name, format!("{plain} B (gzip {gz} B, brotli {br} B)")));
    }
    if plan.dev {
        forget_packed(&folder);
    }
    Ok(Built { folder, sizes })
}

/// Packed files of an earlier build would be served in place of the new ones.
fn forget_packed(folder: &Path) {
    for name in [format!("{CORE}_bg.wasm"), format!("{CORE}.js")] {
        for ending in ["gz", "br"] {
            let _ = fs::remove_file(folder.join(format!("{name}.{ending}")));
        }
    }
}

/// Whether the client's class is among the exports: the crate has linked it.
fn has_game(wasm: &Path) -> bool {
    let needle = b"core_draw";
    fs::read(wasm).is_ok_and(|bytes| bytes.windows(needle.len()).any(|at| at == needle))
}

fn cargo() -> OsString {
    let usual = || env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    env::var_os(CARGO).unwrap_or_else(usual)
}

fn metadata() -> Result<Metadata, BuildError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = Command::new(&cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output();
    let told = asked.map_err(|e| BuildError::NoCargo(cargo.to_string_lossy().into(), e))?;
    if !told.status.success() {
        let text = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        return Err(BuildError::NoProject(text));
    }
    serde_json::from_slice(&told.stdout).map_err(|e| BuildError::NoProject(e.to_string()))
}

/// The package and the name of its library.
fn choose(metadata: &Metadata, asked: Option<&str>) -> Result<(String, String), BuildError> {
    let names = || {
        let with = metadata.packages.iter().filter(|it| it.library().is_some());
        with.map(|it| it.name.clone()).collect()
    };
    let unclear = |asked: String| BuildError::WhichPackage {
        asked,
        names: names(),
    };
    let found = match asked {
        Some(name) => metadata.packages.iter().find(|it| it.name == name),
        None => {
            let here = |it: &&Package| metadata.workspace_default_members.contains(&it.id);
            let mut those = metadata.packages.iter().filter(here);
            let first = those.next();
            first.filter(|_| those.next().is_none())
        }
    };
    let Some(package) = found else {
        return Err(unclear(match asked {
            Some(name) => format!("there is no package {name} here."),
            None => "there are several packages here.".to_owned(),
        }));
    };
    match package.library() {
        Some(library) => Ok((package.name.clone(), library)),
        None => Err(unclear(format!(
            "package {} has no library (src/lib.rs), in which the game is for both sides.",
            package.name
        ))),
    }
}

fn compile(package: &str, target: &Path, dev: bool) -> Result<(), BuildError> {
    let cargo = cargo();
    let mut command = Command::new(&cargo);
    command.args([
        "rustc",
        "--package",
        package,
        "--lib",
        "--crate-type",
        "cdylib",
    ]);
    command
        .args(["--target", TARGET, "--target-dir"])
        .arg(target);
    if !dev {
        command.arg("--release");
        for part in PROFILE {
            command.args(["--config", part]);
        }
    }
    let done = command.status();
    let done = done.map_err(|e| BuildError::NoCargo(cargo.to_string_lossy().into(), e))?;
    done.success().then_some(()).ok_or(BuildError::NotBuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Metadata {
        let text = r#"{"packages":[
            {"id":"a","name":"game","targets":[{"name":"my-game","kind":["lib"]},{"name":"game","kind":["bin"]}]},
            {"id":"b","name":"tool","targets":[{"name":"tool","kind":["bin"]}]}],
            "target_directory":"/t","workspace_default_members":["a","b"]}"#;
        serde_json::from_str(text).expect("what cargo writes")
    }

    #[test]
    fn the_package_is_found_or_asked_for() {
        let mut metadata = project();
        let chosen = choose(&metadata, Some("game")).expect("it is there");
        assert_eq!(chosen, ("game".to_owned(), "my_game".to_owned()));
        let unclear = choose(&metadata, None).expect_err("two").to_string();
        assert_eq!(
            unclear,
            "WhichPackage: there are several packages here. Name one with --package: game"
        );
        let none = choose(&metadata, Some("tool"))
            .expect_err("no library")
            .to_string();
        assert!(none.contains("has no library"), "{none}");
        let no = choose(&metadata, Some("x")).expect_err("none").to_string();
        assert!(no.contains("there is no package x here"), "{no}");
        metadata.workspace_default_members.pop();
        assert!(choose(&metadata, None).is_ok());
    }
}
