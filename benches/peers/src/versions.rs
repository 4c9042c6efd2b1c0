//! Which versions are measured: those of the lock files, so that no table tells others.

/// The version of a crate in this workspace's lock file.
pub fn of_crate(name: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let key = format!("name = \"{name}\"\nversion = \"");
    let version = lock
        .split_once(&key)
        .and_then(|(_, rest)| rest.split_once('"'));
    version.map_or_else(|| "?".to_owned(), |(version, _)| version.to_owned())
}

/// The version of Colyseus' schema.
pub fn of_colyseus() -> String {
    let package = include_str!("../colyseus/package.json");
    let package: serde_json::Value = serde_json::from_str(package).expect("our own file");
    let version = package["dependencies"]["@colyseus/schema"].as_str();
    version.unwrap_or("?").to_owned()
}
