//! TLS by certificate files, which are read again when they change. Without the feature `tls` there is none, and whoever asks for it is told.

#[cfg(feature = "tls")]
mod rustls;

#[cfg(all(test, feature = "tls"))]
pub(crate) use rustls::tests::pair;
#[cfg(feature = "tls")]
pub(crate) use rustls::{Shared, Tls, TlsStream};

/// Nobody's: this program cannot speak TLS.
#[cfg(not(feature = "tls"))]
pub(crate) enum Tls {}

#[cfg(not(feature = "tls"))]
impl Tls {
    pub(crate) fn load(_: &std::path::Path, _: &std::path::Path) -> Result<Tls, String> {
        Err("this program was built without TLS: build it with the feature `tls`, or put a proxy before it".to_owned())
    }

    pub(crate) async fn accept(&self, _: tokio::net::TcpStream) -> Option<crate::stream::Stream> {
        match *self {}
    }

    pub(crate) async fn watch(&self) {
        match *self {}
    }
}
