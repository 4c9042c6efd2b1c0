//! The games that are inside of this client, which it runs ahead of their servers. Which those are is said by who builds it.

use std::cell::RefCell;

use tickwire_client::Client;
use tickwire_sim::{GameFn, GameKind};

thread_local! {
    // A page has one thread.
    static GAMES: RefCell<Vec<GameKind>> = const { RefCell::new(Vec::new()) };
}

/// Puts a game into this client: rooms of this kind are predicted. The function is the one that the server is given.
pub fn play(name: &str, game: impl GameFn + 'static) {
    GAMES.with_borrow_mut(|games| games.push(GameKind::new(name, game)));
}

/// A client that predicts the games that there are.
pub(crate) fn predict(client: &mut Client) {
    let games = GAMES.with_borrow(Clone::clone);
    let mut makers: Vec<_> = games.into_iter().map(tickwire_predict::of).collect();
    client.predict_with(move |view| makers.iter_mut().find_map(|make| make(view)));
}
