//! Copies of records, by `Clone` where a field has it and by its exact form where it has not. Not what they are for.

use std::cell::RefCell;

use super::{Record, Refs};
use crate::area::NetId;

/// References as they are: numbers of handles, for a copy within one world.
#[derive(Default)]
struct AsTheyAre(RefCell<Vec<u64>>);

impl Refs for AsTheyAre {
    fn to_net(&self, entity_bits: u64) -> Option<NetId> {
        let mut seen = self.0.borrow_mut();
        seen.push(entity_bits);
        Some(NetId {
            slot: seen.len() as u32, // a record has at most a few hundred columns
            generation: 0,
        })
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        let index = (id.slot as usize).checked_sub(1)?;
        self.0.borrow().get(index).copied()
    }
}

pub(super) fn duplicate_exactly<T: Record>(value: &T) -> T {
    let (refs, mut bytes) = (AsTheyAre::default(), Vec::new());
    value.write_exact(&mut bytes, &refs);
    T::read_exact(&mut &bytes[..], &refs).unwrap_or_else(|error| {
        panic!("a record reads the exact form that it wrote itself: {error}")
    })
}

/// A field that is to be copied: `(&&CopyOf(&field)).copied()` finds [`Copied`] where its type is `Clone`, else [`CopiedExactly`]. For generated code.
#[doc(hidden)]
pub struct CopyOf<'a, T>(pub &'a T);

#[doc(hidden)]
pub trait Copied<T> {
    fn copied(&self) -> Option<T>;
}

impl<T: Clone> Copied<T> for &CopyOf<'_, T> {
    #[inline]
    fn copied(&self) -> Option<T> {
        Some(self.0.clone())
    }
}

#[doc(hidden)]
pub trait CopiedExactly<T> {
    fn copied(&self) -> Option<T>;
}

impl<T> CopiedExactly<T> for CopyOf<'_, T> {
    fn copied(&self) -> Option<T> {
        None
    }
}

#[doc(hidden)]
pub fn exactly<T: Record>(value: &T) -> T {
    duplicate_exactly(value)
}
