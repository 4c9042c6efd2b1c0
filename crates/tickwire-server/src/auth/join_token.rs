//! Join tokens: what a matchmaker signs and a client shows, once, to be let in as somebody, and into one room where it says so. No clock and no chance of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tickwire_proto::Time;
use tickwire_proto::frame::{CREDENTIALS_MAX, Identity, NAME_MAX, Refusal, code};

use super::{Auth, AuthAnswer, AuthRequest, text_field, with_clean_name};

/// How far ahead a token may expire, in seconds: for so long the ones that were used have to be remembered.
pub const JOIN_TOKEN_S_MAX: u64 = 3_600;
/// Used tokens that are remembered until they expire. While there are so many nobody else is let in: none is ever forgotten.
pub const SPENT_MAX: usize = 262_144;
/// Keys at once: the one that signs, and those whose tokens have not expired yet.
const KEYS_MAX: usize = 16;
/// A shorter secret than the hash is a weaker one.
const SECRET_BYTES_MIN: usize = 32;
const KEY_NAME_MAX: usize = 32;
/// What each token begins with: its kind and version.
const PREFIX: &str = "tj1";
const NONCE: usize = 16;

/// What a join token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinTicket {
    /// Who is let in.
    pub identity: String,
    /// What others see; empty: the identity.
    pub name: String,
    /// The only room that may be joined; `None`: any.
    pub room: Option<String>,
    /// For which namespace.
    pub namespace: String,
    /// When it is worth nothing any more: a whole second, at most [`JOIN_TOKEN_S_MAX`] ahead.
    pub expires: Time,
    /// Chance, which makes it one of its kind.
    pub nonce: [u8; NONCE],
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// Not signed by a key that is known, or changed since.
    #[error("this is no join token of this server's matchmaker. Ask the matchmaker for one")]
    Forged,
    /// Its time has passed.
    #[error("the join token has expired. Ask the matchmaker for a new one")]
    Expired,
    /// It was used.
    #[error("the join token was used already. Ask the matchmaker for a new one")]
    Spent,
    /// It is for another namespace.
    #[error("the join token is for another namespace. Attach to that one, or ask the matchmaker")]
    Foreign,
    /// It would have to be remembered for too long.
    #[error(
        "the join token expires too late: at most {JOIN_TOKEN_S_MAX} s ahead. Ask the matchmaker for a shorter one"
    )]
    TooLong,
    /// Too many were used that have not expired.
    #[error("too many join tokens were used lately. Try again in a minute")]
    Crowded,
}

impl From<TokenFault> for Refusal {
    fn from(fault: TokenFault) -> Refusal {
        let code = match fault {
            TokenFault::Expired => "Expired",
            TokenFault::Spent => "Spent",
            TokenFault::Crowded => code::LIMIT,
            _ => code::REFUSED,
        };
        Refusal::new(code, fault.to_string())
    }
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinKeyError {
    /// By its name.
    #[error("the name of a key has 1 to {KEY_NAME_MAX} letters, digits, `-` or `_`")]
    Name,
    /// By its secret.
    #[error(
        "the secret of a key has at least {SECRET_BYTES_MIN} bytes: make it by chance, not by heart"
    )]
    Short,
    /// By the others.
    #[error("there are {KEYS_MAX} keys already: remove one whose tokens have expired")]
    TooMany,
}

/// Signs join tokens, and lets in whoever shows one: credentials `{"join":"..."}`. Clones share keys and memory, so that one can be asked by
/// several namespaces, and be given new keys while it runs.
///
/// ```
/// use tickwire_proto::Time;
/// use tickwire_server::{Auth, AuthAnswer, AuthRequest, JoinTicket, JoinTokens};
/// let secret = [7; 32]; // as the matchmaker has it: 32 bytes of chance
/// let tokens = JoinTokens::new("2026-11", &secret)?;
/// let ticket = JoinTicket {
///     identity: "ann".into(), name: "Ann".into(), room: Some("ARENA-7".into()), namespace: "/".into(),
///     expires: Time(60_000_000), nonce: *b"sixteen at a tim",
/// };
/// let shown = format!(r#"{{"join":"{}"}}"#, tokens.sign(&ticket));
/// let request = AuthRequest::new(shown);
/// assert!(matches!(tokens.check(&request), AuthAnswer::Accepted(ann) if ann.id == "ann"));
/// assert!(matches!(tokens.check(&request), AuthAnswer::Refused(no) if no.code == "Spent"));
/// # Ok::<(), tickwire_server::JoinKeyError>(())
/// ```
///
/// A matchmaker in another language makes `BODY = "tj1." + key name + "." + base64url(JSON)` without padding, of
/// `{"id":…,"name":…,"room":…,"ns":"/","exp":seconds since 1970,"nonce":base64url of 16 random bytes}` (`name` and `room` may be missing), and
/// the token is `BODY + "." + base64url(HMAC-SHA256(secret, BODY))`.
#[derive(Clone)]
pub struct JoinTokens {
    inner: Arc<Inner>,
}

struct Inner {
    /// By name, the newest last: that one signs.
    keys: RwLock<Vec<(String, Hmac<Sha256>)>>,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    nonces: BTreeSet<[u8; NONCE]>,
    by_time: BTreeSet<(Time, [u8; NONCE])>,
}

impl fmt::Debug for JoinTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinTokens").finish_non_exhaustive()
    }
}

impl JoinTokens {
    /// With one key.
    ///
    /// # Errors
    /// Where its name or its secret will not do.
    pub fn new(key: &str, secret: &[u8]) -> Result<JoinTokens, JoinKeyError> {
        let inner = Inner {
            keys: RwLock::default(),
            spent: Mutex::default(),
        };
        let tokens = JoinTokens {
            inner: Arc::new(inner),
        };
        tokens.add_key(key, secret)?;
        Ok(tokens)
    }

    /// A new key, which signs from here on; one of the same name goes. Tokens of the others are good still.
    ///
    /// # Errors
    /// Where its name or its secret will not do, or there are too many.
    pub fn add_key(&self, key: &str, secret: &[u8]) -> Result<(), JoinKeyError> {
        if !is_key_name(key) {
            return Err(JoinKeyError::Name);
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| JoinKeyError::Short)?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(JoinKeyError::Short);
        }
        let mut keys = self
            .inner
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(name, _)| name != key);
        if keys.len() >= KEYS_MAX {
            return Err(JoinKeyError::TooMany);
        }
        keys.push((key.to_owned(), mac));
        Ok(())
    }

    /// Tokens of that key are worth nothing any more.
    pub fn remove_key(&self, key: &str) {
        let mut keys = self
            .inner
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(name, _)| name != key);
    }

    /// A token that says this, by the newest key; empty where all keys were removed.
    #[must_use]
    pub fn sign(&self, ticket: &JoinTicket) -> String {
        let keys = self
            .inner
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let Some((key, mac)) = keys.last() else {
            return String::new();
        };
        let says = json!({
            "id": ticket.identity, "name": ticket.name, "room": ticket.room, "ns": ticket.namespace,
            "exp": ticket.expires.0 / 1_000_000, "nonce": encode(&ticket.nonce),
        });
        let body = format!("{PREFIX}.{key}.{}", encode(says.to_string().as_bytes()));
        let signature = mac.clone().chain_update(&body).finalize().into_bytes();
        format!("{body}.{}", encode(&signature))
    }

    /// What a token says, if it is good, in that namespace and at that time. It is used up by this.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn spend(&self, token: &str, namespace: &str, now: Time) -> Result<JoinTicket, TokenFault> {
        let ticket = self.read(token).ok_or(TokenFault::Forged)?;
        if ticket.expires <= now {
            return Err(TokenFault::Expired);
        }
        if ticket.namespace != namespace {
            return Err(TokenFault::Foreign);
        }
        if ticket.expires.since(now) > Duration::from_secs(JOIN_TOKEN_S_MAX) {
            return Err(TokenFault::TooLong);
        }
        let mut spent = self
            .inner
            .spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        spent.spend(&ticket, now)?;
        Ok(ticket)
    }

    /// What is signed by a key of ours.
    fn read(&self, token: &str) -> Option<JoinTicket> {
        let (body, signature) = token.rsplit_once('.')?;
        let (head, says) = body.rsplit_once('.')?;
        let key = head.strip_prefix(PREFIX)?.strip_prefix('.')?;
        let signature = decode(signature)?;
        let keys = self
            .inner
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let (_, mac) = keys.iter().find(|(name, _)| name == key)?;
        // In constant time.
        mac.clone()
            .chain_update(body)
            .verify_slice(&signature)
            .ok()?;
        ticket(&serde_json::from_slice(&decode(says)?).ok()?)
    }
}

impl Spent {
    fn spend(&mut self, ticket: &JoinTicket, now: Time) -> Result<(), TokenFault> {
        while let Some((expires, nonce)) = self.by_time.first().copied().filter(|it| it.0 <= now) {
            self.by_time.remove(&(expires, nonce));
            self.nonces.remove(&nonce);
        }
        if self.nonces.contains(&ticket.nonce) {
            return Err(TokenFault::Spent);
        }
        if self.nonces.len() >= SPENT_MAX {
            return Err(TokenFault::Crowded);
        }
        self.nonces.insert(ticket.nonce);
        self.by_time.insert((ticket.expires, ticket.nonce));
        Ok(())
    }
}

impl Auth for JoinTokens {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let token = text_field(&request.credentials, "join").and_then(|token| {
            let missing = r#"a join token is needed: attach with {"join":"..."}"#;
            token.ok_or_else(|| Refusal::new(code::REFUSED, missing))
        });
        let ticket = token.and_then(|token| {
            let spent = self.spend(&token, &request.namespace, request.now);
            spent.map_err(Refusal::from)
        });
        let identity = ticket.map(|ticket| Identity {
            id: ticket.identity,
            name: ticket.name,
            room: ticket.room,
            ..Identity::default()
        });
        identity.map(with_clean_name).into()
    }
}

/// What was signed, if it makes sense.
fn ticket(says: &Value) -> Option<JoinTicket> {
    let text = |name: &str| says.get(name).and_then(Value::as_str);
    let optional = |name: &str| match says.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_str().map(Some),
    };
    let identity = text("id").filter(|id| (1..=NAME_MAX).contains(&id.len()))?;
    Some(JoinTicket {
        identity: identity.to_owned(),
        name: optional("name")?.unwrap_or_default().to_owned(),
        room: optional("room")?.map(str::to_owned),
        namespace: text("ns").unwrap_or(crate::namespace::HOME).to_owned(),
        expires: Time(says.get("exp")?.as_u64()?.checked_mul(1_000_000)?),
        nonce: decode(text("nonce")?)?.try_into().ok()?,
    })
}

fn is_key_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=KEY_NAME_MAX).contains(&name.len()) && name.bytes().all(plain)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding (RFC 4648, section 5).
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = (0..=three.len()).map(|at| DIGITS[(bits >> (18 - 6 * at) & 63) as usize]);
        text.extend(digits.map(char::from));
    }
    text
}

/// The bytes again; `None`: that is no text of [`encode`], to the last bit.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > CREDENTIALS_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for digit in four {
            bits = bits << 6 | DIGITS.iter().position(|it| it == digit)? as u32;
        }
        bits <<= 6 * (4 - four.len());
        let whole = four.len() * 6 / 8;
        let taken = &bits.to_be_bytes()[1..];
        if four.len() == 1 || taken[whole..].iter().any(|rest| *rest != 0) {
            return None;
        }
        bytes.extend(&taken[..whole]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(nonce: u64, expires_s: u64) -> JoinTicket {
        let mut chance = [9; NONCE];
        chance[..8].copy_from_slice(&nonce.to_le_bytes());
        JoinTicket {
            identity: "ann".to_owned(),
            name: "Ann".to_owned(),
            room: Some("AAAA".to_owned()),
            namespace: "/".to_owned(),
            expires: Time(expires_s * 1_000_000),
            nonce: chance,
        }
    }

    #[test]
    fn bytes_come_back_and_no_other_text_says_the_same() {
        for len in 0..50 {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 37 + len) as u8).collect();
            assert_eq!(decode(&encode(&bytes)).as_deref(), Some(&bytes[..]));
        }
        assert_eq!(encode(b"\xfb\xff\xfe"), "-__-");
        for wrong in ["A", "AB", "AAB", "AA==", "A A", "AA+/", "ä", "AAAAA"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_of_another_hand_is_read() {
        // By Python: hmac.new(bytes(range(32)), body, sha256), base64.urlsafe_b64encode without "=".
        let token = "tj1.k1.eyJpZCI6ImFubiIsImV4cCI6MTAwLCJub25jZSI6IkFBRUNBd1FGQmdjSUNRb0xEQTBPRHcifQ.Swwl1RW_rOCBE1oKStqIy8zXO4OYp9hrtAmNl2nUQtY";
        let secret: Vec<u8> = (0..32).collect();
        let tokens = JoinTokens::new("k1", &secret).unwrap();
        let told = tokens.spend(token, "/", Time(0)).unwrap();
        assert_eq!((told.identity.as_str(), told.room), ("ann", None));
        assert_eq!(told.nonce, std::array::from_fn(|at| at as u8));
    }

    #[test]
    fn keys_are_changed_while_it_runs() {
        let tokens = JoinTokens::new("old", &[1; 32]).unwrap();
        let (first, second) = (tokens.sign(&ticket(1, 60)), tokens.sign(&ticket(2, 60)));
        tokens.clone().add_key("new", &[2; 32]).unwrap();
        let third = tokens.sign(&ticket(3, 60));
        assert!(third.starts_with("tj1.new."));
        assert!(tokens.spend(&first, "/", Time(0)).is_ok());
        tokens.remove_key("old");
        assert_eq!(tokens.spend(&second, "/", Time(0)), Err(TokenFault::Forged));
        assert!(tokens.spend(&third, "/", Time(0)).is_ok());
        for at in 1..KEYS_MAX {
            tokens.add_key(&format!("k{at}"), &[3; 32]).unwrap();
        }
        assert_eq!(tokens.add_key("more", &[3; 32]), Err(JoinKeyError::TooMany));
        assert_eq!(tokens.add_key("new", &[4; 32]), Ok(()), "one goes for it");
        assert_eq!(tokens.add_key("a.b", &[3; 32]), Err(JoinKeyError::Name));
        assert_eq!(tokens.add_key("c", &[3; 31]), Err(JoinKeyError::Short));
    }

    #[test]
    fn used_tokens_are_remembered_until_they_expire_and_bounded() {
        let tokens = JoinTokens::new("k", &[1; 32]).unwrap();
        for nonce in 0..SPENT_MAX as u64 {
            let ticket = ticket(nonce, 60 + nonce % 2);
            let mut spent = tokens.inner.spent.lock().unwrap();
            spent.spend(&ticket, Time(0)).unwrap();
        }
        let (one_more, used) = (
            tokens.sign(&ticket(u64::MAX, 90)),
            tokens.sign(&ticket(1, 61)),
        );
        assert_eq!(
            tokens.spend(&one_more, "/", Time(0)),
            Err(TokenFault::Crowded)
        );
        let later = Time(60_000_000);
        assert!(tokens.spend(&one_more, "/", later).is_ok());
        assert_eq!(tokens.spend(&used, "/", later), Err(TokenFault::Spent));
        let spent = tokens.inner.spent.lock().unwrap();
        assert_eq!(spent.nonces.len(), SPENT_MAX / 2 + 1);
        assert_eq!(spent.nonces.len(), spent.by_time.len());
    }

    #[test]
    fn refusals_are_typed() {
        let tokens = JoinTokens::new("k", &[1; 32]).unwrap();
        let mut foreign = ticket(1, 60);
        foreign.namespace = "/chat".to_owned();
        let fault = |ticket: &JoinTicket, now| tokens.spend(&tokens.sign(ticket), "/", now).err();
        assert_eq!(fault(&foreign, Time(0)), Some(TokenFault::Foreign));
        assert_eq!(
            fault(&ticket(2, 60), Time(60_000_000)),
            Some(TokenFault::Expired)
        );
        assert_eq!(
            fault(&ticket(3, JOIN_TOKEN_S_MAX + 1), Time(0)),
            Some(TokenFault::TooLong)
        );
        assert_eq!(fault(&ticket(3, JOIN_TOKEN_S_MAX), Time(0)), None);
        for (fault, code) in [
            (TokenFault::Expired, "Expired"),
            (TokenFault::Spent, "Spent"),
            (TokenFault::Crowded, code::LIMIT),
            (TokenFault::Forged, code::REFUSED),
        ] {
            assert_eq!(Refusal::from(fault).code, code);
        }
        let nobody = JoinTicket {
            identity: String::new(),
            ..ticket(4, 60)
        };
        assert_eq!(fault(&nobody, Time(0)), Some(TokenFault::Forged));
    }
}
