//! Bytes of any kind into live sessions: an ending with a reason or a counted drop, never a panic, never more than the limits.

use crate::endings::{attach, attached, fresh, hello};
use crate::links::{Pair, joined_info};
use crate::samples::{Pool, encoded};
use bytes::Bytes;
use proptest::prelude::*;
use tickwire_proto::frame::{Identity, JoinHow};
use tickwire_proto::{ClientFrame, Reason, ServerEvent, ServerSession, Tick, Time};

/// A session in one of the states that a peer can bring it to.
fn live(state: u8) -> ServerSession {
    match state % 5 {
        0 => fresh(),
        1 => {
            let mut server = fresh();
            server.handle_frame(Time(0), &hello());
            server
        }
        2 => {
            let mut server = fresh();
            server.handle_frame(Time(0), &hello());
            server.handle_frame(Time(0), &attach(0, "/"));
            server
        }
        3 => attached(),
        _ => in_room(),
    }
}

fn in_room() -> ServerSession {
    let mut server = attached();
    let join = ClientFrame::Join {
        request: 1,
        attachment: 0,
        how: JoinHow::Room { id: "r" },
        schema_hash: 0,
    };
    server.handle_frame(Time(0), &join.encode());
    server.joined(Time(0), joined_info(1, 1));
    let (private, shared) = crate::links::update_frames(1, 120);
    server.update(1, Tick(120), private, Some(shared));
    while server.poll_event().is_some() || server.next(Time(0), 99_999).is_some() {}
    server
}

/// Feeds frames and lets the owner answer as it would; checks what must hold after each of them.
fn survive(server: &mut ServerSession, frames: &[Bytes]) -> Result<(), TestCaseError> {
    let mut away = false;
    for (i, frame) in frames.iter().enumerate() {
        let now = Time::from_millis(i as u64 * 3);
        let before = server.stats().frames_after_end;
        let was_ended = server.is_ended().is_some();
        server.handle_frame(now, frame);
        prop_assert_eq!(
            server.stats().frames_after_end - before,
            u64::from(was_ended || away)
        );
        let mut events = 0;
        while let Some(event) = server.poll_event() {
            events += 1;
            prop_assert!(!was_ended, "an event after the end: {:?}", event);
            match event {
                ServerEvent::AuthWanted { attachment, .. } => {
                    server.attach_done(now, attachment, Ok(Identity::new("x")))
                }
                ServerEvent::JoinWanted { request, .. } => {
                    server.joined(now, joined_info(request, request % 3 + 1))
                }
                ServerEvent::LobbyWanted { request, .. } => server.lobby_list(request, vec![]),
                ServerEvent::LinkLost => away = true, // by Unload: nothing is heard after it
                _ => {}
            }
        }
        prop_assert!(events <= 24, "{} events of one frame", events);
        server.handle_timeout(now);
        while let Some(out) = server.next(now, 4096) {
            prop_assert!(tickwire_proto::ServerFrame::decode(&out.head).is_ok());
        }
        if let Some(ending) = server.is_ended() {
            prop_assert!(!ending.message.is_empty());
        }
        let (messages, bytes) = server.backlog();
        prop_assert_eq!(
            (messages, bytes),
            (0, 0),
            "a client cannot fill the server's outbox"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_bytes(state in any::<u8>(), frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)) {
        let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
        survive(&mut live(state), &frames)?;
    }

    #[test]
    fn sound_frames_in_any_order(state in any::<u8>(), pools in prop::collection::vec((Pool::any(), any::<prop::sample::Index>()), 1..60)) {
        let frames: Vec<Bytes> = pools.iter().map(|(pool, i)| { let all = pool.client_frames(); all[i.index(all.len())].encode() }).collect();
        survive(&mut live(state), &frames)?;
    }

    #[test]
    fn likely_frames_in_any_order(state in any::<u8>(), picks in prop::collection::vec((any::<prop::sample::Index>(), 0u32..4, 0u32..140), 1..120)) {
        let mut pool = Pool::fixed();
        let mut frames = Vec::new();
        for (i, room, tick) in picks {
            pool.numbers = [room, room, tick, room, tick / 2, 16_667];
            pool.longs[0] = u64::from(tick / 40);
            pool.bytes[0] = (room % 2) as u8;
            let all = pool.client_frames();
            // Without the hello, the goodbye and the claim at both ends.
            frames.push(all[2 + i.index(all.len() - 3)].encode());
        }
        survive(&mut live(state), &frames)?;
    }

    #[test]
    fn flipped_and_cut_frames(state in any::<u8>(), pick in any::<prop::sample::Index>(), flip in any::<(u16, u8)>(), cut in any::<u16>()) {
        let all = Pool::fixed().client_frames().iter().map(ClientFrame::encode).collect::<Vec<_>>();
        let mut bytes = all[pick.index(all.len())].to_vec();
        let at = usize::from(flip.0) % bytes.len();
        bytes[at] ^= 1 << (flip.1 % 8);
        let cut = Bytes::copy_from_slice(&bytes[..usize::from(cut) % bytes.len()]);
        survive(&mut live(state), &[bytes.into(), cut])?;
    }

    #[test]
    fn a_client_survives_any_server(joined in any::<bool>(), frames in prop::collection::vec(any::<(prop::sample::Index, u16, u8, u8)>(), 1..40), random in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut pair = if joined { Pair::joined() } else { Pair::new(Default::default()) };
        let all = encoded(&Pool::fixed());
        for (pick, at, bit, what) in frames {
            let mut bytes = all[pick.index(all.len())].to_vec();
            let at = usize::from(at) % bytes.len();
            match what % 4 {
                0 => bytes[at] ^= 1 << (bit % 8),
                1 => bytes.truncate(at),
                2 => bytes = random.clone(),
                _ => {}
            }
            pair.client.handle_frame(pair.now, &bytes.into());
            pair.client.handle_timeout(pair.now);
            while let Some(event) = pair.client.poll_event() {
                if let tickwire_proto::ClientEvent::Update { room, tick, .. } = event {
                    pair.client.held(room, tick);
                }
            }
            while let Some(frame) = pair.client.next(pair.now, 4096) {
                prop_assert!(ClientFrame::decode(&frame).is_ok());
            }
        }
    }
}

/// Row 22: each frame cut at each byte, into a session that is in the middle of a game.
#[test]
fn every_cut_of_every_frame_ends_a_live_session_with_a_reason() {
    for frame in Pool::fixed().client_frames() {
        let bytes = frame.encode();
        for len in 0..bytes.len() {
            for state in 0..5 {
                let mut server = live(state);
                server.handle_frame(Time(0), &bytes[..len]);
                let ending = server
                    .is_ended()
                    .unwrap_or_else(|| panic!("{frame:?} cut to {len} in state {state}"));
                assert!(matches!(ending.reason, Reason::Violation | Reason::Version));
                let mut events = std::iter::from_fn(|| server.poll_event());
                assert!(
                    events.all(|e| matches!(
                        e,
                        ServerEvent::Ended(_) | ServerEvent::AuthWanted { .. }
                    )),
                    "no partial effect"
                );
            }
        }
    }
}
