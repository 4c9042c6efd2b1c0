//! JSON Web Tokens as credentials, HS256 and EdDSA alone. The key says which of the two, the token does not.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value};
use tickwire_proto::Time;
use tickwire_proto::frame::{Identity, NAME_MAX, Refusal, code};
use tickwire_server::{Auth, AuthAnswer, AuthRequest};

/// Keys at once: more than any rotation needs.
const KEYS_MAX: usize = 64;
/// A shorter secret than the hash is a weaker one (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// The head of a public key of Ed25519 in SubjectPublicKeyInfo (RFC 8410), in base64.
const ED25519_SPKI: &str = "MCowBQYDK2VwAyEA";
/// How far the clocks of whoever signs and of this server may differ, unless it is said.
const LEEWAY: Duration = Duration::from_secs(10);

/// Why a key cannot be used, or a token cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtKeyError {
    /// The secret.
    #[error(
        "the secret of HS256 has at least {SECRET_BYTES_MIN} bytes: make it by chance, not by heart"
    )]
    Short,
    /// The public key.
    #[error("that is no public key of Ed25519: give the 32 bytes, `x` of its JWK, or its PEM")]
    NoKey,
    /// The others.
    #[error("there are {KEYS_MAX} keys already: remove one whose tokens have expired")]
    TooMany,
    /// There is no such key, or it can only check.
    #[error("there is no key of that name that signs: add it by hs256()")]
    CannotSign,
}

/// The keys that tokens are checked by. Clones share them: a new one may be added, and an old one removed, while the server runs.
///
/// Each has a name, which the token gives as `kid`; the name `""` is that of tokens that give none.
#[derive(Clone, Default)]
pub struct JwtKeys {
    keys: Arc<RwLock<Vec<Key>>>,
}

struct Key {
    name: String,
    algorithm: Algorithm,
    checks: DecodingKey,
    signs: Option<EncodingKey>,
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKeys").finish_non_exhaustive()
    }
}

impl JwtKeys {
    /// None: nobody is let in.
    #[must_use]
    pub fn new() -> JwtKeys {
        JwtKeys::default()
    }

    /// A secret of HS256, in the place of a key of that name.
    ///
    /// # Errors
    /// Where it is too short, or there are too many.
    pub fn hs256(&self, name: &str, secret: &[u8]) -> Result<(), JwtKeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(JwtKeyError::Short);
        }
        self.add(Key {
            name: name.to_owned(),
            algorithm: Algorithm::HS256,
            checks: DecodingKey::from_secret(secret),
            signs: Some(EncodingKey::from_secret(secret)),
        })
    }

    /// A public key of Ed25519 (`EdDSA`), its 32 bytes, in the place of a key of that name.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn ed25519(&self, name: &str, public: &[u8; 32]) -> Result<(), JwtKeyError> {
        self.add(Key {
            name: name.to_owned(),
            algorithm: Algorithm::EdDSA,
            checks: DecodingKey::from_ed_der(public),
            signs: None,
        })
    }

    /// The same by the `x` of its JWK (`{"kty":"OKP","crv":"Ed25519","x":"…"}`).
    ///
    /// # Errors
    /// Where that is no such key, or there are too many.
    pub fn ed25519_jwk(&self, name: &str, x: &str) -> Result<(), JwtKeyError> {
        let key = DecodingKey::from_ed_components(x).map_err(|_| JwtKeyError::NoKey)?;
        let bytes = key.try_get_as_bytes().map_err(|_| JwtKeyError::NoKey)?;
        let public = bytes.try_into().map_err(|_| JwtKeyError::NoKey)?;
        self.ed25519(name, public)
    }

    /// The same by its PEM, as OpenSSL writes it (`openssl pkey -pubout`).
    ///
    /// ```
    /// use tickwire_net::JwtKeys;
    /// let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    /// JwtKeys::new().ed25519_pem("2026-11", pem)?;
    /// # Ok::<(), tickwire_net::JwtKeyError>(())
    /// ```
    ///
    /// # Errors
    /// Where that is no such key, or there are too many.
    pub fn ed25519_pem(&self, name: &str, pem: &str) -> Result<(), JwtKeyError> {
        let body = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----");
        let body = body.and_then(|it| it.strip_suffix("-----END PUBLIC KEY-----"));
        let body = body.ok_or(JwtKeyError::NoKey)?;
        let text: String = body.split_whitespace().collect();
        // What stands before the 32 bytes is the same for every such key, and ends between two letters.
        let key = text.strip_prefix(ED25519_SPKI).ok_or(JwtKeyError::NoKey)?;
        let x = key
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_");
        self.ed25519_jwk(name, &x)
    }

    /// Tokens of that key are worth nothing from here on.
    pub fn remove(&self, name: &str) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|key| key.name != name);
    }

    /// A token of a key of HS256, for a server that signs its guests in itself. It needs `sub` and `exp`, and what [`JwtAuth`] asks for.
    ///
    /// # Errors
    /// Where there is no such key.
    pub fn sign(&self, name: &str, claims: &Value) -> Result<String, JwtKeyError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.iter().find(|key| key.name == name);
        let signs = key.and_then(|key| key.signs.as_ref());
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(name.to_owned()).filter(|name| !name.is_empty());
        let token = signs.and_then(|signs| jsonwebtoken::encode(&header, claims, signs).ok());
        token.ok_or(JwtKeyError::CannotSign)
    }

    fn add(&self, key: Key) -> Result<(), JwtKeyError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|other| other.name != key.name);
        if keys.len() >= KEYS_MAX {
            return Err(JwtKeyError::TooMany);
        }
        keys.push(key);
        Ok(())
    }
}

/// Lets in whoever shows a JSON Web Token of one of the keys: credentials `{"token":"..."}`.
///
/// `sub` is the identity, `name` (if it is there) what others see, all claims are its data; `exp` is needed, and when that has passed the
/// session is asked for a fresh token. `nbf` counts, and `aud` and `iss` as asked for: a token for somebody else (an `aud` that nobody
/// asked for) is refused too.
///
/// ```
/// use tickwire_net::{JwtAuth, JwtKeys};
/// use tickwire_server::{Auth, AuthAnswer, AuthRequest};
/// let keys = JwtKeys::new();
/// keys.hs256("2026-11", &[7; 32])?; // 32 bytes of chance
/// let auth = JwtAuth::new(keys.clone()).audience("arena");
/// let token = keys.sign("2026-11", &serde_json::json!({"sub": "ann", "aud": "arena", "exp": 3_600}))?;
/// let shown = AuthRequest::new(format!(r#"{{"token":"{token}"}}"#));
/// assert!(matches!(auth.check(&shown), AuthAnswer::Accepted(ann) if ann.id == "ann"));
/// # Ok::<(), tickwire_net::JwtKeyError>(())
/// ```
#[derive(Debug)]
pub struct JwtAuth {
    keys: JwtKeys,
    audiences: Vec<String>,
    issuers: Vec<String>,
    leeway: Duration,
    /// What the library checks; times are checked here, by the time that is handed in.
    rules: [Validation; 2],
}

impl JwtAuth {
    /// By these keys.
    #[must_use]
    pub fn new(keys: JwtKeys) -> JwtAuth {
        JwtAuth {
            keys,
            audiences: Vec::new(),
            issuers: Vec::new(),
            leeway: LEEWAY,
            rules: [Algorithm::HS256, Algorithm::EdDSA].map(|it| rules(it, &[], &[])),
        }
    }

    /// Tokens for this audience alone, or for another one that was named before.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> JwtAuth {
        self.audiences.push(audience.to_owned());
        self.with_rules()
    }

    /// Tokens of this issuer alone, or of another one that was named before.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> JwtAuth {
        self.issuers.push(issuer.to_owned());
        self.with_rules()
    }

    /// How far the clocks may differ: 10 s, unless this is said.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> JwtAuth {
        self.leeway = leeway;
        self
    }

    fn with_rules(mut self) -> JwtAuth {
        self.rules = [Algorithm::HS256, Algorithm::EdDSA]
            .map(|it| rules(it, &self.audiences, &self.issuers));
        self
    }

    /// Who a token says it is of.
    fn read(&self, token: &str, now: Time) -> Result<Identity, Refusal> {
        let claims = self.claims(token)?;
        let second = |name: &str| {
            let value = claims.get(name)?;
            let whole = value.as_u64();
            whole.or_else(|| value.as_f64().filter(|it| *it >= 0.0).map(|it| it as u64))
        };
        let micros = |seconds: u64| Time(seconds.saturating_mul(1_000_000));
        let expires = second("exp").ok_or_else(|| forged("it does not say when it expires"))?;
        let expires = micros(expires).plus(self.leeway);
        if expires <= now {
            return Err(Refusal::new(
                "Expired",
                "the token has expired: sign in again",
            ));
        }
        let early = claims.contains_key("nbf")
            && second("nbf").is_none_or(|it| micros(it) > now.plus(self.leeway));
        if early {
            return Err(forged("it is not valid yet"));
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let id = text("sub").filter(|id| (1..=NAME_MAX).contains(&id.len()));
        let id = id.ok_or_else(|| forged("it names nobody: `sub` has 1 to 64 bytes"))?;
        Ok(Identity {
            id: id.to_owned(),
            name: text("name").unwrap_or_default().to_owned(),
            data: serde_json::to_vec(&claims).unwrap_or_default().into(),
            expires: Some(expires),
            ..Identity::default()
        })
    }

    /// What is signed by a key of ours, for us.
    fn claims(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        let unknown = || forged("it is not signed by a key of this server");
        let header = jsonwebtoken::decode_header(token).map_err(|_| unknown())?;
        if header.crit.is_some() {
            return Err(forged(
                "it asks for an extension (`crit`) that is not known here",
            ));
        }
        let keys = self
            .keys
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let name = header.kid.as_deref().unwrap_or_default();
        let key = keys
            .iter()
            .find(|key| key.name == name)
            .ok_or_else(unknown)?;
        let rules = &self.rules[usize::from(key.algorithm == Algorithm::EdDSA)];
        let read = jsonwebtoken::decode(token, &key.checks, rules);
        read.map(|token| token.claims)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidAudience => forged("it is for somebody else (`aud`)"),
                ErrorKind::InvalidIssuer => forged("it is of somebody else (`iss`)"),
                ErrorKind::MissingRequiredClaim(claim) => forged(&format!("it has no `{claim}`")),
                _ => unknown(),
            })
    }
}

fn rules(algorithm: Algorithm, audiences: &[String], issuers: &[String]) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.required_spec_claims.clear();
    if !audiences.is_empty() {
        rules.set_audience(audiences);
        rules.required_spec_claims.insert("aud".to_owned());
    }
    if !issuers.is_empty() {
        rules.set_issuer(issuers);
        rules.required_spec_claims.insert("iss".to_owned());
    }
    rules
}

fn forged(what: &str) -> Refusal {
    let message = format!("the token is not accepted: {what}. Sign in again");
    Refusal::new(code::REFUSED, message)
}

impl Auth for JwtAuth {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let missing = || {
            Refusal::new(
                code::REFUSED,
                r#"a token is needed: attach with {"token":"..."}"#,
            )
        };
        let token = request.text("token");
        let token = token.and_then(|token| token.ok_or_else(missing));
        token
            .and_then(|token| self.read(&token, request.now))
            .into()
    }
}
