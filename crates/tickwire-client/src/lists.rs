//! Lists of rooms that are watched: kept whole from the first answer and the changes after it, over lost sessions too.

use litemap::LiteMap;
use tickwire_proto::frame::{Refusal, RoomInfoOwned, code};

use crate::client::{Client, Stage};
use crate::event::{ClientEvent, NamespaceKey, RequestId};

/// Lists that a client watches at once: as many as a session may.
const LISTS_MAX: usize = tickwire_proto::session::server::LOBBY_WATCHES_MAX;

/// One list.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) namespace: NamespaceKey,
    kind: String,
    attributes: Vec<(String, String)>,
    rooms: LiteMap<String, RoomInfoOwned>,
    /// The number of the request in this session.
    asked: Option<u32>,
}

impl Client {
    /// Wants the list of rooms of a kind (`""`: of all kinds) that have these attributes, and again after each change: see
    /// [`ClientEvent::LobbyChanged`]. It goes on over lost sessions, until [`unwatch_lobby`](Self::unwatch_lobby).
    pub fn watch_lobby(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RequestId {
        self.within(NamespaceKey::MAIN)
            .watch_lobby(kind, attributes)
    }

    pub(crate) fn want_list(
        &mut self,
        namespace: NamespaceKey,
        kind: &str,
        attributes: &[(&str, &str)],
    ) -> RequestId {
        let request = RequestId(self.request());
        if self.lists.len() >= LISTS_MAX {
            let message = format!("a client watches at most {LISTS_MAX} lists. Give one up first");
            let refusal = Refusal::new(code::LIMIT, message);
            self.event(ClientEvent::RequestRefused { request, refusal });
            return request;
        }
        let list = List {
            namespace,
            kind: kind.to_owned(),
            attributes: owned(attributes),
            rooms: LiteMap::new(),
            asked: None,
        };
        self.lists.insert(request, list);
        self.ask_what_waits();
        request
    }

    /// Wants no more changes of that list.
    pub fn unwatch_lobby(&mut self, request: RequestId) {
        let list = self.lists.remove(&request);
        if let Some(number) = list.and_then(|list| list.asked) {
            self.session.lobby_unwatch(number);
        }
    }

    /// Asks for lists that are not asked for in this session.
    pub(crate) fn ask_for_lists(&mut self) {
        if self.stage != Stage::Attached {
            return;
        }
        let waits = |list: &List| list.asked.is_none() && self.is_in(list.namespace);
        let waiting = self.lists.iter().filter(|(_, list)| waits(list));
        let waiting: Vec<RequestId> = waiting.map(|(request, _)| *request).collect();
        for request in waiting {
            let number = self.request();
            let Some(list) = self.lists.get_mut(&request) else {
                continue;
            };
            list.asked = Some(number);
            let pairs = list.attributes.iter();
            let pairs: Vec<(&str, &str)> = pairs
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            self.session
                .lobby_watch(number, list.namespace.0, &list.kind, &pairs);
        }
    }

    /// The session is gone: what was told stays until the next one tells all of it.
    pub(crate) fn lists_lost(&mut self) {
        for list in self.lists.iter_mut().map(|(_, list)| list) {
            list.asked = None;
        }
    }

    /// A namespace is gone: lists of its rooms do not come any more.
    pub(crate) fn lists_over(&mut self, namespace: NamespaceKey, refusal: &Refusal) {
        let (gone, waiting) = std::mem::take(&mut self.questions)
            .into_iter()
            .partition(|(of, ..)| *of == namespace);
        self.questions = waiting;
        let gone: Vec<(NamespaceKey, RequestId, String)> = gone;
        let asked = self.listing.iter().filter(|(_, of)| **of == namespace);
        let asked: Vec<u32> = asked.map(|(request, _)| *request).collect();
        self.listing.retain(|_, of| *of != namespace);
        for request in gone
            .into_iter()
            .map(|(_, request, _)| request.0)
            .chain(asked)
        {
            self.lobby_refused(request, refusal.clone());
        }
        let watched = self.lists.iter();
        let watched = watched.filter(|(_, list)| list.namespace == namespace);
        let watched: Vec<RequestId> = watched.map(|(request, _)| *request).collect();
        self.lists.retain(|_, list| list.namespace != namespace);
        for request in watched {
            let refusal = refusal.clone();
            self.event(ClientEvent::RequestRefused { request, refusal });
        }
    }

    pub(crate) fn lobby_changed(
        &mut self,
        number: u32,
        whole: bool,
        rooms: Vec<RoomInfoOwned>,
        gone: &[String],
    ) {
        let mut lists = self.lists.iter_mut();
        let Some((request, list)) = lists.find(|(_, list)| list.asked == Some(number)) else {
            return; // given up a moment ago
        };
        if whole {
            list.rooms.clear();
        }
        for id in gone {
            list.rooms.remove(id);
        }
        for room in rooms {
            list.rooms.insert(room.id.clone(), room);
        }
        let event = ClientEvent::LobbyChanged {
            request: *request,
            rooms: list.rooms.values().cloned().collect(),
        };
        self.event(event);
    }

    /// A refusal that is not about a room: of a list, or of what was asked for as a host.
    pub(crate) fn request_refused(&mut self, number: u32, refusal: Refusal) {
        let mut lists = self.lists.iter();
        let watched = lists.find(|(_, list)| list.asked == Some(number));
        let request = watched.map_or(RequestId(number), |(request, _)| *request);
        self.lists.remove(&request);
        self.event(ClientEvent::RequestRefused { request, refusal });
    }
}

/// Attributes of rooms, to be kept.
pub(crate) fn owned(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
    attributes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
