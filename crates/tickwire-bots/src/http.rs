//! One GET over a socket of its own, for what the server says about itself; no keep-alive, no TLS, no redirects.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Bytes of an answer at most.
const ANSWER_MAX: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(3);

/// Host and port of a `ws://` address; none for `wss://`, which this does not speak.
pub(crate) fn authority(url: &str) -> Option<String> {
    Some(with_port(url.strip_prefix("ws://")?, 80))
}

fn with_port(rest: &str, port: u16) -> String {
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    if has_port {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

/// Whether anybody listens at a `wss://` address; who it is, the bots will see.
pub(crate) async fn listens(url: &str) -> std::io::Result<()> {
    let host = with_port(url.strip_prefix("wss://").unwrap_or(url), 443);
    let connected = timeout(PATIENCE, TcpStream::connect(host)).await;
    connected
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
        .map(|_| ())
}

/// The status and the body of an answer.
pub(crate) async fn get(authority: &str, path: &str) -> std::io::Result<(u16, String)> {
    let answer = timeout(PATIENCE, fetch(authority, path)).await;
    let answer = answer.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    parse(&answer).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidData))
}

async fn fetch(authority: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(authority).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head
        .strip_prefix("HTTP/1.")?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    Some((
        status,
        if chunked {
            unchunk(body)?
        } else {
            body.to_owned()
        },
    ))
}

fn unchunk(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..size)?);
        body = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

/// What the server's `/metrics` say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ServerCounters {
    pub cpu_s: Option<f64>,
    pub late_ticks: Option<f64>,
}

/// Asks the server for its counters; nothing of it where that is closed.
pub(crate) async fn server_counters(url: &str) -> ServerCounters {
    let Some(authority) = authority(url) else {
        return ServerCounters::default();
    };
    match get(&authority, "/metrics").await {
        Ok((200, text)) => ServerCounters {
            cpu_s: counter(&text, "process_cpu_seconds_total"),
            late_ticks: counter(&text, "tickwire_late_ticks_total"),
        },
        _ => ServerCounters::default(),
    }
}

/// The sum over all labels of a counter in Prometheus' text.
fn counter(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<f64>().ok()
    });
    values.fold(None, |sum: Option<f64>, value| {
        Some(sum.unwrap_or(0.0) + value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_their_labels() {
        let text = "# TYPE a counter\na{room=\"1\"} 2\na{room=\"x}\"} 3.5 1700000000\nab 7\nb 4\n";
        assert_eq!(counter(text, "a"), Some(5.5));
        assert_eq!(counter(text, "b"), Some(4.0));
        assert_eq!(counter(text, "c"), None);
    }

    #[test]
    fn answers_plain_and_chunked() {
        assert_eq!(
            parse(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhi"),
            Some((200, "hi".into()))
        );
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse(chunked), Some((200, "abcde".into())));
        for bad in [
            &b"HTTP/1.1 200 OK"[..],
            b"",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\nx",
        ] {
            assert_eq!(parse(bad), None);
        }
    }

    #[test]
    fn authorities() {
        for (url, wanted) in [
            ("ws://h:1/x", Some("h:1")),
            ("ws://h", Some("h:80")),
            ("ws://[::1]", Some("[::1]:80")),
            ("wss://h", None),
        ] {
            assert_eq!(authority(url).as_deref(), wanted);
        }
    }
}
