//! Requests of a page and the questions that rooms ask it: by name and as JSON. When they are over is the client's to say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use litemap::LiteMap;
use serde_json::{Value as Json, json};
use tickwire_client::{ASK_TIMEOUT, AskId, Client, ClientEvent, Place, QuestionId};
use tickwire_proto::Time;
use tickwire_proto::frame::{AskOutcome, Refusal, code};
use tickwire_snapshot::{MessageSchema, Schema};

use crate::report::{encode, fault, schema_of, unsent};

/// By what message something is answered.
type ReplyOf = (Arc<Schema>, u32);

/// What waits, with what its answer is read or written by.
#[derive(Default)]
pub(crate) struct Requests {
    asked: LiteMap<AskId, ReplyOf>,
    questions: LiteMap<QuestionId, ReplyOf>,
}

impl Requests {
    /// Asks by name; `{"ask":number}`, or `{"code":…,"message":…}` where it could not be asked.
    pub fn ask(
        &mut self,
        client: &mut Client,
        now: Time,
        place: Place,
        name: &str,
        message: &str,
        options: &str,
    ) -> Result<AskId, Json> {
        let schema = schema_of(client, place)?;
        let (message, payload) = encode(&schema, name, message)?;
        let Some(reply) = message.reply else {
            let text =
                format!("{name} is a message without a reply: send it, or make it a request");
            return Err(fault("BadMessage", text));
        };
        let options: Json = serde_json::from_str(options).unwrap_or(Json::Null);
        let timeout = options.get("timeoutMs").and_then(Json::as_f64);
        let timeout = timeout.map_or(ASK_TIMEOUT, |ms| Duration::from_millis(ms.max(0.0) as u64));
        let channel = options.get("channel").and_then(Json::as_u64).unwrap_or(0);
        let channel = u8::try_from(channel).unwrap_or(u8::MAX);
        let ask = client
            .ask(now, place, channel, message.kind, &payload, timeout)
            .map_err(|error| unsent(&error))?;
        self.asked.insert(ask, (schema, reply));
        Ok(ask)
    }

    /// Nobody waits for its outcome any more.
    pub fn cancel(&mut self, client: &mut Client, ask: AskId) {
        self.asked.remove(&ask);
        client.cancel(ask);
    }

    /// Answers with `{"data":…}`, or with a refusal `{"code":…,"message":…,"data":…}`. What is wrong with the answer, if anything: the
    /// question is answered as Failed then.
    pub fn answer(
        &mut self,
        client: &mut Client,
        question: QuestionId,
        answer: &str,
    ) -> Result<(), String> {
        let Some((schema, kind)) = self.questions.remove(&question) else {
            return Ok(()); // it was over a moment ago
        };
        let encoded = serde_json::from_str(answer)
            .map_err(|error| error.to_string())
            .and_then(|answer: Json| encode_answer(&schema, kind, &answer));
        match encoded {
            Ok(answer) => client.answer(question, answer),
            Err(wrong) => {
                let refusal = Refusal::new(code::FAILED, "the client's answer is not one");
                client.answer(question, Err(refusal));
                return Err(wrong);
            }
        }
        Ok(())
    }

    /// What a page hears of it.
    pub fn tell(&mut self, client: &mut Client, event: &ClientEvent) -> Option<Json> {
        match event {
            ClientEvent::Reply { ask, outcome } => {
                let (schema, kind) = self.asked.remove(ask)?;
                let mut told = outcome_json(&schema, kind, outcome);
                told["do"] = json!("reply");
                told["ask"] = json!(ask.0);
                Some(told)
            }
            ClientEvent::Question {
                question,
                place,
                kind,
                payload,
                ..
            } => {
                let found = self.question(client, *question, *place, *kind, payload);
                if found.is_none() {
                    let text = format!("nobody here answers requests of kind {kind:#010x}");
                    let refusal = Refusal::new(code::NOT_FOUND, text);
                    client.answer(*question, Err(refusal));
                }
                found
            }
            ClientEvent::QuestionOver { question } => {
                self.questions.remove(question)?;
                Some(json!({"do": "question_over", "question": question.0}))
            }
            _ => None,
        }
    }

    fn question(
        &mut self,
        client: &Client,
        question: QuestionId,
        place: Place,
        kind: u32,
        payload: &[u8],
    ) -> Option<Json> {
        let schema = schema_of(client, place).ok()?;
        let (room, namespace) = match place {
            Place::Room(room) => (room.0, 0),
            Place::Outside(namespace) => (0, namespace.0),
        };
        let message = schema.message(kind)?;
        let data = message.shape.to_value(payload).ok()?;
        let told = json!({
            "do": "question", "question": question.0, "room": room, "namespace": namespace, "name": message.name, "data": data,
        });
        let reply = message.reply?;
        self.questions.insert(question, (schema, reply));
        Some(told)
    }
}

fn encode_answer(
    schema: &Schema,
    kind: u32,
    answer: &Json,
) -> Result<Result<Bytes, Refusal>, String> {
    if let Some(code) = answer.get("code").and_then(Json::as_str) {
        let message = answer.get("message").and_then(Json::as_str);
        let mut refusal = Refusal::new(code, message.unwrap_or_default());
        if let Some(data) = answer.get("data").filter(|data| !data.is_null()) {
            refusal.data = data.to_string().into_bytes().into();
        }
        return Ok(Err(refusal));
    }
    let message: &MessageSchema = schema
        .message(kind)
        .ok_or_else(|| format!("the game has no message of kind {kind:#010x}"))?;
    let data = answer.get("data").unwrap_or(&Json::Null);
    let payload = message
        .shape
        .from_value(data)
        .map_err(|error| format!("answer {}: {error}", message.name))?;
    Ok(Ok(payload.into()))
}

/// `{"data":…}`, or why there is none: `{"code":…,"message":…,"more":…}`.
fn outcome_json(schema: &Schema, kind: u32, outcome: &AskOutcome) -> Json {
    match outcome {
        AskOutcome::Done(payload) => {
            let message = schema.message(kind);
            match message.and_then(|message| message.shape.to_value(payload).ok()) {
                Some(data) => json!({"data": data}),
                None => fault("Version", "the reply cannot be read".to_owned()),
            }
        }
        AskOutcome::Refused(refusal) => {
            let more: Json = serde_json::from_slice(&refusal.data).unwrap_or(Json::Null);
            json!({"code": refusal.code, "message": refusal.message, "more": more})
        }
        AskOutcome::Timeout => fault("Timeout", "no reply came in time".to_owned()),
        AskOutcome::Ended => fault(
            "Ended",
            "the room or the session ended before the reply".to_owned(),
        ),
    }
}
