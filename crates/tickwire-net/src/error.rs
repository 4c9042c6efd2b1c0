//! What may go wrong before a server runs: each text is one line and says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file that cannot be read, or is no TOML.
    #[error("BadConfig: {file}: {what}")]
    File {
        /// Its path.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A setting that does not exist.
    #[error("BadConfig: {source_name}: there is no setting `{key}`. Did you mean `{nearest}`?")]
    Unknown {
        /// What was set.
        key: String,
        /// The file, variable or flag.
        source_name: String,
        /// What was probably meant.
        nearest: String,
    },
    /// A value that does not fit its setting.
    #[error(
        "BadConfig: {source_name}: {key} is {value}, but must be {expected}. For example: {key} = {example}"
    )]
    Value {
        /// The setting.
        key: String,
        /// What it was set to.
        value: String,
        /// The file, variable or flag.
        source_name: String,
        /// What it may be.
        expected: String,
        /// A value that would do.
        example: String,
    },
    /// `--set` without `=`.
    #[error("BadConfig: --set {0}: must be KEY=VALUE. For example: --set limits.rooms=90")]
    Assignment(String),
    /// A log filter that cannot be read.
    #[error(
        "BadConfig: log.level is {0:?}, which is no level and no filter. For example: info, or warn,tickwire_net=debug"
    )]
    Log(String),
}

/// Why a server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Somebody else has the port.
    #[error("PortInUse: {0} is in use. Use --listen {ip}:0 for any free port, or stop the program that has it", ip = .0.ip())]
    PortInUse(SocketAddr),
    /// The port may not be had.
    #[error("PortForbidden: {0} may not be used by this user. Use --listen {ip}:7777, or a port above 1023", ip = .0.ip())]
    PortForbidden(SocketAddr),
    /// The address is not one of this machine, or the like.
    #[error(
        "BadAddress: cannot listen on {address}: {source}. Use --listen 127.0.0.1:0, or an address of this machine"
    )]
    Address {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A game that cannot be hosted as it is, or as it is configured.
    #[error("BadGame: {name}: {error}")]
    Game {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: String,
    },
    /// A namespace whose name cannot be used.
    #[error(
        "BadNamespace: {0:?}: names begin with /, have at most 64 bytes, and are used once; \"/\" is the server's own"
    )]
    Namespace(String),
    /// The broadcaster was given to another server.
    #[error("BroadcasterTaken: the broadcaster is of another server already. Make one for each")]
    BroadcasterTaken,
    /// No TLS.
    #[error(
        "BadTls: {0}. Use tls.cert and tls.key with the PEM files of a certificate and its key"
    )]
    Tls(String),
    /// The folder of files to serve is not there.
    #[error("NoFiles: {0} is not a folder. Use --files with the folder of your pages")]
    NoFiles(PathBuf),
    /// What should outlive the server cannot be kept.
    #[error("BadState: {0}. Use a state_dir that this user may write and no other server uses")]
    State(String),
    /// Where codebooks should be written nothing can be.
    #[error("BadTrainDir: {0}. Use a train_dir that this user may write")]
    Books(String),
    /// The system gives no threads or no chance.
    #[error(
        "NoResources: {what}: {source}. Close programs, or raise the limits of this user (ulimit -u, ulimit -n)"
    )]
    Resources {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl StartError {
    pub(crate) fn listening(address: SocketAddr, source: io::Error) -> StartError {
        match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse(address),
            io::ErrorKind::PermissionDenied => StartError::PortForbidden(address),
            _ => StartError::Address { address, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_kept() {
        let address = SocketAddr::from(([127, 0, 0, 1], 7777));
        let said = |kind: io::ErrorKind| StartError::listening(address, kind.into()).to_string();
        assert_eq!(
            said(io::ErrorKind::AddrInUse),
            "PortInUse: 127.0.0.1:7777 is in use. Use --listen 127.0.0.1:0 for any free port, or stop the program that has it"
        );
        for kind in [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::AddrNotAvailable,
        ] {
            assert_eq!(said(kind).lines().count(), 1);
        }
    }
}
