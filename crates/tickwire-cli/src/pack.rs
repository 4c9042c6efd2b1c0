//! Glue for a compiled client, and its files as small as they get. What is compiled is not known here.

use std::fs;
use std::path::Path;

use wasm_bindgen_cli_support::Bindgen;

/// What the files of a client are called.
pub const CORE: &str = "tickwire_core";

/// Writes the core and its glue into a folder.
///
/// # Errors
/// What wasm-bindgen says: as a rule that the crate was built with another version of it.
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

/// Writes a file once more as gzip and once as Brotli, as small as they get. Its size, and theirs.
///
/// # Errors
/// Where a file cannot be read or written.
pub fn pack(folder: &Path, name: &str) -> Result<[usize; 3], String> {
    let at = folder.join(name);
    let bytes = fs::read(&at).map_err(|e| format!("{}: {e}", at.display()))?;
    let (gz, br) = (gzip(&bytes)?, brotli(&bytes)?);
    for (ending, packed) in [("gz", &gz), ("br", &br)] {
        let at = folder.join(format!("{name}.{ending}"));
        fs::write(&at, packed).map_err(|e| format!("{}: {e}", at.display()))?;
    }
    Ok([bytes.len(), gz.len(), br.len()])
}

/// As small as gzip gets; the same bytes for the same input: no time stamp, no name.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let options = zopfli::Options::default();
    zopfli::compress(options, zopfli::Format::Gzip, bytes, &mut out).map_err(|e| e.to_string())?;
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
