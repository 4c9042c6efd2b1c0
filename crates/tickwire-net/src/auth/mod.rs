//! Auth that takes its time: a future of the game's, in the place of an answer at once.

#[cfg(feature = "jwt")]
pub(crate) mod jwt;

use tickwire_proto::frame::{Identity, Refusal};
use tickwire_server::{Auth, AuthAnswer, AuthRequest};

/// Asks an async function about each attach.
pub(crate) struct AsyncAuth<F>(pub(crate) F);

impl<F, R> Auth for AsyncAuth<F>
where
    F: Fn(AuthRequest) -> R + Send + Sync,
    R: Future<Output = Result<Identity, Refusal>> + Send + 'static,
{
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        AuthAnswer::Later(Box::pin((self.0)(request.clone())))
    }
}
