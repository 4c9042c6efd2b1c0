//! Pages that reload themselves, in a real Chromium: too old for their server, once, and back into the same room.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::{Running, client::Connection, now};
use tickwire_proto::{ClientFrame, Reason, Retry, ServerFrame};
use tickwire_tests::browser::Driver;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::browser_table::{PATIENCE, kept, open, page_of, start, table};

/// A way to a server that can lead to another one, or to nobody but a voice that says `Version`, as the next release of a server would.
pub(crate) struct Way {
    pub(crate) url: String,
    state: Arc<WayState>,
}

#[derive(Default)]
struct WayState {
    /// Where it leads. `None`: to the voice.
    to: Mutex<Option<String>>,
    /// How often it was said that this client is too old.
    told: AtomicUsize,
    open: Mutex<Vec<tokio::task::AbortHandle>>,
}

impl Way {
    pub(crate) async fn to(server: &Running) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(WayState::default());
        let way = Self {
            url,
            state: state.clone(),
        };
        way.leads(Some(server));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (to, told) = (locked(&state.to).clone(), state.clone());
                let link = tokio::spawn(async move {
                    match to {
                        Some(to) => relay(near, &to).await,
                        None => too_old(near, &told.told).await,
                    }
                });
                locked(&state.open).push(link.abort_handle());
            }
        });
        way
    }

    /// From now on; what was open is cut.
    pub(crate) fn leads(&self, to: Option<&Running>) {
        self.leads_to(to.map(|server| server.local_addr().to_string()));
    }

    /// Into a tunnel: what was open is cut, and nothing opens.
    pub(crate) fn leads_nowhere(&self) {
        self.leads_to(Some("127.0.0.1:1".to_owned()));
    }

    fn leads_to(&self, to: Option<String>) {
        *locked(&self.state.to) = to;
        for link in locked(&self.state.open).drain(..) {
            link.abort();
        }
    }

    fn told(&self) -> usize {
        self.state.told.load(Ordering::Relaxed)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn relay(mut near: TcpStream, to: &str) {
    if let Ok(mut far) = TcpStream::connect(to).await {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}

async fn too_old(near: TcpStream, told: &AtomicUsize) {
    // What is no WebSocket (why?) is not answered.
    let Ok(mut socket) = tokio_tungstenite::accept_async(near).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(frame) = message else {
            continue;
        };
        assert!(matches!(
            ClientFrame::decode(&frame),
            Ok(ClientFrame::Hello { .. })
        ));
        let ending = ServerFrame::Ending {
            reason: Reason::Version,
            retry: Retry::Reload,
            message: "Version: the client is too old",
        };
        let close = CloseFrame {
            code: CloseCode::from(Reason::Version.close_code()),
            reason: "Version".into(),
        };
        told.fetch_add(1, Ordering::Relaxed);
        let _ = socket.send(Message::Binary(ending.encode())).await;
        let _ = socket.close(Some(close)).await;
    }
}

/// A page that is too old for the server loads itself anew: once, since a second time would be for ever.
#[tokio::test]
async fn a_page_that_is_too_old_reloads_once_and_then_says_so() {
    let server = start(Server::new("table", table));
    let way = Way::to(&server).await;
    way.leads(None);
    let driver = Driver::start();
    // It reloads itself while its script waits for the room.
    let page = driver
        .open(&format!("{}/?quick=ffa&to={}", page_of(&server), way.url))
        .await;
    let state = page
        .until(
            "it says so",
            "window.ready && sessionStorage.loads > 1 && net.state.at === 'ended' && net.state",
            PATIENCE,
        )
        .await;
    assert_eq!(state["reason"], "Version");
    let shown = page.eval("problem.textContent").await;
    assert!(
        shown.as_str().is_some_and(|text| text.contains("too old")
            && text.contains("Reload the page. If that does not help")),
        "{shown}"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(page.eval("Number(sessionStorage.loads)").await, 2);
    assert_eq!(way.told(), 2);
    page.close().await;
    server.stop();
}

#[tokio::test]
async fn a_page_that_reloads_itself_is_in_the_same_room_after_it() {
    let server = start(
        Server::new("table", table)
            .set("room.table.seats", "4")
            .set("resume_ms", "0"),
    );
    let way = Way::to(&server).await;
    let driver = Driver::start();
    let others = |count: usize| {
        let url = server.url();
        async move {
            let mut others = Vec::new();
            for _ in 0..count {
                let mut net = Connection::open(&url, ClientConfig::default()).unwrap();
                net.client_mut().quick("table", &[("mode", "ffa")]);
                let deadline = now().plus(PATIENCE);
                loop {
                    let event = net.next_until(deadline).await.expect("they are let in");
                    if let ClientEvent::Joined { room, .. } = event {
                        let id = net.client().view(room).unwrap().id().to_owned();
                        others.push((
                            id,
                            tokio::spawn(async move {
                                while net.next().await != ClientEvent::Expired {}
                            }),
                        ));
                        break;
                    }
                }
            }
            others
        }
    };
    // A full room, and the page in a second one.
    let full = others(4).await;
    let page = open(
        &driver,
        &format!("{}/?quick=ffa&to={}", page_of(&server), way.url),
    )
    .await;
    let id = page.eval("room.id").await;
    let id = id.as_str().unwrap();
    assert!(full.iter().all(|(other, _)| other != id));
    // Then the first has a seat, and would be the first choice of anybody who comes now.
    full[0].1.abort();
    let free = format!(
        "net.lobby().then(all => all.find(room => room.id === '{}').members)",
        full[0].0
    );
    let deadline = now().plus(PATIENCE);
    while kept(&page, &free).await != 3 {
        assert!(now() < deadline, "the seat is never free");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    way.leads(None);
    while way.told() == 0 {
        assert!(now() < deadline.plus(PATIENCE), "it does not come back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    way.leads(Some(&server));
    page.until(
        "it has loaded itself anew",
        "sessionStorage.loads === '2' && window.ready",
        PATIENCE,
    )
    .await;
    assert_eq!(
        page.eval("room.id").await,
        id,
        "{}",
        page.eval("problem.textContent").await
    );
    assert_eq!(page.eval("Number(sessionStorage.loads)").await, 2);
    page.close().await;
    full.iter().for_each(|(_, task)| task.abort());
    server.stop();
}
