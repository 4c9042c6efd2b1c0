//! Who is measured, and how each is run in this process. How one is set up stands in its own file or crate.

use tickwire::prelude::Profile;
use tickwire_peers_common::{Measured, Peer, exact, measure, quantised};
use tickwire_peers_lightyear::Lightyear;
use tickwire_peers_naia::Naia;
use tickwire_peers_replicon::{Floats, Ints, Replicon};
use tickwire_workload::Config;

use crate::colyseus::{self, Fields};
use crate::naive::{How, Naive};
use crate::own::Own;
use crate::sockets;

/// A peer of the table.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    pub title: &'static str,
    /// The crate whose version is told.
    pub package: &'static str,
    pub note: &'static str,
    run: fn(&str, Config) -> Result<Measured, String>,
}

pub const DENSE: &str = "tickwire-dense";
pub const QUANTISED: &str = "replicon-quantised";
pub const SOCKETS: &str = "sockets-dense";

/// In the order of the table.
pub const ROSTER: [Entry; 13] = [
    Entry {
        name: DENSE,
        title: "Tickwire, dense",
        package: "tickwire",
        note: "quantised; stepping and WebSocket headers are in it",
        run: |_, config| own(Profile::Dense, config),
    },
    Entry {
        name: "tickwire-fast",
        title: "Tickwire, fast",
        package: "tickwire",
        note: "the same",
        run: |_, config| own(Profile::Fast, config),
    },
    Entry {
        name: SOCKETS,
        title: "Tickwire, dense, real sockets",
        package: "tickwire",
        note: "the whole process of the server, WebSockets on loopback",
        run: |size, config| sockets::run(Profile::Dense, size, config),
    },
    Entry {
        name: "sockets-fast",
        title: "Tickwire, fast, real sockets",
        package: "tickwire",
        note: "the same",
        run: |size, config| sockets::run(Profile::Fast, size, config),
    },
    Entry {
        name: "replicon",
        title: "bevy_replicon",
        package: "bevy_replicon",
        note: "f32; its messages alone, as it hands them to a backend",
        run: |_, config| floats(Replicon::<Floats>::new(config.players), config),
    },
    Entry {
        name: QUANTISED,
        title: "bevy_replicon, quantised by hand",
        package: "bevy_replicon",
        note: "the same",
        run: |_, config| ints(Replicon::<Ints>::new(config.players), config),
    },
    Entry {
        name: "lightyear",
        title: "lightyear",
        package: "lightyear",
        note: "f32; headers and acknowledgements of its packets are in it",
        run: |_, config| floats(Lightyear::new(config.players), config),
    },
    Entry {
        name: "naia",
        title: "naia",
        package: "naia-bevy-server",
        note: "f32; headers and acknowledgements of its packets are in it",
        run: |_, config| floats(Naia::new(config.players), config),
    },
    Entry {
        name: "colyseus",
        title: "Colyseus' schema",
        package: "",
        note: "f32; JavaScript, its encoder alone; 20 Hz is its default, here 30",
        run: |_, config| colyseus::run(Fields::Floats, config),
    },
    Entry {
        name: "colyseus-quantised",
        title: "Colyseus' schema, quantised by hand",
        package: "",
        note: "the same",
        run: |_, config| colyseus::run(Fields::Ints, config),
    },
    Entry {
        name: "naive",
        title: "all of it, postcard",
        package: "postcard",
        note: "f32; no framework: no joining, no loss, no sessions",
        run: |_, config| naive(How::Plain, config),
    },
    Entry {
        name: "naive-zstd",
        title: "the same, each message through zstd-3",
        package: "zstd",
        note: "the same",
        run: |_, config| naive(How::Zstd, config),
    },
    Entry {
        name: "naive-stream",
        title: "quantised, one stream of zstd-3 a room",
        package: "zstd",
        note: "the same, and nobody joins once it runs",
        run: |_, config| naive(How::Stream, config),
    },
];

impl Entry {
    pub fn find(name: &str) -> Option<&'static Entry> {
        ROSTER.iter().find(|entry| entry.name == name)
    }

    /// Measures it in this process.
    pub fn measure(&self, size: &str, seed: u64) -> Result<Measured, String> {
        (self.run)(size, Config::by_name(size, seed))
    }
}

fn own(profile: Profile, config: Config) -> Result<Measured, String> {
    ints(Own::new(profile, config), config)
}

fn naive(how: How, config: Config) -> Result<Measured, String> {
    let peer = Naive::new(how, config.players);
    match how {
        How::Stream => ints(peer, config),
        How::Plain | How::Zstd => floats(peer, config),
    }
}

fn floats(mut peer: impl Peer, config: Config) -> Result<Measured, String> {
    measure(&mut peer, config, exact)
}

fn ints(mut peer: impl Peer, config: Config) -> Result<Measured, String> {
    measure(&mut peer, config, quantised)
}
