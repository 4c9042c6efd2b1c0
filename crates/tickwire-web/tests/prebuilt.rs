//! The files inside are what the sources make: not stale, small, and complete.

mod sources;

use std::path::Path;

/// What a page loads before it can play, by how it is compressed: every browser takes brotli over TLS and from its own machine, and gzip from anywhere.
const COMPRESSED_MAX: [(&str, usize); 2] = [("br", 250_000), ("gz", 250_000)];

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
    for (ending, most) in COMPRESSED_MAX {
        let mut loaded = 0;
        for path in [
            "/tickwire.js",
            "/tickwire_core.js",
            "/tickwire_core_bg.wasm",
        ] {
            let packed = file(&format!("{path}.{ending}")).expect("compressed");
            assert!(file(path).is_some_and(|plain| plain.len() > packed.len()));
            loaded += packed.len();
        }
        assert!(
            loaded < most,
            "a page loads {loaded} bytes of {ending}, more than {most}"
        );
    }
    let wasm = file("/tickwire_core_bg.wasm").expect("the core");
    assert!(
        wasm.starts_with(b"\0asm"),
        "no WebAssembly. Build it: cargo xtask web"
    );
    assert!(file("/tickwire.d.ts").is_some_and(|text| text.starts_with(b"//")));
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
        let mut plain = Vec::new();
        let (path, unpacked) = match path.rsplit_once('.') {
            Some((path, "gz")) => {
                let mut gzip = flate2::read::GzDecoder::new(*packed);
                (path, gzip.read_to_end(&mut plain).map(drop))
            }
            Some((path, "br")) => (
                path,
                brotli::BrotliDecompress(&mut &packed[..], &mut plain).map(drop),
            ),
            _ => continue,
        };
        unpacked.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(file(path) == Some(&plain[..]), "{path} packed is another");
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
