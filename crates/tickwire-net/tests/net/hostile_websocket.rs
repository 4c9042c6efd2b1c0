//! Peers who break the WebSocket protocol, ours, or only their promises (rows 6 to 26 of the table of faults, as far as they exist; row 25 has a file of its own).

use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use tickwire_net::Server;
use tickwire_proto::frame::JoinHow;
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame, Tick};

use super::raw::{End, Raw, attach, frame, upgrade_request};
use super::{noisy, start};

/// One that waits for nobody whose link is lost: what is left behind is a mistake.
fn server() -> Server {
    super::server().set("resume_ms", "0")
}

fn hello(version: u16) -> Vec<u8> {
    ClientFrame::Hello {
        version,
        resume: None,
    }
    .encode()
    .to_vec()
}

/// How the server ends it after these bytes on a fresh WebSocket.
fn after(address: SocketAddr, bytes: &[u8]) -> End {
    let mut raw = Raw::upgrade(address);
    raw.send(bytes);
    raw.end()
}

/// The same after hello and attach.
fn after_attach(address: SocketAddr, bytes: &[u8]) -> End {
    let mut raw = Raw::attached(address);
    raw.send(bytes);
    raw.end()
}

/// What must hold after every row: others are served, nothing is left behind.
fn all_is_well(running: tickwire_net::Running) {
    drop(Raw::attached(running.local_addr()));
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = running.metrics();
        let gone = ["tickwire_links 0\n", "tickwire_sessions 0\n"]
            .iter()
            .all(|line| text.contains(line));
        if gone {
            assert!(text.contains("tickwire_rooms_failed_total 0\n"), "{text}");
            return running.stop();
        }
        assert!(
            Instant::now() < deadline,
            "something is left behind\n{text}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn row_6_no_credentials_end_at_three_seconds() {
    let server = start(server());
    for first in [Vec::new(), frame(0x82, &hello(PROTOCOL_VERSION))] {
        let began = Instant::now();
        assert_eq!(after(server.local_addr(), &first), End::Closed(4401));
        let took = began.elapsed();
        assert!(
            took > Duration::from_millis(2800) && took < Duration::from_secs(8),
            "{took:?}"
        );
    }
    all_is_well(server);
}

#[test]
fn row_7_game_frames_before_attach_and_a_second_attach() {
    let server = start(server());
    let address = server.local_addr();
    let join = ClientFrame::Join {
        request: 1,
        attachment: 0,
        how: JoinHow::Quick {
            kind: "dots",
            attributes: vec![],
        },
        schema_hash: 0,
    }
    .encode();
    assert_eq!(
        after(address, &frame(0x82, &join)),
        End::Closed(1008),
        "before the hello"
    );
    let both = [frame(0x82, &hello(PROTOCOL_VERSION)), frame(0x82, &join)].concat();
    assert_eq!(
        after(address, &both),
        End::Closed(1008),
        "before the attach"
    );
    assert_eq!(
        after_attach(address, &frame(0x82, &attach(0))),
        End::Closed(1008)
    );
    assert_eq!(
        after_attach(address, &frame(0x82, &attach(1))),
        End::Closed(1008)
    );
    all_is_well(server);
}

#[test]
fn rows_8_to_16_broken_websocket_frames() {
    let server = start(server());
    let address = server.local_addr();
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("8 unmasked", vec![0x82, 1, 0], &[1002]),
        ("9 rsv", frame(0xa2, b"x"), &[1002]),
        ("9 reserved opcode", frame(0x83, b"x"), &[1002]),
        ("9 compressed", frame(0xc2, b"x"), &[1002]),
        (
            "10 2^63",
            vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
            &[1009],
        ),
        (
            "10 1 GiB",
            vec![0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4],
            &[1009],
        ),
        (
            "11 fragments",
            [frame(0x02, b""), frame(0x00, b"").repeat(1000)].concat(),
            &[1008, 1009],
        ),
        ("12 continuation of nothing", frame(0x80, b"x"), &[1002]),
        (
            "12 data inside",
            [frame(0x02, b"x"), frame(0x82, b"x")].concat(),
            &[1002],
        ),
        ("13 long ping", frame(0x89, &[0; 126]), &[1002]),
        ("13 fragmented ping", frame(0x09, b""), &[1002]),
        ("14 pings", frame(0x89, b"").repeat(10_000), &[1008]),
        ("14 pongs", frame(0x8a, b"").repeat(10_000), &[1008]),
        ("15 text", frame(0x81, b"hello"), &[1003]),
        ("15 no text", frame(0x81, &[0xff]), &[1003, 1007]),
        (
            "16 code 1005",
            frame(0x88, &1005_u16.to_be_bytes()),
            &[1002],
        ),
        (
            "16 code 1006",
            frame(0x88, &1006_u16.to_be_bytes()),
            &[1002],
        ),
        ("16 code 999", frame(0x88, &999_u16.to_be_bytes()), &[1002]),
        ("16 one byte", frame(0x88, b"x"), &[1002]),
    ];
    for (what, bytes, codes) in cases {
        for end in [after(address, &bytes), after_attach(address, &bytes)] {
            assert!(
                matches!(end, End::Closed(code) if codes.contains(&code)),
                "{what}: {end:?}"
            );
        }
    }
    all_is_well(server);
}

#[test]
fn row_11_a_fragment_that_is_never_finished() {
    let server = start(server());
    // No credentials come of it: that deadline is the first to strike.
    assert_eq!(
        after(server.local_addr(), &frame(0x02, b"half")),
        End::Closed(4401)
    );
    all_is_well(server);
}

#[test]
fn row_14_a_ping_is_answered_once() {
    let server = start(server());
    let mut raw = Raw::attached(server.local_addr());
    raw.send(&frame(0x89, b"are you there?"));
    assert_eq!(raw.control(), Some((10, b"are you there?".to_vec())));
    raw.send(&frame(0x88, &1000_u16.to_be_bytes()));
    assert_eq!(raw.end(), End::Closed(1000));
    all_is_well(server);
}

#[test]
fn row_17_data_after_close_and_half_closed() {
    let server = start(server());
    let mut raw = Raw::attached(server.local_addr());
    raw.send(
        &[
            frame(0x88, &1000_u16.to_be_bytes()),
            frame(0x82, b"late"),
            frame(0x81, b"later"),
        ]
        .concat(),
    );
    assert_eq!(raw.end(), End::Closed(1000));
    assert_eq!(raw.end(), End::Cut);
    let half = Raw::attached(server.local_addr());
    half.stream.shutdown(Shutdown::Write).unwrap();
    all_is_well(server);
}

#[test]
fn row_18_resets_at_every_place() {
    let server = start(server());
    let address = server.local_addr();
    let reset = |raw: Raw| {
        // With bytes unread and no time to linger, the system resets instead of closing.
        socket2::SockRef::from(&raw.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    };
    let request = upgrade_request(address, "");
    for cut in (0..request.len()).step_by(7) {
        let mut raw = Raw::connect(address);
        raw.send(&request[..cut]);
        reset(raw);
    }
    let message = frame(0x82, &hello(PROTOCOL_VERSION));
    for cut in 0..message.len() {
        let mut raw = Raw::upgrade(address);
        raw.send(&message[..cut]);
        reset(raw);
    }
    for _ in 0..20 {
        let (mut raw, _, _) = Raw::joined(address, "dots");
        raw.frame();
        reset(raw);
    }
    all_is_well(server);
}

/// It reads nothing and says that it holds all: only the socket can tell.
#[test]
fn row_20_a_client_that_stops_reading_is_bounded_and_cut() {
    let server = start(Server::new("dots", noisy).listen("127.0.0.1:0"));
    let (mut liar, room, tick) = Raw::joined(server.local_addr(), "dots");
    let (began, mut stuck) = (Instant::now(), None);
    while !server
        .metrics()
        .contains("tickwire_sessions_ended_total{reason=\"Overflow\"} 1\n")
    {
        // A little behind what was sent, so that it was sent; once nothing more is, something else that is true.
        let held = tick
            .plus((began.elapsed().as_millis() / 33) as u32)
            .minus(5);
        let receipts = ClientFrame::Receipts {
            received: vec![],
            held: vec![(room, held)],
        };
        let said = if stuck.is_none() {
            receipts
        } else {
            ClientFrame::Ping { nonce: 7 }
        };
        liar.say(&said.encode());
        if stuck.is_none() && !server.metrics().contains("tickwire_short_writes_total 0\n") {
            stuck = Some(Instant::now());
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "never cut\n{}",
            server.metrics()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let cut = stuck.expect("the socket was full before").elapsed();
    assert!(
        cut > Duration::from_secs(9) && cut < Duration::from_secs(14),
        "{cut:?}"
    );
    drop(liar);
    all_is_well(server);
}

#[test]
fn rows_22_to_24_broken_frames_of_ours() {
    let server = start(server());
    let address = server.local_addr();
    let messages: Vec<Vec<u8>> = vec![
        attach(0),
        ClientFrame::Join {
            request: 1,
            attachment: 0,
            how: JoinHow::Create {
                kind: "dots",
                attributes: vec![("mode", "ffa")],
            },
            schema_hash: 9,
        }
        .encode()
        .to_vec(),
        ClientFrame::Command {
            room: 1,
            held: Tick(300),
            tick: Tick(310),
            shown: None,
            payload: &[1, 2, 3],
        }
        .encode()
        .to_vec(),
        ClientFrame::Receipts {
            received: vec![(0, 3)],
            held: vec![(1, Tick(300))],
        }
        .encode()
        .to_vec(),
    ];
    assert_eq!(
        after_attach(address, &frame(0x82, b"")),
        End::Closed(1008),
        "empty"
    );
    for message in &messages {
        for cut in 1..message.len() {
            let end = after_attach(address, &frame(0x82, &message[..cut]));
            // A cut command is a shorter command: that is for the schema to judge, and counted there.
            let shorter = matches!(
                ClientFrame::decode(&message[..cut]),
                Ok(ClientFrame::Command { .. })
            );
            assert!(
                end == End::Closed(1008) || shorter,
                "{message:?} cut at {cut}: {end:?}"
            );
            if shorter {
                break;
            }
        }
        let more = [&message[..], &[0]].concat();
        if !matches!(ClientFrame::decode(&more), Ok(ClientFrame::Command { .. })) {
            assert_eq!(
                after_attach(address, &frame(0x82, &more)),
                End::Closed(1008),
                "trailing: {message:?}"
            );
        }
    }
    let overlong = [&[messages[2][0]][..], &[0x80; 12]].concat();
    assert_eq!(
        after_attach(address, &frame(0x82, &overlong)),
        End::Closed(1008)
    );
    all_is_well(server);
}

#[test]
fn row_23_bits_flipped_in_flight() {
    let server = start(server());
    let address = server.local_addr();
    let good = [hello(PROTOCOL_VERSION), attach(0)];
    let mut seed = 7_u64;
    for round in 0..200 {
        let mut bytes: Vec<u8> = good
            .iter()
            .flat_map(|message| frame(0x82, message))
            .collect();
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = (seed >> 33) as usize % bytes.len();
        bytes[at] ^= 1 << (round % 8);
        let mut raw = Raw::upgrade(address);
        raw.send(&bytes);
        // Whatever it means now, the server lives; see below.
    }
    all_is_well(server);
}

#[test]
fn row_26_other_versions_and_unknown_kinds() {
    let server = start(server());
    let address = server.local_addr();
    assert_eq!(
        after(address, &frame(0x82, &hello(PROTOCOL_VERSION + 1))),
        End::Closed(4400)
    );
    assert_eq!(
        after_attach(address, &frame(0x82, &[0xfe, 1, 2, 3])),
        End::Closed(1008)
    );
    // Another schema: that join alone is refused, and the session goes on.
    let mut raw = Raw::attached(address);
    let how = JoinHow::Quick {
        kind: "dots",
        attributes: vec![],
    };
    raw.say(
        &ClientFrame::Join {
            request: 1,
            attachment: 0,
            how,
            schema_hash: 12345,
        }
        .encode(),
    );
    let refused = |frame: &ServerFrame<'_>| {
        matches!(
            frame,
            ServerFrame::JoinRefused {
                request: 1,
                code: "Version",
                ..
            }
        )
    };
    assert!(raw.find(refused).is_some());
    raw.send(&frame(0x89, b"?"));
    assert_eq!(raw.control(), Some((10, b"?".to_vec())));
    drop(raw);
    all_is_well(server);
}
