//! Fields that refer to entities: bevy's `Entity` in the world, the area's slot on the wire, the room's number in exact captures.

use bevy_ecs::entity::Entity;
use tickwire_snapshot::quant::UNSEEN;
use tickwire_snapshot::record::{
    FieldCodec, ReadFault, Refs, get_ref, get_ref_exact, put_ref, put_ref_exact,
};
use tickwire_snapshot::{FieldMut, FieldRef, Quant};

use crate::refs::UNSEEN_ID;

/// Tells this crate's codecs of foreign types apart from others'. For generated code.
#[derive(Clone, Copy, Debug)]
pub struct EntityMarker;

/// The codec of a type that is a reference or none, by the two ways to and from that.
macro_rules! reference {
    ($type:ty, $some:expr, $of:expr) => {
        impl FieldCodec<EntityMarker> for $type {
            fn quant() -> Quant {
                Quant::Entity
            }

            fn fits(quant: &Quant) -> bool {
                matches!(quant, Quant::Entity)
            }

            fn put(&self, field: FieldMut<'_>, refs: &dyn Refs) {
                let bits = ($some)(*self).map(Entity::to_bits);
                if bits.and_then(|bits| refs.to_net(bits)) == Some(UNSEEN_ID) {
                    field.ints.copy_from_slice(&[UNSEEN, 0]);
                } else {
                    put_ref(bits, field, refs);
                }
            }

            fn get(field: FieldRef<'_>, refs: &dyn Refs) -> Result<Self, ReadFault> {
                let bits = get_ref(field, refs)?;
                Ok(($of)(bits.and_then(Entity::try_from_bits)))
            }

            fn put_exact(&self, out: &mut Vec<u8>, refs: &dyn Refs) {
                put_ref_exact(($some)(*self).map(Entity::to_bits), out, refs);
            }

            fn get_exact(input: &mut &[u8], refs: &dyn Refs) -> Result<Self, ReadFault> {
                let bits = get_ref_exact(input, refs)?;
                Ok(($of)(bits.and_then(Entity::try_from_bits)))
            }
        }
    };
}

reference!(Option<Entity>, |it| it, |it| it);
// One that always names somebody; to one that is gone or unseen it reads as the placeholder.
reference!(Entity, Some, |it: Option<Entity>| it
    .unwrap_or(Entity::PLACEHOLDER));
