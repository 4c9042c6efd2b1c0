//! Misuse gets a sentence that says what to do: the texts are kept here. What good declarations mean is tested where the generated code runs.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Result};

use crate::{component, net_enum, shaped};

type Derive = fn(&DeriveInput) -> Result<TokenStream>;

/// The texts of all errors, in order.
fn errors(derive: Derive, source: &str) -> Vec<String> {
    let input = syn::parse_str(&format!("#[net(crate = ::tickwire)] {source}"))
        .expect("the test's source parses");
    match derive(&input) {
        Ok(_) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    }
}

fn error(derive: Derive, source: &str) -> String {
    errors(derive, source).join(" | ")
}

/// Errors of one field of a component.
fn field(field: &str) -> String {
    error(component::replicate, &format!("struct Dot {{ {field} }}"))
}

#[test]
fn good_declarations_expand() {
    let replicated = [
        "struct Marker;",
        "struct Pair(#[net(range = 0..=3)] u8, f32);",
        "struct Dot { #[net(range = 0.0..=800.0, step = 0.1)] x: f32, #[net(range = -1.0..=1.0, step = 0.1)] r#type: f32, hue: u8 }",
        "struct Ship { #[net(range = 0.0..=W, step = STEP, velocity = \"vx\")] x: f32, #[net(range = -4.0..=4.0, step = 0.5)] vx: f32 }",
        "struct All { #[net(angle)] a: f32, #[net(angle, bits = 8)] b: f32, #[net(bits = 3)] c: i16, #[net(unit)] d: [f32; 2], #[net(unit, bits = 9)] e: [f32; 3], #[net(quat)] f: [f32; 4], #[net(quat, step = 0.001)] g: [f32; 4] }",
        "struct Rest { #[net(varint)] a: u32, #[net(max = 9)] b: String, c: Option<Entity>, #[net(entity)] d: Handle, e: Weapon, f: Vec<u8>, #[net(max = 99)] g: Bag, h: u64, #[net(serde)] i: u8 }",
        "struct Hidden { #[net(scope = server, lerp = step)] a: f32, #[net(scope = team)] b: bool }",
        "struct Alias { #[net(range = 0.0..=1.0, step = 0.1)] a: Metres, #[net(range = 0..=9)] b: Count }",
        "#[net(resource, scope = owner, name = \"game::Score\")] struct Score { best: u16 }",
    ];
    for source in replicated {
        assert_eq!(error(component::replicate, source), "", "{source}");
    }
    assert_eq!(
        error(
            component::player_command,
            "struct Ask { #[net(range = -1..=1)] x: i8, #[net(foreign)] at: Option<Entity> }"
        ),
        ""
    );
    assert_eq!(
        error(
            component::tick_event,
            "#[net(lifetime = 9)] struct Boom { x: f32 }"
        ),
        ""
    );
    assert_eq!(
        error(net_enum::net_enum, "enum Weapon { Bolt, Rail = 7 }"),
        ""
    );
    assert_eq!(
        error(
            shaped::net_message,
            "#[serde(rename_all = \"camelCase\")] struct Say { #[net(max = 9)] text: String, to: Option<u8> }"
        ),
        ""
    );
    assert_eq!(
        error(
            shaped::net_message,
            "enum Say { Hi, To(u8, String), At { x: f32 } }"
        ),
        ""
    );
    assert_eq!(error(shaped::shaped, "struct Many<T: Clone>(Vec<T>);"), "");
    assert_eq!(
        error(shaped::net_message, "struct Dot { dot: other::Dot }"),
        ""
    );
}

#[test]
fn expansions_are_rust() {
    let input: DeriveInput = syn::parse_quote! {
        #[net(crate = ::tickwire)]
        struct Dot { #[net(range = 0.0..=800.0, step = 0.1)] x: f32, near: Option<Entity>, kind: Kind }
    };
    for derive in [
        component::replicate as Derive,
        component::player_command,
        component::tick_event,
    ] {
        let expansion = derive(&input).expect("it is a good declaration");
        syn::parse2::<syn::File>(expansion).expect("the expansion is a list of items");
    }
}

#[test]
fn unknown_words_are_answered_with_the_known() {
    assert_eq!(
        field("#[net(rnage = 0..=1)] x: u8"),
        "`#[net(..)]` on a field knows `range = a..=b`, `step = s`, `angle`, `bits = n`, `unit`, `quat`, `entity`, `varint`, `max = n`, `serde`, `velocity = \"field\"`, `lerp = ..`, `teleport = d`, `scope = ..`, `foreign`"
    );
    assert_eq!(
        error(component::replicate, "#[net(ressource)] struct Dot;"),
        "`#[net(..)]` on a type knows `name = \"..\"`, `scope = ..`, `resource`, `lifetime = n`, `crate = path`"
    );
    assert_eq!(
        field("#[net(scope = friends)] x: u8"),
        "scope is one of all, team, owner, server"
    );
    assert_eq!(
        field("#[net(lerp = cubic)] x: u8"),
        "lerp is one of linear, angle, step, quat, hermite"
    );
    assert_eq!(
        field("#[net(angle, angle)] x: f32"),
        "said twice: leave one out"
    );
    assert_eq!(
        field("#[net(angle = 8)] x: f32"),
        "this word takes no value: write it alone"
    );
    assert_eq!(
        field("#[net(range)] x: u8"),
        "a value is missing: write `range = -1.0..=1.0`"
    );
    assert_eq!(
        field("#[net(bits = many)] x: u8"),
        "a whole number from 1 to 32 is wanted"
    );
    assert_eq!(
        field("#[net(velocity = vx, range = 0..=1)] x: u8"),
        "a text in quotes is wanted: `velocity = \"..\"`"
    );
}

#[test]
fn ranges_say_what_they_miss() {
    let ends = "a range has both ends, and both can be reached: write `range = -1.0..=1.0`";
    assert_eq!(field("#[net(range = 0.0..1.0, step = 0.1)] x: f32"), ends);
    assert_eq!(field("#[net(range = 0.0.., step = 0.1)] x: f32"), ends);
    assert_eq!(field("#[net(range = 8)] x: u8"), ends);
    assert_eq!(
        field("#[net(range = 0.0..=1.0)] x: f32"),
        "a range of floats needs its step: write `range = 0.0..=800.0, step = 0.1`"
    );
    assert_eq!(
        field("#[net(step = 0.1)] x: f32"),
        "`step` needs a range: write `range = 0.0..=800.0, step = 0.1`"
    );
    assert_eq!(
        field("#[net(range = 5..=-5)] x: i8"),
        "the range is empty: 5 is not below -5"
    );
    assert_eq!(
        field("#[net(range = -1..=1)] x: u8"),
        "the range is wider than its type, which holds 0 to 255"
    );
    assert_eq!(
        field("#[net(range = 0.0..=1.0, step = 0.0)] x: f32"),
        "a step is above 0 and not above the range"
    );
    assert_eq!(
        field("#[net(range = 0.0..=1e9, step = 0.001)] x: f32"),
        "too many steps: at most 1073741824 are possible, so use a larger step"
    );
    assert_eq!(
        field("#[net(range = 0..=1)] x: bool"),
        "`range` is for numbers"
    );
    assert_eq!(
        field("#[net(range = 0..=1, bits = 3)] x: u8"),
        "a range says its precision by `step = s`: leave `bits` out"
    );
}

#[test]
fn quantisers_ask_for_their_types() {
    assert_eq!(
        field("#[net(angle)] x: u8"),
        "`angle` is for `f32`: radians that wrap"
    );
    assert_eq!(
        field("#[net(unit)] x: [f32; 4]"),
        "`unit` is for `[f32; 2]` and `[f32; 3]`: a direction of length 1"
    );
    assert_eq!(
        field("#[net(quat)] x: [f32; 3]"),
        "`quat` is for `[f32; 4]`: x, y, z, w of a rotation"
    );
    assert_eq!(
        field("#[net(varint)] x: f32"),
        "`varint` is for integers of at most 32 bits"
    );
    assert_eq!(
        field("#[net(entity)] x: u32"),
        "`entity` is for `Entity`, `Option<Entity>` and other names of them"
    );
    assert_eq!(
        field("#[net(bits = 9)] x: u8"),
        "the type has 8 bits: ask for fewer"
    );
    assert_eq!(
        field("#[net(bits = 9)] x: f32"),
        "bits alone say nothing of a float: write `range = a..=b, step = s`, or `angle, bits = n`"
    );
    assert_eq!(
        field("#[net(angle, bits = 25)] x: f32"),
        "25 bits: 1 to 24 are possible here"
    );
    assert_eq!(
        field("#[net(varint, bits = 8)] x: u32"),
        "`bits` goes with angle, unit and quat, or stands alone on an integer"
    );
    assert_eq!(
        field("#[net(angle, range = 0.0..=1.0, step = 0.1)] x: f32"),
        "a field has one quantiser: choose one of range, angle, unit, quat, varint, entity, serde"
    );
    assert_eq!(
        field("#[net(max = 9)] x: u8"),
        "`max` bounds the bytes of a `String` or of what serde writes: leave it out here"
    );
    assert_eq!(
        field("#[net(max = 9999)] x: String"),
        "at most 4096 bytes: what is larger belongs into a message"
    );
}

#[test]
fn types_without_a_place_on_the_wire() {
    assert_eq!(
        field("x: usize"),
        "this integer differs between targets or has no place on the wire: use `u32`, `i32`, `u64` or `i64`"
    );
    assert_eq!(
        field("x: HashMap<u8, u8>"),
        "its order differs from run to run, so its bytes would: use `BTreeMap`, or a sorted `Vec`"
    );
    assert_eq!(
        field("x: &'static str"),
        "a replicated field owns its value: no references, pointers or functions"
    );
    assert_eq!(
        error(component::replicate, "enum State { Idle, Run }"),
        "only a struct has fields to replicate: put an enum that derives `NetEnum` into a struct"
    );
    assert_eq!(
        error(component::replicate, "struct Dot<T> { x: T }"),
        "a replicated type has no generics: its schema knows it by its name alone. Write one type for each use"
    );
    assert_eq!(
        error(
            component::replicate,
            "#[net(name = \"two words\")] struct Dot;"
        ),
        "a name is 1 to 64 letters, digits, `_` or `:`"
    );
}

#[test]
fn velocities_name_a_ranged_field() {
    let moved = |velocity: &str, rest: &str| {
        field(&format!(
            "#[net(range = 0.0..=8.0, step = 0.1, velocity = \"{velocity}\")] x: f32, {rest}"
        ))
    };
    assert_eq!(
        moved("vx", "#[net(range = -8.0..=8.0, step = 0.1)] vx: f32"),
        ""
    );
    assert_eq!(
        moved("vy", "vx: f32, hue: u8"),
        "no field is called \"vy\": there is hue, vx"
    );
    assert_eq!(
        moved("x", ""),
        "a field cannot be its own velocity: name the field that moves it"
    );
    assert_eq!(
        moved("vx", "vx: f32"),
        "`vx` needs a range too, in units a second: write `range = -400.0..=400.0, step = 0.1` on it"
    );
    assert_eq!(
        field("#[net(velocity = \"vx\")] x: f32, vx: f32"),
        "`velocity` is for a position with a range: write `range = 0.0..=800.0, step = 0.1, velocity = \"vx\"`"
    );
    let curved = "#[net(range = 0.0..=8.0, step = 0.1, velocity = \"vx\", lerp = hermite)] x: f32, #[net(range = -8.0..=8.0, step = 0.1)] vx: f32";
    assert_eq!(field(curved), "");
    assert_eq!(
        field("#[net(range = 0.0..=8.0, step = 0.1, lerp = hermite)] x: f32"),
        "`hermite` needs a velocity: write `velocity = \"vx\", lerp = hermite`"
    );
}

#[test]
fn teleports_are_of_numbers_that_slide() {
    let fault = "`teleport` is for a number that slides: write `range = 0.0..=800.0, step = 0.1, teleport = 64.0`. What is beside it in its component jumps with it";
    assert_eq!(
        field(
            "#[net(range = 0.0..=8.0, step = 0.1, teleport = 4.0)] x: f32, #[net(teleport = FAR)] y: f32"
        ),
        ""
    );
    for wrong in [
        "#[net(angle, teleport = 1.0)] x: f32",
        "#[net(range = 0.0..=8.0, step = 0.1, lerp = step, teleport = 4.0)] x: f32",
        "#[net(quat, teleport = 1.0)] x: [f32; 4]",
    ] {
        assert_eq!(field(wrong), fault, "{wrong}");
    }
    assert_eq!(
        field("#[net(range = 0.0..=8.0, step = 0.1, teleport = -4.0)] x: f32"),
        "a teleport is a change of more than some number above 0: write `teleport = 64.0`"
    );
    assert_eq!(
        field("#[net(teleport)] x: f32"),
        "a value is missing: write `teleport = 64.0`"
    );
    assert_eq!(
        error(
            component::tick_event,
            "struct Boom { #[net(teleport = 1.0)] x: f32 }"
        ),
        "an event is not interpolated: leave `teleport` out"
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let all = errors(
        component::replicate,
        "struct Dot { x: usize, #[net(angle)] y: u8, #[net(step = 1)] z: f32 }",
    );
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn commands_and_events_are_of_the_moment() {
    let command = |source: &str| error(component::player_command, source);
    assert_eq!(
        command("#[net(scope = owner)] struct Ask;"),
        "a command has no scope: leave it out"
    );
    assert_eq!(
        command("#[net(resource)] struct Ask;"),
        "a command is no resource: derive `Replicate`"
    );
    assert_eq!(
        command("struct Ask { #[net(scope = server)] x: u8 }"),
        "a command has no scopes: leave it out"
    );
    assert_eq!(
        command("struct Ask { #[net(lerp = step)] x: u8 }"),
        "a command is not interpolated: leave `lerp` out"
    );
    assert_eq!(
        command("struct Ask { #[net(foreign)] x: u8 }"),
        "`foreign` allows a reference to an entity of somebody else: it is for `Entity` and `Option<Entity>`"
    );
    assert_eq!(
        error(component::replicate, "#[net(lifetime = 3)] struct Dot;"),
        "`lifetime` is for events: derive `TickEvent`"
    );
    assert_eq!(
        error(
            component::replicate,
            "struct Dot { #[net(foreign)] x: Entity }"
        ),
        "`foreign` is for commands: derive `PlayerCommand`"
    );
    assert_eq!(
        error(
            component::tick_event,
            "struct Boom { #[net(range = 0..=1, velocity = \"y\")] x: u8, #[net(range = 0..=1)] y: u8 }"
        ),
        "an event is not moved from tick to tick: leave `velocity` out"
    );
}

#[test]
fn messages_keep_serdes_form() {
    let message = |source: &str| error(shaped::net_message, source);
    assert_eq!(
        message("struct Say { #[serde(skip)] text: String }"),
        "this changes the bytes that serde writes, so the shape would be wrong: leave it out"
    );
    assert_eq!(
        message("struct Say { #[net(range = 0..=1)] x: u8 }"),
        "a message is written by serde as it is: only `#[net(max = n)]` means something here"
    );
    assert_eq!(
        message("struct Say { #[net(max = 1)] x: u8 }"),
        "`max` bounds a text, byte string, list or map: leave it out here"
    );
    assert_eq!(
        message("struct Tree { parts: Vec<Tree> }"),
        "`Tree` contains itself, so its shape has no end: use a list with indices, or a bounded depth"
    );
    assert_eq!(
        message("struct Say<'a> { text: &'a str }"),
        "a message has no generics: its schema knows it by its name alone. Write one type for each use"
    );
    assert_eq!(
        message("#[net(scope = owner)] struct Say;"),
        "this is not for messages and their parts: leave it out, or derive `Replicate` or `TickEvent`"
    );
}

#[test]
fn enums_have_variants_alone() {
    let net_enum = |source: &str| error(net_enum::net_enum, source);
    assert_eq!(
        net_enum("enum Weapon { Bolt, Rail(u8) }"),
        "a `NetEnum` has no fields: derive `Shaped` for an enum inside messages, or move the data into fields of the struct"
    );
    assert_eq!(
        net_enum("struct Weapon;"),
        "`NetEnum` is for enums without fields; for a struct inside a message derive `Shaped`"
    );
    assert_eq!(
        net_enum("enum Weapon {}"),
        "an enum of 1 to 256 variants is wanted, this one has 0"
    );
}
