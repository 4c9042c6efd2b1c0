//! What members say of themselves, as the others in the room hear it: the whole list with the join, then every change, in virtual time.

use tickwire_proto::frame::{MemberChangeOwned, Presence};

use crate::common::{Peer, QUICK, World, server, sharded};

/// The statuses of a member, as one of the others was told them.
fn told(world: &World, by: usize, member: u32) -> Vec<String> {
    world.peers[by]
        .members
        .iter()
        .filter_map(|change| match change {
            MemberChangeOwned::Status { member: of, status } if *of == member => {
                Some(status.clone())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn everybody_in_the_room_hears_each_status_in_order_and_typing_passes_by_itself() {
    let mut world = World::with_players(sharded(2), "hello", 3);
    let (room, member) = (world.peers[0].room(), world.peers[0].joined[0].member);
    world.peers[0]
        .session
        .status(room, " in\n queue\u{202e}", 0);
    world.run(100);
    world.peers[0].session.status(room, "typing", 5_000);
    world.run(4_900);
    let others = |world: &World| [0, 1, 2].map(|by| told(world, by, member));
    assert_eq!(
        others(&world),
        [0, 1, 2].map(|_| vec!["in queue".to_owned(), "typing".to_owned()]),
        "cleaned, and to the one who said it too"
    );
    world.run(200);
    assert_eq!(
        others(&world).map(|told| told.last().cloned()),
        [0, 1, 2].map(|_| Some("in queue".to_owned()))
    );
    let room = world.server.room(room).unwrap();
    let statuses: Vec<String> = room.members().map(|member| member.status).collect();
    assert_eq!(statuses, ["in queue", "", ""]);
}

#[test]
fn who_joins_gets_the_statuses_with_the_list_and_then_every_change() {
    let mut world = World::with_players(server(), "hello", 1);
    let (room, member) = (world.peers[0].room(), world.peers[0].joined[0].member);
    // One joins between any two changes: what it is given and what it is told then are the whole story.
    for n in 0..20 {
        let status = format!("at {n}");
        world.peers[0].session.status(room, &status, 0);
        let late = Peer::player(&mut world.server, world.now, &format!("L{n}"), &QUICK);
        world.peers.push(late);
        world.run(600);
    }
    for late in &world.peers[1..] {
        let given = late.joined[0].members.iter();
        let given = given.filter(|it| it.member == member);
        let given = given.map(|it| it.status.clone());
        let told = late.members.iter().filter_map(|change| match change {
            MemberChangeOwned::Status { member: of, status } if *of == member => {
                Some(status.clone())
            }
            _ => None,
        });
        let story: Vec<String> = given.chain(told).collect();
        let first = if story[0].is_empty() {
            0
        } else {
            story[0][3..].parse().unwrap()
        };
        let expected: Vec<String> = (first..20).map(|n| format!("at {n}")).collect();
        let story = story.into_iter().filter(|status| !status.is_empty());
        assert_eq!(story.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn who_is_away_types_no_more_and_keeps_its_word() {
    let mut world = World::with_players(server(), "hello", 2);
    let (room, member) = (world.peers[0].room(), world.peers[0].joined[0].member);
    world.peers[0].session.status(room, "ready", 0);
    world.peers[0].session.status(room, "typing", 5_000);
    world.run(100);
    let (now, key) = (world.now, world.peers[0].key);
    world.server.lose(now, key);
    world.peers[0].session.link_lost(now);
    world.run(5_000);
    assert_eq!(told(&world, 1, member), ["ready", "typing", "ready"]);
    let mut peer = world.peers.remove(0);
    peer.relink(&mut world.server, world.now, true);
    world.peers.insert(0, peer);
    world.run(100);
    let member = world.server.room(room).unwrap().members().next().unwrap();
    assert_eq!(
        (member.presence, member.status.as_str()),
        (Presence::Online, "ready")
    );
    world.peers[0].session.status(0, "looking for a team", 0);
    world.run(100);
    let session = world.server.fronts()[0].sessions().next().unwrap();
    assert_eq!(session.status, "looking for a team");
}
