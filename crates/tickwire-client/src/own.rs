//! What the server says of what one's own seat owns, put together from the private frames. Who predicts by it is elsewhere.

use bytes::Bytes;
use tickwire_proto::Tick;
use tickwire_proto::frame::OwnToldOwned;

/// What the server says of what the seat owned at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnSeen<'a> {
    /// What this side said in the command of that tick.
    AsSaid,
    /// This, exact to the bit.
    Rows {
        /// The number of it.
        number: u16,
        /// As the game's records write it.
        rows: &'a [u8],
    },
    /// Nothing.
    Untold,
}

/// What was told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// Of the tick frame whose update is to come.
    next: Option<(Tick, OwnToldOwned)>,
    /// Of the newest update.
    seen: Option<(Tick, OwnToldOwned)>,
    /// The last rows.
    told: Option<(u16, Bytes)>,
}

impl Own {
    /// A tick frame came.
    pub(crate) fn tell(&mut self, tick: Tick, told: OwnToldOwned) {
        if let OwnToldOwned::Rows { number, rows } = &told {
            self.told = Some((*number, rows.clone()));
        }
        self.next = Some((tick, told));
    }

    /// The update of that tick came.
    pub(crate) fn updated(&mut self, tick: Tick) {
        let next = self.next.take().filter(|(of, _)| *of == tick);
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen < tick) {
            self.seen = Some(next.unwrap_or((tick, OwnToldOwned::Nothing)));
        }
    }

    pub(crate) fn seen(&self) -> Option<(Tick, OwnSeen<'_>)> {
        let (tick, told) = self.seen.as_ref()?;
        let seen = match told {
            OwnToldOwned::Nothing => OwnSeen::Untold,
            OwnToldOwned::AsSaid => OwnSeen::AsSaid,
            OwnToldOwned::AsTold => match &self.told {
                Some((number, rows)) => OwnSeen::Rows {
                    number: *number,
                    rows,
                },
                None => OwnSeen::Untold,
            },
            OwnToldOwned::Rows { number, rows } => OwnSeen::Rows {
                number: *number,
                rows,
            },
        };
        Some((*tick, seen))
    }
}
