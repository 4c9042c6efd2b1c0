//! What those who run a server see: pages, configuration that is wrong, a port that is taken.

use std::net::SocketAddr;

use tickwire_net::{Server, StartError};

use super::raw::Raw;
use super::{dots, server, start};

fn get(address: SocketAddr, path: &str, more: &str) -> (u16, String) {
    let mut raw = Raw::connect(address);
    raw.send(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n")
            .as_bytes(),
    );
    let all = raw.everything();
    let status = all
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    (status, all)
}

#[test]
fn pages_are_where_they_should_be() {
    let server = start(server().files(&[("/map.json", "application/json", b"{}")]));
    let address = server.local_addr();
    for (path, status, content) in [
        ("/", 200, "<p>dots"),
        ("/index.html", 200, "text/html"),
        ("/tickwire.js", 200, "text/javascript"),
        ("/map.json", 200, "application/json"),
        ("/healthz", 200, "ok\n"),
        ("/metrics", 200, "tickwire_rooms 0\n"),
        ("/tickwire/schema.json", 200, "\"Dot\""),
        ("/tickwire/why?try=1", 404, "Unreachable"),
        ("/nothing", 404, "not found"),
        ("/../../etc/passwd", 404, "not found"),
        ("/tickwire/ws", 426, "Upgrade"),
    ] {
        let (got, all) = get(address, path, "");
        assert!(got == status && all.contains(content), "{path}: {all}");
    }
    let (_, page) = get(address, "/", "");
    let etag = page
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .expect("an etag")
        .to_owned();
    assert_eq!(
        get(address, "/", &format!("If-None-Match: {etag}\r\n")).0,
        304
    );
    server.stop();
}

#[test]
fn a_proxy_gets_no_metrics_and_an_admin_address_does() {
    let server = start(server());
    let address = server.local_addr();
    assert_eq!(
        get(address, "/metrics", "X-Forwarded-For: 203.0.113.9\r\n").0,
        403
    );
    assert_eq!(
        get(
            address,
            "/tickwire/schema.json",
            "Forwarded: for=203.0.113.9\r\n"
        )
        .0,
        403
    );
    server.stop();
    let server = start(
        Server::new("dots", dots)
            .listen("127.0.0.1:0")
            .set("admin", "127.0.0.1:0"),
    );
    let (address, admin) = (server.local_addr(), server.admin_addr().unwrap());
    assert_eq!(get(address, "/metrics", "").0, 403, "they are elsewhere");
    assert_eq!(get(admin, "/metrics", "").0, 200);
    assert_eq!(get(admin, "/healthz", "").0, 200);
    assert_eq!(get(admin, "/", "").0, 404);
    assert_eq!(
        get(admin, "/tickwire/ws", "").0,
        404,
        "players use the other one"
    );
    server.stop();
    let everyone = start(
        Server::new("dots", dots)
            .listen("127.0.0.1:0")
            .set("metrics", "everyone"),
    );
    assert_eq!(
        get(
            everyone.local_addr(),
            "/metrics",
            "X-Forwarded-For: 203.0.113.9\r\n"
        )
        .0,
        200
    );
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    let first = start(server());
    let address = first.local_addr().to_string();
    let said = |server: Server| {
        server
            .start()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let taken = said(server().listen(&address));
    assert_eq!(
        taken,
        format!(
            "PortInUse: {address} is in use. Use --listen 127.0.0.1:0 for any free port, or stop the program that has it"
        )
    );
    let cases = [
        (
            said(server().set("limits.sessions", "0")),
            "BadConfig: the program: limits.sessions is 0, but must be a whole number from 1 to",
        ),
        (
            said(server().set("no.such", "1")),
            "BadConfig: the program: there is no setting `no.such`. Did you mean",
        ),
        (
            said(server().dir("/no/such/folder")),
            "NoFiles: /no/such/folder is not a folder.",
        ),
        (
            said(server().listen("192.0.2.1:1")),
            "BadAddress: cannot listen on 192.0.2.1:1",
        ),
        (
            said(server().set("room.dots.send_hz", "31")),
            "BadGame: dots: ",
        ),
    ];
    for (text, begin) in cases {
        assert!(
            text.starts_with(begin) && text.lines().count() == 1,
            "{text}"
        );
    }
    assert!(matches!(
        server().listen(&address).start(),
        Err(StartError::PortInUse(_))
    ));
}

#[test]
fn configuration_is_laid_over_the_game() {
    use tickwire_client::{ClientConfig, ClientEvent};
    let server = start(
        server()
            .set("room.dots.seats", "1")
            .set("room.dots.tick_hz", "10")
            .set("room.dots.send_hz", "10"),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut net =
            tickwire_net::client::Connection::open(&server.url(), ClientConfig::default()).unwrap();
        let room = net.client_mut().quick("dots", &[]);
        while !matches!(net.next().await, ClientEvent::Joined { .. }) {}
        assert_eq!(net.client().view(room).unwrap().schema().tick_us, 100_000);
        let asked = net.client_mut().lobby("");
        loop {
            if let ClientEvent::Lobby { request, rooms } = net.next().await {
                assert_eq!((request, rooms[0].seats), (asked, 1));
                break;
            }
        }
    });
}
