//! The browser client of Tickwire: `tickwire-client` as WebAssembly, an ES module around it, and its types.
//!
//! On wasm32 this crate is that module's core. Everywhere else it *is* the files: built before, and kept inside, so that
//! every server can serve them and nobody needs a wasm toolchain. `cargo xtask web` builds them anew.
//!
//! ```
//! let (path, mime, bytes) = tickwire_web::FILES[0];
//! assert_eq!((path, mime), ("/tickwire.js", "text/javascript; charset=utf-8"));
//! assert!(!bytes.is_empty());
//! ```

#![forbid(unsafe_code)]

#[cfg(any(target_arch = "wasm32", test))]
mod core;
#[cfg(all(target_arch = "wasm32", feature = "predict"))]
mod games;
#[cfg(any(target_arch = "wasm32", test))]
mod layout;
#[cfg(any(target_arch = "wasm32", test))]
mod links;
#[cfg(any(target_arch = "wasm32", test))]
mod report;
#[cfg(any(target_arch = "wasm32", test))]
mod requests;

#[cfg(any(target_arch = "wasm32", test))]
pub use core::Core;
#[cfg(all(target_arch = "wasm32", feature = "predict"))]
pub use games::play;
#[cfg(all(target_arch = "wasm32", feature = "predict"))]
#[doc(hidden)]
pub use wasm_bindgen;

#[cfg(test)]
mod tests;

#[cfg(not(target_arch = "wasm32"))]
mod files {
    const JS: &str = "text/javascript; charset=utf-8";
    const WASM: &str = "application/wasm";

    /// What a server serves: path, type, content. What ends in `.gz` or `.br` is the same file for those who take it so compressed.
    pub const FILES: &[(&str, &str, &[u8])] = &[
        (
            "/tickwire.js",
            JS,
            include_bytes!("../prebuilt/tickwire.js"),
        ),
        (
            "/tickwire.js.gz",
            JS,
            include_bytes!("../prebuilt/tickwire.js.gz"),
        ),
        (
            "/tickwire.js.br",
            JS,
            include_bytes!("../prebuilt/tickwire.js.br"),
        ),
        (
            "/tickwire_core.js",
            JS,
            include_bytes!("../prebuilt/tickwire_core.js"),
        ),
        (
            "/tickwire_core.js.gz",
            JS,
            include_bytes!("../prebuilt/tickwire_core.js.gz"),
        ),
        (
            "/tickwire_core.js.br",
            JS,
            include_bytes!("../prebuilt/tickwire_core.js.br"),
        ),
        (
            "/tickwire_core_bg.wasm",
            WASM,
            include_bytes!("../prebuilt/tickwire_core_bg.wasm"),
        ),
        (
            "/tickwire_core_bg.wasm.gz",
            WASM,
            include_bytes!("../prebuilt/tickwire_core_bg.wasm.gz"),
        ),
        (
            "/tickwire_core_bg.wasm.br",
            WASM,
            include_bytes!("../prebuilt/tickwire_core_bg.wasm.br"),
        ),
        (
            "/tickwire.d.ts",
            "application/typescript; charset=utf-8",
            include_bytes!("../prebuilt/tickwire.d.ts"),
        ),
    ];

    /// The hash of the sources that the files were built from, as hexadecimal digits.
    pub const SOURCES_HASH: &str = include_str!("../prebuilt/SOURCES_HASH");
}

#[cfg(not(target_arch = "wasm32"))]
pub use files::{FILES, SOURCES_HASH};
