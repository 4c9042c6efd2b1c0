//! The files inside are what the sources make: not stale, small, and complete.

mod sources;

use std::path::Path;

/// What a page loads before it can play, compressed.
const COMPRESSED_MAX: usize = 300_000;

#[test]
fn the_prebuilt_client_is_built_from_these_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join("crates/tickwire-proto/src").is_dir() {
        return; // a package by itself has no sources to compare with
    }
    assert_eq!(
        tickwire_web::SOURCES_HASH.trim(),
        sources::hash(&root),
        "the prebuilt browser client is stale. Build it anew: cargo xtask web"
    );
}

#[test]
fn everything_a_page_asks_for_is_there_and_small() {
    let file = |path: &str| {
        tickwire_web::FILES
            .iter()
            .find(|(at, ..)| *at == path)
            .map(|(.., bytes)| *bytes)
    };
    let mut loaded = 0;
    for path in [
        "/tickwire.js",
        "/tickwire_core.js",
        "/tickwire_core_bg.wasm",
    ] {
        let packed = file(&format!("{path}.gz")).expect("compressed");
        assert!(
            packed.starts_with(&[0x1f, 0x8b]),
            "{path}: no gzip. Build it: cargo xtask web"
        );
        assert!(file(path).is_some_and(|plain| plain.len() > packed.len()));
        loaded += packed.len();
    }
    let wasm = file("/tickwire_core_bg.wasm").expect("the core");
    assert!(
        wasm.starts_with(b"\0asm"),
        "no WebAssembly. Build it: cargo xtask web"
    );
    assert!(file("/tickwire.d.ts").is_some_and(|text| text.starts_with(b"//")));
    assert!(
        loaded < COMPRESSED_MAX,
        "a page loads {loaded} bytes, more than {COMPRESSED_MAX}"
    );
}

/// What is served compressed is what is served plain, and the module is the one that its tests and types are of.
#[test]
fn the_files_are_the_same_in_every_form() {
    use std::io::Read;
    let file = |path: &str| {
        let found = tickwire_web::FILES.iter().find(|(at, ..)| *at == path);
        found.map(|(.., bytes)| *bytes)
    };
    for (path, _, packed) in tickwire_web::FILES {
        let Some(path) = path.strip_suffix(".gz") else {
            continue;
        };
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(*packed)
            .read_to_end(&mut plain)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(file(path) == Some(&plain[..]), "{path}.gz is another file");
    }
    let js = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    for name in ["tickwire.js", "tickwire.d.ts"] {
        let Ok(source) = std::fs::read(js.join(name)) else {
            continue; // a package by itself
        };
        assert!(
            file(&format!("/{name}")) == Some(&source[..]),
            "{name} is stale. Build it anew: cargo xtask web"
        );
    }
}
