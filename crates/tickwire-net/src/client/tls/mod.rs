//! Whom a client believes to be the server: by rustls with the feature `tls`, and nobody without.

#[cfg(feature = "tls")]
mod rustls;

#[cfg(feature = "tls")]
pub(crate) use rustls::{TlsStream, Trust};

#[cfg(not(feature = "tls"))]
mod none {
    //! No address that asks for TLS gets this far.

    use tokio::net::TcpStream;

    use crate::client::stream::Stream;
    use crate::client::url::Address;

    #[derive(Clone, Default)]
    pub(crate) struct Trust {}

    impl Trust {
        pub(crate) async fn connect(&self, _: &Address, _: TcpStream) -> Result<Stream, String> {
            Err("built without the feature `tls`".to_owned())
        }
    }
}

#[cfg(not(feature = "tls"))]
pub(crate) use none::Trust;
