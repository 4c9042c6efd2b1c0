//! The browser client's module as it is served: the files of `js/` in one, so that a page asks once and whoever serves it copies one file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a page imports; all else is reached from it.
const DOOR: &str = "tickwire.js";
/// What the core's glue is; it stays a file of its own.
const CORE: &str = "tickwire_core.js";

/// The module of the files in that folder: each behind those that it imports, without imports and exports between them.
pub fn module(folder: &Path) -> Result<String, String> {
    let mut joined = Joined::default();
    joined.add(folder, DOOR)?;
    let Joined { core, parts, .. } = joined;
    let imports: String = core.into_iter().map(|line| line + "\n").collect();
    let head = "// Tickwire's browser client; its sources are several files, joined by `cargo xtask web`.\n";
    Ok(format!("{head}{imports}{}", parts.concat()))
}

#[derive(Default)]
struct Joined {
    seen: BTreeSet<String>,
    core: BTreeSet<String>,
    parts: Vec<String>,
}

impl Joined {
    fn add(&mut self, folder: &Path, name: &str) -> Result<(), String> {
        if !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let text = fs::read_to_string(folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
        let mut part = String::from("\n");
        for line in text.lines() {
            match imported(line) {
                Some(CORE) => drop(self.core.insert(line.to_owned())),
                Some(other) => self.add(folder, other)?,
                None if of_the_types(line) => {}
                None => {
                    let inner = name != DOOR || !line.starts_with("export {");
                    let line = line
                        .strip_prefix("export ")
                        .filter(|_| inner)
                        .unwrap_or(line);
                    part.push_str(line);
                    part.push('\n');
                }
            }
        }
        self.parts.push(part);
        Ok(())
    }
}

/// The file beside it that a line imports from.
fn imported(line: &str) -> Option<&str> {
    let (_, from) = line.strip_prefix("import ")?.rsplit_once(" from './")?;
    from.strip_suffix('\'')
}

/// What only the check of the types reads, where each file is one of its own.
fn of_the_types(line: &str) -> bool {
    line == "// @ts-check" || line.starts_with("/** @import ")
}
