//! A room that the user wants: what was asked for, where that is, and how it is asked for again.

use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{JoinHowOwned, code};

use crate::event::{NamespaceKey, RoomKey};
use crate::view::View;

/// For how long a room that was joined before is asked for again while it refuses: one's own seat may still be held by
/// the session that was lost.
const REJOIN_MAX: Duration = Duration::from_secs(30);
/// After so many tries somebody else has the seat: where any room of a kind would do, another one is asked for.
const REJOIN_TRIES: u32 = 3;
/// The pause between two such tries.
const REJOIN_PAUSE: Duration = Duration::from_secs(1);

/// Where a wanted room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To be asked for as soon as the session is accepted.
    Wanted,
    /// Asked for.
    Asked(u32),
    /// Refused for now; asked for again at that time.
    Pause(Time),
    /// A member.
    In(u32),
}

/// One wanted room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) key: RoomKey,
    pub(crate) namespace: NamespaceKey,
    pub(crate) phase: Phase,
    pub(crate) view: Option<View>,
    pub(crate) joined_before: bool,
    /// It goes on as another room, of which the server tells next.
    pub(crate) moving: bool,
    how: JoinHowOwned,
    /// Where one was a member: the first to be asked for.
    id: Option<String>,
    kind: Option<String>,
    refused_since: Option<Time>,
    refusals: u32,
}

impl Room {
    /// `before`: the id of the room one was in, before this client was made.
    pub(crate) fn new(
        key: RoomKey,
        namespace: NamespaceKey,
        how: JoinHowOwned,
        before: Option<String>,
    ) -> Self {
        Self {
            key,
            namespace,
            phase: Phase::Wanted,
            view: None,
            joined_before: false,
            moving: false,
            how,
            id: before,
            kind: None,
            refused_since: None,
            refusals: 0,
        }
    }

    /// How to ask for it now: the very room one was in, else one of its kind and attributes, else what was asked first.
    pub(crate) fn how(&self) -> JoinHowOwned {
        if let Some(id) = self.id.clone() {
            return match self.how {
                JoinHowOwned::Watch { .. } => JoinHowOwned::Watch { id },
                _ => JoinHowOwned::Room { id },
            };
        }
        match (&self.how, &self.kind) {
            (how, _) if !self.joined_before => how.clone(),
            (
                JoinHowOwned::Quick { kind, attributes }
                | JoinHowOwned::Create { kind, attributes },
                _,
            ) => JoinHowOwned::Quick {
                kind: kind.clone(),
                attributes: attributes.clone(),
            },
            (JoinHowOwned::Room { .. }, Some(kind)) => JoinHowOwned::Quick {
                kind: kind.clone(),
                attributes: Vec::new(),
            },
            // A private room is made anew; who only looked on, or had a kept seat, finds that there is nothing any more.
            (how, _) => how.clone(),
        }
    }

    /// It is another room from here on.
    pub(crate) fn moves(&mut self, request: u32) {
        self.phase = Phase::Asked(request);
        self.moving = true;
    }

    pub(crate) fn joined(&mut self, no: u32, view: View) {
        self.phase = Phase::In(no);
        self.id = Some(view.id().to_owned());
        self.kind = Some(view.kind().to_owned());
        self.refused_since = None;
        self.refusals = 0;
        self.joined_before = true;
        self.view = Some(view);
    }

    /// A refusal came: whether the room is still wanted and asked for again.
    pub(crate) fn refused(&mut self, now: Time, code: &str) -> bool {
        if code == code::NOT_FOUND && self.id.take().is_some() {
            self.phase = Phase::Wanted; // that room is gone, as after a restart: one like it will do
            return true;
        }
        if !self.joined_before {
            return false;
        }
        let since = *self.refused_since.get_or_insert(now);
        let passing = matches!(
            code,
            code::FULL | code::LOCKED | code::LIMIT | code::NOT_FOUND
        );
        if !passing || now.since(since) >= REJOIN_MAX {
            return false;
        }
        self.refusals += 1;
        if self.refusals >= REJOIN_TRIES && !matches!(self.how, JoinHowOwned::Room { .. }) {
            self.id = None;
        }
        self.phase = Phase::Pause(now.plus(REJOIN_PAUSE));
        true
    }

    /// The session is gone: whether it was a member until now.
    pub(crate) fn link_lost(&mut self) -> bool {
        let was_in = matches!(self.phase, Phase::In(_)) || std::mem::take(&mut self.moving);
        self.phase = Phase::Wanted;
        was_in
    }

    pub(crate) fn number(&self) -> Option<u32> {
        match self.phase {
            Phase::In(no) => Some(no),
            _ => None,
        }
    }
}
