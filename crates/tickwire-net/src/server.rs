//! A server as its author says it: games, pages, auth. How it runs is in `running`; what an operator says over it, in `config`.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tickwire_proto::frame::{Identity, Refusal};
use tickwire_server::{Auth, AuthRequest, HOME, NamespaceLimits, Namespaces};
use tickwire_sim::GameFn;
use tickwire_snapshot::message::{Message, Request};

use crate::accept::asked_to_end;
use crate::broadcast::Broadcaster;
use crate::config::{Config, Layers, ServerArgs, parse};
use crate::error::StartError;
use crate::handlers::FromClient;
use crate::logging;
use crate::namespace::Namespace;
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
    /// The namespace `/`.
    home: Namespace,
    others: Vec<Namespace>,
    maker: Option<Maker>,
    page: Option<&'static str>,
    files: Vec<(&'static str, &'static str, &'static [u8])>,
    folders: Vec<PathBuf>,
    layers: Layers,
    broadcaster: Broadcaster,
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
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) page: Option<&'static str>,
    pub(crate) files: Vec<(&'static str, &'static str, &'static [u8])>,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) config: Config,
    pub(crate) broadcaster: Broadcaster,
}

impl Server {
    /// A server of the game `game`, which clients ask for by `name`.
    #[must_use]
    pub fn new(name: &str, game: impl GameFn + 'static) -> Server {
        let server = Server {
            home: Namespace::new(HOME),
            others: Vec::new(),
            maker: None,
            page: None,
            files: Vec::new(),
            folders: Vec::new(),
            layers: Layers::default(),
            broadcaster: Broadcaster::new(),
        };
        server.kind(name, game)
    }

    /// One more kind of game on the same server.
    #[must_use]
    pub fn kind(mut self, name: &str, game: impl GameFn + 'static) -> Server {
        self.home = self.home.kind(name, game);
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
        self.home = self.home.auth(auth);
        self
    }

    /// The same, for answers that take their time: a database, a request to somewhere else. After 10 s the client is refused.
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
        self.home = self.home.auth_async(check);
        self
    }

    /// A message that the server sends outside of rooms, in the namespace `/` ([`Broadcaster`]); those that are heard are known by that.
    #[must_use]
    pub fn message<M: Message>(mut self) -> Server {
        self.home = self.home.message::<M>();
        self
    }

    /// Hears messages that clients send outside of rooms. It runs on a thread for such work, not on that of the links; what takes the
    /// processor's time is to be given to threads of its own. Messages of one session begin in their order, and so many of them
    /// ([`NamespaceLimits::handlers`]) run at once. A panic ends the one call, and is logged.
    #[must_use]
    pub fn on_message<M, F, R>(mut self, handler: F) -> Server
    where
        M: Message + Send + 'static,
        F: Fn(FromClient, M) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.home = self.home.on_message(handler);
        self
    }

    /// Answers requests that clients ask outside of rooms, the same way. A panic is answered as Failed; one that its client gives up ends
    /// where it waits.
    #[must_use]
    pub fn on_request<Q, F, R>(mut self, handler: F) -> Server
    where
        Q: Request + Send + 'static,
        Q::Reply: Send,
        F: Fn(FromClient, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Q::Reply, Refusal>> + Send + 'static,
    {
        self.home = self.home.on_request(handler);
        self
    }

    /// A broadcaster that was made before: games and handlers may hold it.
    #[must_use]
    pub fn broadcaster(mut self, broadcaster: &Broadcaster) -> Server {
        self.broadcaster = broadcaster.clone();
        self
    }

    /// What the namespace `/` may take up.
    #[must_use]
    pub fn limits(mut self, limits: NamespaceLimits) -> Server {
        self.home = self.home.limits(limits);
        self
    }

    /// One more namespace beside `/`, which is the server's own.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Server {
        self.others.push(namespace);
        self
    }

    /// Makes namespaces by their names, when somebody first asks for one that is not there: `None` means that there is none. What must
    /// outlive such a namespace (it is forgotten some time after the last one has left) belongs to the function.
    ///
    /// ```
    /// # use tickwire_net::{Namespace, Server};
    /// # use tickwire_sim::Game;
    /// # fn hello(game: &mut Game) {}
    /// # fn talk(game: &mut Game) {}
    /// let server = Server::new("hello", hello).namespaces(|name| {
    ///     let club = name.strip_prefix("/club/")?;
    ///     (club.len() <= 8).then(|| Namespace::new(name).kind("talk", talk))
    /// });
    /// ```
    #[must_use]
    pub fn namespaces(
        mut self,
        make: impl Fn(&str) -> Option<Namespace> + Send + Sync + 'static,
    ) -> Server {
        self.maker = Some(Box::new(make));
        self
    }

    /// Only one session of an identity at a time in the namespace `/`: see [`Namespace::one_session`].
    #[must_use]
    pub fn one_session(mut self) -> Server {
        self.home = self.home.one_session();
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
        let _ =
            writeln!(stdout, "listening on {}", running.page_url()).and_then(|()| stdout.flush());
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
        let mut kinds = self.home.kinds();
        for kind in self.others.iter().flat_map(Namespace::kinds) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    fn plan(self) -> Result<Plan, StartError> {
        let config = Config::read(&self.layers, &self.kinds())?;
        let mut folders = self.folders;
        folders.extend(config.files.clone());
        Ok(Plan {
            namespaces: Arc::new(namespaces(self.home, self.others, self.maker, &config)?),
            page: self.page,
            files: self.files,
            folders,
            config,
            broadcaster: self.broadcaster,
        })
    }
}

type Maker = Box<dyn Fn(&str) -> Option<Namespace> + Send + Sync>;

fn namespaces(
    home: Namespace,
    others: Vec<Namespace>,
    maker: Option<Maker>,
    config: &Config,
) -> Result<Namespaces, StartError> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for namespace in std::iter::once(home).chain(others) {
        if !names.insert(namespace.name().to_owned()) {
            return Err(StartError::Namespace(namespace.name().to_owned()));
        }
        all.push(namespace.build(config)?);
    }
    let namespaces = Namespaces::new(all);
    let Some(maker) = maker else {
        return Ok(namespaces);
    };
    let config = config.clone();
    Ok(namespaces.making(move |name| {
        // The author's code, in an io thread: a panic in it refuses one client.
        let made = catch_unwind(AssertUnwindSafe(|| maker(name)))
            .ok()
            .flatten()?;
        let built = made.build(&config);
        built
            .inspect_err(|error| tracing::error!(%error, name, "a namespace could not be made"))
            .ok()
    }))
}
