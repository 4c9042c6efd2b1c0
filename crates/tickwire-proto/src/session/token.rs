//! The tokens by which a client comes back to its session: their hashes alone are kept.

use sha2::{Digest, Sha256};

/// Tokens beside the newest that resume: the one before, and those of links that claimed at the same time.
const EARLIER_MAX: usize = 4;

/// The hash of the newest token, and of earlier ones until the client is known to have the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    newest: Hash,
    earlier: Vec<Hash>,
}

type Hash = [u8; 32];

impl Tokens {
    pub fn new(token: &[u8; 32]) -> Tokens {
        Tokens {
            newest: hash(token),
            earlier: Vec::new(),
        }
    }

    /// Whether this token is one of them.
    pub fn accept(&self, token: &[u8; 32]) -> bool {
        let hash = hash(token);
        let all = self.earlier.iter().chain([&self.newest]);
        all.fold(false, |any, one| any | is_same(one, &hash))
    }

    /// The client came with `shown` and is given `next`: both resume, until it speaks on the new link. So does what another link was given
    /// meanwhile that showed the same: which of them the client listens to, it alone knows.
    pub fn rotate(&mut self, shown: &[u8; 32], next: &[u8; 32]) {
        let newest = std::mem::replace(&mut self.newest, hash(next));
        if is_same(&newest, &hash(shown)) {
            self.earlier.clear();
        } else if self.earlier.len() == EARLIER_MAX {
            self.earlier.remove(1);
        }
        self.earlier.push(newest);
    }

    /// The client has the newest: the earlier ones are spent.
    pub fn confirm(&mut self) {
        self.earlier = Vec::new();
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
        tokens.confirm();
        assert!(tokens.accept(&[2; 32]) && !tokens.accept(&[1; 32]));
        tokens.rotate(&[2; 32], &[3; 32]);
        tokens.rotate(&[3; 32], &[4; 32]);
        assert!(!tokens.accept(&[2; 32]), "who shows the newest has it");
    }

    /// Two links show the same token, and the client listens to the answer on either.
    #[test]
    fn of_links_that_race_whichever_the_client_listens_to_resumes() {
        let mut tokens = Tokens::new(&[1; 32]);
        tokens.rotate(&[1; 32], &[2; 32]);
        tokens.rotate(&[1; 32], &[3; 32]);
        assert!([1, 2, 3].iter().all(|it| tokens.accept(&[*it; 32])));
        tokens.rotate(&[2; 32], &[4; 32]);
        tokens.confirm();
        assert!(tokens.accept(&[4; 32]));
        assert!(![1, 2, 3].iter().any(|it| tokens.accept(&[*it; 32])));
    }

    #[test]
    fn races_without_end_keep_few_tokens() {
        let mut tokens = Tokens::new(&[0; 32]);
        for next in 1..100 {
            tokens.rotate(&[0; 32], &[next; 32]);
        }
        let valid = (0..100).filter(|it| tokens.accept(&[*it; 32]));
        assert_eq!(valid.collect::<Vec<_>>(), [0, 96, 97, 98, 99]);
    }
}
