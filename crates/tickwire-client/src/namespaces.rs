//! The namespaces that a client is in, or wants to be in: what each is shown, and what was answered. The rooms in them are elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{ATTACHMENTS_MAX, JoinHowOwned, Refusal, RoomEnd, code};
use tickwire_proto::{Ending, Reason, Retry, Time};
use tickwire_snapshot::Schema;

use crate::client::{Client, Stage};
use crate::event::{ClientEvent, ClientOutput, NamespaceKey, RequestId, RoomKey, SendError, State};
use crate::lists::owned;
use crate::people::People;

/// A namespace that is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    credentials: Option<Bytes>,
    messages_hash: u64,
    pub(crate) step: Step,
    /// Fresh credentials are wanted for it.
    renewal: bool,
    /// The messages outside of its rooms, once the server has told them.
    pub(crate) schema: Option<Arc<Schema>>,
    /// Whom one follows in it, and the notices to who one is there.
    pub(crate) people: People,
}

/// How far it has come in this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is shown yet.
    Idle,
    /// The driver is asked for credentials.
    Asked,
    /// The server has them.
    Shown,
    /// Accepted.
    In,
}

impl Wanted {
    pub(crate) fn new(name: &str, credentials: Option<Bytes>, messages_hash: u64) -> Wanted {
        Wanted {
            name: name.to_owned(),
            credentials,
            messages_hash,
            step: Step::Idle,
            renewal: false,
            schema: None,
            people: People::default(),
        }
    }
}

/// A client's part in one namespace, to ask for what is in it: [`Client::within`].
#[derive(Debug)]
pub struct Within<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) namespace: NamespaceKey,
}

impl Within<'_> {
    /// Wants a room of that kind with those attributes: one with a seat, or a new one.
    pub fn quick(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.want_quick(kind, attributes, None)
    }

    /// Wants the room with that id, where one was before; if it is gone, one of that kind with those attributes.
    pub fn quick_again(&mut self, id: &str, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.want_quick(kind, attributes, Some(id.to_owned()))
    }

    fn want_quick(
        &mut self,
        kind: &str,
        attributes: &[(&str, &str)],
        before: Option<String>,
    ) -> RoomKey {
        let how = JoinHowOwned::Quick {
            kind: kind.to_owned(),
            attributes: owned(attributes),
        };
        self.client.want(self.namespace, how, before)
    }

    /// Wants a new room of that kind with those attributes.
    pub fn create(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.want(JoinHowOwned::Create {
            kind: kind.to_owned(),
            attributes: owned(attributes),
        })
    }

    /// Wants a new room that is on no list: its id is a short code to be passed on, which others [`join`](Self::join).
    pub fn create_private(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.want(JoinHowOwned::Private {
            kind: kind.to_owned(),
            attributes: owned(attributes),
        })
    }

    /// Wants the room with that id.
    pub fn join(&mut self, id: &str) -> RoomKey {
        self.want(JoinHowOwned::Room { id: id.to_owned() })
    }

    /// Wants to look on in the room with that id, without a seat.
    pub fn watch(&mut self, id: &str) -> RoomKey {
        self.want(JoinHowOwned::Watch { id: id.to_owned() })
    }

    /// Wants the seat that is kept for whoever shows this token.
    pub fn join_reserved(&mut self, token: &str) -> RoomKey {
        let token = token.to_owned();
        self.want(JoinHowOwned::Reserved { token })
    }

    fn want(&mut self, how: JoinHowOwned) -> RoomKey {
        self.client.want(self.namespace, how, None)
    }

    /// Asks for the list of rooms of a kind (`""`: of all kinds); answered by [`ClientEvent::Lobby`] or
    /// [`ClientEvent::LobbyRefused`].
    pub fn lobby(&mut self, kind: &str) -> RequestId {
        self.client.ask_list(self.namespace, kind)
    }

    /// Wants the list of rooms of a kind that have these attributes, and again after each change: see [`Client::watch_lobby`].
    pub fn watch_lobby(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RequestId {
        self.client.want_list(self.namespace, kind, attributes)
    }

    /// Sends a reliable message to the namespace itself, outside of its rooms.
    ///
    /// # Errors
    /// Where the namespace is not attached now, or the session does not take it.
    pub fn send(&mut self, kind: u32, payload: &[u8]) -> Result<(), SendError> {
        self.client.send_on(self.namespace, 0, kind, payload)
    }
}

impl Client {
    /// One of its namespaces, to ask for what is in it. What is asked of the client itself is of [`NamespaceKey::MAIN`].
    ///
    /// ```
    /// use tickwire_client::{Client, ClientConfig};
    /// use tickwire_proto::Time;
    /// let mut client = Client::new(ClientConfig::default(), 7, Time(0));
    /// let chat = client.attach_to("/chat", None).expect("up to eight namespaces");
    /// let room = client.within(chat).quick("talk", &[]);
    /// assert_eq!(client.namespace_of(room), Some(chat));
    /// ```
    pub fn within(&mut self, namespace: NamespaceKey) -> Within<'_> {
        Within {
            client: self,
            namespace,
        }
    }

    /// Wants to be in one more namespace over the same connection; one that is wanted already is told again. Without credentials
    /// [`ClientOutput::CredentialsWanted`] asks for them, each time. [`ClientEvent::Attached`] or [`ClientEvent::NamespaceRefused`] answers.
    ///
    /// # Errors
    /// With `Limit`, where it is in as many as a session may be.
    pub fn attach_to(
        &mut self,
        name: &str,
        credentials: Option<Bytes>,
    ) -> Result<NamespaceKey, Refusal> {
        if let Some((key, _)) = self.namespaces.iter().find(|(_, it)| it.name == name) {
            return Ok(NamespaceKey(*key));
        }
        // In turns: the server may still be checking for one that was given up.
        let max = ATTACHMENTS_MAX as u8;
        let turn = (1..=max).map(|n| (self.last_namespace + n) % max);
        let free = turn.filter(|key| *key != NamespaceKey::MAIN.0);
        let Some(key) = free
            .into_iter()
            .find(|key| !self.namespaces.contains_key(key))
        else {
            let message = format!("a client is in at most {max} namespaces. Leave one first");
            return Err(Refusal::new(code::LIMIT, message));
        };
        self.last_namespace = key;
        self.namespaces
            .insert(key, Wanted::new(name, credentials, 0));
        self.show_credentials();
        Ok(NamespaceKey(key))
    }

    /// Does not want to be in a namespace any more, nor in its rooms. The main one stays: [`close`](Self::close) leaves that.
    pub fn detach(&mut self, namespace: NamespaceKey) {
        if namespace == NamespaceKey::MAIN || self.namespaces.remove(&namespace.0).is_none() {
            return;
        }
        self.session.detach(namespace.0);
        self.statuses.forget_outside(namespace);
        let rooms: Vec<RoomKey> = self.rooms_in(namespace).collect();
        for room in rooms {
            self.statuses.forget(room);
            if let Some(no) = self.rooms.remove(&room).and_then(|room| room.number()) {
                self.keys.remove(&no);
            }
        }
        let refusal = Refusal::new(code::AWAY, "its namespace was left before the list came");
        self.lists_over(namespace, &refusal);
    }

    /// Whether it is in a namespace, as far as is known.
    pub fn is_in(&self, namespace: NamespaceKey) -> bool {
        let wanted = self.namespaces.get(&namespace.0);
        wanted.is_some_and(|it| it.step == Step::In)
    }

    /// The name of a namespace that is wanted.
    pub fn namespace_name(&self, namespace: NamespaceKey) -> Option<&str> {
        Some(&self.namespaces.get(&namespace.0)?.name)
    }

    /// The messages of a namespace outside of its rooms, where it has any.
    pub fn namespace_schema(&self, namespace: NamespaceKey) -> Option<&Arc<Schema>> {
        self.namespaces.get(&namespace.0)?.schema.as_ref()
    }

    /// The namespace that a room is wanted in.
    pub fn namespace_of(&self, room: RoomKey) -> Option<NamespaceKey> {
        Some(self.rooms.get(&room)?.namespace)
    }

    fn rooms_in(&self, namespace: NamespaceKey) -> impl Iterator<Item = RoomKey> {
        let rooms = self.rooms.values();
        rooms
            .filter(move |room| room.namespace == namespace)
            .map(|room| room.key)
    }

    /// The answer to [`ClientOutput::CredentialsWanted`].
    pub fn attach(&mut self, namespace: NamespaceKey, credentials: &[u8]) {
        let Some(wanted) = self.namespaces.get_mut(&namespace.0) else {
            return;
        };
        if std::mem::take(&mut wanted.renewal) {
            self.session.credentials(namespace.0, credentials);
        } else if wanted.step == Step::Asked
            && matches!(self.stage, Stage::Attaching | Stage::Attached)
        {
            wanted.step = Step::Shown;
            self.session
                .attach(namespace.0, &wanted.name, credentials, wanted.messages_hash);
        }
    }

    /// Shows what can be shown, and asks for what is missing.
    pub(crate) fn show_credentials(&mut self) {
        if !matches!(self.stage, Stage::Attaching | Stage::Attached) {
            return;
        }
        let idle = self
            .namespaces
            .iter()
            .filter(|(_, it)| it.step == Step::Idle);
        let idle: Vec<u8> = idle.map(|(key, _)| *key).collect();
        for key in idle {
            self.want_credentials(NamespaceKey(key), Step::Asked);
        }
    }

    fn want_credentials(&mut self, namespace: NamespaceKey, step: Step) {
        let Some(wanted) = self.namespaces.get_mut(&namespace.0) else {
            return;
        };
        wanted.step = step;
        match wanted.credentials.clone() {
            Some(credentials) => self.attach(namespace, &credentials),
            None => self
                .outputs
                .push_back(ClientOutput::CredentialsWanted { namespace }),
        }
    }

    /// The server asks for fresh credentials.
    pub(crate) fn renewal_wanted(&mut self, namespace: NamespaceKey) {
        if let Some(wanted) = self.namespaces.get_mut(&namespace.0) {
            wanted.renewal = true;
            self.want_credentials(namespace, Step::In);
        }
    }

    /// The session is another one: nothing was shown in it.
    pub(crate) fn namespaces_lost(&mut self) {
        for wanted in self.namespaces.iter_mut().map(|(_, wanted)| wanted) {
            wanted.step = Step::Idle;
            wanted.renewal = false;
            wanted.people.lost();
        }
    }

    /// The session goes on over another link: a driver may have dropped the answers that it was looking for.
    pub(crate) fn ask_credentials_again(&mut self) {
        let mut asked = Vec::new();
        for (key, wanted) in &mut self.namespaces {
            if wanted.step == Step::Asked {
                wanted.step = Step::Idle;
            } else if wanted.renewal {
                asked.push(NamespaceKey(*key));
            }
        }
        for namespace in asked {
            self.want_credentials(namespace, Step::In);
        }
        self.show_credentials();
    }

    pub(crate) fn attached(
        &mut self,
        namespace: NamespaceKey,
        identity: String,
        schema: Option<&Bytes>,
    ) {
        let Some(wanted) = self.namespaces.get_mut(&namespace.0) else {
            return;
        };
        wanted.step = Step::In;
        wanted.people.are_of(&identity);
        if let Some(Ok(schema)) = schema.map(|bytes| Schema::from_bytes(bytes)) {
            wanted.schema = Some(Arc::new(schema));
        }
        if namespace == NamespaceKey::MAIN {
            self.stage = Stage::Attached;
            self.backoff.reset();
            self.attempt = 0;
        }
        self.event(ClientEvent::Attached {
            namespace,
            identity,
        });
        if namespace == NamespaceKey::MAIN {
            self.set_state(State::Online);
        }
        self.ask_what_waits();
    }

    /// The server does not let it in, or in no longer. Without the main namespace the conversation is over; `false` then.
    pub(crate) fn namespace_over(
        &mut self,
        now: Time,
        namespace: NamespaceKey,
        refusal: Refusal,
        was_in: bool,
    ) -> bool {
        if namespace == NamespaceKey::MAIN {
            let message = refusal.message.clone();
            self.event(ClientEvent::AttachRefused(refusal));
            self.outputs.push_back(ClientOutput::Close);
            let ending = Ending::with_retry(Reason::Refused, Retry::Never, message);
            self.lost(now, Some(ending));
            return false;
        }
        self.namespaces.remove(&namespace.0);
        self.statuses.forget_outside(namespace);
        let rooms: Vec<RoomKey> = self.rooms_in(namespace).collect();
        for room in rooms {
            self.statuses.forget(room);
            let no = self.rooms.remove(&room).and_then(|room| room.number());
            let event = match no {
                Some(no) => {
                    self.keys.remove(&no);
                    let message = refusal.message.clone();
                    let reason = RoomEnd::Left;
                    ClientEvent::RoomEnded {
                        room,
                        reason,
                        message,
                    }
                }
                None => ClientEvent::JoinRefused {
                    room,
                    refusal: refusal.clone(),
                },
            };
            self.event(event);
        }
        self.lists_over(namespace, &refusal);
        self.event(ClientEvent::NamespaceRefused {
            namespace,
            refusal,
            was_in,
        });
        true
    }
}
