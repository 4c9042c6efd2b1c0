//! Who sits down and gets up in a simulation, and what waits for its next step. The book-keeping of what waits is `inbox`'s.

use bevy_ecs::entity::Entity;
use bytes::Bytes;
use tickwire_proto::frame::{MemberFlags, Presence};
use tickwire_proto::wire::cut;

use crate::ids::NetEntity;
use crate::inbox::{Input, JoinRefused, Plan};
use crate::message::MessageRefused;
use crate::player::{PLAYER_IDENTITY_MAX, PLAYER_NAME_MAX, Player, PlayerInfo, Roster, Seated};
use crate::simulation::Simulation;
use crate::system::run;
use crate::task::{TaskFailed, TaskId, TaskResult, Tasks};

impl Simulation {
    /// Seats somebody in the next step. A computer player gives its seat up.
    pub fn join(&mut self, info: PlayerInfo) -> Result<(), JoinRefused> {
        self.inbox.join(bounded(info))
    }

    /// Another session of whoever holds the seat goes on from there in the next step: no leave or join system runs, what they own stays,
    /// what they asked for last is forgotten, and the game's questions to the older session end.
    pub fn take_over(&mut self, info: PlayerInfo) {
        if self.inbox.plan(info.seat) == Plan::Person {
            self.inbox.take_over(bounded(info));
        }
    }

    /// Whoever holds the seat leaves in the next step: leave systems run, then what they own is despawned.
    pub fn leave(&mut self, seat: u16) {
        self.inbox.leave(seat);
    }

    /// Says that a player went away or came back. Who is away asks for nothing; what they own stays.
    pub fn presence(&mut self, seat: u16, presence: Presence) {
        if self.inbox.plan(seat) == Plan::Person {
            // Past the bound it is lost; the next change tells it again.
            self.inbox.push(Input::Presence(seat, presence));
        }
    }

    /// Says that a player is ready or not, and the host or not.
    pub fn flags(&mut self, seat: u16, flags: MemberFlags) {
        if self.inbox.plan(seat) == Plan::Person {
            // Past the bound it is lost; the next change tells all of it again.
            self.inbox.push(Input::Flags(seat, flags));
        }
    }

    /// Says that no command of a player has come for a second, or that one came again.
    pub fn lagging(&mut self, seat: u16, lagging: bool) {
        if self.inbox.plan(seat) == Plan::Person {
            // Past the bound it is lost; the next change tells it again.
            self.inbox.push(Input::Lagging(seat, lagging));
        }
    }

    /// What became of a [task](crate::Tasks). One that is not waited for (any more) is ignored.
    pub fn task_done(&mut self, task: TaskId, result: TaskResult) {
        let waits = self.world.resource::<Tasks>().waits_for(task);
        let queued = |input: &Input| matches!(input, Input::Done(other, _) if *other == task);
        // Bounded by the number of tasks.
        if waits && !self.inbox.waiting().any(queued) {
            self.inbox.put_back(Input::Done(task, result));
        }
    }

    /// A message of a player for the game. Its bytes are checked now, its system runs in the next step.
    pub fn message(&mut self, seat: u16, kind: u32, payload: &[u8]) -> Result<(), MessageRefused> {
        if self.inbox.plan(seat) != Plan::Person {
            return Err(MessageRefused::Seat(seat));
        }
        let listener = self.listeners.iter().find(|l| l.kind() == kind);
        listener
            .ok_or(MessageRefused::Unknown(kind))?
            .check(payload)?;
        let payload = Bytes::copy_from_slice(payload);
        let taken = self.inbox.push(Input::Message {
            seat,
            kind,
            payload,
        });
        if taken {
            Ok(())
        } else {
            Err(MessageRefused::Full)
        }
    }

    /// A seat for a person: an empty one, else a computer player's, which gives it up. Counts joins and leaves that wait.
    #[must_use]
    pub fn seat_for_person(&self) -> Option<u16> {
        let free = self.inbox.free();
        // Once the room has its players, a person replaces a computer rather than come beside it.
        let full = self.inbox.count(Plan::Person) + self.inbox.count(Plan::Computer)
            >= usize::from(self.computers);
        let computer = self.inbox.last_computer();
        if full {
            computer.or(free)
        } else {
            free.or(computer)
        }
    }

    /// Keeps as many computer players as seats are to be filled, and no more.
    pub(crate) fn keep_computers(&mut self) {
        let people = self.inbox.count(Plan::Person);
        let wanted = usize::from(self.computers).saturating_sub(people);
        let mut there = self.inbox.count(Plan::Computer);
        while there > wanted
            && let Some(seat) = self.inbox.last_computer()
        {
            self.inbox.leave(seat);
            there -= 1;
        }
        while there < wanted
            && let Some(seat) = self.inbox.free()
        {
            let info = PlayerInfo {
                seat,
                name: self.computer_name(seat),
                identity: String::new(),
                computer: true,
            };
            if self.inbox.join(info).is_err() {
                return; // a full inbox: in the next tick
            }
            there += 1;
        }
    }

    fn computer_name(&self, seat: u16) -> String {
        let count = self.computer_names.len().max(1);
        let lap = usize::from(seat) / count;
        match self.computer_names.get(usize::from(seat) % count) {
            Some(name) if lap == 0 => name.clone(),
            Some(name) => format!("{name} {}", lap + 1),
            None => format!("Computer {}", seat + 1),
        }
    }

    pub(crate) fn take(&mut self, input: Input) {
        match input {
            Input::Join(info) => self.seat(info),
            Input::Leave(seat) => self.unseat(seat),
            Input::TakeOver(info) => self.go_on(info),
            Input::Presence(seat, presence) => self.note_presence(seat, presence),
            Input::Done(task, result) => self.finish_task(task, &result),
            Input::Flags(seat, flags) => {
                let mut roster = self.world.resource_mut::<Roster>();
                if let Some(Some(seated)) = roster.seats.get_mut(usize::from(seat)) {
                    (seated.ready, seated.host) = (flags.ready, flags.host);
                }
            }
            Input::Lagging(seat, lagging) => {
                let mut roster = self.world.resource_mut::<Roster>();
                if let Some(Some(seated)) = roster.seats.get_mut(usize::from(seat)) {
                    seated.lagging = lagging;
                }
            }
            Input::Message {
                seat,
                kind,
                payload,
            } => {
                let listener = self.listeners.iter_mut().find(|l| l.kind() == kind);
                if let Some(listener) = listener {
                    listener.hear(&mut self.world, Player::new(seat), &payload);
                }
            }
            Input::Request {
                seat,
                kind,
                ticket,
                payload,
            } => self.answer(seat, kind, ticket, &payload),
            Input::Reply {
                seat,
                number,
                outcome,
            } => self.replied(seat, number, outcome),
        }
    }

    fn finish_task(&mut self, task: TaskId, result: &TaskResult) {
        let Some(kind) = self.world.resource_mut::<Tasks>().finish(task) else {
            return; // cancelled meanwhile
        };
        let listener = self.done_listeners.iter_mut().find(|l| l.kind() == kind);
        match listener {
            Some(listener) => listener.hear(&mut self.world, task, result),
            None => self.world.resource_mut::<Tasks>().unheard += 1,
        }
    }

    /// Tasks that were not begun, since too many ran.
    pub(crate) fn refuse_tasks(&mut self) {
        if self.world.resource::<Tasks>().has_refused() {
            for task in self.world.resource_mut::<Tasks>().take_refused() {
                let failed = Err(TaskFailed::TooMany);
                self.inbox.put_back(Input::Done(task, failed));
            }
        }
    }

    fn note_presence(&mut self, seat: u16, presence: Presence) {
        let mut roster = self.world.resource_mut::<Roster>();
        if let Some(Some(seated)) = roster.seats.get_mut(usize::from(seat)) {
            seated.presence = presence;
        }
        // Who is away asks for nothing, rather than for their last command until they come back.
        if presence != Presence::Online
            && let Some(command) = &self.command
        {
            command.vacate(&mut self.world, seat);
            self.saw(seat, None);
        }
    }

    fn seat(&mut self, info: PlayerInfo) {
        let player = Player::new(info.seat);
        let mut roster = self.world.resource_mut::<Roster>();
        if let Some(seat) = roster.seats.get_mut(usize::from(info.seat)) {
            *seat = Some(Seated {
                name: info.name,
                identity: info.identity,
                presence: Presence::Online,
                computer: info.computer,
                ready: false,
                host: false,
                lagging: false,
            });
        }
        for system in &mut self.on_join {
            run(system, player, &mut self.world);
        }
    }

    /// A newer session of whoever sits there: the game sees another name at most.
    fn go_on(&mut self, info: PlayerInfo) {
        self.end_questions(info.seat);
        let mut roster = self.world.resource_mut::<Roster>();
        if let Some(Some(seated)) = roster.seats.get_mut(usize::from(info.seat)) {
            (seated.name, seated.identity) = (info.name, info.identity);
            seated.presence = Presence::Online;
            seated.lagging = false;
        }
        if let Some(command) = &self.command {
            command.vacate(&mut self.world, info.seat);
            self.saw(info.seat, None);
        }
    }

    fn unseat(&mut self, seat: u16) {
        let player = Player::new(seat);
        self.end_questions(seat);
        for system in &mut self.on_leave {
            run(system, player, &mut self.world);
        }
        let owned = self.owned.iter(&self.world);
        let mut theirs: Vec<(NetEntity, Entity)> = owned
            .filter(|(_, _, owner)| owner.0 == player)
            .map(|(entity, net, _)| (*net, entity))
            .collect();
        theirs.sort_unstable(); // the order of despawning decides which slots are free first
        for (_, entity) in theirs {
            if let Ok(entity) = self.world.get_entity_mut(entity) {
                entity.despawn();
            }
        }
        let mut roster = self.world.resource_mut::<Roster>();
        if let Some(at) = roster.seats.get_mut(usize::from(seat)) {
            *at = None;
        }
        self.sights.forget(seat);
        if let Some(command) = &self.command {
            command.vacate(&mut self.world, seat);
            self.saw(seat, None);
        }
    }
}

/// Names are cut where a game could not hold them.
fn bounded(mut info: PlayerInfo) -> PlayerInfo {
    info.name = cut(&info.name, PLAYER_NAME_MAX).to_owned();
    info.identity = cut(&info.identity, PLAYER_IDENTITY_MAX).to_owned();
    info
}
