//! Namespaces: separate applications on one server, each with its own auth, kinds of rooms, messages and limits. What is heard in one is heard in no other.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tickwire_proto::frame::{Refusal, code};
use tickwire_snapshot::Schema;

use crate::auth::{AcceptAll, Auth};
use crate::kind::Kind;

/// The name of the namespace that a server has anyway.
pub const HOME: &str = "/";
/// Namespaces that are made by a function ([`Namespaces::making`]) and kept at a time; beyond that those go in which nobody is.
pub const NAMESPACES_MADE_MAX: usize = 1_024;

/// What a namespace may take up at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceLimits {
    /// Rooms at once, where that is less than what the server takes in all.
    pub rooms: usize,
    /// Attachments at once, over all sessions of the server.
    pub attached: usize,
    /// Handlers of one session that run at once; what comes meanwhile waits.
    pub handlers: usize,
}

impl Default for NamespaceLimits {
    /// No limits of its own, and 16 handlers a session.
    fn default() -> NamespaceLimits {
        NamespaceLimits {
            rooms: usize::MAX,
            attached: usize::MAX,
            handlers: 16,
        }
    }
}

/// One namespace, as fronts and the lobby know it: a value that does not change.
pub struct NamespaceSpec {
    name: Arc<str>,
    auth: Arc<dyn Auth>,
    kinds: Vec<Arc<Kind>>,
    messages: Option<Messages>,
    limits: NamespaceLimits,
    one_session: bool,
    attached: AtomicUsize,
    driver: Option<Arc<dyn Any + Send + Sync>>,
}

struct Messages {
    schema: Arc<Schema>,
    hash: u64,
    bytes: Bytes,
}

impl fmt::Debug for NamespaceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceSpec")
            .field("name", &self.name)
            .field("kinds", &self.kinds)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl NamespaceSpec {
    /// A namespace of these kinds of games (the first is the one that `""` stands for), which lets everybody in.
    #[must_use]
    pub fn new(name: &str, kinds: Vec<Arc<Kind>>) -> NamespaceSpec {
        NamespaceSpec {
            name: name.into(),
            auth: Arc::new(AcceptAll),
            kinds,
            messages: None,
            limits: NamespaceLimits::default(),
            one_session: false,
            attached: AtomicUsize::new(0),
            driver: None,
        }
    }

    /// Who may attach.
    #[must_use]
    pub fn with_auth(mut self, auth: Arc<dyn Auth>) -> NamespaceSpec {
        self.auth = auth;
        self
    }

    /// What it may take up.
    #[must_use]
    pub fn with_limits(mut self, limits: NamespaceLimits) -> NamespaceSpec {
        self.limits = limits;
        self
    }

    /// One session of an identity at a time: the newest wins, and older ones end with `Kicked` before it is let in. Otherwise an identity may
    /// have as many as it likes.
    #[must_use]
    pub fn with_one_session(mut self) -> NamespaceSpec {
        self.one_session = true;
        self
    }

    /// The messages that are exchanged outside of its rooms: a sealed schema that has nothing else.
    #[must_use]
    pub fn with_messages(mut self, schema: Arc<Schema>) -> NamespaceSpec {
        self.messages = Some(Messages {
            hash: schema.hash(),
            bytes: schema.to_bytes().into(),
            schema,
        });
        self
    }

    /// Whatever the driver wants to find again with it.
    #[must_use]
    pub fn with_driver(mut self, driver: Arc<dyn Any + Send + Sync>) -> NamespaceSpec {
        self.driver = Some(driver);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Who may attach.
    #[must_use]
    pub fn auth(&self) -> &Arc<dyn Auth> {
        &self.auth
    }

    /// Its kinds of games, in the order of their registration.
    #[must_use]
    pub fn kinds(&self) -> &[Arc<Kind>] {
        &self.kinds
    }

    /// What it may take up.
    #[must_use]
    pub fn limits(&self) -> &NamespaceLimits {
        &self.limits
    }

    /// Whether an identity has one session at a time here.
    #[must_use]
    pub fn one_session(&self) -> bool {
        self.one_session
    }

    /// What the driver put there.
    #[must_use]
    pub fn driver(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.driver.as_ref()
    }

    /// The messages outside of its rooms.
    #[must_use]
    pub fn messages(&self) -> Option<&Arc<Schema>> {
        self.messages.as_ref().map(|messages| &messages.schema)
    }

    /// Whether a message of that kind is among them.
    pub(crate) fn knows(&self, kind: u32) -> bool {
        let messages = self.messages.as_ref();
        messages.is_some_and(|messages| messages.schema.message(kind).is_some())
    }

    /// The same as bytes, for clients that do not know them.
    pub(crate) fn messages_bytes(&self) -> Option<&Bytes> {
        self.messages.as_ref().map(|messages| &messages.bytes)
    }

    /// Whether a client that knows messages of this hash (0: it wants to be given them) understands the namespace.
    pub(crate) fn check_messages(&self, theirs: u64) -> Result<(), Refusal> {
        let ours = self.messages.as_ref().map_or(0, |messages| messages.hash);
        if ours == 0 || theirs == 0 || ours == theirs {
            return Ok(());
        }
        let message = format!(
            "client and server disagree about the messages of {}: {theirs:016x} of the client, {ours:016x} of the server. \
             Rebuild the client from the same source as the server",
            self.name
        );
        Err(Refusal::new(code::VERSION, message))
    }

    /// One more attachment, if it takes one.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Entrance, Refusal> {
        let enter = |attached| (attached < self.limits.attached).then_some(attached + 1);
        match self
            .attached
            .try_update(Ordering::Relaxed, Ordering::Relaxed, enter)
        {
            Ok(_) => Ok(Entrance(Arc::clone(self))),
            Err(_) => {
                let message = format!(
                    "{} has as many clients as it takes. Try again later",
                    self.name
                );
                Err(Refusal::new(code::LIMIT, message))
            }
        }
    }
}

/// An attachment's place in its namespace; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Entrance(Arc<NamespaceSpec>);

impl Deref for Entrance {
    type Target = Arc<NamespaceSpec>;

    fn deref(&self) -> &Arc<NamespaceSpec> {
        &self.0
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.attached.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A function that makes namespaces by their names.
type Maker = Box<dyn Fn(&str) -> Option<NamespaceSpec> + Send + Sync>;

/// The namespaces of a server: shared by all its fronts, asked at each attach and never on the path of a tick.
///
/// ```
/// use tickwire_server::{NamespaceSpec, Namespaces};
/// let namespaces = Namespaces::new([NamespaceSpec::new("/", vec![])])
///     .making(|name| name.starts_with("/club/").then(|| NamespaceSpec::new(name, vec![])));
/// assert!(namespaces.find("/").is_ok() && namespaces.find("/club/7").is_ok());
/// assert_eq!(namespaces.find("/other").unwrap_err().code, "NotFound");
/// ```
pub struct Namespaces {
    fixed: BTreeMap<Arc<str>, Arc<NamespaceSpec>>,
    made: Mutex<BTreeMap<Arc<str>, Arc<NamespaceSpec>>>,
    maker: Option<Maker>,
}

impl fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespaces")
            .field("fixed", &self.fixed)
            .finish_non_exhaustive()
    }
}

impl Default for Namespaces {
    /// One that lets everybody in, without games.
    fn default() -> Namespaces {
        Namespaces::new([NamespaceSpec::new(HOME, Vec::new())])
    }
}

impl Namespaces {
    /// These alone.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = NamespaceSpec>) -> Namespaces {
        let named = |it: NamespaceSpec| (Arc::clone(&it.name), Arc::new(it));
        Namespaces {
            fixed: all.into_iter().map(named).collect(),
            made: Mutex::default(),
            maker: None,
        }
    }

    /// A name that is not among them is given to a function, which may make the namespace. One in which nobody is may be forgotten and made
    /// again: what must outlive that (spent tokens, say) belongs to the function, not to what it makes.
    #[must_use]
    pub fn making(
        mut self,
        maker: impl Fn(&str) -> Option<NamespaceSpec> + Send + Sync + 'static,
    ) -> Namespaces {
        self.maker = Some(Box::new(maker));
        self
    }

    /// Those that are there from the start.
    pub fn fixed(&self) -> impl Iterator<Item = &Arc<NamespaceSpec>> {
        self.fixed.values()
    }

    /// The namespace of that name, made if need be.
    ///
    /// # Errors
    /// With `NotFound`, or `Limit` where no more can be made. Other names are not told: who asks is a stranger.
    pub fn find(&self, name: &str) -> Result<Arc<NamespaceSpec>, Refusal> {
        if let Some(found) = self.fixed.get(name) {
            return Ok(Arc::clone(found));
        }
        let Some(maker) = &self.maker else {
            return Err(unknown(name));
        };
        let lock = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(name) {
            return Ok(Arc::clone(found));
        }
        // Not under the lock: it is the author's code. Of two at once the first counts.
        let spec = maker(name).ok_or_else(|| unknown(name))?;
        let mut made = lock();
        if made.len() >= NAMESPACES_MADE_MAX {
            made.retain(|_, it| Arc::strong_count(it) > 1);
        }
        if made.len() >= NAMESPACES_MADE_MAX {
            let message = "the server has as many namespaces as it takes. Try again later";
            return Err(Refusal::new(code::LIMIT, message));
        }
        let made = made.entry(name.into()).or_insert_with(|| {
            Arc::new(NamespaceSpec {
                name: name.into(),
                ..spec
            })
        });
        Ok(Arc::clone(made))
    }
}

fn unknown(name: &str) -> Refusal {
    let message = format!(
        "there is no namespace {name:?} on this server. Its own is {HOME:?}; others must be registered with it"
    );
    Refusal::new(code::NOT_FOUND, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ones_are_made_once_while_somebody_is_in_them_and_bounded() {
        let namespaces =
            Namespaces::default().making(|name| Some(NamespaceSpec::new(name, vec![])));
        let held: Vec<Arc<NamespaceSpec>> = (0..NAMESPACES_MADE_MAX)
            .map(|n| namespaces.find(&format!("/{n}")).unwrap())
            .collect();
        assert!(Arc::ptr_eq(&held[7], &namespaces.find("/7").unwrap()));
        assert_eq!(namespaces.find("/more").unwrap_err().code, code::LIMIT);
        drop(held);
        assert_eq!(&**namespaces.find("/more").unwrap().name(), "/more");
        assert_eq!(namespaces.made.lock().unwrap().len(), 1);
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let limits = NamespaceLimits {
            attached: 2,
            ..NamespaceLimits::default()
        };
        let namespace = Arc::new(NamespaceSpec::new("/small", vec![]).with_limits(limits));
        let places = [namespace.enter().unwrap(), namespace.enter().unwrap()];
        assert_eq!(namespace.enter().unwrap_err().code, code::LIMIT);
        drop(places);
        assert!(namespace.enter().is_ok());
    }
}
