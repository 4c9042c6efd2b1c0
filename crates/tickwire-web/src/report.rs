//! What the client tells, as JSON for the page's module.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tickwire_client::{
    Client, ClientEvent, ClientOutput, Correction, Figures, NamespaceKey, Place, RequestId,
    RoomKey, SendError, State, View,
};
use tickwire_proto::frame::{HostAsk, LeaveReason, Presence, RoomInfoOwned};
use tickwire_proto::{Retry, frame};
use tickwire_snapshot::{FieldSchema, MessageSchema, Schema, Value};

use crate::layout;

/// An output of the client; `None`: of no interest to a page.
pub(crate) fn output(client: &Client, output: &ClientOutput) -> Option<Json> {
    Some(match output {
        ClientOutput::Connect { attempt, number } => {
            json!({"do": "connect", "attempt": attempt, "number": number})
        }
        ClientOutput::Close => json!({"do": "close"}),
        ClientOutput::CredentialsWanted { namespace } => {
            json!({"do": "credentials", "namespace": namespace.0})
        }
        ClientOutput::Event(event) => return self::event(client, event),
        _ => return None,
    })
}

fn event(client: &Client, event: &ClientEvent) -> Option<Json> {
    Some(match event {
        ClientEvent::State(state) => self::state(state),
        ClientEvent::Attached {
            namespace,
            identity,
        } => {
            let schema = client.namespace_schema(*namespace);
            let messages = schema.into_iter().flat_map(|schema| &schema.messages);
            let messages: Vec<&str> = messages.map(|message| message.name.as_str()).collect();
            json!({"do": "attached", "namespace": namespace.0, "identity": identity, "messages": messages})
        }
        ClientEvent::NamespaceRefused {
            namespace, refusal, ..
        } => {
            let mut json = refused("namespace_refused", 0, refusal);
            json["namespace"] = namespace.0.into();
            json
        }
        ClientEvent::Renewed { namespace } => json!({"do": "renewed", "namespace": namespace.0}),
        ClientEvent::AttachRefused(refusal) => refused("attach_refused", 0, refusal),
        ClientEvent::Joined { room, again } => joined(client, *room, *again)?,
        ClientEvent::Moved { room } => {
            let mut told = joined(client, *room, false)?;
            told["moved"] = json!(true);
            told
        }
        ClientEvent::JoinRefused { room, refusal } => refused("join_refused", room.0, refusal),
        ClientEvent::RoomAway { room } => json!({"do": "away", "room": room.0}),
        ClientEvent::RoomEnded {
            room,
            reason,
            message,
        } => {
            json!({"do": "ended", "room": room.0, "reason": format!("{reason:?}"), "message": message})
        }
        ClientEvent::Member { room, .. } => json!({"do": "members", "room": room.0}),
        ClientEvent::Message {
            namespace,
            room,
            kind,
            payload,
            ..
        } => message(client, *namespace, *room, *kind, payload)
            .unwrap_or_else(|| unread(*room, *kind)),
        ClientEvent::Person {
            namespace,
            identity,
            presence,
            gone,
            status,
        } => person(*namespace, identity, *presence, *gone, status),
        ClientEvent::FollowRefused { refusal, .. } => refused("follow_refused", 0, refusal),
        ClientEvent::Notice {
            namespace,
            cursor,
            kind,
            payload,
        } => {
            // What is no JSON is given as the text that it is.
            let text = || json!(String::from_utf8_lossy(payload));
            let data: Json = serde_json::from_slice(payload).unwrap_or_else(|_| text());
            json!({
                "do": "notice", "namespace": namespace.0, "cursor": cursor.map(|cursor| cursor as f64), "kind": kind, "data": data,
            })
        }
        ClientEvent::StatusRefused { room, refusal } => {
            refused("status_refused", room.map_or(0, |room| room.0), refusal)
        }
        ClientEvent::Fault { room, fault } => {
            json!({"do": "fault", "room": room.0, "message": fault.to_string()})
        }
        ClientEvent::Resumed => json!({"do": "resumed"}),
        ClientEvent::Expired => json!({"do": "expired"}),
        ClientEvent::SessionEnded { reason, message } => {
            json!({"do": "over", "reason": reason.name(), "message": message})
        }
        ClientEvent::MessagesLost { count } => json!({"do": "lost", "count": count}),
        ClientEvent::Lobby { request, rooms } => {
            json!({"do": "lobby", "request": request.0, "rooms": rooms.iter().map(room_info).collect::<Vec<_>>()})
        }
        ClientEvent::LobbyRefused { request, refusal } => {
            refused("lobby_refused", request.0, refusal)
        }
        ClientEvent::LobbyChanged { request, rooms } => {
            json!({"do": "lobby_changed", "request": request.0, "rooms": rooms.iter().map(room_info).collect::<Vec<_>>()})
        }
        ClientEvent::HostDone { request } => json!({"do": "host_done", "request": request.0}),
        ClientEvent::RequestRefused { request, refusal } => {
            let mut told = refused("request_refused", 0, refusal);
            told["request"] = json!(request.0);
            told
        }
        _ => return None,
    })
}

fn state(state: &State) -> Json {
    match state {
        State::Connecting => json!({"do": "state", "at": "connecting"}),
        State::Online => json!({"do": "state", "at": "online"}),
        State::Away { retry_in } => {
            json!({"do": "state", "at": "away", "retryInMs": retry_in.as_millis() as u64})
        }
        State::Ended {
            reason,
            retry,
            message,
        } => json!({
            "do": "state", "at": "ended", "reason": reason.name(), "message": message,
            "reload": matches!(retry, Retry::Reload),
        }),
    }
}

fn refused(what: &str, room: u32, refusal: &frame::Refusal) -> Json {
    let data: Json = serde_json::from_slice(&refusal.data).unwrap_or(Json::Null);
    json!({"do": what, "room": room, "code": refusal.code, "message": refusal.message, "data": data})
}

fn joined(client: &Client, room: RoomKey, again: bool) -> Option<Json> {
    let view = client.view(room)?;
    Some(json!({
        "do": "joined", "room": room.0, "again": again, "id": view.id(), "kind": view.kind(),
        "seat": view.seat(), "member": view.member(), "tickMs": view.tick_length().as_secs_f64() * 1e3,
        "members": members(view), "layout": layout::describe(view.schema()),
    }))
}

fn presence_name(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Gone => "gone",
    }
}

/// Somebody whom one follows.
pub(crate) fn person(
    namespace: NamespaceKey,
    identity: &str,
    presence: Presence,
    gone: Option<LeaveReason>,
    status: &str,
) -> Json {
    let mut told = json!({"do": "person", "namespace": namespace.0, "identity": identity, "presence": presence_name(presence), "status": status});
    if let Some(reason) = gone {
        told["gone"] = json!(format!("{reason:?}"));
    }
    told
}

/// The members of a room.
pub(crate) fn members(view: &View) -> Json {
    let own = view.member();
    view.members()
        .iter()
        .map(|info| {
            let seat = (info.seat != frame::parts::NO_SEAT).then_some(info.seat);
            json!({
                "member": info.member, "seat": seat, "name": info.name, "presence": presence_name(info.presence), "status": info.status,
                "mine": info.member == own, "ready": info.flags.ready, "host": info.flags.host,
            })
        })
        .collect()
}

/// A message that the page is not given: it has no schema for it, or the bytes are not of it.
fn unread(room: Option<RoomKey>, kind: u32) -> Json {
    let text = format!("a message of kind {kind} that this client cannot read was left out");
    json!({"do": "unread", "room": room.map_or(0, |room| room.0), "message": text})
}

/// Outside of rooms it is called by `room` 0 and its namespace.
fn message(
    client: &Client,
    namespace: NamespaceKey,
    room: Option<RoomKey>,
    kind: u32,
    payload: &[u8],
) -> Option<Json> {
    let schema = match room {
        Some(room) => client.view(room)?.schema(),
        None => client.namespace_schema(namespace)?,
    };
    let schema = schema.message(kind)?;
    let data = schema.shape.to_value(payload).ok()?;
    let room = room.map_or(0, |room| room.0);
    Some(json!({
        "do": "message", "namespace": namespace.0, "room": room, "name": schema.name, "data": data,
    }))
}

fn room_info(info: &RoomInfoOwned) -> Json {
    let attributes: serde_json::Map<String, Json> = info
        .attributes
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    json!({
        "id": info.id, "kind": info.kind, "members": info.members, "seats": info.seats, "locked": info.locked,
        "attributes": attributes,
    })
}

/// Asks for what the host of a room may ask for; `None`: the room is not joined, or that is no question.
pub(crate) fn host_ask(client: &mut Client, room: RoomKey, ask: &str) -> Option<RequestId> {
    let ask: Json = serde_json::from_str(ask).ok()?;
    let number = |name: &str| ask.get(name)?.as_u64()?.try_into().ok();
    let pairs: Vec<(String, String)>;
    let ask = if let Some(member) = number("kick") {
        HostAsk::Kick { member }
    } else if let Some(member) = number("ban") {
        let seconds = number("seconds").unwrap_or(0);
        HostAsk::Ban { member, seconds }
    } else if let Some(locked) = ask.get("lock").and_then(Json::as_bool) {
        HostAsk::Lock { locked }
    } else if let Some(attributes) = ask.get("attributes").and_then(Json::as_object) {
        let text = |value: &Json| value.as_str().map_or(value.to_string(), str::to_owned);
        pairs = attributes
            .iter()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect();
        HostAsk::Attributes {
            attributes: pairs
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    } else {
        let message = ask.get("close")?.as_str()?;
        return client.host_ask(room, &HostAsk::Close { message }).ok();
    };
    client.host_ask(room, &ask).ok()
}

/// What was predicted otherwise than the server had it; references in it are nobody.
pub(crate) fn correction(correction: &Correction, schema: &Schema) -> Option<Json> {
    let record = schema.record(correction.component)?;
    let values = |values: &[Value]| {
        let fields = record.fields.iter().zip(values);
        let pair = |(field, value): (&FieldSchema, &Value)| {
            let json = layout::to_json(value, &field.quant, |_| 0);
            (field.name.clone(), json)
        };
        Json::Object(fields.map(pair).collect())
    };
    Some(json!({
        "id": correction.id, "mine": correction.mine, "tick": correction.tick.0, "component": record.name,
        "from": values(&correction.from), "to": values(&correction.to),
    }))
}

/// What was wrong, as JSON.
pub(crate) fn fault(code: &str, text: String) -> Json {
    json!({"code": code, "message": text})
}

/// Why something was not sent, as JSON.
pub(crate) fn unsent(error: &SendError) -> Json {
    let code = match error {
        SendError::NotJoined(_) | SendError::NotAttached(_) | SendError::NotOnline => "Away",
        SendError::Session(tickwire_proto::SendError::TooLong { .. })
        | SendError::NoChannel(_)
        | SendError::BadMessage(_) => "BadMessage",
        SendError::Session(tickwire_proto::SendError::Asking) => "Limit",
        _ => "Full",
    };
    fault(code, error.to_string())
}

/// The messages that are known in a place; where one is not, why.
pub(crate) fn schema_of(client: &Client, place: Place) -> Result<Arc<Schema>, Json> {
    match place {
        Place::Room(room) => {
            let view = client.view(room);
            let away = || unsent(&SendError::NotJoined(room));
            Ok(view.ok_or_else(away)?.schema().clone())
        }
        Place::Outside(namespace) if client.is_in(namespace) => {
            let schema = client.namespace_schema(namespace).cloned();
            Ok(schema.unwrap_or_default()) // it has no messages
        }
        Place::Outside(namespace) => Err(unsent(&SendError::NotAttached(namespace))),
    }
}

/// A message by its name, and its bytes, from JSON; what was wrong, as JSON.
pub(crate) fn encode<'a>(
    schema: &'a Schema,
    name: &str,
    message: &str,
) -> Result<(&'a MessageSchema, Vec<u8>), Json> {
    let messages = &schema.messages;
    let Some(schema) = messages.iter().find(|schema| schema.name == name) else {
        let names: Vec<&str> = messages.iter().map(|schema| schema.name.as_str()).collect();
        let names = names.join(", ");
        let text = format!("there is no message {name}; there are: {names}");
        return Err(fault("BadMessage", text));
    };
    let value: Json =
        serde_json::from_str(message).map_err(|e| fault("BadMessage", e.to_string()))?;
    let payload = schema
        .shape
        .from_value(&value)
        .map_err(|e| fault("BadMessage", format!("message {name}: {e}")))?;
    Ok((schema, payload))
}

/// Sends a message by its name; what was wrong, as JSON.
pub(crate) fn send(
    client: &mut Client,
    place: Place,
    name: &str,
    message: &str,
    channel: u8,
    volatile: bool,
) -> Result<(), Json> {
    let schema = schema_of(client, place)?;
    let (schema, payload) = encode(&schema, name, message)?;
    let sent = match volatile {
        true => client.send_volatile_on(place, channel, schema.kind, &payload),
        false => client.send_on(place, channel, schema.kind, &payload),
    };
    sent.map_err(|error| unsent(&error))
}

/// Figures for a HUD.
pub(crate) fn figures(figures: &Figures) -> Json {
    json!({
        "pingMs": figures.ping_ms, "jitterMs": figures.jitter_ms, "kBps": figures.kilobytes_per_s,
        "updatesPerS": figures.updates_per_s, "tick": figures.tick.0, "entities": figures.entities,
        "ageMs": figures.age_ms, "delayMs": figures.delay_ms, "leadTicks": figures.lead_ticks, "slack": figures.slack,
        "underruns": figures.underruns, "extrapolatedMs": figures.extrapolated_ms, "faults": figures.faults,
        "prediction": figures.foresight.map(|ahead| json!({
            "aheadTicks": ahead.ahead, "rollbacks": ahead.rollbacks, "mispredictions": ahead.mispredictions,
            "replayedTicks": ahead.replayed, "updates": ahead.truths,
        })),
    })
}
