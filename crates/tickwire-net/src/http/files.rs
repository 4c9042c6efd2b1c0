//! What is served as it is: the game's page, embedded files, a folder. Nothing outside of them can be named.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::StartError;

/// The largest file that is served from a folder: it is read into memory for the time of its answer.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// All files of folders that are in memory for answers, of all connections together: a further one is answered with 503.
const FILES_BYTES_MAX: u64 = 128 << 20;
/// The bound is counted in such pieces.
const PIECE: u64 = 1024;

/// What the names of the client's core begin with, and the file without which there is none.
const CORE_PREFIX: &str = "tickwire_core";
const CORE: &str = "tickwire_core_bg.wasm";

/// How the bytes of a file are packed, the smallest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Brotli,
}

impl Packing {
    /// What a file's name ends in, and what `Content-Encoding` says.
    const PACKED: [(Packing, &'static str, &'static str); 2] =
        [(Packing::Brotli, "br", "br"), (Packing::Gzip, "gz", "gzip")];

    /// The smallest that an `Accept-Encoding` (RFC 9110, 12.5.3) takes: what it names, unless with `q=0`.
    pub(crate) fn best(accepted: &str) -> Packing {
        let takes = |name: &str| {
            accepted.split(',').any(|one| {
                let mut parts = one.split(';').map(str::trim);
                let named = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(name));
                let weight = parts.find_map(|part| part.strip_prefix("q="));
                named && weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
            })
        };
        let best = Packing::PACKED.iter().find(|(.., name)| takes(name));
        best.map_or(Packing::Plain, |(packing, ..)| *packing)
    }

    /// What `Content-Encoding` says of it.
    pub(crate) fn name(self) -> Option<&'static str> {
        let mut packed = Packing::PACKED.iter();
        packed
            .find(|(packing, ..)| *packing == self)
            .map(|(.., name)| *name)
    }
}

/// A file as it goes out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct File {
    pub(crate) mime: &'static str,
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
    pub(crate) packing: Packing,
}

impl File {
    fn new(mime: &'static str, bytes: Bytes) -> File {
        // FNV-1a, of content that is the server's own: it tells versions apart, it guards nothing.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
        File {
            mime,
            bytes,
            etag: format!("\"{hash:016x}\""),
            packing: Packing::Plain,
        }
    }
}

/// Why there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is none of that name.
    NotFound,
    /// Too much is in memory for others who fetch files: again later.
    Busy,
}

/// The content of a file, which counts until its last reader is done with it.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// All that there is to serve.
#[derive(Debug)]
pub(crate) struct Files {
    embedded: BTreeMap<&'static str, File>,
    folders: Vec<PathBuf>,
    memory: Arc<Semaphore>,
}

impl Default for Files {
    fn default() -> Files {
        Files {
            embedded: BTreeMap::new(),
            folders: Vec::new(),
            memory: Arc::new(Semaphore::new((FILES_BYTES_MAX / PIECE) as usize)),
        }
    }
}

impl Files {
    pub(crate) fn page(&mut self, html: &'static str) {
        let page = File::new(
            "text/html; charset=utf-8",
            Bytes::from_static(html.as_bytes()),
        );
        self.embedded.insert("/index.html", page);
    }

    /// Earlier ones win, so that a game can put its own in the place of the framework's.
    pub(crate) fn embed(&mut self, files: &[(&'static str, &'static str, &'static [u8])]) {
        for (path, mime, bytes) in files {
            self.embedded
                .entry(path)
                .or_insert_with(|| File::new(mime, Bytes::from_static(bytes)));
        }
    }

    /// The browser client: the generic one, or that of the first folder which has one with its game inside, as `tickwire build` makes it.
    pub(crate) fn client(
        &mut self,
        folders: &[PathBuf],
        generic: &[(&'static str, &'static str, &'static [u8])],
    ) {
        let own = folders.iter().find(|it| it.join(CORE).is_file());
        for (path, mime, bytes) in generic {
            let name = path.trim_start_matches('/');
            let core = name.starts_with(CORE_PREFIX);
            let found = own
                .filter(|_| core)
                .map(|own| std::fs::read(own.join(name)));
            match found {
                None => self.embed(&[(path, mime, bytes)]),
                Some(Ok(bytes)) => {
                    let file = || File::new(mime, Bytes::from(bytes));
                    self.embedded.entry(path).or_insert_with(file);
                }
                Some(Err(_)) => {} // packed otherwise, or not at all
            }
        }
    }

    pub(crate) fn folder(&mut self, folder: &Path) -> Result<(), StartError> {
        let canonical = folder.canonicalize().ok().filter(|path| path.is_dir());
        self.folders
            .push(canonical.ok_or_else(|| StartError::NoFiles(folder.to_owned()))?);
        Ok(())
    }

    /// The file at a path of a URL, packed at most as `best` says.
    pub(crate) async fn find(&self, path: &str, best: Packing) -> Result<File, Missing> {
        let path = if path == "/" { "/index.html" } else { path };
        if let Some(file) = self.embedded.get(path) {
            let packed = Packing::PACKED
                .into_iter()
                .filter(|(packing, ..)| *packing <= best);
            let mut packed = packed.filter_map(|(packing, ending, _)| {
                let small = self.embedded.get(format!("{path}.{ending}").as_str())?;
                Some(File {
                    mime: file.mime,
                    packing,
                    ..small.clone()
                })
            });
            return Ok(packed.next().unwrap_or_else(|| file.clone()));
        }
        let relative = relative(path).ok_or(Missing::NotFound)?;
        for folder in &self.folders {
            match read(folder, &relative, &self.memory).await {
                Err(Missing::NotFound) => {}
                found => return found,
            }
        }
        Err(Missing::NotFound)
    }
}

/// The path below a folder that a URL names, if it names one: decoded, and with no way up, out or to hidden files.
fn relative(path: &str) -> Option<PathBuf> {
    let decoded = decode(path.strip_prefix('/')?)?;
    let path = PathBuf::from(decoded);
    let tame = path.components().all(|part| match part {
        Component::Normal(name) => name
            .to_str()
            .is_some_and(|name| !name.starts_with('.') && !name.contains(['\0', '\\'])),
        _ => false,
    });
    tame.then_some(path)
}

/// Percent-decoding; `None` where the result is no UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| (byte? as char).to_digit(16);
            out.push((digit(bytes.next())? * 16 + digit(bytes.next())?) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

async fn read(folder: &Path, relative: &Path, memory: &Arc<Semaphore>) -> Result<File, Missing> {
    let (path, len) = look_up(folder, relative).await.ok_or(Missing::NotFound)?;
    let pieces = len.div_ceil(PIECE).max(1) as u32; // at most FILE_BYTES_MAX / PIECE
    let permit = Arc::clone(memory).try_acquire_many_owned(pieces);
    let _permit = permit.map_err(|_| Missing::Busy)?;
    let mut bytes = Vec::with_capacity(len as usize);
    let file = tokio::fs::File::open(&path).await;
    let file = file.map_err(|_| Missing::NotFound)?;
    // One that grows meanwhile is cut: no more than was counted.
    let read = file.take(len).read_to_end(&mut bytes).await;
    read.map_err(|_| Missing::NotFound)?;
    let held = Bytes::from_owner(Held { bytes, _permit });
    Ok(File::new(mime(&path), held))
}

/// Where the file lies, and how long it is.
async fn look_up(folder: &Path, relative: &Path) -> Option<(PathBuf, u64)> {
    let mut path = tokio::fs::canonicalize(folder.join(relative)).await.ok()?;
    let mut meta = tokio::fs::metadata(&path).await.ok()?;
    if meta.is_dir() {
        path = tokio::fs::canonicalize(path.join("index.html"))
            .await
            .ok()?;
        meta = tokio::fs::metadata(&path).await.ok()?;
    }
    // A link may point anywhere; the file must not lie outside.
    let fits = path.starts_with(folder) && meta.is_file() && meta.len() <= FILE_BYTES_MAX;
    fits.then_some((path, meta.len()))
}

fn mime(path: &Path) -> &'static str {
    match path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
    {
        "html" | "htm" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" | "md" | "ts" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_out_of_the_folder() {
        for path in [
            "/../secret",
            "/a/../../b",
            "/%2e%2e/secret",
            "//etc/passwd",
            "/.git/config",
            "/a/.env",
            "/%00",
            "/a%5c..%5cb",
            "/%ff",
            "/%2",
            "x",
        ] {
            assert_eq!(relative(path), None, "{path}");
        }
        assert_eq!(relative("/a%20b/c.js"), Some(PathBuf::from("a b/c.js")));
        assert_eq!(relative("/%2fetc/passwd"), None, "absolute after decoding");
    }

    #[tokio::test]
    async fn pages_files_and_their_small_twins() {
        let mut files = Files::default();
        files.page("<p>hi");
        files.embed(&[
            ("/a.wasm", "application/wasm", b"large"),
            ("/a.wasm.gz", "application/gzip", b"small"),
            ("/a.wasm.br", "application/octet-stream", b"tiny"),
            ("/b.js", "text/javascript", b"large"),
            ("/b.js.gz", "text/javascript", b"small"),
        ]);
        files.embed(&[("/a.wasm", "text/plain", b"later")]);
        assert_eq!(
            files.find("/", Packing::Brotli).await.unwrap().bytes,
            "<p>hi"
        );
        for (path, best, bytes, packing) in [
            ("/a.wasm", Packing::Plain, "large", Packing::Plain),
            ("/a.wasm", Packing::Gzip, "small", Packing::Gzip),
            ("/a.wasm", Packing::Brotli, "tiny", Packing::Brotli),
            ("/b.js", Packing::Brotli, "small", Packing::Gzip),
        ] {
            let file = files.find(path, best).await.unwrap();
            assert_eq!((file.bytes, file.packing), (bytes.into(), packing));
            let plain = files.find(path, Packing::Plain).await.unwrap();
            assert_eq!(file.mime, plain.mime);
            assert_eq!(file.etag == plain.etag, packing == Packing::Plain);
        }
        let missing = files.find("/b", Packing::Plain).await;
        assert_eq!(missing, Err(Missing::NotFound));
    }

    #[test]
    fn a_browser_gets_the_smallest_that_it_takes() {
        for (accepted, best) in [
            ("", Packing::Plain),
            ("identity", Packing::Plain),
            ("gzip, deflate", Packing::Gzip),
            ("gzip, deflate, br, zstd", Packing::Brotli),
            ("br;q=0, GZIP;q=0.5", Packing::Gzip),
            ("gzip; q=0", Packing::Plain),
            ("brotli, gzippo", Packing::Plain),
        ] {
            assert_eq!(Packing::best(accepted), best, "{accepted}");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_served() {
        let root = std::env::temp_dir().join(format!("tickwire-large-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let mut files = Files::default();
        files.folder(&root).unwrap();
        // Holes, which take no room on the disk.
        for (name, len) in [("most", FILE_BYTES_MAX), ("more", FILE_BYTES_MAX + 1)] {
            let file = std::fs::File::create(root.join(name)).unwrap();
            file.set_len(len).unwrap();
        }
        let most = files
            .find("/most", Packing::Plain)
            .await
            .expect("it just fits");
        assert_eq!(most.bytes.len() as u64, FILE_BYTES_MAX);
        assert_eq!(
            files.find("/more", Packing::Plain).await,
            Err(Missing::NotFound)
        );
        // Of all who fetch together so much at once, and again when one is done.
        let another = files
            .find("/most", Packing::Plain)
            .await
            .expect("there is room");
        assert_eq!(
            files.find("/most", Packing::Plain).await,
            Err(Missing::Busy)
        );
        std::fs::write(root.join("small"), "small").unwrap();
        assert_eq!(
            files.find("/small", Packing::Plain).await,
            Err(Missing::Busy)
        );
        drop(another);
        assert_eq!(
            files.find("/small", Packing::Plain).await.unwrap().bytes,
            "small"
        );
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[tokio::test]
    async fn a_link_that_leads_out_is_not_followed() {
        let root = std::env::temp_dir().join(format!("tickwire-files-{}", std::process::id()));
        std::fs::create_dir_all(root.join("www/sub")).unwrap();
        std::fs::write(root.join("secret.txt"), "secret").unwrap();
        std::fs::write(root.join("www/sub/index.html"), "sub").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(root.join("secret.txt"), root.join("www/link.txt")).unwrap();
        let mut files = Files::default();
        files.folder(&root.join("www")).unwrap();
        assert_eq!(
            files.find("/sub", Packing::Plain).await.unwrap().bytes,
            "sub"
        );
        let led_out = files.find("/link.txt", Packing::Plain).await;
        assert_eq!(led_out, Err(Missing::NotFound));
        assert!(matches!(
            files.folder(&root.join("none")),
            Err(StartError::NoFiles(_))
        ));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
