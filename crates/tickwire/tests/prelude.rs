//! Both preludes at once: a name that bevy_ecs has as well would be ambiguous here, and this would not compile.

#![allow(unused_imports)]

use bevy_ecs::prelude::*;
use tickwire::prelude::*;

/// Every name that is ours, looked up through both globs.
mod ours {
    use super::{
        Answers, Asked, Asks, Chance, CurrentTick, Done, Emit, ExitCode, FromPlayer, Game,
        GameEvent, GameKind, Happened, Hitbox, MissingCommand, MoveTo, NetEntity, NetEnum,
        NetMessage, NextCommand, NoReply, Notices, Outbox, OwnedBy, Player, PlayerCommand,
        PlayerInfo, Predicted, Presence, Profile, Questions, Refusal, Remote, Replicate,
        ReplicateResource, Replied, Request, Rewind, RoomAttributes, RoomControl, Roster, SeenBy,
        Server, ServerArgs, Shaped, Side, SimOptions, Simulation, TaskFailed, TaskId, Tasks,
        TickEvent, Ticket,
    };
}

/// The names of bevy that ours could have taken.
mod theirs {
    use super::{
        Command, Commands, Component, Entity, Event, In, Message, Query, Res, ResMut, Resource,
        Result, World,
    };
}

/// A name that is only in one of the two is not noticed by the lists above, unless they are whole.
#[test]
fn the_list_of_ours_is_whole() {
    let prelude = include_str!("../../tickwire-sim/src/prelude.rs").to_owned()
        + include_str!("../src/lib.rs")
            .rsplit("pub mod prelude")
            .next()
            .unwrap();
    let listed = include_str!("prelude.rs");
    let listed = &listed[listed.find("mod ours").unwrap()..listed.find("mod theirs").unwrap()];
    for line in prelude
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("pub use") && !line.contains('*'))
    {
        let last = line.rsplit("::").next().unwrap().trim_end_matches(';');
        for name in last.trim_matches(['{', '}']).split(',').map(str::trim) {
            if name.starts_with(char::is_uppercase) {
                assert!(
                    listed.contains(name),
                    "{name} is in the prelude, and not in the list of this test"
                );
            }
        }
    }
}

#[derive(Component)]
struct Here;

#[derive(Replicate, Default)]
struct There {
    flag: bool,
}

#[test]
fn both_derive() {
    let mut world = World::new();
    let entity = world.spawn((Here, There { flag: true })).id();
    assert!(
        world.get::<There>(entity).is_some_and(|there| there.flag)
            && world.get::<Here>(entity).is_some()
    );
}
