//! What a session counts: frames, bytes, and everything that is dropped.

use std::ops::AddAssign;

/// Makes the struct, its sum and its list out of one list of counters, so that none is forgotten in any of them.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a session counted; everything that is dropped is in here.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct SessionStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl SessionStats {
            /// Every counter by its name, for logs and metrics.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }

        impl AddAssign for SessionStats {
            fn add_assign(&mut self, other: SessionStats) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Frames received.
    frames_in,
    /// Bytes received, in frames.
    bytes_in,
    /// Frames handed to the link.
    frames_out,
    /// Bytes handed to the link, in frames.
    bytes_out,
    /// Frames that came after the end, or while there was no link.
    frames_after_end,
    /// Commands beyond the room's rate.
    commands_over_rate,
    /// Commands that came before, and were said again lest they be lost.
    commands_again,
    /// Commands for a room that the session is not in (any more).
    commands_no_room,
    /// Client: commands that were not sent, for want of an update held, of a link, or of its readiness.
    commands_unsent,
    /// Messages for a room that the session is not in (any more).
    messages_no_room,
    /// Other frames about a room or an attachment that is gone, and updates that are not new.
    frames_late,
    /// Volatile messages that the link could not take.
    volatile_dropped,
    /// Updates that a newer one replaced before they were written, or that a lost link took along.
    updates_dropped,
    /// Tick frames of their own that a newer one replaced.
    tick_frames_dropped,
    /// Receipts for what was never sent.
    receipts_bogus,
    /// Receipts that say less than earlier ones.
    receipts_stale,
    /// Pongs that answer no ping.
    pongs_unasked,
    /// Pings that a newer one replaced before they were answered.
    pings_replaced,
    /// Requests (join, list) refused by a limit of the session.
    requests_limited,
    /// Statuses refused, since they came too often.
    statuses_limited,
    /// Identities not followed, since too many were asked for in a short time.
    follows_limited,
    /// Keyframes wanted or reports, too often.
    wishes_limited,
    /// Reliable messages that waited or were not received when the session ended.
    reliable_lost,
    /// Answers from the server's houses that came after the session had no use for them.
    answers_late,
    /// Requests of the peer refused by a limit of the session.
    asks_limited,
    /// Requests of the peer for a room that this side is not in (any more).
    asks_no_room,
    /// Requests of this side without a reply in their time.
    asks_timed_out,
    /// Requests of this side that it gave up itself.
    asks_cancelled,
    /// Replies to requests that were given up, timed out, or whose room has ended.
    replies_late,
    /// Replies to what was never asked.
    replies_unasked,
    /// Changes of a member (presence, status, flags) that a newer one of the same member replaced before they were written.
    changes_replaced,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_add_up_by_name() {
        let mut sum = SessionStats {
            frames_in: 1,
            ..SessionStats::default()
        };
        sum += SessionStats {
            frames_in: 2,
            answers_late: 5,
            ..SessionStats::default()
        };
        let named: Vec<_> = sum.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(named, [("frames_in", 3), ("answers_late", 5)]);
    }
}
