//! The laws of the protocol, from outside: bytes, sessions against each other, and sessions against the worst.

mod asks;
mod datagrams;
mod endings;
mod frames;
mod golden;
mod hostile;
mod limits;
mod links;
mod polls;
mod receipts;
mod resume;
mod samples;
mod sessions;
mod statuses;
mod writing;
