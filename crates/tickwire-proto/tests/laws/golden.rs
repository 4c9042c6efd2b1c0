//! The bytes of every kind of frame, kept: who changes them changes the protocol and its version.

use crate::samples::Pool;
use std::fmt::Write;
use tickwire_proto::frame::{AreaDelta, ClientFrame, ServerFrame};
use tickwire_proto::{Moment, PROTOCOL_VERSION, Reason, Retry, Tick};

const KEPT: &str = include_str!("../../golden/frames.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn frames_have_the_bytes_that_are_kept() {
    let pool = Pool::fixed();
    let client = pool.client_frames();
    let server = pool.server_frames();
    let lines = client
        .iter()
        .map(|frame| format!("client {} {}\n", frame.name(), hex(&frame.encode())));
    let lines = lines.chain(
        server
            .iter()
            .map(|frame| format!("server {} {}\n", frame.name(), hex(&frame.encode()))),
    );
    let now: String = lines.collect();
    let kept: String = KEPT
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(
        now, kept,
        "the bytes of frames changed: raise PROTOCOL_VERSION and write golden/frames.txt anew:\n{now}"
    );
}

#[test]
fn frames_by_hand() {
    let client = |frame: ClientFrame<'_>| hex(&frame.encode());
    assert_eq!(
        client(ClientFrame::Hello {
            version: PROTOCOL_VERSION,
            resume: None
        }),
        "01010000"
    );
    assert_eq!(
        client(ClientFrame::Command {
            room: 1,
            held: Tick(300),
            tick: Tick(303),
            shown: None,
            said: None,
            payload: &[9]
        }),
        "0601ac0206000109"
    );
    assert_eq!(
        client(ClientFrame::Command {
            room: 1,
            held: Tick(300),
            tick: Tick(303),
            shown: Some(Moment::from_ticks(297.25)),
            said: None,
            payload: &[9]
        }),
        "0601ac02065a0109"
    );
    assert_eq!(
        client(ClientFrame::Ping { nonce: 0x0102_0304 }),
        "0b04030201"
    );
    assert_eq!(client(ClientFrame::Bye), "0f");

    let server = |frame: ServerFrame<'_>| hex(&frame.encode());
    let tick_frame = ServerFrame::TickFrame {
        room: 1,
        tick: Tick(300),
        applied: Some(Tick(299)),
        slack: -2,
        stamp: None,
        own: tickwire_proto::frame::OwnTold::Nothing,
        alone: false,
    };
    assert_eq!(server(tick_frame), "4601ac020101fe");
    let delta = AreaDelta {
        area: 0,
        basis: Some(Tick(298)),
        flags: 0,
        payload: &[0xaa, 0xbb],
    };
    assert_eq!(
        server(ServerFrame::Update {
            room: 1,
            tick: Tick(300),
            areas: vec![delta]
        }),
        "4701ac020100020002aabb"
    );
    let ending = ServerFrame::Ending {
        reason: Reason::Kicked,
        retry: Retry::After { ms: 300 },
        message: "afk",
    };
    assert_eq!(server(ending), "510101ac020361666b");
}

/// Any version must be able to read these.
#[test]
fn the_start_of_a_hello_and_an_ending_stay_for_ever() {
    assert_eq!(
        tickwire_proto::frame::client::hello_version(&[1, 0x34, 0x12, 0xff, 0xff]),
        Some(0x1234)
    );
    assert_eq!(
        tickwire_proto::frame::client::hello_version(&[2, 0, 0]),
        None
    );
    assert_eq!(tickwire_proto::frame::client::hello_version(&[1, 0]), None);
    let ending = ServerFrame::decode(&[0x51, 10, 2, 1, b'!']).unwrap();
    assert_eq!(
        ending,
        ServerFrame::Ending {
            reason: Reason::Version,
            retry: Retry::Reload,
            message: "!"
        }
    );
}
