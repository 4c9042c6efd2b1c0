//! What the WebSocket side must refuse, at which code, however the bytes are cut.

use super::*;

const NOW: Time = Time(1_000_000);
const MASK: [u8; 4] = [1, 2, 3, 4];

/// A client's frame with the given first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        long @ 126..=65535 => {
            out.push(0x80 | 126);
            out.extend((long as u16).to_be_bytes());
        }
        huge => {
            out.push(0x80 | 127);
            out.extend((huge as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(
        payload
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ MASK[at % 4]),
    );
    out
}

fn all(socket: &mut WebSocket) -> (Vec<Heard>, Option<Breach>) {
    let mut heard = Vec::new();
    loop {
        match socket.hear() {
            Ok(Some(Heard::Closed(code))) => {
                heard.push(Heard::Closed(code));
                return (heard, None);
            }
            Ok(Some(message)) => heard.push(message),
            Ok(None) => return (heard, None),
            Err(breach) => return (heard, Some(breach)),
        }
    }
}

/// Feeds it whole and byte by byte: both must end alike.
fn hear(bytes: &[u8]) -> (Vec<Heard>, Option<u16>) {
    let mut whole = WebSocket::server(4096);
    whole.feed(NOW, bytes);
    let whole = all(&mut whole);
    let mut slow = WebSocket::server(4096);
    let mut heard = (Vec::new(), None);
    for byte in bytes {
        slow.feed(NOW, &[*byte]);
        let (mut messages, breach) = all(&mut slow);
        heard.0.append(&mut messages);
        heard.1 = breach;
        if heard.1.is_some() || matches!(heard.0.last(), Some(Heard::Closed(_))) {
            break;
        }
    }
    assert_eq!(whole.0, heard.0);
    assert_eq!(
        whole.1.as_ref().map(|b| b.code),
        heard.1.as_ref().map(|b| b.code)
    );
    (whole.0, whole.1.map(|breach| breach.code))
}

fn message(text: &'static [u8]) -> Heard {
    Heard::Message(Bytes::from_static(text))
}

#[test]
fn messages_whole_and_in_fragments() {
    let mut bytes = frame(0x82, b"one");
    bytes.extend(frame(0x02, b"t"));
    bytes.extend(frame(0x89, b"ping in between"));
    bytes.extend(frame(0x80, b"wo"));
    bytes.extend(frame(0x82, b""));
    assert_eq!(
        hear(&bytes),
        (vec![message(b"one"), message(b"two"), message(b"")], None)
    );
}

#[test]
fn what_breaks_the_protocol_has_its_code() {
    let unmasked = [0x82, 1, 7].to_vec();
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("unmasked", unmasked, 1002),
        (
            "rsv1 (compression that was not agreed)",
            frame(0xc2, b"x"),
            1002,
        ),
        ("reserved opcode 3", frame(0x83, b"x"), 1002),
        ("reserved control opcode 11", frame(0x8b, b"x"), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "data inside a fragmented message",
            [frame(0x02, b"x"), frame(0x82, b"y")].concat(),
            1002,
        ),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("fragmented ping", frame(0x09, b""), 1002),
        ("text", frame(0x81, b"hello"), 1003),
        ("text that is no text", frame(0x81, &[0xff, 0xfe]), 1003),
        ("a message that is too long", frame(0x82, &[0; 4097]), 1009),
        (
            "fragments that are too long together",
            [frame(0x02, &[0; 4000]), frame(0x80, &[0; 97])].concat(),
            1009,
        ),
        (
            "2^63",
            vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
            1009,
        ),
        (
            "1 GiB",
            vec![0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4],
            1009,
        ),
        ("a close of one byte", frame(0x88, b"x"), 1002),
    ];
    for (what, bytes, code) in cases {
        assert_eq!(hear(&bytes), (vec![], Some(code)), "{what}");
    }
}

#[test]
fn bad_close_codes_are_answered_with_1002() {
    for code in [999_u16, 1005, 1006, 1015, 2999] {
        let mut socket = WebSocket::server(4096);
        socket.feed(NOW, &frame(0x88, &code.to_be_bytes()));
        assert!(matches!(socket.hear(), Ok(Some(Heard::Closed(_)))));
        let reply = socket.replies().expect("an answer");
        assert_eq!(&reply[2..4], 1002_u16.to_be_bytes(), "{code}");
    }
}

#[test]
fn fragments_are_counted_even_when_empty() {
    let mut bytes = frame(0x02, b"");
    for _ in 0..FRAGMENTS_MAX - 2 {
        bytes.extend(frame(0x00, b""));
    }
    let enough = [bytes.clone(), frame(0x80, b"!")].concat();
    assert_eq!(hear(&enough), (vec![message(b"!")], None));
    bytes.extend(frame(0x00, b""));
    assert_eq!(hear(&bytes), (vec![], Some(1009)));
}

#[test]
fn a_flood_of_pings_queues_one_pong_and_ends() {
    let mut socket = WebSocket::server(4096);
    for round in 0..100_u8 {
        socket.feed(NOW, &frame(0x89, &[round]));
        assert_eq!(all(&mut socket), (vec![], None));
    }
    assert_eq!(socket.replies(), Some(vec![0x8a, 1, 99]));
    assert_eq!(socket.replies(), None);
    for _ in 0..100 {
        socket.feed(NOW, &frame(0x8a, b"unsolicited"));
    }
    assert_eq!(all(&mut socket).1.map(|breach| breach.code), Some(1008));
}

#[test]
fn slow_pings_are_answered_for_ever() {
    let mut socket = WebSocket::server(4096);
    for second in 0..1000 {
        socket.feed(Time(second * 20_000), &frame(0x89, b""));
        assert_eq!(all(&mut socket), (vec![], None));
        assert!(socket.replies().is_some());
    }
}

#[test]
fn a_message_before_a_breach_is_heard() {
    let bytes = [frame(0x82, b"first"), frame(0x81, b"text")].concat();
    assert_eq!(hear(&bytes), (vec![message(b"first")], Some(1003)));
}

#[test]
fn both_sides_close_once() {
    let mut socket = WebSocket::server(4096);
    socket.close(4401, &"ä".repeat(100));
    let bytes = socket.replies().expect("a close frame");
    assert_eq!(bytes[0], 0x88);
    assert!(bytes.len() <= 127 && bytes[1] as usize == bytes.len() - 2);
    socket.close(1000, "again");
    assert_eq!(socket.replies(), None);
    socket.feed(NOW, &frame(0x82, b"late"));
    assert_eq!(socket.hear(), Ok(Some(message(b"late"))));
    socket.feed(NOW, &frame(0x88, &1000_u16.to_be_bytes()));
    assert!(matches!(socket.hear(), Ok(Some(Heard::Closed(_)))));
}

#[test]
fn handshake_and_talk_with_ourselves() {
    let (handshake, request) =
        Handshake::start("ws://127.0.0.1:7777/tickwire/ws?try=5", 1 << 20).unwrap();
    let request = String::from_utf8(request).unwrap();
    assert!(
        request.starts_with("GET /tickwire/ws?try=5 HTTP/1.1\r\n"),
        "{request}"
    );
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key.as_bytes())
    );
    let (first, second) = answer.as_bytes().split_at(30);
    let Ok(Err(handshake)) = handshake.feed(first) else {
        panic!("half an answer is not one")
    };
    // The server may speak in the same packet.
    let rest = [second, &[0x82, 2, b'h', b'i']].concat();
    let Ok(Ok(mut client)) = handshake.feed(&rest) else {
        panic!("a whole answer is one")
    };
    assert_eq!(client.hear(), Ok(Some(message(b"hi"))));
    client.say(Bytes::from_static(b"hello"));
    let mut server = WebSocket::server(4096);
    server.feed(NOW, &client.replies().unwrap());
    assert_eq!(server.hear(), Ok(Some(message(b"hello"))));
}

#[test]
fn a_refused_handshake_says_so() {
    let (handshake, _) = Handshake::start("ws://127.0.0.1:7777/", 4096).unwrap();
    let answer = handshake.feed(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        answer.err().as_deref(),
        Some("the server answered 403 Forbidden")
    );
}

/// Short messages by the short way, all else by the long one, cut at any place: each message once, in order, whatever way it came.
#[test]
fn the_short_way_and_the_long_one_hear_the_same() {
    let messages: Vec<Vec<u8>> = (0..9u8).map(|n| vec![n; usize::from(n) * 13]).collect();
    let mut all = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        all.extend(frame(0x82, message));
        match n % 3 {
            0 => all.extend([0x89, 0x81, 0, 0, 0, 0, n as u8]), // a ping
            // In two fragments, of which the last looks like nothing short.
            1 => all.extend([&[2, 0x81, 0, 0, 0, 0, 1][..], &[0x80, 0x81, 0, 0, 0, 0, 2]].concat()),
            _ => {}
        }
    }
    for step in 1..all.len() {
        let mut server = WebSocket::server(4096);
        let (mut heard, mut by_short) = (Vec::new(), 0);
        for mut bytes in all.chunks(step) {
            while let Some(short) = server.short(&mut bytes) {
                heard.push(short.to_vec());
                by_short += 1;
            }
            server.feed(Time(0), bytes);
            while let Some(Heard::Message(message)) = server.hear().unwrap() {
                heard.push(message.to_vec());
            }
        }
        heard.retain(|message| message[..] != [1, 2]);
        assert_eq!(heard, messages, "in steps of {step}");
        assert!(by_short > 0 || step < 6 + 13 * 8, "in steps of {step}");
    }
}

#[test]
fn the_short_way_takes_nothing_that_breaks_a_rule() {
    for frame in [
        &[0x82, 1, 0, 0, 0, 0, 0][..], // not masked
        &[0xc2, 0x81, 0, 0, 0, 0, 0],  // a reserved bit
        &[0x81, 0x81, 0, 0, 0, 0, 0],  // text
        &[0x02, 0x81, 0, 0, 0, 0, 0],  // a fragment
        &[0x82, 0x82, 0, 0, 0, 0, 0],  // not all there
        &[0x82, 0xfe, 0, 0, 0, 0, 0],  // long
        &[0x82],
        &[],
    ] {
        let (mut server, mut bytes) = (WebSocket::server(4096), frame);
        assert!(server.short(&mut bytes).is_none() && bytes == frame);
    }
}
