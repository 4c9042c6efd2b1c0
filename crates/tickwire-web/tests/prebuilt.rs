//! The files inside are what the sources make: not stale, small, and complete.

mod sources;

use std::path::Path;

/// What a page loads before it can play, by how it is compressed: every browser takes brotli over TLS and from its own machine, and gzip from anywhere.
const COMPRESSED_MAX: [(&str, usize); 2] = [("br", 250_000), ("gz", 280_000)];

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
    let module = sources::join::module(&js).expect("the module's files");
    let types = std::fs::read_to_string(js.join("tickwire.d.ts")).expect("the types");
    for (name, source) in [("tickwire.js", module), ("tickwire.d.ts", types)] {
        assert!(
            file(&format!("/{name}")) == Some(source.as_bytes()),
            "{name} is stale. Build it anew: cargo xtask web"
        );
    }
}

/// Its sources are several files; a page asks for one, and for the core.
#[test]
fn the_module_is_one_file() {
    let found = tickwire_web::FILES
        .iter()
        .find(|(at, ..)| *at == "/tickwire.js");
    let (.., module) = found.expect("the module");
    let module = std::str::from_utf8(module).expect("a text");
    let begin = |with: &str| -> Vec<&str> {
        let lines = module.lines();
        lines.filter(|line| line.starts_with(with)).collect()
    };
    assert_eq!(
        begin("import "),
        ["import init, { Core } from './tickwire_core.js'"]
    );
    assert_eq!(
        begin("export "),
        ["export { TickwireError, connect, keys }"]
    );
}
