//! Links that claim one session at the same moment, over real sockets and over two threads: exactly one has it, and its client goes on from either answer.

use std::time::Duration;

use tickwire_net::Server;
use tickwire_proto::frame::ResumeClaim;
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame};
use tickwire_tests::peer::{Fate, Heard, Peer, attach};

use crate::games;

const PATIENCE: Duration = Duration::from_secs(20);
const ROUNDS: u32 = 40;
/// The close code of a link that a newer one has replaced.
const GOING_AWAY: u16 = 1001;

type Token = [u8; 32];

async fn claim(peer: &mut Peer, token: Option<Token>) {
    let resume = token.map(|token| ResumeClaim {
        token,
        rooms: vec![],
        received: vec![],
    });
    let version = PROTOCOL_VERSION;
    peer.say(ClientFrame::Hello { version, resume }.encode())
        .await;
}

/// What a link was given: a token, and whether the claimed session goes on by it.
fn given(frame: &ServerFrame<'_>) -> Option<(Token, bool)> {
    match frame {
        ServerFrame::Welcome { token, resumed, .. } => Some((*token, resumed.is_some())),
        _ => None,
    }
}

/// A link that claims and is answered.
async fn back(address: &str, token: Token) -> (Peer, Token, bool) {
    let mut peer = Peer::open(address).await;
    claim(&mut peer, Some(token)).await;
    let (next, resumed) = peer.until("an answer", given).await;
    (peer, next, resumed)
}

/// One of two that race: keeps the token that it is given, until it is closed as one that a newer link has replaced.
async fn closed(peer: &mut Peer, token: &mut Option<Token>) {
    loop {
        match peer.hear(PATIENCE).await {
            Heard::Frame(frame) => {
                let frame = ServerFrame::decode(&frame).expect("a frame");
                if let Some((next, resumed)) = given(&frame) {
                    assert!(resumed, "a race is nobody's end");
                    *token = Some(next);
                }
            }
            Heard::Closed(code) => return assert_eq!(code, Some(GOING_AWAY)),
            Heard::Silence => panic!("neither is closed"),
        }
    }
}

/// Both claim at once: the one that has the session with its token, and the token of the other, which may have been closed before it got one.
async fn race(address: &str, token: Token) -> (Peer, Token, Option<Token>) {
    let (mut a, mut b) = tokio::join!(Peer::open(address), Peer::open(address));
    tokio::join!(claim(&mut a, Some(token)), claim(&mut b, Some(token)));
    let (mut of_a, mut of_b) = (None, None);
    let a_lost = tokio::select! {
        () = closed(&mut a, &mut of_a) => true,
        () = closed(&mut b, &mut of_b) => false,
    };
    let (mut winner, won, lost) = if a_lost {
        (b, of_b, of_a)
    } else {
        (a, of_a, of_b)
    };
    let won = match won {
        Some(won) => won,
        None => winner.until("an answer", given).await.0,
    };
    (winner, won, lost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_links_that_claim_at_once_one_has_the_session_and_either_answer_is_good() {
    let server = Server::new("dots", games::hello)
        .listen("127.0.0.1:0")
        .set("threads.io", "2")
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let address = server.local_addr().to_string();
    let mut first = Peer::open(&address).await;
    claim(&mut first, None).await;
    let (mut token, _) = first.until("a welcome", given).await;
    first.say(attach()).await;
    first
        .until("accepted", |frame| {
            matches!(frame, ServerFrame::AttachDone { .. }).then_some(())
        })
        .await;
    let mut both_answered = 0;
    for round in 0..ROUNDS {
        let (mut winner, won, lost) = race(&address, token).await;
        token = match lost {
            // Nothing was said on either: the client may as well have listened to the one that was closed.
            Some(lost) if round % 2 == 0 => {
                both_answered += 1;
                let (peer, next, resumed) = back(&address, lost).await;
                assert!(resumed, "round {round}: it was given by the server");
                drop(peer);
                next
            }
            // It speaks on the newest: all others are spent.
            lost => {
                assert_eq!(winner.fate(true).await, Fate::Lives, "round {round}");
                for spent in lost.into_iter().chain([token]) {
                    let (_peer, _, resumed) = back(&address, spent).await;
                    assert!(!resumed, "round {round}: a spent token");
                }
                let (peer, next, resumed) = back(&address, won).await;
                assert!(resumed);
                drop(peer);
                next
            }
        };
    }
    assert!(both_answered > 0, "no race was close");
    server.stop();
}
