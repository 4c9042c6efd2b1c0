//! Strangers at the door, before there is a WebSocket (rows 1 to 5 of the table of faults).

use std::time::{Duration, Instant};

use super::raw::{KEY, Raw, upgrade_request};
use super::{server, start};

/// Fourfold slack on a deadline of five seconds would be a slow test; the deadline itself is hyper's and ours, not the machine's.
const DEADLINE: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(10);

fn closed_in_time(raw: &mut Raw, began: Instant) -> String {
    let said = raw.everything();
    let took = began.elapsed();
    assert!(
        took >= DEADLINE - Duration::from_millis(500) && took < DEADLINE + SLACK,
        "after {took:?}: {said}"
    );
    said
}

#[test]
fn rows_1_and_2_silence_and_slowness_end_at_five_seconds() {
    let server = start(server());
    let began = Instant::now();
    let mut silent = Raw::connect(server.local_addr());
    let mut half = Raw::connect(server.local_addr());
    half.send(b"GET / HTTP/1.1\r\nHost: x\r\n");
    let mut slow = Raw::connect(server.local_addr());
    let mut stream = slow.stream.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        use std::io::Write;
        for byte in upgrade_request("127.0.0.1:1".parse().unwrap(), "")
            .into_iter()
            .cycle()
        {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    closed_in_time(&mut silent, began);
    closed_in_time(&mut half, began);
    closed_in_time(&mut slow, began);
    dripping.join().unwrap();
    // Somebody who says what he wants is served at once.
    let mut honest = Raw::connect(server.local_addr());
    honest.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(honest.status(), 200);
}

#[test]
fn a_crowd_of_the_silent_keeps_nobody_out() {
    let server = start(server());
    let crowd: Vec<Raw> = (0..300)
        .map(|_| Raw::connect(server.local_addr()))
        .collect();
    let began = Instant::now();
    for _ in 0..20 {
        drop(Raw::upgrade(server.local_addr()));
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    drop(crowd);
}

#[test]
fn row_3_long_heads_are_refused() {
    let server = start(server());
    let long = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "X-A: b\r\n".repeat(10_000)
    );
    let some = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "X-A: b\r\n".repeat(70)
    );
    for request in [long, many, some] {
        let mut raw = Raw::connect(server.local_addr());
        raw.send(request.as_bytes());
        let status = raw.status();
        assert!(
            matches!(status, 431 | 0),
            "{status} for {} bytes",
            request.len()
        );
    }
    for request in [
        &b"\r\n\r\n"[..],
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[0xff; 64],
        b"GET http:// HTTP/1.1\r\n\r\n",
    ] {
        let mut raw = Raw::connect(server.local_addr());
        raw.send(request);
        let _ = raw.stream.shutdown(std::net::Shutdown::Write);
        let status = raw.status();
        assert!(
            matches!(status, 400 | 404 | 431 | 0),
            "{status} for {request:?}"
        );
    }
}

#[test]
fn row_4_upgrades_that_are_none() {
    let server = start(server());
    let address = server.local_addr();
    let good = String::from_utf8(upgrade_request(address, "")).unwrap();
    for (from, to, status) in [
        (KEY, "short", 400),
        (KEY, "", 400),
        ("Sec-WebSocket-Key", "X-Other", 400),
        ("Version: 13", "Version: 12", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("Connection: Upgrade", "Connection: keep-alive", 426),
        ("GET ", "POST ", 400),
        ("HTTP/1.1", "HTTP/1.0", 400),
    ] {
        let mut raw = Raw::connect(address);
        raw.send(good.replace(from, to).as_bytes());
        let all = raw.everything();
        assert!(
            all.starts_with(&format!("HTTP/1.1 {status} "))
                || all.starts_with(&format!("HTTP/1.0 {status} ")),
            "{to}: {all}"
        );
    }
}

#[test]
fn row_5_foreign_pages_are_refused_and_told_why() {
    let server = start(server().set("origins", "https://play.example"));
    let address = server.local_addr();
    let ask = |origin: &str| {
        let mut raw = Raw::connect(address);
        raw.send(&upgrade_request(address, &format!("Origin: {origin}\r\n")));
        raw.status()
    };
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
    ] {
        assert_eq!(ask(origin), 403, "{origin}");
    }
    for origin in [
        "https://play.example",
        "http://localhost:3000",
        &format!("http://{address}"),
    ] {
        assert_eq!(ask(origin), 101, "{origin}");
    }
    let mut raw = Raw::connect(address);
    raw.send(b"GET /tickwire/why?try=7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let all = raw.everything();
    assert!(
        all.contains("access-control-allow-origin: *")
            && all.contains("\"code\":\"Origin\"")
            && all.contains("origins = ["),
        "{all}"
    );
}

#[test]
fn a_full_server_says_so() {
    let server = start(server().set("limits.sessions", "2"));
    let (one, _two) = (
        Raw::upgrade(server.local_addr()),
        Raw::upgrade(server.local_addr()),
    );
    let ask = || {
        let mut raw = Raw::connect(server.local_addr());
        raw.send(&upgrade_request(server.local_addr(), ""));
        raw.status()
    };
    assert_eq!(ask(), 503, "a third is turned away");
    drop(one);
    let deadline = Instant::now() + SLACK;
    while ask() != 101 {
        assert!(
            Instant::now() < deadline,
            "the place of one who left is free again"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn of_many_who_come_at_once_only_so_many_get_in() {
    let server = start(server().set("limits.sessions", "5"));
    let address = server.local_addr();
    let knock = move || {
        let mut raw = Raw::connect(address);
        raw.send(&upgrade_request(address, ""));
        (raw.status(), raw)
    };
    let threads: Vec<_> = (0..24).map(|_| std::thread::spawn(knock)).collect();
    let all: Vec<(u16, Raw)> = threads.into_iter().map(|one| one.join().unwrap()).collect();
    let count = |wanted| all.iter().filter(|(status, _)| *status == wanted).count();
    assert_eq!((count(101), count(503)), (5, 19));
}
