//! What a member's client says of what its seat owns, and what it is answered. Who owns what is the simulation's matter.

use std::collections::VecDeque;

use tickwire_proto::Tick;

use super::commands::COMMANDS_AHEAD_MAX;

/// Numbers of one member that wait for their ticks.
const SAID_MAX: usize = COMMANDS_AHEAD_MAX as usize + 8;

/// What a client is told of what its seat owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is as it said.
    AsSaid,
    /// It is as it was told last.
    AsTold,
    /// It wants the whole of it.
    Rows,
}

/// The numbers that a member said, by which both see whether they agree.
#[derive(Debug, Default)]
pub(crate) struct Owning {
    /// By rising tick.
    said: VecDeque<(Tick, u16)>,
    /// Over which of its links it was told what.
    told: Option<(u16, u16)>,
    predicts: bool,
}

impl Owning {
    /// Whether its client predicts: it has said a number.
    pub fn predicts(&self) -> bool {
        self.predicts
    }

    /// It says what its seat owns after a tick, of which its command was taken.
    pub fn says(&mut self, tick: Tick, number: u16) {
        self.predicts = true;
        if self.said.len() == SAID_MAX {
            self.said.pop_front();
        }
        let at = self.said.partition_point(|(at, _)| *at < tick);
        self.said.insert(at, (tick, number));
    }

    /// What it is told of a tick at which its seat owns what has this number.
    /// `loose`: what it was told before it may not have heard.
    pub fn answer(&mut self, tick: Tick, number: u16, link: u16, loose: bool) -> Answer {
        while self.said.pop_front_if(|(at, _)| *at < tick).is_some() {}
        let said = self.said.front().filter(|(at, _)| *at == tick);
        if said.is_some_and(|(_, said)| *said == number) {
            return Answer::AsSaid;
        }
        match self.told.replace((link, number)) == Some((link, number)) && !loose {
            true => Answer::AsTold,
            false => Answer::Rows,
        }
    }

    /// What it was to be told does not fit.
    pub fn untold(&mut self) {
        self.told = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_only_what_it_does_not_know() {
        let mut owning = Owning::default();
        assert!(!owning.predicts());
        owning.says(Tick(5), 77);
        owning.says(Tick(7), 78);
        assert_eq!(owning.answer(Tick(4), 70, 0, false), Answer::Rows);
        assert_eq!(owning.answer(Tick(5), 77, 0, false), Answer::AsSaid);
        assert_eq!(owning.answer(Tick(6), 70, 0, false), Answer::AsTold);
        assert_eq!(
            owning.answer(Tick(7), 70, 1, false),
            Answer::Rows,
            "another link"
        );
        assert_eq!(owning.answer(Tick(8), 71, 1, false), Answer::Rows);
        owning.untold();
        assert_eq!(owning.answer(Tick(9), 71, 1, false), Answer::Rows);
        let loose = owning.answer(Tick(10), 71, 1, true);
        assert_eq!(loose, Answer::Rows, "it may not have come");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut owning = Owning::default();
        for tick in 0..1_000 {
            owning.says(Tick(tick), 1);
        }
        assert_eq!(owning.said.len(), SAID_MAX);
    }
}
