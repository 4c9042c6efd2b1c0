//! The tokens by which a client comes back to its session: their hashes alone are kept.

use sha2::{Digest, Sha256};

/// The hash of the newest token, and of the one before until the client is known to have the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    newest: Hash,
    before: Option<Hash>,
}

type Hash = [u8; 32];

impl Tokens {
    pub fn new(token: &[u8; 32]) -> Tokens {
        Tokens {
            newest: hash(token),
            before: None,
        }
    }

    /// Whether this token is one of them.
    pub fn accept(&self, token: &[u8; 32]) -> bool {
        let hash = hash(token);
        let before = self.before.is_some_and(|before| is_same(&before, &hash));
        is_same(&self.newest, &hash) | before
    }

    /// The client came with `shown` and is given `next`: both resume, until it speaks on the new link.
    pub fn rotate(&mut self, shown: &[u8; 32], next: &[u8; 32]) {
        *self = Tokens {
            newest: hash(next),
            before: Some(hash(shown)),
        };
    }

    /// The client has the newest: the one before is spent.
    pub fn confirm(&mut self) {
        self.before = None;
    }
}

fn hash(token: &[u8; 32]) -> Hash {
    Sha256::digest(token).into()
}

/// Takes the same time wherever they differ.
fn is_same(one: &Hash, other: &Hash) -> bool {
    one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_spent_when_its_successor_is_confirmed() {
        let mut tokens = Tokens::new(&[1; 32]);
        assert!(tokens.accept(&[1; 32]) && !tokens.accept(&[2; 32]));
        tokens.rotate(&[1; 32], &[2; 32]);
        assert!(tokens.accept(&[1; 32]) && tokens.accept(&[2; 32]));
        tokens.rotate(&[1; 32], &[3; 32]);
        assert!(!tokens.accept(&[2; 32]), "it was never seen by the client");
        tokens.confirm();
        assert!(tokens.accept(&[3; 32]) && !tokens.accept(&[1; 32]));
    }
}
