//! A real nginx before a server, as operators put it there: started on a free port with its own configuration and folder, reloaded, ended.

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Somebody may take a port between the moment in which it is found free and the start of nginx.
const TRIES: u32 = 5;

/// Whom it names as the client of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwards {
    /// Whoever is connected to it.
    Peer,
    /// One address for all, as of a school.
    One,
    /// Another address for each connection.
    Each,
}

impl Forwards {
    fn header(self) -> &'static str {
        match self {
            Forwards::Peer => "$proxy_add_x_forwarded_for",
            Forwards::One => "203.0.113.7",
            Forwards::Each => "$each",
        }
    }
}

/// nginx in a process of its own, ended when this goes.
pub struct Nginx {
    child: Child,
    folder: PathBuf,
    port: u16,
    site: Site,
}

/// What it stands before, and for whom.
#[derive(Clone)]
struct Site {
    /// The address that it listens at.
    host: &'static str,
    upstream: String,
    forwards: Forwards,
}

impl Nginx {
    /// Before the server at `upstream` (`127.0.0.1:PORT`); `upgrades`: whether it lets WebSockets through.
    ///
    /// # Panics
    /// Where nginx is missing: `cargo xtask setup` installs it.
    pub fn start(upstream: &str, upgrades: bool) -> Self {
        Self::forwarding(upstream, upgrades, Forwards::Peer)
    }

    /// The same, and what it says of its clients.
    ///
    /// # Panics
    /// Where nginx is missing.
    pub fn forwarding(upstream: &str, upgrades: bool, forwards: Forwards) -> Self {
        Self::run(
            Site {
                host: "127.0.0.1",
                upstream: upstream.to_owned(),
                forwards,
            },
            upgrades,
        )
    }

    /// Listening at every address of this machine, or of its network namespace.
    ///
    /// # Panics
    /// Where nginx is missing.
    pub fn everywhere(upstream: &str) -> Self {
        Self::run(
            Site {
                host: "0.0.0.0",
                upstream: upstream.to_owned(),
                forwards: Forwards::Peer,
            },
            true,
        )
    }

    fn run(site: Site, upgrades: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..TRIES {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let folder =
                std::env::temp_dir().join(format!("tickwire-nginx-{}-{count}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder for nginx");
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = free.local_addr().expect("its address").port();
            drop(free);
            write_config(&folder, port, &site, upgrades);
            let child = Command::new(program())
                .arg("-p")
                .arg(&folder)
                .args(["-c", "nginx.conf", "-e", "error.log"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("nginx is there; `cargo xtask setup` installs it");
            let mut nginx = Self {
                child,
                folder,
                port,
                site: site.clone(),
            };
            if nginx.is_up() {
                return nginx;
            }
        }
        panic!("nginx does not start");
    }

    fn is_up(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(Some(_)) = self.child.try_wait() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Takes another configuration into use. Connections of the old one are closed within a second.
    pub fn reload(&self, upgrades: bool) {
        write_config(&self.folder, self.port, &self.site, upgrades);
        let told = Command::new("kill")
            .args(["-HUP", &self.child.id().to_string()])
            .status();
        assert!(told.is_ok_and(|status| status.success()));
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM to the master ends its workers too; SIGKILL would leave them.
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        if crate::process::wait(&mut self.child, Duration::from_secs(10)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Debian puts it where only root looks.
fn program() -> &'static str {
    let debian = "/usr/sbin/nginx";
    if std::path::Path::new(debian).is_file() {
        debian
    } else {
        "nginx"
    }
}

/// What an operator would write; what README.md says of proxies is in it.
fn write_config(folder: &std::path::Path, port: u16, site: &Site, upgrades: bool) {
    let Site { host, upstream, .. } = site;
    let forwarded = site.forwards.header();
    let sockets = if upgrades {
        format!(
            "proxy_pass http://game;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header X-Forwarded-For {forwarded};
            proxy_read_timeout 60s;"
        )
    } else {
        "return 403;".to_owned()
    };
    let config = format!(
        "daemon off;
worker_processes 1;
worker_shutdown_timeout 1s;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_body_buffer_size 64k;
    proxy_max_temp_file_size 0;
    map $remote_port $each {{
        \"~^(?<high>[0-9])(?<low>[0-9]+)$\" 2001:db8::$high:$low;
    }}
    upstream game {{
        server {upstream};
        keepalive 16;
    }}
    server {{
        listen {host}:{port};
        location / {{
            proxy_pass http://game;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection \"\";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
        location = /tickwire/ws {{
            {sockets}
        }}
    }}
}}
"
    );
    std::fs::write(folder.join("nginx.conf"), config).expect("nginx's configuration");
}
