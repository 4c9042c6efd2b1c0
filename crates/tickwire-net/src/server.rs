//! A server as its author says it: games, pages, auth. How it runs is in `running`; what an operator says over it, in `config`.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tickwire_proto::frame::{Identity, Refusal};
use tickwire_server::{AcceptAll, Auth, AuthRequest, Kind, KindOptions};
use tickwire_sim::{Game, GameFn, GameKind};

use crate::accept::asked_to_end;
use crate::auth::AsyncAuth;
use crate::config::{Config, Layers, RoomConfig, ServerArgs, parse};
use crate::error::StartError;
use crate::logging;
use crate::running::{Running, start};

/// Wrong usage or configuration.
const USAGE: u8 = 2;

/// A server of one or several games.
///
/// ```no_run
/// use std::process::ExitCode;
/// use tickwire_net::Server;
/// use tickwire_sim::Game;
///
/// fn hello(game: &mut Game) { game.rate(30).seats(64); }
///
/// fn main() -> ExitCode {
///     Server::new("hello", hello).page("<!doctype html><title>hello</title>").run()
/// }
/// ```
///
/// In tests it is started and stopped in the process:
///
/// ```
/// # use tickwire_net::Server;
/// # use tickwire_sim::Game;
/// # fn hello(game: &mut Game) { game.rate(30).seats(64); }
/// let server = Server::new("hello", hello).listen("127.0.0.1:0").start()?;
/// println!("listening on {}", server.url());
/// server.stop();
/// # Ok::<(), tickwire_net::StartError>(())
/// ```
pub struct Server {
    games: Vec<(String, Arc<dyn GameFn>)>,
    page: Option<&'static str>,
    files: Vec<(&'static str, &'static str, &'static [u8])>,
    folders: Vec<PathBuf>,
    auth: Arc<dyn Auth>,
    one_session: bool,
    layers: Layers,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("games", &self.kinds())
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

/// What is served, once it is known to make sense.
pub(crate) struct Plan {
    pub(crate) kinds: Vec<Arc<Kind>>,
    pub(crate) page: Option<&'static str>,
    pub(crate) files: Vec<(&'static str, &'static str, &'static [u8])>,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) auth: Arc<dyn Auth>,
    pub(crate) one_session: bool,
    pub(crate) config: Config,
}

impl Server {
    /// A server of the game `game`, which clients ask for by `name`.
    #[must_use]
    pub fn new(name: &str, game: impl GameFn + 'static) -> Server {
        let server = Server {
            games: Vec::new(),
            page: None,
            files: Vec::new(),
            folders: Vec::new(),
            auth: Arc::new(AcceptAll),
            one_session: false,
            layers: Layers::default(),
        };
        server.kind(name, game)
    }

    /// One more kind of game on the same server.
    #[must_use]
    pub fn kind(mut self, name: &str, game: impl GameFn + 'static) -> Server {
        self.games.push((name.to_owned(), Arc::new(game)));
        self
    }

    /// The page at `/`.
    #[must_use]
    pub fn page(mut self, html: &'static str) -> Server {
        self.page = Some(html);
        self
    }

    /// Files inside the program: path (with its leading slash), type, content. `/index.html` is served at `/`.
    #[must_use]
    pub fn files(mut self, files: &[(&'static str, &'static str, &'static [u8])]) -> Server {
        self.files.extend_from_slice(files);
        self
    }

    /// A folder of files, looked into after the page and the embedded files.
    #[must_use]
    pub fn dir(mut self, folder: impl AsRef<Path>) -> Server {
        self.folders.push(folder.as_ref().to_owned());
        self
    }

    /// Who may attach; everybody, unless this is said.
    #[must_use]
    pub fn auth(mut self, auth: impl Auth + 'static) -> Server {
        self.auth = Arc::new(auth);
        self
    }

    /// The same, for answers that take their time: a database, a request to somewhere else. After 3 s the client is refused.
    ///
    /// ```
    /// # use tickwire_net::Server;
    /// # use tickwire_sim::Game;
    /// # use tickwire_proto::frame::{Identity, Refusal};
    /// # async fn look_up(credentials: bytes::Bytes) -> Option<String> { None }
    /// # fn hello(game: &mut Game) {}
    /// let server = Server::new("hello", hello).auth_async(|request| async move {
    ///     let name = look_up(request.credentials).await;
    ///     name.map(Identity::new).ok_or_else(|| Refusal::new("Unknown", "sign in again"))
    /// });
    /// ```
    #[must_use]
    pub fn auth_async<F, R>(mut self, check: F) -> Server
    where
        F: Fn(AuthRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        self.auth = Arc::new(AsyncAuth(check));
        self
    }

    /// Only one session of an identity at a time: the newest wins, and an older one ends first, as `Kicked`. Without this there may be many.
    #[must_use]
    pub fn one_session(mut self) -> Server {
        self.one_session = true;
        self
    }

    /// Where to listen, unless file, environment or flags say otherwise. Port 0: any free one.
    #[must_use]
    pub fn listen(self, address: &str) -> Server {
        self.set("listen", address)
    }

    /// Any setting of `tickwire.toml`, below what file, environment and flags say: `.set("limits.rooms", "90")`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Server {
        self.layers.set_text(key, value, "the program");
        self
    }

    /// Runs until Ctrl-C or SIGTERM, as the whole of `main`: flags, environment and `tickwire.toml` are read, and the first line on stdout is
    /// `listening on http://ADDRESS`. Exit code 0: stopped as asked; 1: failed; 2: wrong usage, told in one line on stderr.
    #[must_use]
    pub fn run(self) -> ExitCode {
        #[derive(Parser)]
        #[command(version = concat!("(Tickwire ", env!("CARGO_PKG_VERSION"), ")"), about = "A Tickwire game server", long_about = None)]
        struct Flags {
            #[command(flatten)]
            server: ServerArgs,
        }
        match parse::<Flags>() {
            Ok(flags) => self.run_with(&flags.server),
            Err(code) => code,
        }
    }

    /// The same with flags that are parsed already: for games with flags of their own. See [`ServerArgs`].
    #[must_use]
    pub fn run_with(self, args: &ServerArgs) -> ExitCode {
        match self.run_until_asked(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                match error {
                    StartError::Resources { .. } => ExitCode::FAILURE,
                    _ => ExitCode::from(USAGE),
                }
            }
        }
    }

    fn run_until_asked(mut self, args: &ServerArgs) -> Result<(), StartError> {
        self.layers = args.layers(std::mem::take(&mut self.layers), &self.kinds())?;
        let plan = self.plan()?;
        logging::start(&plan.config)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|source| StartError::Resources {
            what: "no runtime",
            source,
        })?;
        // Before the first line: who reads it may send the signal at once.
        let asked = runtime.block_on(async { asked_to_end() });
        let asked = asked.map_err(|source| StartError::Resources {
            what: "no signals",
            source,
        })?;
        let running = start(plan)?;
        let mut stdout = std::io::stdout().lock();
        // Whoever started us may not want to hear it.
        let _ = writeln!(stdout, "listening on http://{}", running.local_addr())
            .and_then(|()| stdout.flush());
        drop(stdout);
        runtime.block_on(asked);
        tracing::info!("asked to stop");
        running.stop();
        tracing::info!("stopped");
        Ok(())
    }

    /// Starts it in threads of its own and returns. Neither flags nor environment nor files are read, and nothing is logged but by a
    /// subscriber of the caller.
    ///
    /// # Errors
    /// With what is wrong and what to do.
    pub fn start(self) -> Result<Running, StartError> {
        start(self.plan()?)
    }

    /// The same with flags, environment and files.
    ///
    /// # Errors
    /// With what is wrong and what to do.
    pub fn start_with(mut self, args: &ServerArgs) -> Result<Running, StartError> {
        self.layers = args.layers(std::mem::take(&mut self.layers), &self.kinds())?;
        self.start()
    }

    fn kinds(&self) -> Vec<&str> {
        self.games.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn plan(self) -> Result<Plan, StartError> {
        let config = Config::read(&self.layers, &self.kinds())?;
        let made = self.games.into_iter().map(|(name, game)| {
            let told = config.rooms.get(&name).cloned().unwrap_or_default();
            kind(name, game, told)
        });
        let mut folders = self.folders;
        folders.extend(config.files.clone());
        Ok(Plan {
            kinds: made.collect::<Result<_, _>>()?,
            page: self.page,
            files: self.files,
            folders,
            auth: self.auth,
            one_session: self.one_session,
            config,
        })
    }
}

/// A game, with what the configuration says laid over what it says itself.
fn kind(name: String, game: Arc<dyn GameFn>, told: RoomConfig) -> Result<Arc<Kind>, StartError> {
    let options = KindOptions {
        seats: told.seats,
        computers: told.players,
        ..KindOptions::default()
    };
    let (tick_hz, send_hz) = (told.tick_hz, told.send_hz);
    let with_rates = move |registry: &mut Game| {
        game(registry);
        tick_hz.map(|hz| registry.rate(hz));
        send_hz.map(|hz| registry.send(hz));
    };
    let game = GameKind::try_new(name.clone(), with_rates);
    let game = game.map_err(|error| StartError::Game {
        name,
        error: error.to_string(),
    })?;
    Ok(Arc::new(Kind::new(game, options)))
}
