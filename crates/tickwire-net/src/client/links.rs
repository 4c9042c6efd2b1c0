//! The links of one client, of either kind, and their bytes. Which of them is opened, and which carries the session, the ladder decides.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tickwire_client::{Client, Conditioner, Ladder, LinkChoice, LinkKind, Rung};
use tickwire_proto::Time;
use tickwire_proto::poll::POST_BYTES_MAX;

use super::connection::{LinkCounters, Timer};
use super::polling::PollWire;
use super::tls::Trust;
use super::url::Address;
use super::wire::{Read, Wire};
use crate::clock;

pub(crate) struct Links {
    address: Address,
    pub(crate) trust: Trust,
    pub(crate) ladder: Ladder,
    socket: Socket,
    polling: Option<Box<PollWire>>,
    timer: Timer,
    /// Makes the WebSocket worse than it is.
    pub(crate) conditioner: Conditioner,
    held: Timer,
    pub(crate) counters: LinkCounters,
    pub(crate) failure: Option<String>,
}

enum Socket {
    None,
    Opening(Pin<Box<dyn Future<Output = Result<Wire, String>> + Send>>),
    Open(Box<Wire>),
}

impl Links {
    pub(crate) fn new(address: Address, choice: LinkChoice, seed: u64) -> Links {
        Links {
            address,
            trust: Trust::default(),
            ladder: Ladder::new(choice),
            socket: Socket::None,
            polling: None,
            timer: Timer::default(),
            conditioner: Conditioner::new(seed),
            held: Timer::default(),
            counters: LinkCounters::default(),
            failure: None,
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Does what the ladder asks for.
    pub(crate) fn obey(&mut self, client: &mut Client) {
        while let Some(rung) = self.ladder.poll() {
            match rung {
                Rung::Open { kind, number } => self.open(kind, number, client),
                Rung::Drop(LinkKind::WebSocket) => self.socket = Socket::None,
                Rung::Drop(LinkKind::Polling) => self.polling = None,
            }
        }
    }

    fn open(&mut self, kind: LinkKind, number: u32, client: &mut Client) {
        match kind {
            LinkKind::WebSocket => {
                let opening = Wire::open(self.address.clone(), self.trust.clone(), number);
                self.socket = Socket::Opening(Box::pin(opening));
            }
            LinkKind::Polling => {
                self.polling = Some(Box::new(PollWire::new(
                    self.address.clone(),
                    self.trust.clone(),
                )));
                self.ladder.opened(clock::now(), kind, client);
            }
        }
    }

    /// Writes the last words, as far as that goes at once, and forgets the links.
    pub(crate) fn hang_up(&mut self, client: &mut Client) {
        let now = clock::now();
        if let Socket::Open(mut wire) = std::mem::replace(&mut self.socket, Socket::None) {
            // What is held would go now or never.
            while let Some(frame) = self.conditioner.up.take(Time(u64::MAX)) {
                wire.say(frame, &mut self.counters);
            }
            while let Some(frame) =
                self.ladder
                    .next(now, LinkKind::WebSocket, wire.writable(), client)
            {
                wire.say(frame, &mut self.counters);
            }
            wire.close(&mut self.counters);
        }
        if let Some(mut wire) = self.polling.take() {
            // Whatever is under way: the goodbye takes it along.
            let mut room = POST_BYTES_MAX;
            while let Some(frame) = self.ladder.next(now, LinkKind::Polling, room, client) {
                room = room.saturating_sub(frame.len());
                wire.say(&frame, &mut self.counters);
            }
            wire.close();
        }
        self.ladder.hang_up();
        while self.ladder.poll().is_some() {}
    }

    /// Writes what the client has to say, and moves what is under way.
    pub(crate) fn write(&mut self, context: &mut Context<'_>, client: &mut Client) {
        let now = clock::now();
        if let Some(wire) = &mut self.polling {
            while wire.writable() > 0
                && let Some(frame) =
                    self.ladder
                        .next(now, LinkKind::Polling, wire.writable(), client)
            {
                wire.say(&frame, &mut self.counters);
            }
            wire.poll_exchange(context, &mut self.counters);
        }
        if self.write_socket(context, client).is_err() {
            self.lost(LinkKind::WebSocket, None, client);
        }
    }

    fn write_socket(
        &mut self,
        context: &mut Context<'_>,
        client: &mut Client,
    ) -> std::io::Result<()> {
        let Socket::Open(wire) = &mut self.socket else {
            return Ok(());
        };
        let now = clock::now();
        loop {
            while wire.writable() > 0
                && let Some(frame) =
                    self.ladder
                        .next(now, LinkKind::WebSocket, wire.writable(), client)
            {
                match self.conditioner.is_on(now) {
                    true => self.conditioner.up.put(now, frame),
                    false => wire.say(frame, &mut self.counters),
                }
            }
            while wire.writable() > 0
                && let Some(frame) = self.conditioner.up.take(now)
            {
                wire.say(frame, &mut self.counters);
            }
            let full = wire.writable() == 0;
            match wire.poll_flush(context, &mut self.counters) {
                // There may be more where this came from.
                Poll::Ready(Ok(())) if full => {}
                Poll::Ready(Ok(())) | Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    fn lost(&mut self, kind: LinkKind, code: Option<u16>, client: &mut Client) {
        match kind {
            LinkKind::WebSocket => self.socket = Socket::None,
            LinkKind::Polling => self.polling = None,
        }
        self.ladder.lost(clock::now(), kind, code, client);
    }

    /// `Ready`: something happened.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, client: &mut Client) -> Poll<()> {
        if let Some(due) = self.ladder.next_timeout()
            && self.timer.poll(context, due).is_ready()
        {
            self.ladder.handle_timeout(clock::now());
            return Poll::Ready(());
        }
        if self.poll_polling(client).is_ready() {
            return Poll::Ready(());
        }
        if self.poll_socket(context, client).is_ready() {
            return Poll::Ready(());
        }
        self.poll_held(context, client)
    }

    /// Lets go what the conditioner has held long enough: what came in here, what goes out with the next write.
    fn poll_held(&mut self, context: &mut Context<'_>, client: &mut Client) -> Poll<()> {
        let now = clock::now();
        let mut came = Poll::Pending;
        while let Some(frame) = self.conditioner.down.take(now) {
            self.ladder.frame(now, LinkKind::WebSocket, &frame, client);
            came = Poll::Ready(());
        }
        if came.is_ready() {
            return came;
        }
        match self.conditioner.next_due() {
            Some(due) => self.held.poll(context, due),
            None => Poll::Pending,
        }
    }

    fn poll_polling(&mut self, client: &mut Client) -> Poll<()> {
        let Some(wire) = &mut self.polling else {
            return Poll::Pending;
        };
        let ladder = &mut self.ladder;
        let was = ladder.carrier();
        let read = wire.poll_read(&mut self.counters, |frame: Bytes| {
            ladder.frame(clock::now(), LinkKind::Polling, &frame, client);
        });
        self.counters.connects += u64::from(was.is_none() && ladder.carrier().is_some());
        let failure = wire.failure();
        read.map(|read| match read {
            Read::More => {}
            Read::Lost(code) => {
                self.failure = failure.or(self.failure.take());
                self.lost(LinkKind::Polling, code, client);
            }
        })
    }

    fn poll_socket(&mut self, context: &mut Context<'_>, client: &mut Client) -> Poll<()> {
        match &mut self.socket {
            Socket::None => Poll::Pending,
            Socket::Opening(opening) => opening.as_mut().poll(context).map(|opened| match opened {
                Ok(wire) => {
                    self.conditioner.begin_anew();
                    self.socket = Socket::Open(Box::new(wire));
                    self.counters.connects += 1;
                    self.ladder
                        .opened(clock::now(), LinkKind::WebSocket, client);
                }
                Err(failure) => {
                    self.failure = Some(failure);
                    self.lost(LinkKind::WebSocket, None, client);
                }
            }),
            Socket::Open(wire) => {
                let (ladder, conditioner) = (&mut self.ladder, &mut self.conditioner);
                let read = wire.poll_read(context, &mut self.counters, |frame| {
                    let now = clock::now();
                    match conditioner.is_on(now) {
                        true => conditioner.down.put(now, frame),
                        false => ladder.frame(now, LinkKind::WebSocket, &frame, client),
                    }
                });
                read.map(|read| match read {
                    Read::More => {}
                    Read::Lost(code) => self.lost(LinkKind::WebSocket, code, client),
                })
            }
        }
    }
}
