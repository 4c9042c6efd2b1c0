//! The codebooks that rooms have trained, as files when the server stops. How they are trained is the snapshots' matter.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tickwire_server::Namespaces;

use crate::config::Config;
use crate::error::StartError;

/// Where they go, and what they come from.
pub(crate) struct Books {
    folder: PathBuf,
    namespaces: Arc<Namespaces>,
}

impl Books {
    /// `None`: none are to be made. The folder is made at once: what was played is not to be lost for a folder that cannot be.
    pub(crate) fn new(
        config: &Config,
        namespaces: &Arc<Namespaces>,
    ) -> Result<Option<Books>, StartError> {
        let Some(folder) = config.train.clone() else {
            return Ok(None);
        };
        fs::create_dir_all(&folder)
            .map_err(|error| StartError::Books(format!("{}: {error}", folder.display())))?;
        let namespaces = Arc::clone(namespaces);
        Ok(Some(Books { folder, namespaces }))
    }

    /// After the last room has ended.
    pub(crate) fn write(&self) {
        for namespace in self.namespaces.fixed() {
            for kind in namespace.kinds() {
                let name = file_name(namespace.name(), kind.name());
                match kind.codebook() {
                    Some(book) if !book.is_empty() => self.write_one(&name, book.as_bytes()),
                    Some(_) => tracing::warn!(
                        name,
                        "no codebook: too little was played in rooms that have ended"
                    ),
                    None => tracing::info!(
                        kind = kind.name(),
                        "no codebook: the profile of this kind of room is not the dense one"
                    ),
                }
            }
        }
    }

    fn write_one(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        // Whole or not at all: a server may read the old one.
        let draft = path.with_extension("book.new");
        let done = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
        match done {
            Ok(()) => tracing::info!(
                path = %path.display(),
                bytes = bytes.len(),
                "a codebook was trained: include_bytes! it, and give it to Game::codebook"
            ),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a codebook could not be written");
            }
        }
    }
}

/// By the kind of room; beside `/`, the namespace stands before it.
fn file_name(namespace: &str, kind: &str) -> String {
    let name = format!("{namespace}/{kind}");
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let name: String = name.trim_start_matches('/').chars().map(plain).collect();
    format!("{name}.book")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_stay_in_the_folder() {
        assert_eq!(file_name("/", "arena"), "arena.book");
        assert_eq!(file_name("/club", "a/../b"), "club-a----b.book");
    }
}
