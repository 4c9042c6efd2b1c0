//! Golden frames: one fixed conversation, byte for byte as it was when protocol version 1 was written down; and today's client still understands it.

use std::{fmt::Write, fs, sync::LazyLock, time::Duration};

use bytes::Bytes;
use tickwire::prelude::*;
use tickwire_client::{Client, ClientConfig};
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame, Tick, Time, frame::JoinHow};
use tickwire_server::{Kind, Loopback};
use tickwire_snapshot::{AreaId, OwnedRow, Schema, values};
use tickwire_tests::root;

/// A body that moves by its velocity. This game is as fixed as its bytes.
#[derive(Replicate, Default)]
struct Body {
    #[net(range = 0.0..=64.0, step = 0.0625, velocity = "vx")]
    x: f32,
    #[net(range = -8.0..=8.0, step = 0.0625)]
    vx: f32,
    hue: u8,
    name: String,
}

/// Counts what was asked for.
#[derive(Replicate, Default)]
#[net(resource)]
struct Round {
    pushes: u16,
}

/// Somebody pushed.
#[derive(TickEvent, Clone)]
struct Push {
    by: u8,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Steer {
    #[net(range = -1..=1)]
    way: i8,
    push: bool,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    let body = Body {
        x: 8.0,
        vx: 0.0,
        hue: 7,
        name: "golden".to_owned(),
    };
    commands.spawn((body, OwnedBy(player)));
}

fn push(mut bodies: Query<(&mut Body, &Asks<Steer>)>, mut round: ResMut<Round>, mut emit: Emit) {
    for (mut body, ask) in &mut bodies {
        if ask.push {
            body.vx = 2.0 * f32::from(ask.way);
            round.pushes += 1;
            emit.send(Push { by: body.hue });
        }
        if body.vx != 0.0 {
            body.x += body.vx / 30.0;
        }
    }
}

fn game(game: &mut Game) {
    game.rate(30).seats(2);
    game.replicate::<Body>().resource::<Round>();
    game.command::<Steer>().event::<Push>().on_join(join);
    game.on_start(|mut commands: Commands| commands.insert_resource(Round::default()));
    game.systems(push);
}

/// Who said what, in order.
struct Talk {
    server: Loopback,
    session: tickwire_server::SessionKey,
    now: Time,
    lines: Vec<(char, Bytes)>,
}

impl Talk {
    fn say(&mut self, frame: Bytes) {
        self.server.send(self.now, self.session, &frame);
        self.lines.push(('>', frame));
    }

    /// Lets ticks pass until the server has said what is waited for.
    fn hear<T>(&mut self, wanted: impl Fn(&ServerFrame<'_>) -> Option<T>) -> T {
        for _ in 0..200 {
            let mut found = None;
            for frame in self.server.take(self.session) {
                let decoded = ServerFrame::decode(&frame).expect("our own frame");
                found = found.or(wanted(&decoded));
                self.lines.push(('<', frame));
            }
            if let Some(found) = found {
                return found;
            }
            self.now = self.now.plus(Duration::from_millis(1));
            self.server.advance(self.now);
        }
        panic!("the server said nothing of the kind");
    }

    fn update(&mut self) -> Tick {
        self.hear(|frame| match frame {
            ServerFrame::Update { tick, .. } => Some(*tick),
            _ => None,
        })
    }
}

/// Hello, attach, join, the first keyframe, a command and three updates.
fn conversation() -> Vec<(char, Bytes)> {
    let mut server = Loopback::new(vec![Kind::from(GameKind::new("golden", game))]);
    let now = Time::from_millis(1_000);
    let session = server.open(now);
    let lines = Vec::new();
    let mut talk = Talk {
        server,
        session,
        now,
        lines,
    };
    let resume = None;
    let version = PROTOCOL_VERSION;
    talk.say(ClientFrame::Hello { version, resume }.encode());
    let attach = ClientFrame::Attach {
        attachment: 0,
        namespace: "/",
        credentials: br#"{"guest":"Ann"}"#,
        messages_hash: 0,
    };
    talk.say(attach.encode());
    talk.hear(|frame| matches!(frame, ServerFrame::AttachDone { .. }).then_some(()));
    let join = ClientFrame::Join {
        request: 2, // as a client of today numbers it, who takes 1 for the room itself
        attachment: 0,
        how: JoinHow::Quick {
            kind: "golden",
            attributes: vec![],
        },
        schema_hash: 0,
    };
    talk.say(join.encode());
    let (room, schema) = talk.hear(|frame| match frame {
        ServerFrame::Joined { room, schema, .. } => {
            let schema = Schema::from_bytes((*schema)?).expect("the game's own schema");
            Some((*room, schema))
        }
        _ => None,
    });
    let held = talk.update();
    let payload = pushing(&schema);
    let command = ClientFrame::Command {
        room,
        held,
        tick: held.plus(2),
        shown: None,
        payload: &payload,
    };
    talk.say(command.encode());
    for _ in 0..3 {
        let held = talk.update();
        let receipt = ClientFrame::Receipts {
            received: vec![],
            held: vec![(room, held)],
        };
        talk.say(receipt.encode());
    }
    talk.lines
}

fn pushing(schema: &Schema) -> Bytes {
    let record = schema.command.as_ref().expect("the game has commands");
    let mut row = OwnedRow::new(record);
    for name in ["way", "push"] {
        let field = record.field(name).expect("a field of Steer");
        let quant = &record.fields[field].quant;
        quant.put_number(1.0, row.row_mut(record).field(field).ints);
    }
    values::encode_record(record, &row.ints, &row.blobs)
}

/// The text of the file; made anew where that is asked for.
fn golden() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let file = root().join("assets/golden/conversation.txt");
        if std::env::var_os("TICKWIRE_BLESS").is_some() {
            fs::write(&file, written(&conversation())).expect("assets/golden can be written");
        }
        fs::read_to_string(&file).expect("assets/golden/conversation.txt is there")
    });
    &TEXT
}

const HEAD: &str = "# A conversation of protocol version 1, a frame a line in hex: > the client says, < it hears. The game is in tests/all/golden.rs.\n\
    # Made by `TICKWIRE_BLESS=1 cargo test -p tickwire-tests golden`, which only who changes the protocol on purpose runs.\n";

fn written(lines: &[(char, Bytes)]) -> String {
    let mut text = HEAD.to_owned();
    for (way, frame) in lines {
        let _ = write!(text, "{way} ");
        frame.iter().for_each(|byte| {
            let _ = write!(text, "{byte:02x}");
        });
        let kind = tickwire_proto::frame::kind_name(frame);
        let _ = writeln!(text, "  {kind}");
    }
    text
}

#[test]
fn the_conversation_is_what_it_was() {
    let text = written(&conversation());
    assert_eq!(text, written(&conversation()), "the same each time");
    let golden = golden();
    for (number, (now, then)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(
            now,
            then,
            "line {} of assets/golden/conversation.txt: the bytes on the wire have changed. By accident: mend it. On purpose: raise \
             PROTOCOL_VERSION, tell PROTOCOL.md, and make the file anew by `TICKWIRE_BLESS=1 cargo test -p tickwire-tests golden`",
            number + 1
        );
    }
    assert_eq!(text.lines().count(), golden.lines().count());
}

#[test]
fn a_client_of_today_understands_it() {
    let golden = golden();
    let now = Time::from_millis(1_000);
    let config = ClientConfig {
        credentials: Some(Bytes::from_static(br#"{"guest":"Ann"}"#)),
        ..ClientConfig::default()
    };
    let mut client = Client::new(config, 1, now);
    let room = client.quick("golden", &[]);
    client.link_open(now);
    let (mut updates, mut said) = (0, Vec::new());
    for line in golden.lines().filter_map(|line| line.strip_prefix("< ")) {
        while client.next(now, usize::MAX).is_some() {}
        let hex = line.split(' ').next().expect("hex and a name");
        let frame: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex"))
            .collect();
        client.frame(now, &frame.into());
        while let Some(output) = client.poll() {
            said.push(format!("{output:?}"));
        }
        updates += usize::from(line.ends_with("Update"));
    }
    assert_eq!(updates, 4, "a keyframe and three more");
    let view = client.view(room);
    let view = view.unwrap_or_else(|| panic!("it is not in the room: {said:#?}"));
    let (_, area) = view.newest(AreaId::ALL).expect("it holds the area");
    let body = area.schema().component("Body").expect("as in the schema");
    let slots: Vec<u32> = area.rows(body).collect();
    assert_eq!(slots.len(), 1);
    let field = |name| area.schema().components[body].field(name).unwrap();
    assert_eq!(area.number(body, slots[0], field("vx")), Some(2.0));
    let x = area.number(body, slots[0], field("x")).unwrap();
    assert!(x > 8.0 && x < 9.0, "it moves: {x}");
    let round = area.schema().resource("Round").expect("as in the schema");
    // The tick after the command has none: the last one counts again.
    assert_eq!(area.number(round, 0, 0), Some(2.0));
}
