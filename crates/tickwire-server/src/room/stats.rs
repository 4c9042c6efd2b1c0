//! What a room counts: its work, and everything that it drops.

use std::ops::AddAssign;

/// Makes the struct, its sum and its list out of one list of counters, so that none is forgotten in any of them.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of a room since it began.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct RoomStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl RoomStats {
            /// Each counter by its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }

        impl AddAssign for RoomStats {
            fn add_assign(&mut self, other: RoomStats) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Ticks stepped.
    steps,
    /// Times that it was stepped again after a rest.
    wakes,
    /// Times that the world was looked at for changes.
    captures,
    /// Captures that found something new.
    captures_changed,
    /// Rows that captures quantised.
    rows_captured,
    /// Deltas and keyframes encoded, however many viewers got each.
    encodes,
    /// Of these, keyframes.
    keyframe_encodes,
    /// Bytes of deltas and keyframes encoded.
    encoded_bytes,
    /// Times that a viewer was looked at for an update.
    viewer_visits,
    /// Areas looked at for the update of a viewer that gets one.
    area_visits,
    /// Areas' parts handed out.
    area_parts,
    /// Areas' parts put off to a later update, since this one had no bytes left.
    areas_put_off,
    /// Frames made of parts, however many viewers got each.
    frames,
    /// Updates handed out, keyframes and stills among them.
    updates,
    /// Keyframes of areas handed out.
    keyframes,
    /// Areas' parts handed out that say "still".
    stills,
    /// Tick frames that went alone.
    lone_tick_frames,
    /// Bytes of updates handed out, tick frames among them.
    update_bytes,
    /// Updates not made since the link had not taken the last one.
    skipped_gauge,
    /// Updates not made since too many ticks were in flight.
    skipped_window,
    /// Areas' parts of updates put off since the tick had encoded its share of different deltas.
    skipped_encodes,
    /// Keyframes put off to a later tick.
    keyframes_paced,
    /// Keyframes that members asked for.
    keyframes_wanted,

    /// Commands put in force.
    commands_applied,
    /// Ticks of members who are not lagging for which no command came in time.
    commands_missing,
    /// Commands dropped: for a tick already stepped.
    commands_late,
    /// Commands dropped: too far ahead.
    commands_early,
    /// Commands dropped: another one for that tick was there.
    commands_copies,
    /// Commands dropped: undecodable, or a value out of range.
    commands_malformed,
    /// Commands dropped: they name an entity that the player does not own.
    commands_foreign,
    /// Updates that told a client which predicts what its seat owns, since it was mistaken.
    own_told,
    /// Those that could not, since that is too long.
    own_untold,
    /// Commands dropped: by the game, or from a member without a seat.
    commands_refused,

    /// Commands whose picture, as their sender says, was newer than all that was sent to it: taken for the newest.
    pictures_ahead,
    /// Commands whose picture was older than that of the command before: taken for the same.
    pictures_back,
    /// Commands whose picture was older than the game looks back: taken for as old as that.
    pictures_old,
    /// Times that the game looked back to what a player saw.
    looks_back,
    /// How far, in microseconds altogether.
    looks_back_us,
    /// Hits of the past that the game let count.
    hits_back,
    /// By how much what the shooters saw was older than the truth, in microseconds altogether: their advantage.
    hits_back_us,
    /// Hits of the past that the game denied.
    hits_denied,

    /// Messages to the game.
    messages_in,
    /// Messages to the game that it refused.
    messages_refused,
    /// Messages from the game, each counted once however many got it.
    messages_out,

    /// Seats that went over to a newer session of the same identity.
    replaced,

    /// Requests to the game.
    requests_in,
    /// Of these, refused before the game saw them.
    requests_refused,
    /// Answers of the game.
    answers_out,
    /// Answers of the game to who has gone, or gave its request up.
    answers_late,
    /// Questions of the game to a player.
    questions_out,

    /// Sessions that ended since the game sent more in one tick than a room takes.
    overflows,
    /// Answers of the game dropped: too many in one tick.
    answers_dropped,
    /// Messages of the game dropped: too many in one tick, or too long.
    messages_dropped,
    /// Tick events of the game dropped: too many in one tick.
    events_dropped,
    /// Tasks that the game started.
    tasks,
    /// Results of tasks, and failures, that came back.
    tasks_done,
    /// Results of tasks that no system of the game listens to.
    results_dropped,
    /// Orders of the game dropped: too many in one tick.
    orders_dropped,
    /// Notices of the game.
    notices_out,
    /// Notices of the game dropped: too many in one tick, too long, or to a seat that nobody has.
    notices_dropped,
    /// Entities that nobody sees, since an area is full.
    entities_unseen,

    /// Joins.
    joins,
    /// Joins that failed.
    joins_refused,
    /// Leaves.
    leaves,
    /// Members who came back on another link.
    resumes,
    /// Inputs about members who are not here (any more), and receipts for what was not sent.
    inputs_late,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_in_the_list_and_in_the_sum() {
        let mut sum = RoomStats {
            steps: 2,
            inputs_late: 3,
            ..RoomStats::default()
        };
        sum += sum;
        let counted: Vec<_> = sum.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("steps", 4), ("inputs_late", 6)]);
    }
}
