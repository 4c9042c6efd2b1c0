//! The one test binary of the whole: each module is a kind of proof, named by what it proves.

mod browser;
mod browser_api;
mod browser_arena;
mod browser_hidden;
mod browser_lobby;
mod browser_namespace;
mod browser_people;
mod chat;
mod crowds;
mod cuts;
mod games;
mod golden;
mod hall;
mod hostile;
mod laws;
mod loopback;
mod proxies;
mod returns;
mod seeds;
mod signals;
mod sockets;
mod tidy;
mod tls;
mod tokens;
