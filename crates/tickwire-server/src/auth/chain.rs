//! Several checks in a row, and checks that only say no.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tickwire_proto::frame::{Identity, Refusal};

use super::{Auth, AuthAnswer, AuthRequest, Later, undecided};

/// Checks in a row: the first that refuses decides, and the ones after it are not asked. Each is told who the ones before took it for
/// ([`AuthRequest::identity`]), and may say somebody else; the last word counts.
///
/// ```
/// use tickwire_server::{AcceptAll, Auth, AuthAnswer, AuthChain, AuthRequest, Guard};
/// use tickwire_proto::frame::{Refusal, code};
/// let chain = AuthChain::new()
///     .then(Guard::new(|request| match request.remote.origin() {
///         Some("https://play.example") => Ok(()),
///         _ => Err(Refusal::new(code::FORBIDDEN, "play at https://play.example")),
///     }))
///     .then(AcceptAll);
/// let AuthAnswer::Refused(refusal) = chain.check(&AuthRequest::new("")) else { panic!() };
/// assert_eq!(refusal.code, "Forbidden");
/// ```
#[derive(Clone, Default)]
pub struct AuthChain {
    checks: Vec<Arc<dyn Auth>>,
}

impl fmt::Debug for AuthChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthChain")
            .field("checks", &self.checks.len())
            .finish()
    }
}

impl AuthChain {
    /// One that lets nobody in: nobody has said who that is.
    #[must_use]
    pub fn new() -> AuthChain {
        AuthChain::default()
    }

    /// Asks this one too, after the others.
    #[must_use]
    pub fn then(mut self, check: impl Auth + 'static) -> AuthChain {
        self.checks.push(Arc::new(check));
        self
    }
}

impl Auth for AuthChain {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let mut asking = Asking {
            rest: self.checks.clone().into_iter(),
            request: request.clone(),
            waits: None,
        };
        match asking.ask_on() {
            Some(answer) => answer.into(),
            None => AuthAnswer::Later(Box::pin(asking)),
        }
    }
}

/// One request on its way through the checks.
struct Asking {
    rest: std::vec::IntoIter<Arc<dyn Auth>>,
    request: AuthRequest,
    /// The one whose answer is waited for.
    waits: Option<Later>,
}

impl Asking {
    /// Asks until one refuses or all were asked. `None`: one takes its time.
    fn ask_on(&mut self) -> Option<Result<Identity, Refusal>> {
        for check in self.rest.by_ref() {
            match check.check(&self.request) {
                AuthAnswer::Accepted(identity) => self.request.identity = Some(identity),
                AuthAnswer::Next => {}
                AuthAnswer::Refused(refusal) => return Some(Err(refusal)),
                AuthAnswer::Later(later) => {
                    self.waits = Some(later);
                    return None;
                }
            }
        }
        Some(self.request.identity.take().ok_or_else(undecided))
    }
}

impl Future for Asking {
    type Output = Result<Identity, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(later) = &mut self.waits {
            let identity = std::task::ready!(later.as_mut().poll(context))?;
            self.request.identity = Some(identity);
            self.waits = None;
            if let Some(answer) = self.ask_on() {
                return Poll::Ready(answer);
            }
        }
        Poll::Ready(Err(undecided())) // asked again after its end
    }
}

/// A check that knows nobody and only says no: of origins, addresses, headers. For an [`AuthChain`].
pub struct Guard<F>(F);

impl<F: Fn(&AuthRequest) -> Result<(), Refusal> + Send + Sync> Guard<F> {
    /// Asks `check` about each attach.
    pub fn new(check: F) -> Guard<F> {
        Guard(check)
    }
}

impl<F> fmt::Debug for Guard<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl<F: Fn(&AuthRequest) -> Result<(), Refusal> + Send + Sync> Auth for Guard<F> {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        match (self.0)(request) {
            Ok(()) => AuthAnswer::Next,
            Err(refusal) => AuthAnswer::Refused(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use tickwire_proto::frame::code;

    use super::*;

    struct Slowly(Result<Identity, Refusal>);

    impl Auth for Slowly {
        fn check(&self, _: &AuthRequest) -> AuthAnswer {
            let (answer, mut asked) = (self.0.clone(), false);
            AuthAnswer::Later(Box::pin(std::future::poll_fn(
                move |_| match std::mem::replace(&mut asked, true) {
                    true => Poll::Ready(answer.clone()),
                    false => Poll::Pending,
                },
            )))
        }
    }

    fn ask(chain: &AuthChain) -> Result<Identity, Refusal> {
        let mut later = match chain.check(&AuthRequest::new("")) {
            AuthAnswer::Accepted(identity) => return Ok(identity),
            AuthAnswer::Refused(refusal) => return Err(refusal),
            AuthAnswer::Later(later) => later,
            AuthAnswer::Next => panic!("a chain decides"),
        };
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(answer) = later.as_mut().poll(&mut context) {
                return answer;
            }
        }
    }

    fn no(code: &str) -> Refusal {
        Refusal::new(code, "no")
    }

    #[test]
    fn the_first_refusal_decides_and_nobody_is_asked_after_it() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let counts = || {
            Guard::new(|_| {
                ASKED.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        };
        for refusing in [
            AuthChain::new()
                .then(counts())
                .then(Guard::new(|_| Err(no("First")))),
            AuthChain::new()
                .then(counts())
                .then(Slowly(Err(no("First")))),
        ] {
            let chain = refusing
                .then(Guard::new(|_| Err(no("Second"))))
                .then(counts());
            assert_eq!(ask(&chain).unwrap_err().code, "First");
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn each_is_told_of_the_identity_so_far_and_somebody_must_know_one() {
        let known = |request: &AuthRequest| match request.identity.as_ref().map(|it| it.id.as_str())
        {
            Some("ann") => Ok(()),
            other => Err(no(other.unwrap_or("nobody"))),
        };
        let chain = AuthChain::new()
            .then(Slowly(Ok(Identity::new("ann"))))
            .then(Guard::new(known));
        assert_eq!(ask(&chain).unwrap().id, "ann");
        let renamed = chain.then(Slowly(Ok(Identity::new("bob"))));
        assert_eq!(ask(&renamed).unwrap().id, "bob");
        assert_eq!(
            ask(&renamed.then(Guard::new(known))).unwrap_err().code,
            "bob"
        );
        let nobody = AuthChain::new().then(Guard::new(|_| Ok(())));
        assert_eq!(ask(&nobody).unwrap_err().code, code::REFUSED);
        assert_eq!(ask(&AuthChain::new()).unwrap_err().code, code::REFUSED);
    }
}
