//! The log: tracing, to stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::error::{ConfigError, StartError};

/// Starts it. Where a game has set up its own, that one stays.
pub(crate) fn start(config: &Config) -> Result<(), StartError> {
    let filter =
        EnvFilter::try_new(&config.log).map_err(|_| ConfigError::Log(config.log.clone()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
