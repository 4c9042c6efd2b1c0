//! A client behind a way that breaks again and again, to a server with two io threads: its session goes on, whichever thread the new link meets.

use std::time::Duration;

use tickwire_client::{ClientConfig, ClientEvent, State};
use tickwire_net::client::Connection;
use tickwire_net::now;

use super::relay::Relay;
use super::{server, start};

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
    loop {
        let text = server.metrics();
        // Shards report now and then.
        let all = ["sessions 1\n", "links 1\n", "sessions_resumed_total 8\n"];
        if all
            .iter()
            .all(|line| text.contains(&format!("tickwire_{line}")))
        {
            break;
        }
        assert!(now() < deadline, "{text}");
        net.next_until(now().plus(Duration::from_millis(50))).await;
    }
    server.stop();
}
