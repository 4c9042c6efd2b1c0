//! A million tokens that are forged, foreign, spent or expired, of every kind there is: none is accepted. Of each race for one that may be used once, exactly one wins.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::client::Connection;
use tickwire_net::{JwtAuth, JwtKeys, Server};
use tickwire_proto::frame::{Identity, ResumeClaim};
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame, Time};
use tickwire_server::{
    Auth, AuthAnswer, AuthRequest, Front, FrontConfig, FrontInput, FrontOutput, JoinTicket,
    JoinTokens, SessionKey,
};

/// All tokens of this test, over the three kinds. More or fewer: `TICKWIRE_TOKENS`.
const TOKENS: usize = 1_000_000;
/// A second that all tokens are judged by.
const NOW_S: u64 = 1_800_000_000;
const NOW: Time = Time(NOW_S * 1_000_000);
const SECRET: [u8; 32] = [7; 32];
const OTHERS: [u8; 32] = [8; 32];
/// The key pair of RFC 8410, section 10.3.
const PRIVATE: &str = "302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
const PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";

fn tokens() -> usize {
    let told = std::env::var("TICKWIRE_TOKENS").ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(TOKENS)
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// Chance that is the same in each run (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Another text: one letter is another one, one is missing, or one is there twice.
    fn spoil(&mut self, text: &str) -> String {
        let mut letters: Vec<u8> = text.bytes().collect();
        let at = self.below(letters.len());
        match self.below(4) {
            0 => drop(letters.remove(at)),
            1 => letters.insert(at, letters[at]),
            _ => {
                let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
                let other = all[self.below(all.len())];
                letters[at] = if other == letters[at] { b'=' } else { other };
            }
        }
        String::from_utf8(letters).unwrap()
    }
}

fn shown(field: &str, token: &str) -> AuthRequest {
    AuthRequest {
        now: NOW,
        ..AuthRequest::new(json!({ field: token }).to_string())
    }
}

fn accepts(auth: &dyn Auth, field: &str, token: &str) -> bool {
    matches!(auth.check(&shown(field, token)), AuthAnswer::Accepted(_))
}

fn ticket(nonce: u64) -> JoinTicket {
    let mut chance = [1; 16];
    chance[..8].copy_from_slice(&nonce.to_le_bytes());
    JoinTicket {
        identity: "ann".into(),
        name: "Ann".into(),
        room: Some("AAAA".into()),
        namespace: "/".into(),
        expires: NOW.plus(Duration::from_secs(600)),
        nonce: chance,
    }
}

#[test]
fn none_of_a_million_bad_tokens_is_accepted() {
    let all = tokens();
    let (jwt, resume) = (all * 3 / 10, all * 3 / 10);
    let accepted = bad_join_tokens(all - jwt - resume) + bad_jwts(jwt) + bad_claims(resume);
    println!("{all} tokens that are forged, foreign, spent or expired: {accepted} accepted");
    assert_eq!(accepted, 0);
}

fn bad_join_tokens(count: usize) -> usize {
    let mut chance = Chance(1);
    let (ours, theirs) = (
        JoinTokens::new("k", &SECRET).unwrap(),
        JoinTokens::new("k", &OTHERS).unwrap(),
    );
    let spent: Vec<String> = (0..1_000).map(|nonce| ours.sign(&ticket(nonce))).collect();
    let good = spent.iter().filter(|token| accepts(&ours, "join", token));
    assert_eq!(good.count(), spent.len(), "each is good once");
    let fresh: Vec<String> = (1_000..2_000)
        .map(|nonce| ours.sign(&ticket(nonce)))
        .collect();
    let mut accepted = 0;
    for n in 0..count {
        let nonce = 10_000 + n as u64;
        let token = match n % 8 {
            0 => theirs.sign(&ticket(nonce)),
            1 => ours.sign(&JoinTicket {
                expires: Time(NOW.0 - 1_000_000 * (n as u64 % 1_000)),
                ..ticket(nonce)
            }),
            2 => ours.sign(&JoinTicket {
                namespace: format!("/{n}"),
                ..ticket(nonce)
            }),
            3 => ours.sign(&JoinTicket {
                expires: NOW.plus(Duration::from_secs(3_601 + nonce)),
                ..ticket(nonce)
            }),
            4 | 5 => spent[chance.below(spent.len())].clone(),
            _ => chance.spoil(&fresh[n % fresh.len()]),
        };
        accepted += usize::from(accepts(&ours, "join", &token));
    }
    let good = fresh.iter().filter(|token| accepts(&ours, "join", token));
    assert_eq!(
        good.count(),
        fresh.len(),
        "nothing was used up by what was like it"
    );
    accepted
}

fn bad_jwts(count: usize) -> usize {
    let mut chance = Chance(2);
    let keys = JwtKeys::new();
    keys.hs256("hs", &SECRET).unwrap();
    keys.ed25519("ed", hex(PUBLIC).as_slice().try_into().unwrap())
        .unwrap();
    let auth = JwtAuth::new(keys)
        .audience("arena")
        .issuer("https://id.example");
    let (ours, others, public) = (
        EncodingKey::from_secret(&SECRET),
        EncodingKey::from_secret(&OTHERS),
        EncodingKey::from_secret(&hex(PUBLIC)),
    );
    let ed = EncodingKey::from_ed_der(&hex(PRIVATE));
    let claims = |change: fn(&mut Value)| {
        let mut claims = json!({
            "sub": "ann", "aud": ["shop", "arena"], "iss": "https://id.example", "exp": NOW_S + 60, "nbf": NOW_S - 60,
        });
        change(&mut claims);
        claims
    };
    let sign = |algorithm, kid: &str, key: &EncodingKey, claims: &Value| {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, key).unwrap()
    };
    let fine = claims(|_| ());
    let good = [
        sign(Algorithm::HS256, "hs", &ours, &fine),
        sign(Algorithm::EdDSA, "ed", &ed, &fine),
    ];
    assert!(good.iter().all(|token| accepts(&auth, "token", token)));
    let changes: [fn(&mut Value); 10] = [
        |it| it["exp"] = json!(NOW_S - 11),
        |it| it["exp"] = json!("tomorrow"),
        |it| drop(it.as_object_mut().unwrap().remove("exp")),
        |it| it["nbf"] = json!(NOW_S + 11),
        |it| it["aud"] = json!("shop"),
        |it| drop(it.as_object_mut().unwrap().remove("aud")),
        |it| it["iss"] = json!("https://id.example.evil"),
        |it| drop(it.as_object_mut().unwrap().remove("iss")),
        |it| it["sub"] = json!(""),
        |it| it["sub"] = json!(7),
    ];
    // Signed as they should be, and yet not for here and now; and the same words signed by others, or by nobody.
    let wrong = changes.map(|change| claims(change));
    let mut bad: Vec<String> = wrong
        .iter()
        .map(|wrong| sign(Algorithm::HS256, "hs", &ours, wrong))
        .collect();
    bad.extend([
        sign(Algorithm::HS256, "hs", &others, &fine),
        sign(Algorithm::HS256, "ed", &public, &fine), // the public key as a secret
        sign(Algorithm::HS256, "ed", &ours, &fine),
        sign(Algorithm::EdDSA, "hs", &ed, &fine),
        sign(Algorithm::HS512, "hs", &ours, &fine),
        sign(Algorithm::HS256, "other", &ours, &fine),
        sign(Algorithm::HS256, "", &ours, &fine),
    ]);
    let body = good[0].split('.').nth(1).unwrap();
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({ "alg": alg, "kid": "hs" }).to_string();
        let header = base64(header.as_bytes());
        bad.extend([
            format!("{header}.{body}."),
            format!("{header}.{body}.{body}"),
        ]);
    }
    let mut accepted = 0;
    for n in 0..count {
        let token = match n % 50 {
            0 => chance.spoil(&good[1]), // some: Ed25519 takes its time
            1..25 => chance.spoil(&good[0]),
            _ => bad[n % bad.len()].clone(),
        };
        accepted += usize::from(accepts(&auth, "token", &token));
    }
    accepted
}

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let all = (0..=three.len()).map(|at| digits[(bits >> (18 - 6 * at) & 63) as usize]);
        text.extend(all.map(char::from));
    }
    text
}

/// A front, and what its clients see of it.
struct House {
    front: Front,
    chance: Chance,
    now: Time,
}

impl House {
    fn open(&mut self) -> SessionKey {
        let mut token = [0; 32];
        for part in token.chunks_mut(8) {
            part.copy_from_slice(&self.chance.next().to_le_bytes());
        }
        self.front.link_opened(self.now, token)
    }

    fn say(&mut self, session: SessionKey, frame: &ClientFrame<'_>) {
        self.front.frame(self.now, session, &frame.encode());
        while let Some(output) = self.front.poll() {
            if let FrontOutput::AuthWanted { request, .. } = output {
                let (session, attachment) = (request.session, request.attachment);
                let answer = Box::new(Ok(Identity::new("ann")));
                let done = FrontInput::AuthDone {
                    session,
                    attachment,
                    answer,
                };
                self.front.handle(self.now, done);
            }
        }
    }

    /// What a welcome on that link says: the token, and whether a session goes on.
    fn welcome(&mut self, session: SessionKey) -> Option<([u8; 32], bool)> {
        let mut found = None;
        while let Some(out) = self.front.next(self.now, session, 1 << 16) {
            if let Ok(ServerFrame::Welcome { token, resumed, .. }) = ServerFrame::decode(&out.head)
            {
                found = Some((token, resumed.is_some()));
            }
        }
        found
    }

    /// A link that claims a session by a token: whether that goes on over it.
    fn claim(&mut self, token: [u8; 32]) -> bool {
        let link = self.open();
        let resume = Some(ResumeClaim {
            token,
            rooms: vec![],
            received: vec![],
        });
        self.say(
            link,
            &ClientFrame::Hello {
                version: PROTOCOL_VERSION,
                resume,
            },
        );
        let welcome = self.welcome(link);
        self.front.link_lost(self.now, link);
        self.drain();
        !matches!(welcome, Some((_, false)))
    }

    fn drain(&mut self) {
        while self.front.poll().is_some() {}
        while self.front.pop_dirty(Time(0)).is_some() {}
    }

    /// A session that waits for its client, and its token.
    fn waiting(&mut self) -> [u8; 32] {
        let link = self.open();
        self.say(
            link,
            &ClientFrame::Hello {
                version: PROTOCOL_VERSION,
                resume: None,
            },
        );
        let (token, _) = self.welcome(link).expect("a welcome");
        self.say(
            link,
            &ClientFrame::Attach {
                attachment: 0,
                namespace: "/",
                credentials: b"",
                messages_hash: 0,
            },
        );
        self.front.link_lost(self.now, link);
        self.drain();
        token
    }
}

impl House {
    /// The session of a token goes on over another link, whose first frame confirms the next token, and waits again.
    fn spend(&mut self, token: [u8; 32]) {
        assert!(self.claim(token));
        let session = SessionKey::of_token(&token);
        self.say(session, &ClientFrame::Ping { nonce: 1 });
        self.front.link_lost(self.now, session);
        self.drain();
    }
}

/// Claims with tokens that are guessed, half right, of sessions that are gone, or spent.
fn bad_claims(count: usize) -> usize {
    let front = Front::new(FrontConfig::default(), std::sync::Arc::default());
    let mut house = House {
        front,
        chance: Chance(3),
        now: NOW,
    };
    let expired: Vec<[u8; 32]> = (0..200).map(|_| house.waiting()).collect();
    house.now = house.now.plus(Duration::from_secs(31));
    house.front.handle_timeout(house.now);
    house.drain();
    let waiting: Vec<[u8; 32]> = (0..200).map(|_| house.waiting()).collect();
    let spent: Vec<[u8; 32]> = (0..200).map(|_| house.waiting()).collect();
    spent.iter().for_each(|token| house.spend(*token));
    let mut accepted = 0;
    for n in 0..count {
        let mut token = waiting[n % waiting.len()];
        match n % 5 {
            // Right but for one bit of the secret; or all of the secret guessed.
            0 | 1 => token[8 + house.chance.below(24)] ^= 1 << house.chance.below(8),
            2 => {
                for part in token[8..].chunks_mut(8) {
                    part.copy_from_slice(&house.chance.next().to_le_bytes());
                }
            }
            3 => token = expired[n % expired.len()],
            _ => token = spent[n % spent.len()],
        }
        accepted += usize::from(house.claim(token));
    }
    let still = waiting.iter().filter(|token| house.claim(**token));
    assert_eq!(
        still.count(),
        waiting.len(),
        "nobody was kept out by guesses"
    );
    accepted
}

#[test]
fn of_each_race_for_a_token_exactly_one_wins() {
    const RACES: usize = 2_000;
    const RACERS: usize = 4;
    let tokens = JoinTokens::new("k", &SECRET).unwrap();
    let shown: Vec<AuthRequest> = (0..RACES as u64)
        .map(|nonce| self::shown("join", &tokens.sign(&ticket(nonce))))
        .collect();
    let wins: Vec<AtomicUsize> = (0..RACES).map(|_| AtomicUsize::new(0)).collect();
    let start = Barrier::new(RACERS);
    std::thread::scope(|scope| {
        for _ in 0..RACERS {
            let racer = tokens.clone();
            let (shown, wins, start) = (&shown, &wins, &start);
            scope.spawn(move || {
                for (request, won) in shown.iter().zip(wins) {
                    start.wait();
                    if matches!(racer.check(request), AuthAnswer::Accepted(_)) {
                        won.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(wins.iter().all(|won| won.load(Ordering::Relaxed) == 1));
}

/// Over real sockets: a token that expires is asked for again, on the same attachment; a key that is taken away lets nobody stay.
#[tokio::test]
async fn a_session_shows_fresh_tokens_and_goes_with_its_key() {
    let keys = JwtKeys::new();
    keys.hs256("old", &SECRET).unwrap();
    let auth = JwtAuth::new(keys.clone())
        .audience("hello")
        .leeway(Duration::ZERO);
    let server = Server::new("hello", |game: &mut tickwire_sim::Game| {
        game.rate(30).seats(4);
    });
    let server = server.listen("127.0.0.1:0").auth(auth).start().unwrap();
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    let signs = keys.clone();
    net = net.with_credentials(move |_| {
        // Five whole seconds at least, so that no machine that stands still for a moment makes it too old.
        let expires = tickwire_net::now().0 / 1_000_000 + 6;
        let claims = json!({ "sub": "ann", "name": "Ann", "aud": "hello", "exp": expires });
        let token = ["new", "old"]
            .iter()
            .find_map(|key| signs.sign(key, &claims).ok());
        json!({ "token": token.unwrap_or_default() })
            .to_string()
            .into()
    });
    let room = net.client_mut().quick("hello", &[]);
    let deadline = tickwire_net::now().plus(Duration::from_secs(120));
    let (mut renewed, mut joined) = (0, false);
    loop {
        match net.next_until(deadline).await.expect("an event in time") {
            ClientEvent::Attached { identity, .. } => assert_eq!(identity, "ann"),
            ClientEvent::Joined { .. } => joined = true,
            ClientEvent::Renewed { .. } => {
                renewed += 1;
                assert!(
                    joined && net.client().is_joined(room),
                    "nothing was disturbed"
                );
                match renewed {
                    1 => {
                        keys.hs256("new", &OTHERS).unwrap(); // by which the next one is signed
                        keys.remove("old");
                    }
                    _ => keys.remove("new"),
                }
            }
            ClientEvent::AttachRefused(refusal) => {
                assert_eq!((refusal.code.as_str(), renewed), ("Refused", 2));
                assert!(
                    refusal
                        .message
                        .contains("not signed by a key of this server")
                );
                break;
            }
            ClientEvent::JoinRefused { refusal, .. } => panic!("{refusal:?}"),
            _ => {}
        }
    }
    server.stop();
}
