//! Games that cannot be, and what they are told; and the prelude, which stands beside bevy's.

use bevy_ecs::lifecycle::HookContext;
use bevy_ecs::prelude::*;
use bevy_ecs::world::DeferredWorld;
use tickwire_sim::prelude::*;
use tickwire_sim::{EVENTS_WAITING_MAX, GameError, GameKind, SimOptions, Simulation};
use tickwire_snapshot::record::{ReadError, Record, Refs};
use tickwire_snapshot::{RecordSchema, Row, RowMut};

#[derive(Replicate, Clone, Debug, Default)]
struct Dot {
    x: u8,
}

#[derive(PlayerCommand, Clone, Debug, Default)]
struct Steer {
    x: u8,
}

#[derive(PlayerCommand, Clone, Debug, Default)]
struct Shout {
    y: u8,
}

fn told(game: impl Fn(&mut Game) + Send + Sync + 'static) -> String {
    let error: GameError = GameKind::try_new("bad", game).expect_err("it cannot be");
    error.to_string()
}

#[test]
fn the_texts_say_what_to_do() {
    let texts = [
        told(|game| _ = game.rate(0)),
        told(|game| _ = game.rate(1_000)),
        told(|game| _ = game.rate(60).send(25)),
        told(|game| _ = game.seats(0)),
        told(|game| _ = game.replicate::<Dot>().replicate::<Dot>()),
        told(|game| _ = game.command::<Steer>().command::<Shout>()),
        told(|game| _ = game.state::<Dot>()),
    ];
    assert_eq!(
        texts,
        [
            "rate(0): choose 1 to 240 ticks a second",
            "rate(1000): choose 1 to 240 ticks a second",
            "send(25): updates go every so many ticks, so choose a divisor of rate(60), such as 20",
            "seats(0): choose 1 to 1024",
            "component or resource Dot is registered twice: keep one",
            "commands Steer and Shout: a game has one type of command; make them fields of one",
            "Dot is state of the server, but its scope is All: add #[net(scope = server)], or register it by replicate::<Dot>()",
        ]
    );
}

#[test]
fn systems_in_conflict_must_be_ordered() {
    fn left(mut dots: Query<&mut Dot>) {
        dots.iter_mut().for_each(|mut dot| dot.x -= 1);
    }
    fn right(mut dots: Query<&mut Dot>) {
        dots.iter_mut().for_each(|mut dot| dot.x += 1);
    }
    let text = told(|game| _ = game.replicate::<Dot>().systems((left, right)));
    assert!(
        text.contains("left") && text.contains("right") && text.contains("Dot"),
        "{text}"
    );
    GameKind::new("good", |game: &mut Game| {
        game.replicate::<Dot>().systems((left, right).chain());
    });
}

#[test]
#[should_panic(expected = "game bad: seats(0): choose 1 to 1024")]
fn new_panics_with_the_text() {
    GameKind::new("bad", |game: &mut Game| {
        game.seats(0);
    });
}

#[test]
fn a_hook_in_the_way_is_told() {
    #[derive(Component, Default)]
    #[component(on_add = nothing)]
    struct Hooked;

    fn nothing(_: DeferredWorld, _: HookContext) {}

    impl Record for Hooked {
        fn schema() -> RecordSchema {
            RecordSchema::new("Hooked", Vec::new())
        }
        fn write(&self, _: &mut RowMut<'_>, _: &dyn Refs) {}
        fn read(_: &Row<'_>, _: &dyn Refs) -> std::result::Result<Self, ReadError> {
            Ok(Self)
        }
        fn write_exact(&self, _: &mut Vec<u8>, _: &dyn Refs) {}
        fn read_exact(_: &mut &[u8], _: &dyn Refs) -> std::result::Result<Self, ReadError> {
            Ok(Self)
        }
    }

    assert_eq!(
        told(|game| _ = game.replicate::<Hooked>()),
        "component Hooked has an on_add or on_remove hook of its own, which replication needs: use an observer for yours"
    );
}

#[derive(TickEvent, Debug, Default)]
struct Stray {
    x: u8,
}

#[test]
#[should_panic(expected = "which the game does not know: add game.event::<games::Stray>()")]
fn an_event_that_is_not_registered_is_told() {
    fn stray(mut emit: Emit) {
        emit.send(Stray { x: 1 });
    }
    let kind = GameKind::new("stray", |game: &mut Game| {
        game.systems(stray);
    });
    Simulation::new(&kind, SimOptions::default()).step();
}

#[test]
fn events_past_the_bound_are_dropped_and_counted() {
    fn flood(mut emit: Emit) {
        for _ in 0..700 {
            emit.send(Stray { x: 1 });
        }
    }
    let kind = GameKind::new("flood", |game: &mut Game| {
        game.event::<Stray>().systems(flood);
    });
    let mut room = Simulation::new(&kind, SimOptions::default());
    room.step();
    room.step();
    assert_eq!(room.drops().events, 2 * 700 - EVENTS_WAITING_MAX as u64);
}

#[test]
fn a_start_system_knows_what_was_agreed_on() {
    #[derive(Resource)]
    struct Mode(String);

    fn start(attributes: Res<RoomAttributes>, now: Res<CurrentTick>, mut commands: Commands) {
        assert_eq!(now.tick().0, 0);
        commands.insert_resource(Mode(attributes.get("mode").unwrap_or("none").to_owned()));
    }
    let kind = GameKind::new("modes", |game: &mut Game| {
        game.on_start(start);
    });
    let mode = |attributes: Vec<(String, String)>| {
        let options = SimOptions {
            attributes,
            ..SimOptions::default()
        };
        let room = Simulation::new(&kind, options);
        room.world().resource::<Mode>().0.clone()
    };
    assert_eq!(mode(Vec::new()), "none");
    assert_eq!(mode(vec![("mode".into(), "ffa".into())]), "ffa");
}

/// Both preludes, whole: a name that both have could not be used here.
mod both {
    use bevy_ecs::prelude::*;
    use tickwire_sim::prelude::*;

    #[derive(NetEnum, Clone, Copy, Debug, Default, PartialEq)]
    enum Side {
        #[default]
        Left,
        Right,
    }

    #[derive(TickEvent, Debug, Default)]
    struct Turned {
        side: Side,
    }

    #[derive(Shaped, serde::Serialize, serde::Deserialize)]
    struct Volume {
        loud: bool,
    }

    #[derive(NetMessage, serde::Serialize, serde::Deserialize)]
    struct Hello {
        volume: Volume,
    }

    fn uses(
        _: In<FromPlayer<String>>,
        _: Query<(&NetEntity, &OwnedBy, &Asks<super::Steer>)>,
        _: (
            Res<Roster>,
            Res<CurrentTick>,
            Res<RoomAttributes>,
            ResMut<Outbox>,
            ResMut<Tasks>,
            ResMut<RoomControl>,
            ResMut<Notices>,
        ),
        _: (In<Done<String>>, ResMut<Answers>, ResMut<Questions>),
        _: Chance,
        mut emit: Emit,
    ) {
        let _ = Hello {
            volume: Volume { loud: true },
        };
        emit.send(Turned { side: Side::Right });
    }

    fn marks<C: Replicate, P: PlayerCommand, E: GameEvent>(game: &mut Game, info: PlayerInfo) {
        game.replicate::<C>()
            .command::<P>()
            .event::<E>()
            .seen_by(|_: &C| SeenBy::All)
            .codec(Profile::Fast)
            .missing(MissingCommand::RepeatLast);
        let past = |rewind: Res<Rewind>| assert!(rewind.present().behind() == 0.0);
        game.systems(past)
            .rewindable(|_: &C| Hitbox::circle((0.0, 0.0), 1.0));
        let _ = (Player::new(info.seat), Presence::Online, Side::Left);
        let _ = (MoveTo::Room(String::new()), TaskId(1), TaskFailed::Lost);
        let ahead = |all: Query<&C, (With<Predicted>, Without<Remote>)>| {
            let _ = all;
        };
        game.systems(ahead.run_if(on_client));
    }

    #[derive(Replicate, Default)]
    #[net(resource)]
    struct Wind {
        x: u8,
    }

    fn requests<Q: Request>(_: Asked<Q>, _: Ticket<Q>, _: Replied<Q>) -> (Refusal, NoReply) {
        (Refusal::default(), NoReply::Left)
    }

    impl Request for Hello {
        type Reply = String;
    }

    fn resources<R: ReplicateResource + FromWorld>(game: &mut Game) {
        game.resource::<R>();
    }

    /// Looked up through both globs: one that both have would be ambiguous.
    #[allow(unused_imports)]
    mod looked_up {
        use super::{
            Answers, Asked, Happened, NextCommand, NoReply, Questions, Refusal, Replied, Request,
            Ticket,
        };
    }

    #[test]
    fn every_name_of_ours_is_used_above() {
        let _ = (
            uses,
            marks::<super::Dot, super::Steer, Turned>,
            resources::<Wind>,
            requests::<Hello>,
        );
        let ours = include_str!("../src/prelude.rs");
        let here = include_str!("games.rs");
        let names = ours
            .lines()
            .filter_map(|line| line.strip_prefix("pub use "));
        let names = names.flat_map(|path| path.split(['{', '}', ',', ';', ' ', ':']));
        for name in names.filter(|name| name.starts_with(char::is_uppercase)) {
            assert!(
                here.matches(name).count() > 0,
                "the prelude test does not use {name}"
            );
        }
    }
}

#[test]
fn a_game_on_demand_has_no_commands_and_sends_every_step() {
    let error = GameKind::try_new("both", |game: &mut Game| {
        game.on_demand().command::<Steer>();
    });
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("Steer is a command, and the game is on_demand()"),
        "{text}"
    );
    let error = GameKind::try_new("slow", |game: &mut Game| {
        game.on_demand().rate(30).send(10);
    });
    let text = error.unwrap_err().to_string();
    assert!(text.contains("Leave out send()"), "{text}");
    let kind = GameKind::new("fine", |game: &mut Game| {
        game.on_demand().sleeps().rate(60);
    });
    assert_eq!(
        (kind.send_every(), kind.is_on_demand(), kind.sleeps()),
        (1, true, true)
    );
}
