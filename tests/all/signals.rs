//! A server process that is asked to end: SIGTERM and Ctrl-C alike tell every player, and the exit code is 0.

use std::time::Duration;

use tickwire_proto::{Reason, Retry, ServerFrame};
use tickwire_tests::{
    peer::Peer,
    process::{Served, binary},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn sigterm_and_ctrl_c_end_a_server_alike() {
    let program = binary("arena");
    for signal in ["TERM", "INT"] {
        let arena = Served::start(&program, &["--listen", "127.0.0.1:0", "--players", "4"]);
        let mut peer = Peer::open(arena.address()).await;
        peer.attach().await;
        peer.join().await;
        arena.signal(signal);
        let ending = peer.until("the ending", |frame| match frame {
            ServerFrame::Ending { reason, retry, .. } => Some((*reason, *retry)),
            _ => None,
        });
        let (reason, retry) = ending.await;
        assert_eq!(reason, Reason::Restarting, "{signal}");
        assert!(matches!(retry, Retry::After { .. }), "{signal}: {retry:?}");
        let code = peer.end(PATIENCE).await;
        assert_eq!(
            code,
            Some(Some(Reason::Restarting.close_code())),
            "{signal}"
        );
        let (status, log) = arena.ended(PATIENCE);
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert!(!log.contains("panicked"), "{signal}: {log}");
    }
}
