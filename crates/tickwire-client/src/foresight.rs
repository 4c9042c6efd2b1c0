//! How a client shows what it predicts: what predicts is told of the truth and of commands, and says what is to be shown. How it does that is not here.

use std::fmt;

use tickwire_proto::{Tick, Time};
use tickwire_snapshot::{AreaId, NetId, OwnedRow, TickEvent, Value};

use crate::view::View;

/// What runs ahead of the server for one seat of one room: the game itself, in `tickwire-predict`. A generic client has none.
pub trait Foresight: Send {
    /// An update was taken in.
    fn truth(&mut self, view: &View, now: Time);

    /// The player asks for something in a tick. The number of what the seat owns then, if it could be told.
    fn command(&mut self, view: &View, tick: Tick, row: &OwnedRow) -> Option<u16>;

    /// Those who are predicted as they are to be shown at `now`, where the clock of commands stands at `ahead`.
    fn draw(&mut self, now: Time, ahead: f64) -> Vec<Foreseen>;

    /// The next thing that happened in what was predicted: each once.
    fn event_due(&mut self) -> Option<TickEvent>;

    /// Whether an event that the server tells of was shown before. Asked once about each.
    fn was_shown(&mut self, event: &TickEvent) -> bool;

    /// The next thing that was predicted otherwise than the server had it: each once. Of those that nobody asks for the newest are kept.
    fn correction_due(&mut self) -> Option<Correction> {
        None
    }

    /// How it is doing.
    fn figures(&self) -> ForesightFigures;

    /// What the server knew better, by the name of the component: how often.
    fn causes(&self) -> &[(String, u64)] {
        &[]
    }
}

/// Somebody who is predicted, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreseen {
    /// As [`Row::id`](crate::Row::id): the same for as long as they are seen, also before and after the server knows them.
    pub id: u64,
    /// Whether the viewer's seat owns them.
    pub mine: bool,
    /// Where the server has them, if it is known.
    pub place: Option<(AreaId, NetId)>,
    /// By component, rising: the values of its fields.
    pub rows: Vec<(usize, Vec<Value>)>,
    /// How far from what is predicted they are shown, since they slide from where they were before a correction.
    pub offset: f64,
}

impl Foreseen {
    pub(crate) fn row(&self, component: usize) -> Option<&[Value]> {
        let at = self.rows.binary_search_by_key(&component, |(of, _)| *of);
        Some(&self.rows[at.ok()?].1)
    }
}

/// One component of somebody who was predicted otherwise than the server had it, at the tick that one's own is shown at: as it was there until the
/// truth came, and as it is now that the commands since were given again. What is shown slides from the one to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// As [`Row::id`](crate::Row::id).
    pub id: u64,
    /// Whether the viewer's seat owns them.
    pub mine: bool,
    /// The tick of which these are the values.
    pub tick: Tick,
    /// The component's number in the room's schema.
    pub component: usize,
    /// The values of its fields, as they were predicted.
    pub from: Vec<Value>,
    /// As they are now.
    pub to: Vec<Value>,
}

/// How predicting is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ForesightFigures {
    /// Ticks by which it runs ahead of the newest truth.
    pub ahead: u32,
    /// Truths that did not fit, so that ticks were stepped again.
    pub rollbacks: u64,
    /// Of these, such as were about what the seat itself owns.
    pub mispredictions: u64,
    /// Of these, such as could be seen: something was off by more than a step of what others are told.
    pub seen: u64,
    /// Ticks that were stepped again.
    pub replayed: u64,
    /// Updates that were compared.
    pub truths: u64,
    /// The largest part of a number's range by which something was corrected last.
    pub correction: f64,
}

/// Makes what predicts for a room, once it is joined; `None`: that room is not predicted.
pub type MakeForesight = dyn FnMut(&View) -> Option<Box<dyn Foresight>> + Send;

/// That of a view, if it has one.
#[derive(Default)]
pub(crate) struct Ahead(pub Option<Box<dyn Foresight>>);

/// Who makes those of a client's rooms.
#[derive(Default)]
pub(crate) struct Maker(pub Option<Box<MakeForesight>>);

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.0.as_ref().map(|ahead| ahead.figures());
        f.debug_tuple("Ahead").field(&figures).finish()
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Maker").field(&self.0.is_some()).finish()
    }
}
