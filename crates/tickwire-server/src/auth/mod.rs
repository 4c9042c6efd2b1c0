//! Who may attach, and as whom: the trait, and the answers most games need. Waiting for a slow answer is the driver's.

mod chain;
mod join_token;
mod remote;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tickwire_proto::Time;
use tickwire_proto::frame::{Identity, Refusal, code};

pub use chain::{AuthChain, Guard};
pub use join_token::{
    JOIN_TOKEN_S_MAX, JoinKeyError, JoinTicket, JoinTokens, SPENT_MAX, TokenFault,
};
pub use remote::{REMOTE_BYTES_MAX, Remote};

use crate::key::SessionKey;
use crate::name::clean_name;

/// Credentials that wait to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthRequest {
    /// The session that shows them; part of the answer's address.
    pub session: SessionKey,
    /// Its attachment; the other part.
    pub attachment: u8,
    /// The namespace to attach to.
    pub namespace: String,
    /// What the client shows: by convention the UTF-8 JSON of what its `auth()` returned, or nothing.
    pub credentials: Bytes,
    /// The hash of the messages that the client knows; 0: a generic client.
    pub messages_hash: u64,
    /// A number of its own for every session: to call guests by.
    pub guest: u32,
    /// When: what expires is measured by this.
    pub now: Time,
    /// Where the session's link comes from; of a session that went on over another link, from there.
    pub remote: Arc<Remote>,
    /// Who the checks before this one took it for, in an [`AuthChain`].
    pub identity: Option<Identity>,
}

impl AuthRequest {
    /// A text in the credentials, where they are a JSON object; `None`: they say nothing of it.
    ///
    /// # Errors
    /// Where they are something else, with what they should be.
    pub fn text(&self, field: &str) -> Result<Option<String>, Refusal> {
        text_field(&self.credentials, field)
    }

    /// One of a client from nowhere that shows these credentials, as for tests of an [`Auth`].
    #[must_use]
    pub fn new(credentials: impl Into<Bytes>) -> AuthRequest {
        AuthRequest {
            session: SessionKey(0),
            attachment: 0,
            namespace: crate::namespace::HOME.to_owned(),
            credentials: credentials.into(),
            messages_hash: 0,
            guest: 1,
            now: Time(0),
            remote: Arc::default(),
            identity: None,
        }
    }
}

/// An answer that is not there yet.
pub type Later = Pin<Box<dyn Future<Output = Result<Identity, Refusal>> + Send>>;

/// The answer to an [`AuthRequest`].
pub enum AuthAnswer {
    /// Let in, as this.
    Accepted(Identity),
    /// Not let in.
    Refused(Refusal),
    /// Known later: the driver waits for it.
    Later(Later),
    /// There is nothing against it, and the next one in an [`AuthChain`] decides. As the last word it is a refusal, where nobody was found.
    Next,
}

/// What becomes of an [`AuthAnswer::Next`] with nobody behind it: for drivers.
#[must_use]
pub fn undecided() -> Refusal {
    let message = "no check of this namespace says who that is: end the chain with one that does";
    Refusal::new(code::REFUSED, message)
}

impl fmt::Debug for AuthAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthAnswer::Accepted(identity) => f.debug_tuple("Accepted").field(identity).finish(),
            AuthAnswer::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
            AuthAnswer::Later(_) => f.write_str("Later"),
            AuthAnswer::Next => f.write_str("Next"),
        }
    }
}

impl From<Result<Identity, Refusal>> for AuthAnswer {
    fn from(answer: Result<Identity, Refusal>) -> AuthAnswer {
        match answer {
            Ok(identity) => AuthAnswer::Accepted(identity),
            Err(refusal) => AuthAnswer::Refused(refusal),
        }
    }
}

/// Checks credentials. No game or room code runs for a session before this has accepted it.
pub trait Auth: Send + Sync {
    /// The answer to credentials. Must not block: what takes time is [`AuthAnswer::Later`].
    fn check(&self, request: &AuthRequest) -> AuthAnswer;
}

/// Lets everybody in, by the name they give: credentials `{"guest":"Ann"}`, or nothing.
///
/// ```
/// use tickwire_server::{AcceptAll, Auth, AuthAnswer, AuthRequest};
/// let AuthAnswer::Accepted(ann) = AcceptAll.check(&AuthRequest::new(r#"{"guest":"Ann"}"#)) else { panic!() };
/// assert_eq!((ann.id.as_str(), ann.name.as_str()), ("guest:Ann", "Ann"));
/// let AuthAnswer::Accepted(somebody) = AcceptAll.check(&AuthRequest::new("")) else { panic!() };
/// assert_eq!(somebody.name, "Guest 1");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AcceptAll;

impl Auth for AcceptAll {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let name = text_field(&request.credentials, "guest")
            .map(|name| name.map(|name| clean_name(&name)));
        name.map(|name| {
            let name = name
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| format!("Guest {}", request.guest));
            Identity {
                guest: true,
                id: format!("guest:{name}"),
                name,
                ..Identity::default()
            }
        })
        .into()
    }
}

/// Lets in whoever shows a token that a function of the game knows: credentials `{"token":"..."}`.
///
/// ```
/// use tickwire_server::{Auth, AuthAnswer, AuthRequest, TokenAuth};
/// use tickwire_proto::frame::{Identity, Refusal, code};
/// let auth = TokenAuth::new(|token| match token {
///     "open sesame" => Ok(Identity::new("ali")),
///     _ => Err(Refusal::new(code::REFUSED, "this token is not known. Sign in again")),
/// });
/// let request = AuthRequest::new(r#"{"token":"open sesame"}"#);
/// assert!(matches!(auth.check(&request), AuthAnswer::Accepted(identity) if identity.id == "ali"));
/// ```
pub struct TokenAuth {
    check: Box<dyn Fn(&str) -> Result<Identity, Refusal> + Send + Sync>,
}

impl TokenAuth {
    /// Asks `check` about each token.
    pub fn new(
        check: impl Fn(&str) -> Result<Identity, Refusal> + Send + Sync + 'static,
    ) -> TokenAuth {
        TokenAuth {
            check: Box::new(check),
        }
    }
}

impl fmt::Debug for TokenAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAuth").finish_non_exhaustive()
    }
}

impl Auth for TokenAuth {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let token = text_field(&request.credentials, "token");
        let token = token.and_then(|token| {
            token.ok_or_else(|| {
                Refusal::new(
                    code::REFUSED,
                    r#"a token is needed: attach with {"token":"..."}"#,
                )
            })
        });
        token
            .and_then(|token| (self.check)(&token))
            .map(with_clean_name)
            .into()
    }
}

/// The name of an identity as others may see it; by its id where there is none.
pub(crate) fn with_clean_name(mut identity: Identity) -> Identity {
    identity.name = clean_name(&identity.name);
    if identity.name.is_empty() {
        identity.name = clean_name(&identity.id);
    }
    identity
}

/// A text in credentials that are JSON; no credentials at all are an empty object.
fn text_field(credentials: &[u8], field: &str) -> Result<Option<String>, Refusal> {
    if credentials.is_empty() {
        return Ok(None);
    }
    // Bounded: a session takes at most CREDENTIALS_MAX bytes, and the parser limits its depth.
    match serde_json::from_slice(credentials) {
        Ok(Value::Object(mut fields)) => match fields.remove(field) {
            Some(Value::String(text)) => Ok(Some(text)),
            None | Some(Value::Null) => Ok(None),
            Some(_) => Err(Refusal::new(
                code::REFUSED,
                format!("`{field}` in the credentials must be a text"),
            )),
        },
        Ok(Value::Null) => Ok(None),
        _ => Err(Refusal::new(
            code::REFUSED,
            "the credentials are no JSON object: attach with what auth() returns",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(credentials: &str) -> AuthRequest {
        AuthRequest {
            guest: 3,
            ..AuthRequest::new(credentials.to_owned())
        }
    }

    #[test]
    fn guests_get_a_clean_name_or_a_number() {
        for (credentials, name) in [
            ("", "Guest 3"),
            ("null", "Guest 3"),
            ("{}", "Guest 3"),
            (r#"{"guest":null}"#, "Guest 3"),
            (r#"{"guest":"\u202e"}"#, "Guest 3"),
            (r#"{"guest":" Ann\n"}"#, "Ann"),
        ] {
            match AcceptAll.check(&request(credentials)) {
                AuthAnswer::Accepted(identity) => assert_eq!(identity.name, name, "{credentials}"),
                other => panic!("{credentials}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_credential_is_refused_with_a_text() {
        for credentials in ["{", "[]", "7", r#"{"guest":7}"#, "\u{0}\u{1}"] {
            match AcceptAll.check(&request(credentials)) {
                AuthAnswer::Refused(refusal) => assert_eq!(refusal.code, code::REFUSED),
                other => panic!("{credentials}: {other:?}"),
            }
        }
        let deep = "[".repeat(4096);
        assert!(matches!(
            AcceptAll.check(&request(&deep)),
            AuthAnswer::Refused(_)
        ));
    }

    #[test]
    fn a_token_is_asked_for() {
        let auth = TokenAuth::new(|token| match token {
            "ok" => Ok(Identity {
                id: "\u{202e}x".into(),
                name: "\u{7}".into(),
                ..Identity::default()
            }),
            _ => Err(Refusal::new("Expired", "sign in again")),
        });
        assert!(
            matches!(auth.check(&request("")), AuthAnswer::Refused(r) if r.code == code::REFUSED)
        );
        assert!(
            matches!(auth.check(&request(r#"{"token":"no"}"#)), AuthAnswer::Refused(r) if r.code == "Expired")
        );
        assert!(
            matches!(auth.check(&request(r#"{"token":"ok"}"#)), AuthAnswer::Accepted(i) if i.name == "x")
        );
    }
}
