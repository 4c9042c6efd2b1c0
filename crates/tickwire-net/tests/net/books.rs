//! Codebooks: a server trains one of what is played on it, and a server that has it plays on, with whoever has no game compiled in.

use std::sync::OnceLock;
use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::client::Connection;
use tickwire_net::{Server, StartError, now};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;

use super::people::Folder;
use super::{dots, start};

const PATIENCE: Duration = Duration::from_secs(20);

/// Some of forty dots are somewhere else in each tick.
fn stirs(tick: Res<CurrentTick>, mut all: Query<&mut super::Dot>) {
    let now = tick.tick().0;
    for (n, mut dot) in (0_u32..).zip(&mut all) {
        if (now + n).is_multiple_of(5) {
            dot.x = f32::from((now * 7 + n * 31) as u16 % 800);
        }
    }
}

fn plain(game: &mut Game) {
    dots(game);
    game.codec(Profile::Dense)
        .systems(stirs.after(super::steer))
        .on_start(|mut commands: Commands| {
            commands.spawn_batch((0..40).map(|_| super::Dot::default()));
        });
}

static BOOK: OnceLock<&'static [u8]> = OnceLock::new();

fn booked(game: &mut Game) {
    plain(game);
    game.codebook(BOOK.get().expect("trained before"));
}

/// A generic client sees so many updates.
async fn watch(url: &str, updates: usize) {
    let mut net = Connection::open(url, ClientConfig::default()).expect("an address");
    net.client_mut().quick("dots", &[]);
    let mut seen = 0;
    while seen < updates {
        let event = net.next_until(now().plus(PATIENCE)).await;
        match event.expect("an event") {
            ClientEvent::Updated { .. } => seen += 1,
            ClientEvent::SessionEnded { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_played_trains_a_book_that_plays() {
    let folder = Folder::new("books");
    let server = Server::new("dots", plain)
        .listen("127.0.0.1:0")
        .set("train_dir", folder.text());
    let server = start(server);
    watch(&server.url(), 60).await;
    server.stop();
    let bytes = std::fs::read(folder.path().join("dots.book")).expect("a book");
    let Ok(()) = BOOK.set(bytes.leak()) else {
        panic!("trained twice")
    };
    let hash = |game: fn(&mut Game)| GameKind::new("dots", game).schema().hash();
    assert_ne!(hash(plain), hash(booked), "the book is part of the schema");
    let server = start(Server::new("dots", booked).listen("127.0.0.1:0"));
    watch(&server.url(), 10).await;
    server.stop();
}

#[test]
fn a_folder_that_cannot_be_is_told_at_the_start() {
    let folder = Folder::new("no-books");
    std::fs::write(folder.path(), "a file").expect("a file");
    let server = Server::new("dots", plain)
        .listen("127.0.0.1:0")
        .set("train_dir", folder.text());
    let refused = server.start();
    std::fs::remove_file(folder.path()).expect("it is there");
    match refused {
        Err(StartError::Books(text)) => assert!(text.contains("no-books"), "{text}"),
        other => panic!("{other:?}"),
    }
}
