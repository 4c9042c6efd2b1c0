//! The early and the late side of Tickwire: views, interpolation, clock and command lead, without a clock or a socket.
//!
//! A [`Client`] is one conversation with one server, over one link after another. It is fed with what a driver
//! sees (a link that opens, a frame, a link that is lost, the time) and tells what the driver shall do
//! ([`ClientOutput`]) and write ([`Client::next`]). Rooms are joined by what one wants ([`Client::quick`], …) and are
//! known by a [`RoomKey`] that outlives links, restarts of the server and changes of the room's number.
//!
//! ```
//! use tickwire_client::{Client, ClientConfig, ClientOutput, State};
//! use tickwire_proto::Time;
//!
//! let mut client = Client::new(ClientConfig::default(), 7, Time(0));
//! let room = client.quick("hello", &[]);
//! assert!(matches!(client.poll(), Some(ClientOutput::Event(_)))); // the state: connecting
//! assert!(matches!(client.poll(), Some(ClientOutput::Connect { attempt: 1, .. })));
//! client.link_open(Time(1_000));
//! let hello = client.next(Time(1_000), usize::MAX).expect("a hello is the first thing said");
//! assert!(!hello.is_empty());
//! assert!(client.view(room).is_none(), "no room before the server's acceptance");
//! assert!(matches!(client.state(), State::Connecting));
//! ```

#![forbid(unsafe_code)]

mod areas;
mod asks;
mod blend;
mod client;
mod clock;
mod condition;
mod delay;
mod event;
mod extrapolate;
mod figures;
mod foresight;
mod ladder;
mod lead;
mod lists;
mod moves;
mod namespaces;
mod own;
mod peaks;
mod people;
mod picture;
mod requests;
mod rooms;
mod row;
mod slide;
mod statuses;
mod talk;
mod view;
mod way;

pub use blend::{blend_values, teleports};
pub use client::{Client, ClientConfig};
pub use clock::{ArrivalLine, SteadyClock};
pub use condition::{Condition, ConditionError, Conditioner, Held};
pub use delay::{DELAY_MAX, Delay};
pub use event::{
    AskError, AskId, ClientEvent, ClientOutput, Fault, NamespaceKey, Place, QuestionId, RequestId,
    RoomKey, SendError, State,
};
pub use extrapolate::EXTRAPOLATE_MAX;
pub use figures::Figures;
pub use foresight::{Correction, Foreseen, Foresight, ForesightFigures, MakeForesight};
pub use ladder::{BESIDE_MS, Ladder, LinkChoice, LinkKind, Rung};
pub use lead::CommandLead;
pub use namespaces::Within;
pub use own::OwnSeen;
pub use picture::{Picture, ShownEvent, entity_id, slot_and_generation};
pub use requests::{ASK_TIMEOUT, reply_of};
pub use row::Row;
pub use slide::{JUMP_PART, SLIDE, slide_left};
pub use view::{Applied, View};
