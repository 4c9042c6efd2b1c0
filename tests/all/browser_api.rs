//! Every call of the browser client, from a page of the tests' own in a real Chromium: entities, messages, events, resources, lists.

use serde_json::{Value, json};
use tickwire::prelude::*;
use tickwire_tests::browser::Driver;

use crate::browser_table::{PATIENCE, element, kept, open, page_of, play, start, table};

#[tokio::test]
async fn a_page_binds_sends_and_hears() {
    let server = start(Server::new("table", table));
    let driver = Driver::start();
    let (ann, ben) = (
        open(&driver, &page_of(&server)).await,
        open(&driver, &page_of(&server)).await,
    );
    let room = play(&ann, "ffa").await;
    assert_eq!(
        play(&ben, "ffa").await,
        room,
        "the same attributes, the same room"
    );
    let pages = [&ann, &ben];
    for page in pages {
        page.until("both are members", "room.members.length === 2", PATIENCE)
            .await;
        page.eval("window.unbind = bindBalls()").await;
    }

    // An entity: added once on each page, with what it is, and whose.
    ann.eval("room.send('Throw', { x: 10, label: 'a' })").await;
    for (page, mine) in [(&ann, "true"), (&ben, "false")] {
        page.until(
            "the ball is bound",
            &format!("{}?.dataset.frames > 2", element("a")),
            PATIENCE,
        )
        .await;
        let bound = page.eval(&format!("({}).dataset.mine", element("a"))).await;
        assert_eq!(bound, mine);
        let all = "room.all('Ball').map(e => [e.Ball.label, e.Ball.x, String(e.mine), e.id === Number(board.firstChild.dataset.id)])";
        assert_eq!(page.eval(all).await, json!([["a", 10, mine, true]]));
        assert_eq!(page.eval("board.children.length").await, 1);
        // A resource: as it is now.
        let score = page.eval("room.resource('Score')").await;
        assert_eq!(score, json!({ "thrown": 1, "last": "a" }));
    }

    // A command moves it, and every page sees that.
    ann.eval("void (room.command = () => ({ x: 1 }))").await;
    for page in pages {
        page.until(
            "the ball moves",
            &format!("{}.dataset.x > 20", element("a")),
            PATIENCE,
        )
        .await;
    }
    ann.eval("void (room.command = () => ({ x: 0 }))").await;

    // Messages: to the game, and from it to everybody, in order, once, as text and not as HTML.
    for text in ["hello <b>you</b>", "ünï \\u{1F389}", ""] {
        ben.eval(&format!("room.send('Say', {{ text: '{text}' }})"))
            .await;
    }
    let seat = ben.eval("room.seat").await;
    let said =
        ["hello <b>you</b>", "ünï \u{1f389}", ""].map(|text| json!({ "seat": seat, "text": text }));
    for page in pages {
        page.until("all is heard", "heard.said.length >= 3", PATIENCE)
            .await;
        assert_eq!(page.eval("heard.said").await, json!(said));
    }

    // A request: its reply, a typed refusal with data, one that the page gives up.
    let outcome = |ask: &str| format!("room.ask('Count', {ask})");
    let counted = ben.settled(&outcome("{ label: 'a' }")).await;
    assert_eq!(counted, json!({ "ok": { "n": 1 } }));
    let refused = ben.settled(&outcome("{ label: '' }")).await;
    let error = &refused["error"];
    assert_eq!(
        (&error["code"], &error["data"]),
        (&json!("NoLabel"), &json!({ "try": "a" }))
    );
    let unknown = ben.settled(&outcome("{ labels: 1 }")).await;
    assert_eq!(unknown["error"]["code"], "BadMessage");
    let gone = ben
        .settled("room.ask('Count', { label: 'a' }, { signal: AbortSignal.abort() })")
        .await;
    assert_eq!(gone["error"]["name"], "AbortError");

    // A question of the game: one page answers, the other refuses.
    ann.eval("void room.onAsk('Count', async ({ label }) => ({ n: label.length }))")
        .await;
    ben.eval("void room.onAsk('Count', () => { throw new TickwireError('Busy', 'later') })")
        .await;
    ann.eval("heard.said.length = 0, room.send('Survey', { label: 'four' })")
        .await;
    ann.until(
        "both have said something",
        "heard.said.length >= 2",
        PATIENCE,
    )
    .await;
    let texts = ann.eval("heard.said.map(m => m.text).sort()").await;
    assert_eq!(texts, json!(["Busy: later", "says 4"]));

    // A tick event, and the end of the entity: what was made for it is given back to remove.
    let id = ann
        .eval(&format!("Number({}.dataset.id)", element("a")))
        .await;
    ben.eval("room.send('Pop', { label: 'a' })").await;
    for page in pages {
        page.until("the ball is gone", "board.children.length === 0", PATIENCE)
            .await;
        let removed = page.eval("heard.removed").await;
        assert_eq!(removed["label"], "a");
        page.until("the event is heard", "heard.popped.length", PATIENCE)
            .await;
        assert!(page.eval("heard.popped[0].x").await.as_f64() > Some(20.0));
        assert_eq!(page.eval("heard.popped.length").await, 1);
        assert_eq!(page.eval("room.all('Ball')").await, json!([]));
    }
    assert_eq!(ann.eval("heard.removed.id").await, id);

    // What is unbound lets go of its elements, and gets no more of them; a frame function that is stopped is not called again.
    ann.eval("room.send('Throw', { x: 50, label: 'b' })").await;
    for page in pages {
        page.until("the next ball is bound", &element("b"), PATIENCE)
            .await;
    }
    ben.eval("(window.frames_ = 0, window.stop = room.frame(() => frames_++), true)")
        .await;
    ben.until("frames are counted", "frames_ > 1", PATIENCE)
        .await;
    ben.eval("(stop(), unbind(), window.frames_ = 0, true)")
        .await;
    assert_eq!(ben.eval("board.children.length").await, 0);
    ann.eval("room.send('Throw', { x: 60, label: 'c' })").await;
    ann.until("ann has both", "board.children.length === 2", PATIENCE)
        .await;
    ben.until("ben sees both", "room.all('Ball').length === 2", PATIENCE)
        .await;
    assert_eq!(
        ben.eval("[board.children.length, frames_]").await,
        json!([0, 0])
    );

    // Leaving: told to the page and to the others, and the session goes on.
    kept(&ann, "room.leave()").await;
    assert_eq!(
        ann.eval("heard.ended").await,
        json!([{ "reason": "Left", "message": "" }])
    );
    assert_eq!(
        ann.eval("board.children.length").await,
        0,
        "what was bound goes with the room"
    );
    ben.until("ben is alone", "room.members.length === 1", PATIENCE)
        .await;
    let told = ben.eval("heard.members.at(-1).length").await;
    assert_eq!(told, 1, "and was told");
    ben.until(
        "what ann had thrown is gone",
        "room.all('Ball').length === 0",
        PATIENCE,
    )
    .await;
    assert_eq!(play(&ann, "ffa").await, room, "there is a seat again");

    // The end of it all.
    ann.eval("net.close()").await;
    let state = ann
        .until(
            "it is over",
            "net.state.at === 'ended' && net.state",
            PATIENCE,
        )
        .await;
    assert_eq!(state["reason"], "Left");
    assert_eq!(ann.eval("heard.errors").await, json!([]));
    ben.until("and ben sees it", "room.members.length === 1", PATIENCE)
        .await;
    for page in [ann, ben] {
        page.close().await;
    }
    server.stop();
}

#[tokio::test]
async fn a_page_sees_the_list_and_chooses_by_attributes() {
    let server = start(Server::new("table", table).kind("other", table));
    let driver = Driver::start();
    let page = open(&driver, &page_of(&server)).await;
    let ffa = play(&page, "ffa").await;
    let duel = kept(
        &page,
        "net.quick('table', { mode: 'duel' }).then(room => room.id)",
    )
    .await;
    let made = kept(
        &page,
        "net.create('other', { mode: 'ffa', map: 'moon' }).then(room => room.id)",
    )
    .await;
    let ffa_as_told = json!({
        "id": ffa, "kind": "table", "members": 1, "seats": 2, "locked": false, "attributes": { "mode": "ffa" },
    });
    let made_as_told = json!({
        "id": made, "kind": "other", "members": 1, "seats": 2, "locked": false, "attributes": { "map": "moon", "mode": "ffa" },
    });
    let tables = kept(&page, "net.lobby('table')").await;
    let ids: Vec<&Value> = tables
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["id"])
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&&json!(ffa)) && ids.contains(&&duel));
    let all = kept(&page, "net.lobby()").await;
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3);
    assert!(
        all.contains(&ffa_as_told) && all.contains(&made_as_told),
        "{all:#?}"
    );
    // By its id, from another connection of the same page.
    let joined = format!("connect().join({made}).then(room => [room.id, room.members.length])");
    assert_eq!(kept(&page, &joined).await, json!([made, 2]));
    page.close().await;
    server.stop();
}
