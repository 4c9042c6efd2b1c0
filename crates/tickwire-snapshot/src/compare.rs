//! What differs between the server's schema and a client's, in words for people. Whether they differ at all is told by the hash.

use crate::quant::Quant;
use crate::schema::{FieldSchema, MessageSchema, RecordSchema, Schema};

/// Differences that are listed at most.
const DIFFERENCES_MAX: usize = 20;

impl Schema {
    /// What differs, `self` being the server's and `client` the client's: one text for each thing, none if they are equal.
    pub fn differences(&self, client: &Self) -> Vec<String> {
        let mut all = Vec::new();
        differ(&mut all, "game", &self.name, &client.name);
        differ(
            &mut all,
            "tick",
            &format!("{} us", self.tick_us),
            &format!("{} us", client.tick_us),
        );
        let codec = |schema: &Self| format!("codec {:?}", schema.profile);
        differ(&mut all, "game", &codec(self), &codec(client));
        records(&mut all, "component", &self.components, &client.components);
        records(&mut all, "resource", &self.resources, &client.resources);
        records(&mut all, "event", &self.events, &client.events);
        let command = |schema: &Self| schema.command.iter().cloned().collect::<Vec<_>>();
        records(&mut all, "command", &command(self), &command(client));
        messages(&mut all, &self.messages, &client.messages);
        if all.len() > DIFFERENCES_MAX {
            let more = all.len() - DIFFERENCES_MAX;
            all.truncate(DIFFERENCES_MAX);
            all.push(format!("and {more} more"));
        }
        all
    }
}

fn records(all: &mut Vec<String>, what: &str, server: &[RecordSchema], client: &[RecordSchema]) {
    one_side(
        all,
        what,
        server.iter().map(|r| &r.name),
        client.iter().map(|r| &r.name),
    );
    for ours in server {
        let Some(theirs) = client.iter().find(|r| r.name == ours.name) else {
            continue;
        };
        let place = format!("{what} {}", ours.name);
        differ(
            all,
            &place,
            &format!("scope {:?}", ours.scope),
            &format!("scope {:?}", theirs.scope),
        );
        one_side(
            all,
            &format!("{place}, field"),
            ours.fields.iter().map(|f| &f.name),
            theirs.fields.iter().map(|f| &f.name),
        );
        for field in &ours.fields {
            let Some(other) = theirs.fields.iter().find(|f| f.name == field.name) else {
                continue;
            };
            let place = format!("{place}, field {}", field.name);
            fields(all, &place, (ours, field), (theirs, other));
        }
    }
}

fn fields(
    all: &mut Vec<String>,
    place: &str,
    server: (&RecordSchema, &FieldSchema),
    client: (&RecordSchema, &FieldSchema),
) {
    let moved = |(record, field): (&RecordSchema, &FieldSchema)| match field.predict {
        crate::schema::Predict::Same => "moved by no velocity".to_owned(),
        crate::schema::Predict::Velocity { field } => {
            format!(
                "moved by velocity {}",
                record
                    .fields
                    .get(usize::from(field))
                    .map_or("?", |f| &f.name)
            )
        }
    };
    let array = |field: &FieldSchema| {
        format!(
            "{} element{}",
            field.len,
            if field.len == 1 { "" } else { "s" }
        )
    };
    differ(
        all,
        place,
        &describe(&server.1.quant),
        &describe(&client.1.quant),
    );
    differ(all, place, &array(server.1), &array(client.1));
    differ(
        all,
        place,
        &format!("scope {:?}", server.1.scope),
        &format!("scope {:?}", client.1.scope),
    );
    differ(all, place, &moved(server), &moved(client));
    differ(
        all,
        place,
        &format!("lerp {:?}", server.1.lerp),
        &format!("lerp {:?}", client.1.lerp),
    );
    let teleport = |field: &FieldSchema| match field.teleport {
        None => "no teleport".to_owned(),
        Some(most) => format!("teleport beyond {most}"),
    };
    differ(all, place, &teleport(server.1), &teleport(client.1));
}

fn messages(all: &mut Vec<String>, server: &[MessageSchema], client: &[MessageSchema]) {
    one_side(
        all,
        "message",
        server.iter().map(|m| &m.name),
        client.iter().map(|m| &m.name),
    );
    for ours in server {
        if client
            .iter()
            .any(|theirs| theirs.name == ours.name && theirs.shape != ours.shape)
        {
            all.push(format!("message {}: the fields differ", ours.name));
        }
    }
}

fn one_side<'a>(
    all: &mut Vec<String>,
    what: &str,
    server: impl Iterator<Item = &'a String> + Clone,
    client: impl Iterator<Item = &'a String> + Clone,
) {
    for name in server
        .clone()
        .filter(|name| !client.clone().any(|other| other == *name))
    {
        all.push(format!(
            "{what} {name}: the server has it, the client does not"
        ));
    }
    for name in client.filter(|name| !server.clone().any(|other| other == *name)) {
        all.push(format!(
            "{what} {name}: the client has it, the server does not"
        ));
    }
}

fn differ(all: &mut Vec<String>, place: &str, server: &str, client: &str) {
    if server != client {
        all.push(format!("{place}: server {server}, client {client}"));
    }
}

/// A quantiser as its attributes are written.
fn describe(quant: &Quant) -> String {
    match quant {
        Quant::Bool => "bool".to_owned(),
        Quant::Bits { bits, signed } => format!(
            "{bits} bits {}",
            if *signed { "signed" } else { "unsigned" }
        ),
        Quant::Range { min, max, step } => format!("range {min}..={max} step {step}"),
        Quant::Angle { bits } => format!("angle bits {bits}"),
        Quant::Unit2 { bits } => format!("unit (2 parts) bits {bits}"),
        Quant::Unit3 { bits } => format!("unit (3 parts) bits {bits}"),
        Quant::Quat { step } => format!("quat step {step}"),
        Quant::Enum { variants } => format!("enum {}", variants.join(" | ")),
        Quant::Varint => "varint".to_owned(),
        Quant::Entity => "entity".to_owned(),
        Quant::Target => "entity of any area".to_owned(),
        Quant::F32 => "f32".to_owned(),
        Quant::Text { max } => format!("text of {max} bytes"),
        Quant::Blob { shape, max } => format!("blob of {max} bytes: {shape:?}"),
    }
}
