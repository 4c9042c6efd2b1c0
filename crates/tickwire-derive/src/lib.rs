//! Derive macros of Tickwire: they turn types of a game into records, messages and shapes. What those mean lives in `tickwire-snapshot` and `tickwire-sim`.
//!
//! Use them through `tickwire::prelude`. A type with an attribute that makes no sense does not compile, and the error says what to write instead.

mod attrs;
mod component;
mod expand;
mod field;
mod kind;
mod net_enum;
mod paths;
mod quant;
mod record;
mod shaped;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// A component (or resource) that everybody in the room sees: quantised as declared, sent as deltas.
///
/// It implements bevy's `Component` too, so do not derive that beside it. Fields without an attribute: `bool`; integers in their natural width; `f32` and
/// `[f32; N]` with their exact bits; `String` of at most 64 bytes; `Entity` and `Option<Entity>` as references; enums that derive [`NetEnum`]; anything
/// else as a blob that serde writes (it derives `Serialize`, `Deserialize` and [`Shaped`]).
///
/// ```
/// # use bevy_ecs::prelude::*;
/// # use tickwire_sim as tickwire;
/// use tickwire::prelude::*;
///
/// #[derive(Replicate, Default)]
/// struct Ship {
///     #[net(range = 0.0..=3200.0, step = 0.0625, velocity = "vx")]
///     x: f32,
///     #[net(range = -400.0..=400.0, step = 0.0625)]
///     vx: f32,
///     #[net(angle, bits = 8)]
///     rot: f32,
///     #[net(range = 0..=100)]
///     health: u8,
///     #[net(scope = server)]
///     cooldown: f32,
///     #[net(max = 24)]
///     name: String,
///     target: Option<Entity>,
/// }
/// ```
///
/// # On a field: `#[net(..)]`
/// | attribute | types | means |
/// |---|---|---|
/// | `range = a..=b, step = s` | floats, integers (step 1) | rounded to the nearest step, clamped to the range |
/// | `angle`, `angle, bits = n` | floats | radians that wrap, `2^n` steps a turn (12) |
/// | `bits = n` | integers | fewer bits than the type has; out of range: clamped |
/// | `varint` | `u32`, `i32` and smaller | small numbers are cheap, all are possible |
/// | `unit`, `unit, bits = n` | `[f32; 2]`, `[f32; 3]` | a direction (12) |
/// | `quat`, `quat, bits = n`, `quat, step = s` | `[f32; 4]` | a rotation (10 bits a part) |
/// | `entity` | a name for `Entity` or `Option<Entity>` | a reference |
/// | `max = n` | `String`, blobs | bytes at most: longer texts are cut, longer blobs panic |
/// | `serde` | anything that serde writes | a blob, though the type could do better |
/// | `velocity = "vx"` | ranges | moved by the field `vx`, in units a second: costs nothing while it flies straight |
/// | `lerp = linear`, `angle`, `step`, `quat`, `hermite` | all; `hermite` where there is a `velocity` | how a picture between two updates is made |
/// | `teleport = 64.0` | numbers that slide | a greater change between two updates is a jump of the whole component |
/// | `scope = all`, `team`, `owner`, `server` | all | who may know it; others read its `Default` |
///
/// # On the type: `#[net(..)]`
/// `scope = ..` for all of it, `resource` for a resource of the room instead of a component, `name = "Other"` for another name in the schema,
/// `crate = path` where Tickwire is re-exported by another crate.
#[proc_macro_derive(Replicate, attributes(net))]
pub fn replicate(input: TokenStream) -> TokenStream {
    expand::run(input, component::replicate)
}

/// What a player asks for in one tick: a value out of its range is refused before the game sees it.
///
/// The type is also `Clone` and `Default`. Fields as for [`Replicate`], without scopes, velocities and interpolation; `#[net(foreign)]` on an
/// entity reference allows entities that the player does not own (a target, say).
///
/// ```
/// # use tickwire_sim as tickwire;
/// use tickwire::prelude::*;
///
/// #[derive(PlayerCommand, Clone, Copy, Default)]
/// struct Steer {
///     #[net(range = -1..=1)]
///     x: i8,
///     #[net(range = -1..=1)]
///     y: i8,
/// }
/// ```
#[proc_macro_derive(PlayerCommand, attributes(net))]
pub fn player_command(input: TokenStream) -> TokenStream {
    expand::run(input, component::player_command)
}

/// Something that happens at a tick (a hit, an explosion): told once, shown when the picture reaches its tick.
///
/// Fields as for [`Replicate`], without scopes, velocities and interpolation. `#[net(lifetime = n)]` on the type: after so many ticks nobody needs to hear
/// of it any more (by default half a second's).
///
/// ```
/// # use tickwire_sim as tickwire;
/// use tickwire::prelude::*;
///
/// #[derive(TickEvent)]
/// struct Boom {
///     #[net(range = 0.0..=3200.0, step = 1.0)]
///     x: f32,
///     #[net(range = 0.0..=3200.0, step = 1.0)]
///     y: f32,
/// }
/// ```
#[proc_macro_derive(TickEvent, attributes(net))]
pub fn tick_event(input: TokenStream) -> TokenStream {
    expand::run(input, component::tick_event)
}

/// A message between a game and its players, in both directions; browsers speak it by its shape.
///
/// It also derives `Serialize` and `Deserialize`. `#[net(max = n)]` on a field bounds a text, byte string, list or map; `#[net(name = "Other")]` on the
/// type names it otherwise. Types inside it derive [`NetEnum`] or [`Shaped`].
///
/// ```
/// # use tickwire_sim as tickwire;
/// use serde::{Deserialize, Serialize};
/// use tickwire::prelude::*;
///
/// #[derive(Serialize, Deserialize, NetMessage)]
/// struct Say {
///     #[net(max = 200)]
///     text: String,
/// }
/// ```
#[proc_macro_derive(NetMessage, attributes(net))]
pub fn net_message(input: TokenStream) -> TokenStream {
    expand::run(input, shaped::net_message)
}

/// A type inside messages, and inside fields that serde writes: tells what its bytes look like. Beside `Serialize` and `Deserialize`.
///
/// ```
/// # use tickwire_derive::{NetMessage, Shaped};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, Shaped)]
/// struct Slot {
///     item: u16,
///     #[net(max = 40)]
///     label: String,
/// }
///
/// #[derive(Serialize, Deserialize, NetMessage)]
/// struct Inventory {
///     #[net(max = 100)]
///     slots: Vec<Slot>,
/// }
/// ```
#[proc_macro_derive(Shaped, attributes(net))]
pub fn shaped(input: TokenStream) -> TokenStream {
    expand::run(input, shaped::shaped)
}

/// An enum without fields that is a field of a replicated type, or (with `Serialize` and `Deserialize`) a part of a message.
///
/// ```
/// # use tickwire_sim as tickwire;
/// use tickwire::prelude::*;
///
/// #[derive(NetEnum, Clone, Copy, Default)]
/// enum Weapon {
///     #[default]
///     Bolt,
///     Rail,
/// }
/// ```
#[proc_macro_derive(NetEnum, attributes(net))]
pub fn net_enum(input: TokenStream) -> TokenStream {
    expand::run(input, net_enum::net_enum)
}
