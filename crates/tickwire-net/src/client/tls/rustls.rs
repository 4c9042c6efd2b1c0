//! The client's side of TLS, by rustls: the system's certificates, and those that it is told of.

use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::client::stream::Stream;
use crate::client::url::Address;

pub(crate) type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Whom a client believes. Clones share what was read.
#[derive(Clone, Default)]
pub(crate) struct Trust {
    /// Beside the system's.
    own: Vec<CertificateDer<'static>>,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Trust {
    /// The certificates of a PEM file too; false: there is none in it.
    pub(crate) fn add(&mut self, pem: &[u8]) -> bool {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let Some(read) = read.ok().filter(|read| !read.is_empty()) else {
            return false;
        };
        self.own.extend(read);
        self.config = Arc::default();
        true
    }

    pub(crate) async fn connect(
        &self,
        address: &Address,
        stream: TcpStream,
    ) -> Result<Stream, String> {
        let name = ServerName::try_from(address.bare_host().to_owned());
        let name = name.map_err(|error| error.to_string())?;
        let config = match self.config.get() {
            Some(config) => config,
            None => {
                let made = self.config()?;
                self.config.get_or_init(|| made)
            }
        };
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        let stream = connecting.await.map_err(|error| error.to_string())?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// Once for each client: the system's certificates lie in files.
    fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        for own in &self.own {
            roots.add(own.clone()).map_err(|error| error.to_string())?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
