//! Parlour, a chat: rooms with history, who is here, typing, private messages, and a bell that rings for what came while one was away.

mod door;
mod store;
mod talk;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tickwire::net::{Broadcaster, FromClient, JwtKeyError};
use tickwire::prelude::*;
use tickwire::proto::frame::{Refusal, code};

use door::{Tokens, door};
use talk::talk;

pub use store::Store;

/// A private message: it waits for its reader, who gets it once.
#[derive(NetMessage, Serialize, Deserialize)]
struct Whisper {
    #[net(max = 24)]
    to: String,
    #[net(max = 2_000)]
    text: String,
}

impl Request for Whisper {
    type Reply = Whispered;
}

#[derive(NetMessage, Serialize, Deserialize)]
struct Whispered {
    #[net(max = 24)]
    to: String,
}

/// Inside (`/`) only with a token; at the door one gets it.
pub fn server(store: Arc<Store>, secret: &[u8]) -> Result<Server, JwtKeyError> {
    let (tokens, everybody) = (Tokens::new(secret)?, Broadcaster::new());
    let users = Arc::clone(&store);
    let server = Server::new("talk", talk(Arc::clone(&store), everybody.clone()))
        .auth(tokens.auth())
        .on_request(move |from, asked: Whisper| whisper(Arc::clone(&users), from, asked))
        .namespace(door(store, tokens))
        .broadcaster(&everybody)
        .page(include_str!("../../../assets/chat/index.html"))
        .files(&[(
            "/chat.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../../assets/chat/chat.js"),
        )]);
    Ok(server)
}

async fn whisper(
    users: Arc<Store>,
    from: FromClient,
    asked: Whisper,
) -> Result<Whispered, Refusal> {
    let broken = || {
        Refusal::new(
            code::FAILED,
            "the message could not be kept. Try again later",
        )
    };
    let user = users.user(&asked.to).map_err(|_| broken())?;
    let Some((to, _)) = user else {
        return Err(Refusal::new(
            code::NOT_FOUND,
            format!("nobody is called {}", asked.to),
        ));
    };
    let notice = json!({ "from": from.identity().name, "text": asked.text });
    let people = from.people().ok_or_else(broken)?;
    let kept = people.keep(&to.to_lowercase(), "whisper", &notice);
    kept.map_err(|_| broken())?
        .kept()
        .await
        .map_err(|_| broken())?;
    Ok(Whispered { to })
}
