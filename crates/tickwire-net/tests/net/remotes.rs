//! Where clients come from, as auth sees it over real sockets: origins, headers, and the addresses that trusted proxies forward.

use std::net::SocketAddr;

use tickwire_net::{Running, Server};
use tickwire_proto::frame::Refusal;
use tickwire_proto::poll::PollRequest;
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame};
use tickwire_server::{AcceptAll, AuthChain, Guard};

use super::polls::{Hand, answer, batch, request};
use super::raw::{Raw, attach, upgrade_request};
use super::{server, start};

/// Nobody gets in: whoever attaches is told what auth was told.
fn telling(proxies: &str) -> Running {
    let tell = Guard::new(|request| {
        let remote = &request.remote;
        let address = remote.address().expect("an address");
        let team = remote.header("X-Team").unwrap_or("none");
        let origin = remote.origin().unwrap_or("none");
        Err(Refusal::new("Told", format!("{address} {team} {origin}")))
    });
    let server = server().auth(AuthChain::new().then(tell).then(AcceptAll));
    start(server.set("trusted_proxies", proxies))
}

const HELLO: ClientFrame<'static> = ClientFrame::Hello {
    version: PROTOCOL_VERSION,
    resume: None,
};

fn told_by_websocket(address: SocketAddr, headers: &str) -> String {
    let mut raw = Raw::connect(address);
    raw.send(&upgrade_request(address, headers));
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    raw.say(&HELLO.encode());
    raw.say(&attach(0));
    let told = raw.find(|frame| matches!(frame, ServerFrame::AttachRefused { .. }));
    message(&told.expect("a refusal"))
}

fn told_by_polling(address: SocketAddr, headers: &str) -> String {
    let frames = batch(&HELLO.encode());
    let mut raw = Raw::connect(address);
    raw.send(&request(&PollRequest::Open { frames }.encode(), headers));
    let mut hand = Hand::opened(address, &answer(&mut raw).2);
    assert_eq!(hand.post(&attach(0)).0, 200);
    let mut told = String::new();
    hand.find(|frame| match frame {
        ServerFrame::AttachRefused { message, .. } => {
            told = (*message).to_owned();
            true
        }
        _ => false,
    });
    told
}

fn message(frame: &[u8]) -> String {
    match ServerFrame::decode(frame) {
        Ok(ServerFrame::AttachRefused { message, .. }) => message.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn auth_is_told_of_headers_origin_and_the_real_address_by_either_link() {
    let trusting = telling("127.0.0.1/32, 10.0.0.0/8");
    let address = trusting.local_addr();
    let team = "X-Team: red\r\nOrigin: http://localhost:3000\r\n";
    for told in [told_by_websocket, told_by_polling] {
        assert_eq!(told(address, team), "127.0.0.1 red http://localhost:3000");
        let behind = "X-Forwarded-For: 1.1.1.1, 203.0.113.7, 10.1.2.3\r\n";
        assert_eq!(told(address, behind), "203.0.113.7 none none");
        let behind = "Forwarded: for=1.1.1.1, for=\"[2001:db8::7]:80\"\r\n";
        assert_eq!(told(address, behind), "2001:db8::7 none none");
    }
    trusting.stop();
    let wary = telling("10.0.0.0/8");
    for told in [told_by_websocket, told_by_polling] {
        let lie = "X-Forwarded-For: 203.0.113.7\r\n";
        assert_eq!(told(wary.local_addr(), lie), "127.0.0.1 none none");
    }
    wary.stop();
}

/// Behind a proxy strangers are counted by the address that it forwards, so that one of them keeps out only its own.
#[test]
fn strangers_behind_a_trusted_proxy_are_counted_by_their_own_address() {
    let with = |proxies: &str| -> Running {
        let server: Server = server().set("limits.per_address", "2");
        start(server.set("trusted_proxies", proxies))
    };
    let comes = |server: &Running, from: &str| -> (Raw, bool) {
        let mut raw = Raw::connect(server.local_addr());
        let headers = format!("X-Forwarded-For: {from}\r\n");
        raw.send(&upgrade_request(server.local_addr(), &headers));
        assert!(raw.head().starts_with("HTTP/1.1 101 "));
        raw.say(&HELLO.encode());
        let welcome = raw.find(|frame| matches!(frame, ServerFrame::Welcome { .. }));
        (raw, welcome.is_some())
    };
    let server = with("127.0.0.1");
    let mut kept = Vec::new();
    for (from, wanted) in [
        ("203.0.113.7", true),
        ("203.0.113.7", true),
        ("203.0.113.7", false),
        ("203.0.113.8", true),
    ] {
        let (raw, welcome) = comes(&server, from);
        assert_eq!(welcome, wanted, "{from}");
        kept.push(raw);
    }
    // Who is known makes room for another stranger.
    kept[0].say(&attach(0));
    assert!(
        kept[0]
            .find(|frame| matches!(frame, ServerFrame::AttachDone { .. }))
            .is_some()
    );
    assert!(comes(&server, "203.0.113.7").1);
    server.stop();
    let server = with("10.0.0.0/8");
    let all: Vec<(Raw, bool)> = (0..4).map(|_| comes(&server, "203.0.113.7")).collect();
    assert!(
        all.iter().all(|(_, welcome)| *welcome),
        "nobody is believed, and this machine has no limit"
    );
    server.stop();
}
