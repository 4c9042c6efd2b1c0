//! Tidy: which crate may import which, where waiting, clocks and sockets may stand, and how every file begins. Behaviour is tested elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What each house may import of ours. Imports go one way.
const IMPORTS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("derive", &[]),
    ("snapshot", &["proto"]),
    ("sim", &["proto", "snapshot", "derive"]),
    ("server", &["proto", "snapshot", "sim"]),
    ("client", &["proto", "snapshot"]),
    ("web", &["proto", "snapshot", "sim", "client", "predict"]),
    ("cli", &[]),
    (
        "net",
        &["proto", "snapshot", "sim", "server", "client", "web"],
    ),
    ("predict", &["proto", "snapshot", "sim", "client"]),
    (
        "bevy",
        &["proto", "snapshot", "sim", "client", "predict", "net"],
    ),
    (
        "lab",
        &["proto", "snapshot", "sim", "server", "client", "predict"],
    ),
    ("bots", &["proto", "snapshot", "client", "net", "lab"]),
];

const SANS_IO: &[&str] = &[
    "proto", "snapshot", "sim", "server", "client", "predict", "lab",
];

#[test]
fn imports_go_one_way() {
    for (house, may) in IMPORTS {
        let manifest =
            fs::read_to_string(root().join(format!("crates/tickwire-{house}/Cargo.toml"))).unwrap();
        let shipped = manifest.split("[dev-dependencies]").next().unwrap();
        for (other, _) in IMPORTS {
            let imported = shipped.lines().any(|line| {
                line.starts_with(&format!("tickwire-{other}."))
                    || line.starts_with(&format!("tickwire-{other} "))
            });
            assert!(
                !imported || may.contains(other),
                "tickwire-{house} imports tickwire-{other}; ARCHITECTURE.md says it may not"
            );
        }
    }
}

/// What is no input: whoever reads it is not the same on every machine and in every run.
const OF_THE_WORLD: &[(&str, &str)] = &[
    (".await;", "only tickwire-net waits"),
    (".await?", "only tickwire-net waits"),
    (".await)", "only tickwire-net waits"),
    ("async ", "only tickwire-net waits"),
    ("tokio", "only tickwire-net waits"),
    ("Instant::now", "the time is handed in"),
    ("time::Instant", "the time is a `Time`, handed in"),
    (".elapsed()", "the time is handed in"),
    ("SystemTime", "the time is handed in"),
    ("UNIX_EPOCH", "the time is handed in"),
    ("std::net", "sockets live in tickwire-net"),
    ("std::os", "descriptors live in tickwire-net"),
    ("std::env", "the environment is net's"),
    ("std::process", "processes are net's"),
    ("std::fs", "files are net's or the game's"),
    ("thread::spawn", "threads are net's"),
    ("thread::scope", "threads are net's"),
    ("thread::Builder", "threads are net's"),
    ("thread::sleep", "only tickwire-net waits"),
    ("getrandom", "chance comes from a seed that is handed in"),
    ("thread_rng", "chance comes from a seed that is handed in"),
    ("rand::rng", "chance comes from a seed that is handed in"),
    ("rand::random", "chance comes from a seed that is handed in"),
    ("from_os_rng", "chance comes from a seed that is handed in"),
    ("make_rng", "chance comes from a seed that is handed in"),
    ("OsRng", "chance comes from a seed that is handed in"),
    ("SysRng", "chance comes from a seed that is handed in"),
    ("RandomState", "its order is another in every run"),
    ("HashMap<", "its order is another in every run: BTreeMap"),
    ("HashMap::", "its order is another in every run: BTreeMap"),
    ("HashSet<", "its order is another in every run: BTreeSet"),
    ("HashSet::", "its order is another in every run: BTreeSet"),
];

/// What ships with a sans-IO crate must not do it either.
const WORLDLY: &[&str] = &[
    "fastrand",
    "getrandom",
    "mio",
    "parking_lot",
    "quinn",
    "reqwest",
    "socket2",
    "tokio",
    "tungstenite",
    "uuid",
];

/// The first thing in a line of code that is no input.
fn of_the_world(code: &str) -> Option<(&'static str, &'static str)> {
    OF_THE_WORLD
        .iter()
        .copied()
        .find(|(word, _)| code.contains(word))
}

#[test]
fn sans_io_crates_neither_wait_nor_look_at_the_world() {
    for house in SANS_IO {
        for (path, text) in sources(&root().join(format!("crates/tickwire-{house}/src"))) {
            for (line, code) in code_lines(&text) {
                if let Some((word, why)) = of_the_world(code) {
                    panic!("{}:{line}: `{word}`: {why}", path.display());
                }
                // Whoever wants chance asks for it by its name in the one place that has it.
                let seeded = *house == "lab" && path.ends_with("src/chance.rs");
                assert!(
                    seeded || !code.contains("rand::"),
                    "{}:{line}: chance lives in lab's chance.rs and sim's chance",
                    path.display()
                );
            }
        }
        let manifest =
            fs::read_to_string(root().join(format!("crates/tickwire-{house}/Cargo.toml"))).unwrap();
        for line in manifest.split("[dev-dependencies]").next().unwrap().lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(
                !WORLDLY.contains(&name),
                "tickwire-{house} ships with {name}: what waits or looks at the world is net's"
            );
        }
    }
}

/// The ban finds what it is for, and nothing else.
#[test]
fn what_is_no_input_is_found() {
    for code in [
        "let now = std::time::Instant::now();",
        "use std::time::{Duration, SystemTime};",
        "let took = begun.elapsed();",
        "getrandom::fill(&mut token)?;",
        "let mut chance = rand::rng();",
        "let id: u64 = rand::random();",
        "let rooms: HashMap<u32, Room> = HashMap::new();",
        "for key in HashSet::from([1, 2]) {",
        "let port = std::env::var(\"PORT\");",
        "let stream = std::net::TcpStream::connect(address)?;",
    ] {
        assert!(of_the_world(code).is_some(), "{code}");
    }
    for code in [
        "pub fn handle(&mut self, now: Time, input: LobbyInput) {",
        "rooms: BTreeMap<u32, Room>,",
        "let random = Chance::new(seed);",
    ] {
        assert_eq!(of_the_world(code), None, "{code}");
    }
}

#[test]
fn the_clock_and_each_transport_have_one_home() {
    let homes = [
        ("Instant::now", "clock.rs"),
        ("SystemTime::now", "clock.rs"),
        ("tungstenite::", "websocket.rs"),
        ("quinn::", "quic.rs"),
    ];
    for (path, text) in sources(&root().join("crates/tickwire-net/src")) {
        for (line, code) in code_lines(&text) {
            for (word, home) in homes {
                let at_home = path.file_name().is_some_and(|name| name == home);
                assert!(
                    at_home || !code.contains(word),
                    "{}:{line}: `{word}` belongs in {home}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_file_opens_with_one_sentence() {
    for (path, text) in all_sources() {
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! ") && first.len() > 20,
            "{}: say in one sentence what lives here",
            path.display()
        );
        assert!(
            !first.contains("Placeholder"),
            "{}: still a placeholder",
            path.display()
        );
    }
}

#[test]
fn no_unsafe_without_a_proof_and_nothing_left_open() {
    // Built from halves, so that this file does not find itself.
    let open = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("#[ig", "nore"),
    ];
    for (path, text) in all_sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            for word in open {
                assert!(
                    !line.contains(word),
                    "{}:{}: left open: {line}",
                    path.display(),
                    number + 1
                );
            }
            let is_unsafe = line.trim_start().starts_with("unsafe ")
                || line.contains(concat!("= uns", "afe {"));
            let proof = lines[number.saturating_sub(4)..number]
                .iter()
                .any(|above| above.contains("SAFETY:"));
            assert!(
                !is_unsafe || proof,
                "{}:{}: unsafe without a proof beside it",
                path.display(),
                number + 1
            );
        }
    }
}

/// Reported, not enforced: a long file is a question, not an error.
#[test]
fn long_files_are_reported() {
    for (path, text) in all_sources() {
        let lines = code_lines(&text).count();
        if lines > 400 {
            println!(
                "{} has {lines} lines of code: which concern in it deserves its own file?",
                path.display()
            );
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn all_sources() -> Vec<(PathBuf, String)> {
    ["crates", "examples", "benches", "tests", "xtask"]
        .iter()
        .flat_map(|dir| sources(&root().join(dir)))
        .collect()
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" && entry.file_name() != "node_modules" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Lines of code with their numbers: no comments, nothing from the first test module on.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end]
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("//")
        })
}

/// What a newcomer reads is what runs: the blocks of Rust in the README are lines of hello, in their order.
#[test]
fn the_readme_shows_hello_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let hello = fs::read_to_string(root().join("examples/hello/src/main.rs")).unwrap();
    let blocks: Vec<&str> = readme
        .split("```rust")
        .skip(1)
        .map(|block| block.split("\n```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 2, "the README shows the game and its test");
    for block in blocks {
        let mut rest = hello.lines();
        for line in block.lines().skip(1) {
            assert!(
                rest.any(|there| there == line),
                "the README shows a line that hello has not, or not there: {line}"
            );
        }
    }
}

/// What the guide shows of TypeScript is type-checked elsewhere (`cargo xtask types`): here, that it is the same.
#[test]
fn the_guide_shows_what_is_type_checked() {
    let guide = fs::read_to_string(root().join("docs/from-socket-io.md")).unwrap();
    let checked = fs::read_to_string(root().join("tests/types/guide.ts")).unwrap();
    let blocks: Vec<&str> = guide
        .split("```ts\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 8, "{} blocks", blocks.len());
    for block in blocks {
        assert!(
            checked.contains(block),
            "tests/types/guide.ts does not have:\n{block}"
        );
    }
}
