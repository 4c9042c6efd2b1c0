//! Guests: who comes for the first time is given a signed token, and is the same player whenever the page shows it again. No passwords, no database.

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tickwire::{
    net::FromClient,
    prelude::*,
    proto::frame::Identity,
    server::{Auth, AuthAnswer, AuthRequest, clean_name},
};

const KEY: usize = 32;
/// What each token begins with: its kind and version.
const PREFIX: &str = "ag1";
/// A longer text is no token.
const TOKEN_MAX: usize = 512;

/// Wants a token for who one is, by this name from now on. Answered with [`Signed`].
#[derive(NetMessage, Serialize, Deserialize)]
pub struct SignIn {
    /// As others shall see it.
    #[net(max = 256)]
    pub name: String,
}

/// A token, to be kept and shown at every attach.
#[derive(NetMessage, Serialize, Deserialize)]
pub struct Signed {
    /// Who one is.
    pub identity: String,
    /// As others see it.
    pub name: String,
    /// What proves both.
    pub token: String,
}

impl Request for SignIn {
    type Reply = Signed;
}

/// What the page shows: a token, if it has one; a name, which is a guest's own to choose.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Shown {
    token: String,
    guest: String,
}

/// Lets everybody in: as who the token says, else as somebody new.
///
/// ```
/// use arena::Guests;
/// use tickwire::server::{Auth, AuthAnswer, AuthRequest};
/// let guests = Guests::new([7; 32]);
/// let shown = format!(r#"{{"token":"{}"}}"#, guests.sign("guest:1", "Mira"));
/// let AuthAnswer::Accepted(mira) = guests.check(&AuthRequest::new(shown)) else { panic!() };
/// assert_eq!((mira.id.as_str(), mira.name.as_str()), ("guest:1", "Mira"));
/// ```
#[derive(Clone)]
pub struct Guests {
    key: Arc<[u8; KEY]>,
}

impl Guests {
    /// Whose tokens are signed with this key.
    #[must_use]
    pub fn new(key: [u8; KEY]) -> Guests {
        Guests { key: Arc::new(key) }
    }

    /// With a key of chance, which is forgotten with the process: tokens are good until then.
    ///
    /// # Errors
    /// Where the system has no chance to give.
    pub fn by_chance() -> io::Result<Guests> {
        chance().map(Guests::new)
    }

    /// With the key in a file, which is made if it is not there: tokens outlive the server.
    ///
    /// # Errors
    /// Where the file can neither be read nor made, or holds something else.
    pub fn load(file: &Path) -> io::Result<Guests> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(file) {
            Ok(mut fresh) => {
                let key = chance()?;
                fresh.write_all(&key)?;
                Ok(Guests::new(key))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut bytes = Vec::new();
                std::fs::File::open(file)?
                    .take(KEY as u64 + 1)
                    .read_to_end(&mut bytes)?;
                let key = <[u8; KEY]>::try_from(bytes).map_err(|_| {
                    io::Error::other(format!(
                        "a key has {KEY} bytes: name another file, which is made"
                    ))
                })?;
                Ok(Guests::new(key))
            }
            Err(error) => Err(error),
        }
    }

    /// A token for somebody.
    #[must_use]
    pub fn sign(&self, identity: &str, name: &str) -> String {
        let body = format!(
            "{PREFIX}.{}.{}",
            hex(identity.as_bytes()),
            hex(name.as_bytes())
        );
        let proof = self.mac(&body).finalize().into_bytes();
        format!("{body}.{}", hex(&proof))
    }

    /// Who a token is of, and the name in it; `None`: it is none of ours.
    fn read(&self, token: &str) -> Option<(String, String)> {
        let (body, proof) = token
            .rsplit_once('.')
            .filter(|_| token.len() <= TOKEN_MAX)?;
        self.mac(body).verify_slice(&unhex(proof)?).ok()?; // in constant time
        let mut parts = body.split('.').skip(1).map(unhex);
        let mut text = || String::from_utf8(parts.next()??).ok();
        Some((text()?, text()?))
    }

    fn mac(&self, body: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key[..]).expect("a key of any length");
        mac.update(body.as_bytes());
        mac
    }

    /// Answers [`SignIn`].
    ///
    /// # Errors
    /// Where the name has no visible character.
    pub fn sign_in(&self, from: &FromClient, asked: &SignIn) -> Result<Signed, Refusal> {
        let name = clean_name(&asked.name);
        if name.is_empty() {
            return Err(Refusal::new(
                "NoName",
                "a name has a letter that one can see",
            ));
        }
        let identity = from.identity().id.clone();
        let token = self.sign(&identity, &name);
        Ok(Signed {
            identity,
            name,
            token,
        })
    }
}

impl Auth for Guests {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let shown: Shown = serde_json::from_slice(&request.credentials).unwrap_or_default();
        let wanted = clean_name(&shown.guest);
        let known = self.read(&shown.token);
        let (id, signed) = match known {
            Some(known) => known,
            // A forged token, or one of another key, gives nothing: its bearer is new here.
            None => match chance() {
                Ok(chance) => (format!("guest:{}", hex(&chance[..10])), String::new()),
                Err(error) => {
                    let text = format!("this server cannot make new guests: {error}");
                    return AuthAnswer::Refused(Refusal::new("Failed", text));
                }
            },
        };
        let named = [wanted, signed].into_iter().find(|name| !name.is_empty());
        AuthAnswer::Accepted(Identity {
            name: named.unwrap_or_else(|| format!("Guest {}", request.guest)),
            ..Identity::new(id)
        })
    }
}

fn chance() -> io::Result<[u8; KEY]> {
    let mut bytes = [0; KEY];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(guests: &Guests, shown: &str) -> Identity {
        match guests.check(&AuthRequest::new(shown.to_owned())) {
            AuthAnswer::Accepted(identity) => identity,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_is_one_guest_whatever_the_name_and_nothing_else_is() {
        let guests = Guests::new([1; KEY]);
        let token = guests.sign("guest:mira", "Mira");
        let mira = shown(&guests, &format!(r#"{{"token":"{token}"}}"#));
        assert_eq!((&*mira.id, &*mira.name), ("guest:mira", "Mira"));
        let renamed = shown(
            &guests,
            &format!(r#"{{"token":"{token}","guest":" Nyx "}}"#),
        );
        assert_eq!((&*renamed.id, &*renamed.name), ("guest:mira", "Nyx"));

        // Each byte of it counts; another server's is nobody's; two newcomers of one name are two.
        let mut bytes = token.clone().into_bytes();
        for at in 0..bytes.len() {
            let kept = bytes[at];
            bytes[at] = if kept == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(bytes.clone()).unwrap();
            let somebody = shown(&guests, &format!(r#"{{"token":"{forged}","guest":"Eve"}}"#));
            assert_ne!(somebody.id, "guest:mira", "{forged}");
            bytes[at] = kept;
        }
        let elsewhere = Guests::new([2; KEY]);
        assert_ne!(
            shown(&elsewhere, &format!(r#"{{"token":"{token}"}}"#)).id,
            "guest:mira"
        );
        let [one, other] = [(); 2].map(|()| shown(&guests, r#"{"guest":"Eve"}"#));
        assert!(one.name == "Eve" && one.id != other.id);
        assert_eq!(shown(&guests, "no json").name, "Guest 1");
    }

    #[test]
    fn a_key_is_made_once_and_a_file_that_is_none_is_told() {
        let file = std::env::temp_dir().join(format!("arena-guests-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let token = Guests::load(&file).unwrap().sign("guest:1", "Mira");
        assert!(Guests::load(&file).unwrap().read(&token).is_some());
        std::fs::write(&file, "short").unwrap();
        let error = Guests::load(&file).err().expect("refused");
        assert!(error.to_string().contains("32 bytes"), "{error}");
        std::fs::remove_file(&file).unwrap();
    }
}
