//! Who may come in: a door, open to everybody, where a name and a password become a token; and the check of that token inside.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tickwire::net::{FromClient, Namespace};
use tickwire::prelude::*;
use tickwire::proto::Time;
use tickwire::proto::frame::{Identity, Refusal, code};
use tickwire::server::NamespaceLimits;

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

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    name: String,
    exp: u64,
}

/// Signs tokens and checks them.
#[derive(Clone)]
pub struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
}

impl Tokens {
    pub fn new(secret: &[u8]) -> Tokens {
        Tokens {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
        }
    }

    fn issue(&self, name: &str) -> Result<Token, Refusal> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let claims = Claims {
            sub: name.to_lowercase(),
            name: name.to_owned(),
            exp: (now.unwrap_or_default() + GOOD_FOR).as_secs(),
        };
        let token = jsonwebtoken::encode(&Header::default(), &claims, &self.sign);
        Ok(Token {
            name: name.to_owned(),
            token: token.map_err(|_| broken())?,
            good_for_s: GOOD_FOR.as_secs() as u32,
        })
    }

    fn read(&self, token: &str) -> Result<Claims, Refusal> {
        let read =
            jsonwebtoken::decode::<Claims>(token, &self.check, &Validation::new(Algorithm::HS256));
        let wrong = |_| Refusal::new("SignIn", "sign in: this token is not good any more");
        read.map(|token| token.claims).map_err(wrong)
    }

    /// For the namespace inside.
    pub fn identity(&self, token: &str) -> Result<Identity, Refusal> {
        let Claims { sub, name, exp } = self.read(token)?;
        Ok(Identity {
            name,
            expires: Some(Time(exp.saturating_mul(1_000_000))),
            ..Identity::new(sub)
        })
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
            async move { fresh.issue(&fresh.read(&asked.token)?.name) }
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
