//! Frames from the client: what is allowed when, and what becomes of it.

use super::super::BOGUS_RECEIPTS_MAX;
use super::super::outbox::Receipt;
use super::{ServerEvent, ServerSession, Stage};
use crate::PROTOCOL_VERSION;
use crate::ending::{Ending, Reason};
use crate::frame::client::{COMMAND, COMMANDS, RECEIPTS, hello_version};
use crate::frame::{CONTROL_CHANNEL, ClientFrame, CommandParts, Holding};
use crate::moment::Moment;
use crate::time::{Tick, Time};
use bytes::Bytes;

/// Ticks beyond the newest update sent for which a command may be meant: more than any room takes.
const FAR_TICKS: u32 = 1_024;

pub(super) fn violation(message: impl Into<String>) -> Ending {
    Ending::new(Reason::Violation, message)
}

impl ServerSession {
    /// A frame arrived. What breaks the rules ends the session; there is nothing for the caller to handle.
    pub fn handle_frame(&mut self, now: Time, frame: &[u8]) {
        if !matches!(self.stage, Stage::Hello | Stage::Open) {
            self.stats.frames_after_end += 1;
            return;
        }
        self.stats.frames_in += 1;
        self.stats.bytes_in += frame.len() as u64;
        self.heartbeat.heard(now);
        self.receipts_due |= self.silent_for_long(now);
        if let Err(ending) = self.accept(now, frame) {
            self.finish(ending);
        }
    }

    /// Whether a frame is of those that come all the time: commands and receipts. While the session is not ended by it, no timer of it rings
    /// earlier than before, and its round trip is the same.
    #[must_use]
    pub fn is_frequent(frame: &[u8]) -> bool {
        matches!(frame.first(), Some(&COMMAND | &COMMANDS | &RECEIPTS))
    }

    fn accept(&mut self, now: Time, bytes: &[u8]) -> Result<(), Ending> {
        let max = self.cfg.frame_max();
        if bytes.len() > max {
            return Err(violation(format!(
                "a frame of {} bytes is longer than the {max} allowed",
                bytes.len()
            )));
        }
        // Commands have a bucket of their own, the room's.
        if !matches!(bytes.first(), Some(&COMMAND | &COMMANDS)) {
            self.charge(now, bytes.len())?;
        }
        if matches!(self.stage, Stage::Hello) {
            return self.accept_hello(now, bytes);
        }
        let frame = ClientFrame::decode(bytes).map_err(|error| violation(error.to_string()))?;
        if !self.is_attached() && !self.bared && !is_allowed_before_attach(&frame) {
            return Err(violation(format!(
                "{} frame before an accepted attach",
                frame.name()
            )));
        }
        self.tokens.confirm();
        if frame.is_control() {
            self.tally.count(CONTROL_CHANNEL);
        }
        self.dispatch(now, frame, bytes.len())
    }

    fn charge(&mut self, now: Time, len: usize) -> Result<(), Ending> {
        let limits = &self.cfg.limits;
        self.allowance.charge(now, len).map_err(|what| {
            let (frames, bytes) = (limits.messages_per_s, limits.bytes_per_s);
            violation(format!("too many {what}: {frames} frames and {bytes} bytes a second are allowed, and twice that at once"))
        })
    }

    fn accept_hello(&mut self, now: Time, bytes: &[u8]) -> Result<(), Ending> {
        // The version first: another version's hello need not be readable beyond it.
        if let Some(version) = hello_version(bytes).filter(|version| *version != PROTOCOL_VERSION) {
            let message = format!(
                "Version: the client speaks protocol {version}, the server {PROTOCOL_VERSION}. \
                 Reload the page, or rebuild the client with the server's release."
            );
            return Err(Ending::new(Reason::Version, message));
        }
        let frame = ClientFrame::decode(bytes).map_err(|error| violation(error.to_string()))?;
        let ClientFrame::Hello { .. } = frame else {
            return Err(violation(format!(
                "{} frame before the hello",
                frame.name()
            )));
        };
        // Who may resume a session is known to the owner of all: here a claim has failed, and the welcome says so.
        self.stage = Stage::Open;
        let token = self.token.take().unwrap_or_default();
        self.welcome_with(token, None);
        self.heartbeat.timeout(now);
        Ok(())
    }

    fn dispatch(&mut self, now: Time, frame: ClientFrame<'_>, len: usize) -> Result<(), Ending> {
        match frame {
            ClientFrame::Hello { .. } => return Err(violation("a second hello on the same link")),
            ClientFrame::Attach {
                attachment,
                namespace,
                credentials,
                messages_hash,
            } => {
                self.accept_attach(now, attachment, namespace, credentials, messages_hash)?;
            }
            ClientFrame::Detach { attachment } => self.accept_detach(now, attachment),
            ClientFrame::SeatKey { key } => {
                if self.seat_key.replace(key).is_some() {
                    return Err(violation("a second SeatKey in one session"));
                }
            }
            ClientFrame::Credentials {
                attachment,
                credentials,
            } => self.accept_credentials(attachment, credentials),
            ClientFrame::Join {
                request,
                attachment,
                how,
                schema_hash,
            } => {
                self.accept_join(now, request, attachment, &how, schema_hash)?;
            }
            ClientFrame::Leave { room } => self.about_room(room, ServerEvent::LeaveWanted { room }),
            ClientFrame::Command {
                room,
                held,
                tick,
                shown,
                said,
                payload,
            } => self.accept_command(now, room, held, (tick, shown, said, payload), len)?,
            ClientFrame::Commands {
                room,
                held,
                commands,
            } => self.accept_commands(now, room, held, &commands, len)?,
            ClientFrame::Message {
                room,
                channel,
                kind,
                payload,
            } => {
                self.tally.count(channel);
                self.receipts_due |= self.tally.is_pressing();
                self.accept_message(room, channel, kind, payload, false)?;
            }
            ClientFrame::Volatile {
                room,
                channel,
                kind,
                payload,
            } => self.accept_message(room, channel, kind, payload, true)?,
            ClientFrame::Receipts { received, held } => self.accept_receipts(&received, &held)?,
            ClientFrame::Report { room, age_ms } => {
                self.wish(now, room, ServerEvent::Report { room, age_ms })
            }
            ClientFrame::Ping { nonce } => {
                self.stats.pings_replaced += u64::from(self.heartbeat.owe(nonce))
            }
            ClientFrame::Pong { nonce } => match self.heartbeat.pong(now, nonce) {
                Some(answer) => self.rtt.sample(now, answer.rtt),
                None => self.stats.pongs_unasked += 1,
            },
            ClientFrame::Lobby {
                request,
                attachment,
                kind,
            } => self.accept_lobby(now, request, attachment, kind)?,
            ClientFrame::KeyframeWanted { room, area } => {
                self.wish(now, room, ServerEvent::KeyframeWanted { room, area })
            }
            ClientFrame::Status {
                room,
                text,
                expires_ms,
            } => self.accept_status(now, room, text, expires_ms),
            ClientFrame::Follow {
                attachment,
                add,
                remove,
            } => self.accept_follow(now, attachment, &add, &remove),
            ClientFrame::NoticesDone {
                attachment,
                cursors,
            } => self.accept_notices_done(attachment, cursors),
            ClientFrame::Ask(ask) => {
                self.tally.count(ask.channel);
                self.receipts_due |= self.tally.is_pressing();
                self.accept_ask(now, &ask)?;
            }
            ClientFrame::Reply(reply) => {
                self.tally.count(reply.channel);
                self.receipts_due |= self.tally.is_pressing();
                self.accept_reply(&reply)?;
            }
            ClientFrame::Cancel(cancel) => {
                self.tally.count(cancel.channel);
                self.receipts_due |= self.tally.is_pressing();
                self.accept_cancel(&cancel);
            }
            ClientFrame::LobbyWatch {
                request,
                attachment,
                kind,
                attributes,
            } => self.accept_lobby_watch(now, request, attachment, kind, &attributes)?,
            ClientFrame::LobbyUnwatch { request } => self.accept_lobby_unwatch(request),
            ClientFrame::Ready { room, ready } => {
                self.wish(now, room, ServerEvent::Ready { room, ready })
            }
            ClientFrame::HostAsk { request, room, ask } => {
                self.accept_host_ask(now, request, room, &ask)?
            }
            ClientFrame::Bye => return Err(Ending::new(Reason::Left, "the client said goodbye")),
            ClientFrame::Unload => {
                self.unloads = true;
                self.link_lost(now);
            }
        }
        Ok(())
    }

    fn about_room(&mut self, room: u32, event: ServerEvent) {
        if self.rooms.contains(room) {
            self.events.push_back(event);
        } else {
            self.stats.frames_late += 1;
        }
    }

    fn wish(&mut self, now: Time, room: u32, event: ServerEvent) {
        if self.wishes.take(now, 1) {
            self.about_room(room, event);
        } else {
            self.stats.wishes_limited += 1;
        }
    }

    fn accept_command(
        &mut self,
        now: Time,
        room: u32,
        held: Tick,
        (tick, shown, said, payload): (Tick, Option<Moment>, Option<u16>, &[u8]),
        len: usize,
    ) -> Result<(), Ending> {
        let Some(slot) = self.rooms.get_mut(room) else {
            self.stats.commands_no_room += 1;
            return self.charge(now, len);
        };
        if !slot.commands.take(now, 1) {
            self.stats.commands_over_rate += 1;
            return self.charge(now, len);
        }
        self.accept_held(room, Holding::of(held))?;
        self.commanded(
            room,
            &CommandParts {
                tick,
                shown,
                said,
                payload,
            },
        );
        Ok(())
    }

    /// What is said again is dropped here: it costs its sender the frame, and nobody behind here anything.
    fn accept_commands(
        &mut self,
        now: Time,
        room: u32,
        held: Holding,
        commands: &[CommandParts<'_>],
        len: usize,
    ) -> Result<(), Ending> {
        let Some(slot) = self.rooms.get_mut(room) else {
            self.stats.commands_no_room += 1;
            return self.charge(now, len);
        };
        // One of a clock that is far off must not make all that follow look old.
        let most = slot
            .sent
            .map_or(Tick(u32::MAX), |sent| sent.plus(FAR_TICKS));
        let is_new = |said: &mut Option<Holding>, tick: Tick| match said {
            _ if tick > most => true,
            Some(said) => said.add(tick),
            None => said.replace(Holding::of(tick)).is_none(),
        };
        let before = slot.said;
        let new: Vec<_> = commands
            .iter()
            .filter(|it| is_new(&mut slot.said, it.tick))
            .collect();
        if !slot.commands.take(now, new.len().max(1) as u64) {
            slot.said = before;
            self.stats.commands_over_rate += new.len().max(1) as u64;
            return self.charge(now, len);
        }
        self.stats.commands_again += (commands.len() - new.len()) as u64;
        self.accept_held(room, held)?;
        new.into_iter().for_each(|it| self.commanded(room, it));
        Ok(())
    }

    fn commanded(&mut self, room: u32, command: &CommandParts<'_>) {
        let held = self.rooms.get(room).and_then(|slot| slot.held);
        self.events.push_back(ServerEvent::Command {
            room,
            held: held.unwrap_or_default(),
            tick: command.tick,
            shown: command.shown,
            said: command.said,
            payload: Bytes::copy_from_slice(command.payload),
        });
    }

    fn accept_message(
        &mut self,
        room: u32,
        channel: u8,
        kind: u32,
        payload: &[u8],
        volatile: bool,
    ) -> Result<(), Ending> {
        let max = self.cfg.limits.message_max as usize;
        if payload.len() > max {
            return Err(violation(format!(
                "a message of {} bytes is longer than the {max} allowed",
                payload.len()
            )));
        }
        let attached =
            || u8::try_from(room).is_ok_and(|attachment| self.identity(attachment).is_some());
        if !self.rooms.contains(room) && !attached() {
            self.stats.messages_no_room += 1;
            return Ok(());
        }
        self.events.push_back(ServerEvent::Message {
            room,
            channel,
            kind,
            payload: Bytes::copy_from_slice(payload),
            volatile,
        });
        Ok(())
    }

    fn accept_receipts(
        &mut self,
        received: &[(u8, u64)],
        held: &[(u32, Tick)],
    ) -> Result<(), Ending> {
        for (channel, count) in received {
            match self.outbox.receipt(*channel, *count) {
                Receipt::New => {}
                Receipt::Stale => self.stats.receipts_stale += 1,
                Receipt::Bogus => {
                    self.bogus_receipt(&format!("{count} messages received on channel {channel}"))?
                }
            }
        }
        held.iter()
            .try_for_each(|(room, tick)| self.accept_held(*room, Holding::of(*tick)))
    }

    /// The client says what it holds of a room; the owner hears of it when it is news.
    fn accept_held(&mut self, room: u32, held: Holding) -> Result<(), Ending> {
        let Some(slot) = self.rooms.get_mut(room) else {
            self.stats.frames_late += 1;
            return Ok(());
        };
        if slot.sent.is_none_or(|sent| held.newest > sent) {
            let tick = held.newest;
            return self.bogus_receipt(&format!("tick {tick} of room {room} held"));
        }
        let news = match &mut slot.held {
            // Of a lane in order, where an older one tells nothing.
            Some(all) if held.before == 0 => {
                let newer = held.newest > all.newest;
                if newer {
                    *all = held;
                } else {
                    self.stats.receipts_stale += u64::from(held.newest < all.newest);
                }
                newer
            }
            Some(all) => all.merge(&held),
            none => none.replace(held).is_none(),
        };
        if let Some(held) = slot.held.filter(|_| news) {
            self.events.push_back(ServerEvent::Held { room, held });
        }
        Ok(())
    }

    fn bogus_receipt(&mut self, what: &str) -> Result<(), Ending> {
        self.stats.receipts_bogus += 1;
        if self.stats.receipts_bogus > BOGUS_RECEIPTS_MAX {
            return Err(violation(format!(
                "more than {BOGUS_RECEIPTS_MAX} receipts for what was never sent, the last: {what}"
            )));
        }
        Ok(())
    }
}

fn is_allowed_before_attach(frame: &ClientFrame<'_>) -> bool {
    use ClientFrame::{Attach, Bye, Detach, Hello, Ping, Pong, SeatKey, Unload};
    matches!(
        frame,
        Hello { .. }
            | Attach { .. }
            | Detach { .. }
            | SeatKey { .. }
            | Ping { .. }
            | Pong { .. }
            | Bye
            | Unload
    )
}
