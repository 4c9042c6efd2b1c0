//! What one says of oneself, in rooms and outside of them: the newest word goes, no more often than the server takes it, and again with a new session.

use std::time::Duration;

use litemap::LiteMap;
use tickwire_proto::Time;
use tickwire_proto::frame::STATUS_MAX;
use tickwire_proto::session::server::STATUS_MS_MAX;
use tickwire_proto::wire::cut;

use crate::client::{Client, Stage};
use crate::event::{NamespaceKey, RoomKey, SendError};
use crate::namespaces::Within;

/// The word of who types, and for how long it shows.
const TYPING: (&str, u32) = ("typing", 5_000);
/// It is said again after this long, while one goes on typing.
const TYPING_AGAIN: Duration = Duration::from_secs(2);
/// From one status to the next: slower than the server's rate.
const PAUSE: Duration = Duration::from_millis(550);
/// Statuses that may go at once.
const AT_ONCE: u32 = 8;

/// Where it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// To those who follow one there.
    Outside(NamespaceKey),
    Room(RoomKey),
}

/// All that is said, or waits to be.
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    places: LiteMap<Place, Words>,
    /// The time that all that was said takes at the pace of one status a pause.
    paid_until: Time,
}

/// What is said in one place.
#[derive(Debug, Default)]
struct Words {
    standing: String,
    /// The server has not been told the standing word.
    unsaid: bool,
    passing: Option<(String, u32)>,
    /// A passing word may show still.
    passed: bool,
    typed: Option<Time>,
    wants_typing: bool,
}

impl Words {
    fn waits(&self) -> bool {
        self.unsaid || self.passing.is_some() || self.wants_typing
    }

    /// The next thing to say.
    fn take(&mut self, now: Time) -> Option<(String, u32)> {
        if std::mem::take(&mut self.unsaid) {
            self.passed = false;
            return Some((self.standing.clone(), 0));
        }
        if let Some(passing) = self.passing.take() {
            self.passed = true;
            return Some(passing);
        }
        let due = self
            .typed
            .is_none_or(|typed| now.since(typed) >= TYPING_AGAIN);
        if !std::mem::take(&mut self.wants_typing) || !due {
            return None;
        }
        self.typed = Some(now);
        self.passed = true;
        Some((TYPING.0.to_owned(), TYPING.1))
    }
}

impl Statuses {
    /// A session begins that knows nothing of it: what stands is said again.
    pub(crate) fn begin_anew(&mut self) {
        for words in self.places.iter_mut().map(|(_, words)| words) {
            words.unsaid = !words.standing.is_empty();
            words.passing = None;
            words.wants_typing = false;
            words.typed = None;
            words.passed = false;
        }
    }

    pub(crate) fn forget(&mut self, room: RoomKey) {
        self.places.remove(&Place::Room(room));
    }

    pub(crate) fn forget_outside(&mut self, namespace: NamespaceKey) {
        self.places.remove(&Place::Outside(namespace));
    }

    fn may_go(&self, now: Time) -> bool {
        self.paid_until <= now.plus(PAUSE * (AT_ONCE - 1))
    }

    fn pay(&mut self, now: Time) {
        self.paid_until = self.paid_until.max(now).plus(PAUSE);
    }

    fn go_at(&self) -> Time {
        Time(
            self.paid_until
                .0
                .saturating_sub((PAUSE * (AT_ONCE - 1)).as_micros() as u64),
        )
    }
}

impl Client {
    /// Says something of oneself in a room, or outside of rooms (`None`: to those who follow, in the main namespace): at most 64 bytes of it; empty: nothing any more.
    ///
    /// For good, where `lasts` is nothing; else for so long (an hour at most), and then the word for good shows again. Only the newest word
    /// goes, and waits for the pace that the server allows. A word for good also waits for the room and the link, and is said again in a new session.
    ///
    /// # Errors
    /// A passing word, while the link is away or the room is not joined.
    pub fn status(
        &mut self,
        room: Option<RoomKey>,
        text: &str,
        lasts: Duration,
    ) -> Result<(), SendError> {
        self.say(place(room), text, lasts)
    }

    fn say(&mut self, place: Place, text: &str, lasts: Duration) -> Result<(), SendError> {
        self.check_place(place)?;
        let ms = u32::try_from(lasts.as_millis()).unwrap_or(u32::MAX);
        let ms = ms.min(STATUS_MS_MAX);
        let text = cut(text, STATUS_MAX).to_owned();
        if ms > 0 {
            self.check_now(place)?;
        }
        let words = self.statuses.places.entry(place).or_default();
        words.wants_typing = false;
        words.typed = None;
        if ms > 0 {
            words.passing = Some((text, ms));
        } else {
            words.unsaid |= text != words.standing || words.passed;
            words.standing = text;
            words.passing = None;
        }
        Ok(())
    }

    /// Tells the others in the room that one is typing: the status "typing", which passes after 5 s. To be called at each key: it is said
    /// again every 2 s only. `false`: not any more.
    ///
    /// # Errors
    /// While the link is away, or the room is not joined.
    pub fn typing(&mut self, room: RoomKey, typing: bool) -> Result<(), SendError> {
        let place = Place::Room(room);
        self.check_place(place)?;
        self.check_now(place)?;
        let words = self.statuses.places.entry(place).or_default();
        words.wants_typing = typing;
        if !typing && words.typed.take().is_some() {
            words.passing = Some((String::new(), 1)); // nothing, which ends what passes
        }
        Ok(())
    }

    fn check_place(&self, place: Place) -> Result<(), SendError> {
        match place {
            Place::Room(room) if !self.rooms.contains_key(&room) => Err(SendError::NotJoined(room)),
            Place::Outside(namespace) if !self.namespaces.contains_key(&namespace.0) => {
                Err(SendError::NotAttached(namespace))
            }
            _ => Ok(()),
        }
    }

    /// Whether what passes is of use: it can go now.
    fn check_now(&self, place: Place) -> Result<(), SendError> {
        if self.stage != Stage::Attached {
            return Err(SendError::NotOnline);
        }
        match (place, self.place_number(place)) {
            (_, Some(_)) => Ok(()),
            (Place::Room(room), None) => Err(SendError::NotJoined(room)),
            (Place::Outside(namespace), None) => Err(SendError::NotAttached(namespace)),
        }
    }

    fn place_number(&self, place: Place) -> Option<u32> {
        match place {
            Place::Outside(namespace) => self.is_in(namespace).then_some(u32::from(namespace.0)),
            Place::Room(room) => self.rooms.get(&room)?.number(),
        }
    }

    /// Says what waits and may go.
    pub(crate) fn say_statuses(&mut self, now: Time) {
        if self.stage != Stage::Attached {
            return;
        }
        let waiting = self.statuses.places.iter();
        let waiting: Vec<Place> = waiting
            .filter(|(_, words)| words.waits())
            .map(|(place, _)| *place)
            .collect();
        for place in waiting {
            let Some(number) = self.place_number(place) else {
                continue;
            };
            while self.statuses.may_go(now) {
                let words = self.statuses.places.get_mut(&place);
                let Some((text, ms)) = words.and_then(|words| words.take(now)) else {
                    break;
                };
                self.statuses.pay(now);
                self.session.status(number, &text, ms);
            }
        }
    }

    /// When something that waits may go.
    pub(crate) fn next_status(&self) -> Option<Time> {
        let mut places = self.statuses.places.iter();
        let waits = self.stage == Stage::Attached
            && places.any(|(place, words)| words.waits() && self.place_number(*place).is_some());
        waits.then(|| self.statuses.go_at())
    }
}

impl Within<'_> {
    /// Says something of oneself to those who follow one in the namespace: see [`Client::status`].
    ///
    /// # Errors
    /// Where it is not wanted; a passing word, while it is not attached.
    pub fn status(&mut self, text: &str, lasts: Duration) -> Result<(), SendError> {
        let place = Place::Outside(self.namespace);
        self.client.say(place, text, lasts)
    }
}

fn place(room: Option<RoomKey>) -> Place {
    room.map_or(Place::Outside(NamespaceKey::MAIN), Place::Room)
}
