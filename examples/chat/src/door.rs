//! Who may come in: a door, open to everybody, where a name and a password become a token; and the check of that token inside.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tickwire::net::{FromClient, JwtAuth, JwtKeyError, JwtKeys, Namespace, now};
use tickwire::prelude::*;
use tickwire::proto::frame::{Refusal, code};
use tickwire::server::{Auth, AuthAnswer, AuthRequest, NamespaceLimits};

use crate::store::Store;

/// How long a token is good. The page fetches a fresh one in time, without a password.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);

/// With a name that is new, or one's own.
#[derive(NetMessage, Serialize, Deserialize)]
pub struct SignIn {
    #[net(max = 24)]
    pub name: String,
    #[net(max = 128)]
    pub password: String,
    /// Whether the name is to be a new one.
    pub new: bool,
}

impl Request for SignIn {
    type Reply = Token;
}

/// A token that is good still, for a fresh one.
#[derive(NetMessage, Serialize, Deserialize)]
pub struct Renew {
    #[net(max = 1_000)]
    pub token: String,
}

impl Request for Renew {
    type Reply = Token;
}

#[derive(NetMessage, Serialize, Deserialize)]
pub struct Token {
    #[net(max = 24)]
    pub name: String,
    #[net(max = 1_000)]
    pub token: String,
    pub good_for_s: u32,
}

/// The key that tokens are signed with and checked by. To replace one, add the next under another name, and remove the old one once
/// its tokens have expired.
const KEY: &str = "1";

/// Signs tokens; those whom it lets in may go inside.
#[derive(Clone)]
pub struct Tokens(JwtKeys);

impl Tokens {
    /// Of a secret of 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Tokens, JwtKeyError> {
        let keys = JwtKeys::new();
        keys.hs256(KEY, secret)?;
        Ok(Tokens(keys))
    }

    /// The check of the namespace inside.
    pub fn auth(&self) -> JwtAuth {
        JwtAuth::new(self.0.clone())
    }

    fn issue(&self, name: &str) -> Result<Token, Refusal> {
        let until = now().plus(GOOD_FOR).0 / 1_000_000;
        let claims = json!({ "sub": name.to_lowercase(), "name": name, "exp": until });
        Ok(Token {
            name: name.to_owned(),
            token: self.0.sign(KEY, &claims).map_err(|_| broken())?,
            good_for_s: GOOD_FOR.as_secs() as u32,
        })
    }

    /// Whom a token that is good still was given to.
    fn name(&self, token: &str) -> Result<String, Refusal> {
        let shown = AuthRequest {
            now: now(),
            ..AuthRequest::new(json!({ "token": token }).to_string())
        };
        match self.auth().check(&shown) {
            AuthAnswer::Accepted(identity) => Ok(identity.name),
            AuthAnswer::Refused(refusal) => Err(refusal),
            AuthAnswer::Later(_) | AuthAnswer::Next => Err(broken()),
        }
    }
}

/// The namespace `/door`.
pub fn door(store: Arc<Store>, tokens: Tokens) -> Namespace {
    let fresh = tokens.clone();
    Namespace::new("/door")
        .on_request(move |_: FromClient, asked: SignIn| {
            sign_in(Arc::clone(&store), tokens.clone(), asked)
        })
        .on_request(move |_: FromClient, asked: Renew| {
            let fresh = fresh.clone();
            async move { fresh.issue(&fresh.name(&asked.token)?) }
        })
        .limits(NamespaceLimits {
            handlers: 1, // one guess at a time
            ..NamespaceLimits::default()
        })
}

async fn sign_in(store: Arc<Store>, tokens: Tokens, asked: SignIn) -> Result<Token, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !(2..=24).contains(&asked.name.len()) || !asked.name.chars().all(fits) {
        let text = "a name has 2 to 24 letters, digits, _ or -";
        return Err(Refusal::new("BadName", text));
    }
    if asked.new && asked.password.chars().count() < 8 {
        let text = "a password has 8 characters or more";
        return Err(Refusal::new("BadPassword", text));
    }
    // Hashing takes its time, on purpose.
    let checked = tokio::task::spawn_blocking(move || match asked.new {
        true => sign_up(&store, &asked),
        false => check(&store, &asked),
    });
    let name = checked.await.map_err(|_| broken())??;
    tokens.issue(&name)
}

fn sign_up(store: &Store, asked: &SignIn) -> Result<String, Refusal> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| broken())?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| broken())?;
    let hash = Argon2::default().hash_password(asked.password.as_bytes(), &salt);
    let hash = hash.map_err(|_| broken())?.to_string();
    match store.add_user(&asked.name, &hash) {
        Ok(true) => Ok(asked.name.clone()),
        Ok(false) => Err(Refusal::new(
            "Taken",
            "somebody has that name. Sign in, or take another one",
        )),
        Err(_) => Err(broken()),
    }
}

fn check(store: &Store, asked: &SignIn) -> Result<String, Refusal> {
    let user = store.user(&asked.name).map_err(|_| broken())?;
    // The same words and the same time for a name that is not known: nobody learns who is.
    let nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (name, hash) = user.unwrap_or_else(|| (String::new(), nobody.to_owned()));
    let hash = PasswordHash::new(&hash).map_err(|_| broken())?;
    let right = Argon2::default().verify_password(asked.password.as_bytes(), &hash);
    match right {
        Ok(()) => Ok(name),
        Err(_) => Err(Refusal::new(
            "WrongPassword",
            "that name and that password do not belong together",
        )),
    }
}

fn broken() -> Refusal {
    Refusal::new(
        code::FAILED,
        "the server could not do that. Its log says why",
    )
}
