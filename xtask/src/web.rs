//! Builds the browser client into `crates/tickwire-web/prebuilt`: compiled, bound, joined, packed, with the hash of its sources.

use std::path::Path;

#[cfg(feature = "web")]
#[path = "../../crates/tickwire-web/tests/sources/mod.rs"]
mod sources;

/// The hash of the sources that the prebuilt client must carry.
#[cfg(feature = "web")]
pub fn sources_hash(root: &Path) -> String {
    sources::hash(root)
}

/// `cargo xtask web`: builds it, in this program if it was built with the heavy part, else in one that is.
pub fn command(root: &Path) -> Result<(), String> {
    #[cfg(feature = "web")]
    return build_web(root);
    #[cfg(not(feature = "web"))]
    return build_web_elsewhere(root);
}

/// Builds the browser client by a program of its own, which has wasm-bindgen inside.
#[cfg(not(feature = "web"))]
fn build_web_elsewhere(root: &Path) -> Result<(), String> {
    use crate::run::{cargo, run};
    run(&mut cargo(
        root,
        &[
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--features",
            "web",
            "--",
            "web",
        ],
    ))
}

/// Builds the browser client and says how large it is.
#[cfg(feature = "web")]
pub fn build_web(root: &Path) -> Result<(), String> {
    let wasm = built::compile(root)?;
    let folder = root.join("crates/tickwire-web/prebuilt");
    built::bind(&wasm, &folder)?;
    built::pack(root, &folder)
}

#[cfg(feature = "web")]
mod built {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use wasm_bindgen_cli_support::Bindgen;

    use crate::run::run;
    use crate::setup::wasm_cargo;

    const CORE: &str = "tickwire_core";
    const PROFILE: &str = "wasm-release";

    /// Compiles the crate for wasm32, in a target folder of its own: its compiler may be another one.
    pub fn compile(root: &Path) -> Result<PathBuf, String> {
        let target = root.join("target/wasm");
        let mut command = Command::new(wasm_cargo()?);
        command
            .current_dir(root)
            .args(["rustc", "--quiet", "--package", "tickwire-web", "--lib"]);
        command.args([
            "--crate-type",
            "cdylib",
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            PROFILE,
        ]);
        run(command.arg("--target-dir").arg(&target))?;
        Ok(target
            .join("wasm32-unknown-unknown")
            .join(PROFILE)
            .join("tickwire_web.wasm"))
    }

    /// Writes the core and its glue.
    pub fn bind(wasm: &Path, folder: &Path) -> Result<(), String> {
        let mut bindgen = Bindgen::new();
        bindgen
            .input_path(wasm)
            .out_name(CORE)
            .typescript(false)
            .omit_default_module_path(false)
            .remove_name_section(true)
            .remove_producers_section(true);
        bindgen
            .web(true)
            .and_then(|bindgen| bindgen.generate(folder))
            .map_err(|e| format!("wasm-bindgen: {e:#}"))
    }

    /// Puts the rest beside them, and prints the sizes.
    pub fn pack(root: &Path, folder: &Path) -> Result<(), String> {
        let js = root.join("crates/tickwire-web/js");
        let module = super::sources::join::module(&js)?;
        write(&folder.join("tickwire.js"), module.as_bytes())?;
        let types = "tickwire.d.ts";
        fs::copy(js.join(types), folder.join(types)).map_err(|e| format!("{types}: {e}"))?;
        let mut sizes = Vec::new();
        for name in [
            format!("{CORE}_bg.wasm"),
            format!("{CORE}.js"),
            "tickwire.js".to_owned(),
        ] {
            let bytes = fs::read(folder.join(&name)).map_err(|e| format!("{name}: {e}"))?;
            let (gz, br) = (gzip(&bytes)?, brotli(&bytes)?);
            write(&folder.join(format!("{name}.gz")), &gz)?;
            write(&folder.join(format!("{name}.br")), &br)?;
            let (plain, gz, br) = (bytes.len(), gz.len(), br.len());
            sizes.push(format!("{name} {plain} B (gzip {gz} B, brotli {br} B)"));
        }
        write(
            &folder.join("SOURCES_HASH"),
            super::sources_hash(root).as_bytes(),
        )?;
        eprintln!("browser client: {}", sizes.join(", "));
        Ok(())
    }

    /// As small as gzip gets; the same bytes for the same input: no time stamp, no name.
    fn gzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let options = zopfli::Options::default();
        zopfli::compress(options, zopfli::Format::Gzip, bytes, &mut out)
            .map_err(|e| e.to_string())?;
        Ok(out)
    }

    /// At its best, which takes seconds: it is done once and served for ever.
    fn brotli(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let params = brotli::enc::BrotliEncoderParams {
            size_hint: bytes.len(),
            ..Default::default()
        };
        brotli::BrotliCompress(&mut &*bytes, &mut out, &params).map_err(|e| e.to_string())?;
        Ok(out)
    }

    fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
        fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
    }
}
