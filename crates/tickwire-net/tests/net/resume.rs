//! A client behind a way that breaks again and again, to a server with two io threads: its session goes on, whichever thread the new link meets.

use std::net::SocketAddr;
use std::time::Duration;

use tickwire_client::{ClientConfig, ClientEvent, State};
use tickwire_net::client::Connection;
use tickwire_net::now;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::{server, start};

/// A relay of bytes that can be cut: both of its sockets are closed at once, with what they hold.
struct Relay {
    address: SocketAddr,
    links: tokio::sync::mpsc::UnboundedReceiver<AbortHandle>,
}

impl Relay {
    async fn to(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, links) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(server).await.unwrap();
                let link = tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
                let _ = sender.send(link.abort_handle());
            }
        });
        Relay { address, links }
    }

    fn cut(&mut self) {
        while let Ok(link) = self.links.try_recv() {
            link.abort();
        }
    }
}

#[tokio::test]
async fn a_session_goes_on_over_nine_links_and_two_threads() {
    let server = start(server());
    let mut relay = Relay::to(server.local_addr()).await;
    let url = format!("ws://{}", relay.address);
    let mut net = Connection::open(&url, ClientConfig::default()).unwrap();
    let room = net.client_mut().quick("dots", &[]);
    let (mut joins, mut resumes, mut updates) = (0, 0, 0);
    let deadline = now().plus(Duration::from_secs(60));
    while resumes < 8 {
        let event = net
            .next_until(deadline)
            .await
            .expect("it comes back in time");
        match event {
            ClientEvent::Joined { .. } => joins += 1,
            ClientEvent::Resumed => {
                resumes += 1;
                updates = 0;
            }
            ClientEvent::Updated { .. } => {
                updates += 1;
                if updates == 5 {
                    relay.cut();
                }
            }
            ClientEvent::State(State::Away { .. }) => net.client_mut().reconnect(now()),
            ClientEvent::RoomAway { .. } | ClientEvent::Expired | ClientEvent::Fault { .. } => {
                panic!("{event:?}")
            }
            _ => super::loopback::steer(&mut net, room),
        }
        super::loopback::steer(&mut net, room);
    }
    assert_eq!(joins, 1);
    let view = net.client().view(room).unwrap();
    assert_eq!(view.members().len(), 1);
    let text = loop {
        let text = server.metrics();
        if text.contains("tickwire_sessions 1\n") && text.contains("tickwire_links 1\n") {
            break text;
        }
        assert!(now() < deadline, "{text}");
        net.next_until(now().plus(Duration::from_millis(50))).await;
    };
    assert!(
        text.contains("tickwire_sessions_resumed_total 8\n"),
        "{text}"
    );
    server.stop();
}
