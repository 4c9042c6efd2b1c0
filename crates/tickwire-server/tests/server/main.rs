//! The laws of rooms, lobby and fronts, over the loopback: real sessions on both sides, no network, no time but what is handed in.

mod asks;
mod commands;
mod common;
mod credentials;
mod directory;
mod ends;
mod full_rooms;
mod hostile;
mod identities;
mod interest;
mod joins;
mod lobby;
mod namespaces;
mod notices;
mod outside;
mod pace;
mod rest;
mod resume;
mod rule;
mod seats;
mod sharing;
mod statuses;
mod talk;
