//! The arena's page as the server hands it out. The files themselves lie in `assets/arena/`.

/// The page itself.
pub const PAGE: &str = include_str!("../../../assets/arena/index.html");

/// Path, type and content of what the page loads.
pub const FILES: &[(&str, &str, &[u8])] = &[
    (
        "/",
        "text/html; charset=utf-8",
        include_bytes!("../../../assets/arena/index.html"),
    ),
    (
        "/arena.css",
        "text/css; charset=utf-8",
        include_bytes!("../../../assets/arena/arena.css"),
    ),
    (
        "/arena.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../assets/arena/arena.js"),
    ),
    (
        "/chat.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../assets/arena/chat.js"),
    ),
    (
        "/keys.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../assets/arena/keys.js"),
    ),
    (
        "/netview.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../assets/arena/netview.js"),
    ),
    (
        "/stage.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../assets/arena/stage.js"),
    ),
];
