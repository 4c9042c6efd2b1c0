//! The server's side of TLS, by rustls: certificates from files, handshakes, and a connection that two halves share.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::stream::Stream;

/// A handshake must be done within this time.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is encrypted ahead of the socket: a record.
const HELD_MAX: usize = 16 * 1024;

pub(crate) type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// What the system says of the two files.
type Looks = [Option<(SystemTime, u64)>; 2];

/// The certificate that new connections are shown.
pub(crate) struct Tls {
    files: [PathBuf; 2],
    config: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Looks>,
}

impl Tls {
    /// Reads a chain of certificates and its key, both PEM.
    pub(crate) fn load(cert: &Path, key: &Path) -> Result<Tls, String> {
        let seen = Mutex::new([look(cert), look(key)]);
        Ok(Tls {
            config: RwLock::new(read(cert, key)?),
            files: [cert.to_owned(), key.to_owned()],
            seen,
        })
    }

    /// The handshake. `None`: that was none, or not in time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<Stream> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let accepting = TlsAcceptor::from(config).accept(stream);
        let mut stream = tokio::time::timeout(HANDSHAKE_MAX, accepting)
            .await
            .ok()?
            .ok()?;
        stream.get_mut().1.set_buffer_limit(Some(HELD_MAX));
        Some(Stream::Tls(Box::new(stream)))
    }

    /// Looks after the files for as long as it is polled.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.reread();
        }
    }

    /// Reads the files again, if they look different. Connections that are open keep theirs; files that will not do change nothing.
    fn reread(&self) {
        let [cert, key] = &self.files;
        let looks = [look(cert), look(key)];
        let seen = std::mem::replace(
            &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner),
            looks,
        );
        if looks == seen {
            return;
        }
        match read(cert, key) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!(cert = %cert.display(), "new connections get the new certificate");
            }
            Err(error) => tracing::error!(%error, "the certificate is kept as it was"),
        }
    }
}

fn look(file: &Path) -> Option<(SystemTime, u64)> {
    let told = std::fs::metadata(file).ok()?;
    Some((told.modified().ok()?, told.len()))
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let bytes = |file: &Path| {
        std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
    };
    let (chain, secret) = (bytes(cert)?, bytes(key)?);
    let chain: Result<Vec<CertificateDer>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| format!("{} has no certificates in PEM", cert.display()))?;
    let secret = PrivateKeyDer::from_pem_slice(&secret)
        .map_err(|_| format!("{} has no private key in PEM", key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        });
    let mut config = config.map_err(|error| {
        format!(
            "{} and {} do not do: {error}",
            cert.display(),
            key.display()
        )
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection that its two halves share. They live in one task after another, so that the lock is always free.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<TlsStream>>);

impl Shared {
    pub(crate) fn new(stream: TlsStream) -> Shared {
        Shared(Arc::new(Mutex::new(stream)))
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(Pin<&mut TlsStream>) -> T) -> T {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(Pin::new(&mut stream))
    }

    /// Encrypts and writes what the socket takes now. Whoever is told `WouldBlock`, or finds that it [`holds`](Self::holds) something, has to
    /// poll it: this has told the socket to wake nobody.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut nobody = Context::from_waker(Waker::noop());
        match self.with(|stream| stream.poll_write_vectored(&mut nobody, slices)) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whether there are encrypted bytes that the socket has not taken.
    pub(crate) fn holds(&self) -> bool {
        self.with(|stream| stream.get_mut().get_ref().1.wants_write())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::{TlsConnector, client};

    use super::*;

    /// Both ends of a connection whose client reads nothing yet.
    pub(crate) async fn pair() -> (client::TlsStream<TcpStream>, Stream) {
        let folder = tempfile::tempdir().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = Tls::load(&cert, &key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connected = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            connector.connect(name, stream).await.unwrap()
        };
        let accepted = async {
            let (stream, _) = listener.accept().await.unwrap();
            tls.accept(stream).await.unwrap()
        };
        tokio::join!(connected, accepted)
    }

    #[tokio::test]
    async fn what_the_socket_has_not_taken_is_held_until_it_has() {
        let (mut client, server) = pair().await;
        let (_read, mut write) = server.into_split();
        let mut taken = 0;
        while !write.holds() {
            taken += write
                .try_write(&[7; 1024])
                .expect("all that it takes is told");
        }
        let flushed = poll_fn(|context| Poll::Ready(write.poll_flush(context).is_ready()));
        assert!(!flushed.await, "nobody reads");
        assert!(write.holds());
        let read = tokio::spawn(async move {
            let mut all = vec![0; taken];
            client.read_exact(&mut all).await.map(|_| all)
        });
        poll_fn(|context| write.poll_flush(context)).await.unwrap();
        assert!(!write.holds());
        assert_eq!(read.await.unwrap().unwrap(), vec![7; taken]);
    }
}
