//! What waits to be written in order, what was written and not yet received, and how much was received of the peer's.

use crate::frame::server::MemberKey;
use crate::frame::{CHANNELS_MAX, CONTROL_CHANNEL};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Reliable messages that wait or are not received yet.
pub const OUTBOX_MESSAGES_MAX: usize = 4096;
/// Bytes of them.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;
/// Frames of control (answers, members, rooms) that wait or are not received yet.
pub const CONTROL_FRAMES_MAX: usize = 4096;
/// Bytes of them; one alone may be longer.
pub const CONTROL_BYTES_MAX: usize = 512 * 1024;
/// So many messages received and not yet told let receipts go alone.
pub const UNTOLD_MAX: u64 = 64;

const CHANNELS: usize = CONTROL_CHANNEL as usize + 1;

/// One queue for control and reliable messages, so that a message never overtakes the answer to the join before it.
///
/// Control is a channel of its own: all that goes through here is received exactly once, over any number of links.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Entry>,
    /// The first so many of them need no attachment: they were written before, on a link that is lost, or open one.
    free: usize,
    /// The first so many of these were written before.
    rewound: usize,
    /// Where the last word on a member stands that was not written: what has left and not come back to the front, and its place behind that.
    newest: BTreeMap<MemberKey, u64>,
    popped: u64,
    /// Written and not received, in the order of writing.
    unreceived: VecDeque<Entry>,
    written: [u64; CHANNELS],
    received: [u64; CHANNELS],
    reliable: Load,
    control: Load,
}

#[derive(Clone, Debug)]
struct Entry {
    channel: u8,
    /// It counts on the channel, and in this load: what a peer is owed must not wait for its own outbox.
    control: bool,
    frame: Bytes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    frames: usize,
    bytes: usize,
}

impl Load {
    fn add(&mut self, len: usize) {
        self.frames += 1;
        self.bytes += len;
    }

    fn sub(&mut self, len: usize) {
        self.frames -= 1;
        self.bytes -= len;
    }
}

/// There is no room in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What a receipt turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    New,
    Stale,
    Bogus,
}

impl Outbox {
    /// Queues a reliable message; `channel` is below `CHANNELS_MAX`.
    pub fn push_reliable(&mut self, channel: u8, frame: Bytes) -> Result<(), Full> {
        if !self.takes(channel, frame.len()) {
            return Err(Full);
        }
        self.reliable.add(frame.len());
        self.waiting.push_back(Entry {
            channel,
            control: false,
            frame,
        });
        Ok(())
    }

    /// [`push_reliable`](Self::push_reliable) and [`pop`](Self::pop) in one, where nothing waits.
    pub fn write_at_once(&mut self, channel: u8, frame: &Bytes) -> Result<(), Full> {
        debug_assert!(self.waiting.is_empty(), "what waits goes first");
        if !self.takes(channel, frame.len()) {
            return Err(Full);
        }
        self.reliable.add(frame.len());
        self.popped += 1;
        self.written[usize::from(channel)] += 1;
        self.unreceived.push_back(Entry {
            channel,
            control: false,
            frame: frame.clone(),
        });
        Ok(())
    }

    /// True, and the end of what is not received is loaded by then.
    #[inline]
    pub fn is_near(&self) -> bool {
        let last = self.unreceived.back();
        self.reliable.frames <= OUTBOX_MESSAGES_MAX
            && last.is_none_or(|last| last.channel <= CONTROL_CHANNEL)
    }

    /// Whether there is room for a reliable message.
    fn takes(&self, channel: u8, len: usize) -> bool {
        self.reliable.frames < OUTBOX_MESSAGES_MAX
            && self.reliable.bytes + len <= OUTBOX_BYTES_MAX
            && channel < CHANNELS_MAX
    }

    /// Queues what the peer is owed on a channel (a reply) or what gives it less to do: bounded as control is.
    pub fn push_owed(&mut self, channel: u8, frame: Bytes) -> Result<(), Full> {
        let entry = self.control(channel, frame)?;
        self.waiting.push_back(entry);
        Ok(())
    }

    pub fn push_control(&mut self, frame: Bytes) -> Result<(), Full> {
        let entry = self.control(CONTROL_CHANNEL, frame)?;
        self.waiting.push_back(entry);
        // An answer to a join holds what was so far: what comes now must come behind it.
        self.newest.clear();
        Ok(())
    }

    /// Control of which the newest alone counts: one that waits and was never written is said in its place. Whether there was such a one.
    /// So what waits of a room for who is away is bounded by its members, however often they come and go.
    pub fn push_newest(&mut self, of: MemberKey, frame: Bytes) -> Result<bool, Full> {
        let at = self
            .newest
            .get(&of)
            .and_then(|at| at.checked_sub(self.popped));
        let at = at.map_or(usize::MAX, |at| at as usize);
        if at >= self.rewound
            && let Some(older) = self.waiting.get_mut(at)
        {
            let was = std::mem::replace(&mut older.frame, frame);
            self.control.bytes += self.waiting[at].frame.len();
            self.control.bytes -= was.len();
            return Ok(true);
        }
        let entry = self.control(CONTROL_CHANNEL, frame)?;
        if self.newest.len() > 2 * self.waiting.len() + CHANNELS {
            let popped = self.popped;
            self.newest.retain(|_, at| *at >= popped); // the others are written
        }
        let at = self.popped + self.waiting.len() as u64;
        self.newest.insert(of, at);
        self.waiting.push_back(entry);
        Ok(false)
    }

    /// Control that goes before what waits, but for what was written before: it opens or gives up an attachment.
    pub fn push_opening(&mut self, frame: Bytes) -> Result<(), Full> {
        let entry = self.control(CONTROL_CHANNEL, frame)?;
        self.waiting.insert(self.free, entry);
        self.newest.clear();
        self.free += 1;
        Ok(())
    }

    /// Takes an opening back that was never written; whether there was such a one.
    pub fn take_opening(&mut self, is_it: impl Fn(&[u8]) -> bool) -> bool {
        let found = (self.rewound..self.free).find(|&at| is_it(&self.waiting[at].frame));
        let Some(entry) = found.and_then(|at| self.waiting.remove(at)) else {
            return false;
        };
        self.free -= 1;
        self.newest.clear();
        self.load(entry.control).sub(entry.frame.len());
        true
    }

    fn control(&mut self, channel: u8, frame: Bytes) -> Result<Entry, Full> {
        let too_long =
            self.control.bytes > 0 && self.control.bytes + frame.len() > CONTROL_BYTES_MAX;
        if self.control.frames >= CONTROL_FRAMES_MAX || too_long || channel > CONTROL_CHANNEL {
            return Err(Full);
        }
        self.control.add(frame.len());
        Ok(Entry {
            channel,
            control: true,
            frame,
        })
    }

    fn load(&mut self, control: bool) -> &mut Load {
        if control {
            &mut self.control
        } else {
            &mut self.reliable
        }
    }

    /// The frame that is written next, if it needs no attachment.
    pub fn next_free(&self) -> Option<&Bytes> {
        let entry = self.waiting.front().filter(|_| self.free > 0)?;
        Some(&entry.frame)
    }

    /// Bytes of the frame that is written next.
    pub fn next_len(&self) -> Option<usize> {
        self.waiting.front().map(|entry| entry.frame.len())
    }

    pub fn pop(&mut self) -> Option<Bytes> {
        let entry = self.waiting.pop_front()?;
        self.popped += 1;
        self.free = self.free.saturating_sub(1);
        self.rewound = self.rewound.saturating_sub(1);
        let frame = entry.frame.clone();
        self.written[usize::from(entry.channel)] += 1;
        self.unreceived.push_back(entry);
        Some(frame)
    }

    /// The peer says that it received `count` messages of a channel.
    pub fn receipt(&mut self, channel: u8, count: u64) -> Receipt {
        let slot = usize::from(channel);
        if self
            .written
            .get(slot)
            .is_none_or(|written| count > *written)
        {
            return Receipt::Bogus;
        }
        let mut gone = count.saturating_sub(self.received[slot]);
        if gone == 0 {
            return Receipt::Stale;
        }
        self.received[slot] = count;
        // With one channel in use the front goes; a message of another channel in between stays where it is.
        let (reliable, control) = (&mut self.reliable, &mut self.control);
        self.unreceived.retain(|entry| {
            let done = gone > 0 && entry.channel == channel;
            if done {
                gone -= 1;
                let load = if entry.control {
                    &mut *control
                } else {
                    &mut *reliable
                };
                load.sub(entry.frame.len());
            }
            !done
        });
        Receipt::New
    }

    /// Messages that wait or are not received, and their bytes.
    pub fn reliable_load(&self) -> (usize, usize) {
        (self.reliable.frames, self.reliable.bytes)
    }

    /// On a new link, when the last receipts of the old one are known: what was written and not received waits again, in its order.
    pub fn rewind(&mut self) {
        self.free += self.unreceived.len();
        self.rewound += self.unreceived.len();
        while let Some(entry) = self.unreceived.pop_back() {
            self.written[usize::from(entry.channel)] -= 1;
            self.popped -= 1;
            self.waiting.push_front(entry);
        }
    }

    /// Forgets what waits; what was written may still be received.
    pub fn drop_waiting(&mut self) {
        while let Some(entry) = self.waiting.pop_front() {
            self.load(entry.control).sub(entry.frame.len());
        }
        (self.free, self.rewound) = (0, 0);
        self.newest.clear();
    }
}

/// How many reliable messages were received, and what of it the peer was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    received: [u64; CHANNELS],
    told: [u64; CHANNELS],
    untold: u64,
}

impl Tally {
    pub fn count(&mut self, channel: u8) {
        self.received[usize::from(channel.min(CONTROL_CHANNEL))] += 1;
        self.untold += 1;
    }

    pub fn has_news(&self) -> bool {
        self.untold > 0
    }

    /// Whether so much is untold that it should not wait for company.
    pub fn is_pressing(&self) -> bool {
        self.untold >= UNTOLD_MAX
    }

    /// The channels that moved since the last time.
    pub fn take(&mut self) -> Vec<(u8, u64)> {
        let moved = (0..=CONTROL_CHANNEL).zip(self.received.iter().zip(&self.told));
        let news = moved
            .filter(|(_, (received, told))| received != told)
            .map(|(channel, (received, _))| (channel, *received))
            .collect();
        self.told = self.received;
        self.untold = 0;
        news
    }

    /// Every channel of which something was received: what a new link begins with.
    pub fn take_all(&mut self) -> Vec<(u8, u64)> {
        self.told = [0; CHANNELS];
        self.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(len: usize) -> Bytes {
        Bytes::from(vec![7; len])
    }

    #[test]
    fn messages_are_bounded_by_number_and_by_bytes() {
        let mut outbox = Outbox::default();
        for _ in 0..OUTBOX_MESSAGES_MAX {
            outbox.push_reliable(0, frame(1)).unwrap();
        }
        assert_eq!(outbox.push_reliable(0, frame(1)), Err(Full));
        let mut outbox = Outbox::default();
        for _ in 0..OUTBOX_BYTES_MAX / 1024 {
            outbox.push_reliable(0, frame(1024)).unwrap();
        }
        assert_eq!(outbox.push_reliable(0, frame(1)), Err(Full));
        while outbox.pop().is_some() {}
        assert_eq!(
            outbox.push_reliable(0, frame(1)),
            Err(Full),
            "written is not received"
        );
        assert_eq!(outbox.receipt(0, 1), Receipt::New);
        assert_eq!(outbox.push_reliable(0, frame(1024)), Ok(()));
    }

    #[test]
    fn control_is_bounded_but_one_long_frame_passes() {
        let mut outbox = Outbox::default();
        outbox.push_control(frame(CONTROL_BYTES_MAX + 1)).unwrap();
        assert_eq!(outbox.push_control(frame(1)), Err(Full));
        outbox.pop().unwrap();
        assert_eq!(
            outbox.push_control(frame(1)),
            Err(Full),
            "written is not received"
        );
        assert_eq!(outbox.receipt(CONTROL_CHANNEL, 1), Receipt::New);
        for _ in 0..CONTROL_FRAMES_MAX {
            outbox.push_control(frame(1)).unwrap();
        }
        assert_eq!(outbox.push_control(frame(1)), Err(Full));
    }

    #[test]
    fn the_newest_word_on_a_member_takes_the_place_of_one_that_waits() {
        let word = |n: u8| Bytes::from(vec![n; usize::from(n)]);
        let (ann, bob) = ((9, 1, 2), (9, 2, 2));
        let mut outbox = Outbox::default();
        for n in 1..=100 {
            assert_eq!(outbox.push_newest(ann, word(n)), Ok(n > 1));
            assert_eq!(outbox.push_newest(bob, word(n)), Ok(n > 1));
        }
        outbox.push_reliable(0, frame(3)).unwrap();
        assert_eq!((outbox.control.frames, outbox.control.bytes), (2, 200));
        assert_eq!(outbox.pop(), Some(word(100)));
        // It is on its way: the next one comes behind, and that of the other takes its place still.
        assert_eq!(outbox.push_newest(ann, word(7)), Ok(false));
        assert_eq!(outbox.push_newest(bob, word(8)), Ok(true));
        // What comes back from a lost link stays as it was written.
        outbox.rewind();
        assert_eq!(outbox.push_newest(ann, word(9)), Ok(true));
        // Behind an answer to a join nothing goes before it.
        outbox.push_control(frame(1)).unwrap();
        assert_eq!(outbox.push_newest(bob, word(10)), Ok(false));
        let all: Vec<Bytes> = std::iter::from_fn(|| outbox.pop()).collect();
        let expected = [word(100), word(8), frame(3), word(9), frame(1), word(10)];
        assert_eq!(all, expected);
        assert_eq!(outbox.receipt(CONTROL_CHANNEL, 5), Receipt::New);
        assert_eq!((outbox.control.frames, outbox.control.bytes), (0, 0));
        // Nothing of what was written is kept in mind.
        for n in 0..10_000 {
            outbox.push_newest((9, n, 2), word(1)).unwrap();
            outbox.pop();
            outbox.receipt(CONTROL_CHANNEL, 6 + u64::from(n));
        }
        assert!(outbox.newest.len() < 64, "{}", outbox.newest.len());
    }

    #[test]
    fn channels_of_the_future_are_refused() {
        assert_eq!(
            Outbox::default().push_reliable(CHANNELS_MAX, frame(1)),
            Err(Full)
        );
    }

    #[test]
    fn receipts_are_news_old_or_false() {
        let mut outbox = Outbox::default();
        outbox.push_reliable(1, frame(1)).unwrap();
        assert_eq!(outbox.receipt(1, 1), Receipt::Bogus, "it waits still");
        outbox.pop().unwrap();
        assert_eq!(outbox.receipt(0, 1), Receipt::Bogus, "on another channel");
        assert_eq!(outbox.receipt(1, 1), Receipt::New);
        assert_eq!(outbox.receipt(1, 1), Receipt::Stale);
        assert_eq!(outbox.receipt(1, 0), Receipt::Stale);
        assert_eq!(outbox.receipt(1, u64::MAX), Receipt::Bogus);
        assert_eq!(outbox.reliable_load(), (0, 0));
    }

    #[test]
    fn a_tally_tells_what_moved_once() {
        let mut tally = Tally::default();
        tally.count(0);
        tally.count(3);
        tally.count(3);
        assert_eq!(tally.take(), [(0, 1), (3, 2)]);
        assert!(!tally.has_news());
        (0..UNTOLD_MAX).for_each(|_| tally.count(3));
        assert!(tally.is_pressing());
        assert_eq!(tally.take(), [(3, 2 + UNTOLD_MAX)]);
    }

    proptest! {
        /// Exactly once and in order in each channel, over links that are cut at any time.
        #[test]
        fn what_is_sent_is_received_once_and_in_order(steps in prop::collection::vec((0u8..5, 0u8..3), 0..400)) {
            let mut outbox = Outbox::default();
            let (mut pushed, mut got): ([u8; 3], [Vec<u8>; 3]) = Default::default();
            let mut link: VecDeque<Bytes> = VecDeque::new();
            let mut tally = Tally::default();
            for (step, channel) in steps {
                match step {
                    0 | 1 => {
                        outbox.push_reliable(channel, Bytes::from(vec![channel, pushed[usize::from(channel)]])).unwrap();
                        pushed[usize::from(channel)] = pushed[usize::from(channel)].wrapping_add(1);
                    }
                    2 => link.extend(outbox.pop()),
                    3 => if let Some(frame) = link.pop_front() {
                        tally.count(frame[0]);
                        got[usize::from(frame[0])].push(frame[1]);
                    },
                    _ => {
                        // The link is cut; the hello on the next one tells what arrived.
                        link.clear();
                        for (channel, count) in tally.take() {
                            prop_assert_eq!(outbox.receipt(channel, count), Receipt::New);
                        }
                        outbox.rewind();
                    }
                }
            }
            link.extend(std::iter::from_fn(|| outbox.pop()));
            for frame in link {
                got[usize::from(frame[0])].push(frame[1]);
            }
            for channel in 0..3 {
                prop_assert_eq!(&got[channel], &(0..pushed[channel]).collect::<Vec<u8>>());
            }
        }
    }
}
