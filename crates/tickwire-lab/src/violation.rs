//! What a run may find wrong, as values and as texts that name the seed; not how it is found.

use std::{fmt, time::Duration};

use tickwire_proto::{
    ending::Reason,
    time::{Tick, Time},
};

/// Something that must never be was found: what, when, and by which seed.
///
/// Its text is made to be pasted: it names the seed that shows it again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{broken} ({at} into seed {seed} of {game:?}, trace {trace:016x}; run it again with Lab::seed({seed}))", at = Seconds(*.at))]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// The name of the game.
    pub game: String,
    /// Since the beginning of the run, in virtual time.
    pub at: Duration,
    /// The trace hash up to here.
    pub trace: u64,
    /// What was found.
    pub broken: Broken,
}

/// A rule that was broken. Clients count from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// A view differs from the room's truth at the view's tick.
    #[error(
        "client {client} holds something else than was true: area {area} at tick {tick}: {what}"
    )]
    Untrue {
        /// Whose view.
        client: usize,
        /// Which area.
        area: u32,
        /// The view's tick.
        tick: Tick,
        /// The first difference.
        what: String,
    },
    /// A view holds what it may not see.
    #[error("client {client} holds area {area} at tick {tick}, which its seat did not see then")]
    Unseen {
        /// Whose view.
        client: usize,
        /// Which area.
        area: u32,
        /// The newest tick of the view.
        tick: Tick,
    },
    /// A picture shows two entities by one number.
    #[error("client {client} shows two entities by the number {id}")]
    Twins {
        /// Whose picture.
        client: usize,
        /// The number.
        id: u64,
    },
    /// A view claims a tick that its room never published.
    #[error(
        "client {client} holds area {area} at tick {tick}, which the room never published (its newest is {newest})"
    )]
    Unpublished {
        /// Whose view.
        client: usize,
        /// Which area.
        area: u32,
        /// The view's tick.
        tick: Tick,
        /// The newest tick that the room published.
        newest: Tick,
    },
    /// A view went back in time.
    #[error("client {client} went back from tick {from} to tick {to}")]
    Backwards {
        /// Whose view.
        client: usize,
        /// The tick it had.
        from: Tick,
        /// The tick it has.
        to: Tick,
    },
    /// An update was wrong, although every link is honest.
    #[error("client {client} found an update wrong: {fault}")]
    Fault {
        /// Who.
        client: usize,
        /// What it said.
        fault: String,
    },
    /// More waits or is under way than may be.
    #[error("client {client}: {count} {what}, at most {bound} are allowed")]
    Bound {
        /// Whose.
        client: usize,
        /// Of what.
        what: &'static str,
        /// How much there is.
        count: u64,
        /// How much there may be.
        bound: u64,
    },
    /// The server ended the session of a player who keeps all the rules.
    #[error("client {client} kept the rules and was sent away: {reason}: {message}")]
    SentAway {
        /// Who.
        client: usize,
        /// The reason.
        reason: Reason,
        /// The text of it.
        message: String,
    },
    /// All links are well for long enough, and somebody still has not got the newest truth.
    #[error("client {client} does not agree {after:?} after all is well again: {why}")]
    Disagrees {
        /// Who.
        client: usize,
        /// How long all was well.
        after: Duration,
        /// What is missing.
        why: String,
    },
    /// A message or request did not come once and in order.
    #[error("client {client}: {what}")]
    Letter {
        /// Whose.
        client: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A session outlives its window, or one side was not told of its end.
    #[error("client {client}: {what}")]
    Expiry {
        /// Whose.
        client: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The game does not know who sits where: somebody who has left was not taken out, or was before.
    #[error("room {room}: its game knows of the seats {known:?}, and taken are {taken:?}")]
    Seats {
        /// Which.
        room: u32,
        /// Who joined and did not leave, as the game was told.
        known: Vec<u16>,
        /// Of the room's members.
        taken: Vec<u16>,
    },
    /// One person has two seats in a room.
    #[error("room {room}: {name} has two seats")]
    TwoSeats {
        /// Which.
        room: u32,
        /// Whose.
        name: String,
    },
    /// A room ended by itself.
    #[error("room {room} ended: {message}")]
    RoomEnded {
        /// Which.
        room: u32,
        /// What it said.
        message: String,
    },
    /// A part asks to be woken at a time that does not come, again and again.
    #[error("virtual time stands still: {events} events at one moment")]
    Stuck {
        /// How many.
        events: u64,
    },
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.0.as_secs_f64())
    }
}

/// The span since the beginning.
pub(crate) fn since_start(now: Time) -> Duration {
    now.since(Time(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_seed() {
        let violation = Violation {
            seed: 7,
            game: "hello".into(),
            at: Duration::from_millis(1_500),
            trace: 0xabc,
            broken: Broken::Backwards {
                client: 2,
                from: Tick(9),
                to: Tick(8),
            },
        };
        assert_eq!(
            violation.to_string(),
            "client 2 went back from tick 9 to tick 8 (1.500000 s into seed 7 of \"hello\", trace 0000000000000abc; run it again with Lab::seed(7))"
        );
    }
}
