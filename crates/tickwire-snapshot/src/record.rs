//! The trait of what is replicated, and how values of Rust types become fields of a row. Rows themselves are in `row`, quantisers in `quant`.

mod own;
mod plain;
mod serde_field;

#[doc(hidden)]
pub use own::{Copied, CopiedExactly, CopyOf, exactly};
pub use plain::{get_ref, get_ref_exact, put_ref, put_ref_exact};
pub use serde_field::{BLOB_MAX_DEFAULT, Serde};

use crate::area::NetId;
use crate::quant::Quant;
use crate::row::{FieldMut, FieldRef, Row, RowMut};
use crate::schema::RecordSchema;
use crate::shape::ShapeError;

/// A component, resource, event or command: a type whose fields become the columns of a row. Derived by `Replicate`, `PlayerCommand` and `TickEvent`.
///
/// Two forms. A *row* holds the fields that everybody may know, in order of their names, quantised as declared: that is what viewers get. The *exact*
/// form holds all fields, bit for bit: save, load, step equals step.
pub trait Record: Sized {
    /// Its name and fields, in order of their names; not sealed.
    fn schema() -> RecordSchema;

    /// Writes the fields of scope `All` into a row of the sealed [`visible`](RecordSchema::visible) record.
    fn write(&self, row: &mut RowMut<'_>, refs: &dyn Refs);

    /// Reads them; the other fields are their defaults.
    fn read(row: &Row<'_>, refs: &dyn Refs) -> Result<Self, ReadError>;

    /// Appends the exact form of all fields.
    fn write_exact(&self, out: &mut Vec<u8>, refs: &dyn Refs);

    /// Takes the exact form of all fields from the front of `input`.
    fn read_exact(input: &mut &[u8], refs: &dyn Refs) -> Result<Self, ReadError>;

    /// Appends the exact form of the fields that its owner may know: those of the scopes `All` and `Owner`. Where it is not said otherwise, all.
    fn write_own(&self, out: &mut Vec<u8>, refs: &dyn Refs) {
        self.write_exact(out, refs);
    }

    /// Takes these from the front of `input`. The other fields are those of `before`, or their defaults.
    fn read_own(
        before: Option<&Self>,
        input: &mut &[u8],
        refs: &dyn Refs,
    ) -> Result<Self, ReadError> {
        let _ = before;
        Self::read_exact(input, refs)
    }

    /// The same once more, bit for bit.
    ///
    /// # Panics
    /// Where it is not derived and cannot read what it wrote.
    fn duplicate(&self) -> Self {
        own::duplicate_exactly(self)
    }
}

/// Who knows which entity of a world has which [`NetId`].
pub trait Refs {
    /// The id of an entity, by the bits of the world's own handle. `None`: it has none, and a reference to it is one to nothing.
    fn to_net(&self, entity_bits: u64) -> Option<NetId>;

    /// The bits of the entity that has this id. `None`: this world has none, or may not see it.
    fn to_entity(&self, id: NetId) -> Option<u64>;
}

/// A world without entities: for records that refer to none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRefs;

impl Refs for NoRefs {
    fn to_net(&self, _entity_bits: u64) -> Option<NetId> {
        None
    }

    fn to_entity(&self, _id: NetId) -> Option<u64> {
        None
    }
}

/// A type that can be a field of a [`Record`].
///
/// `M` tells apart who implements it, so that several crates and a blanket implementation do not collide: `()` here and in derived enums, [`Serde`] for
/// whatever serde writes, a type of its own in a crate that does it for foreign types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a replicated type",
    label = "no quantiser is known for this type",
    note = "derive `NetEnum` for an enum without fields; for other types derive `Serialize`, `Deserialize` and `Shaped`, and they travel as a blob of at most `#[net(max = n)]` bytes"
)]
pub trait FieldCodec<M = ()>: Sized {
    /// Its quantiser where no attribute says otherwise.
    fn quant() -> Quant;

    /// Elements that share the quantiser: more than 1 for arrays, unless the quantiser takes the array as one.
    fn elements(quant: &Quant) -> u8 {
        let _ = quant;
        1
    }

    /// Whether it can be quantised so without changing what it is.
    fn fits(quant: &Quant) -> bool;

    /// Quantises it into its columns or bytes.
    fn put(&self, field: FieldMut<'_>, refs: &dyn Refs);

    /// Its value, as far as the quantiser kept it.
    fn get(field: FieldRef<'_>, refs: &dyn Refs) -> Result<Self, ReadFault>;

    /// Appends its exact value.
    fn put_exact(&self, out: &mut Vec<u8>, refs: &dyn Refs);

    /// Takes its exact value from the front.
    fn get_exact(input: &mut &[u8], refs: &dyn Refs) -> Result<Self, ReadFault>;
}

/// A field of a record that cannot be read: whoever made the row or the bytes is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct ReadError {
    /// Record and field, like `Dot.x`.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: ReadFault,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// A column outside what its quantiser or its type holds.
    #[error("the value is out of range")]
    Range,
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8")]
    Text,
    /// Exact bytes that end too early.
    #[error("the bytes end inside the value")]
    Truncated,
    /// Bytes that are not of the field's shape.
    #[error("{0}")]
    Shape(#[from] ShapeError),
    /// Bytes of the right shape that the type refuses.
    #[error("its type refuses the value")]
    Value,
}

impl ReadFault {
    /// The error of a field.
    pub fn of(self, field: &'static str) -> ReadError {
        ReadError { field, fault: self }
    }
}

/// The quantiser of a field, after the check that the type can have it. For generated code.
///
/// Panics where it cannot: the game's declaration is wrong, and is told so when it registers the type.
#[doc(hidden)]
pub fn fitting<T: FieldCodec<M>, M>(place: &str, quant: Quant) -> Quant {
    if let Err(error) = quant.check() {
        panic!("{place}: {error}");
    }
    assert!(
        T::fits(&quant),
        "{place}: a `{}` cannot be quantised as {quant:?}: choose another quantiser in `#[net(..)]`, or another type",
        std::any::type_name::<T>()
    );
    quant
}

/// Chooses the codec of a type that the derive does not know by name: its own, else serde's, else a designed compile error.
///
/// For generated code, by method resolution: `(&&&Pick::<T>::NEW).quant()` tries [`OwnCodec`], then [`SerdeCodec`], then [`NoCodec`].
#[doc(hidden)]
pub struct Pick<T>(std::marker::PhantomData<fn() -> T>);

#[doc(hidden)]
impl<T> Pick<T> {
    pub const NEW: Self = Self(std::marker::PhantomData);
}

macro_rules! pick {
    ($name:ident for $own:ty, $marker:ty, impl [$($bound:tt)*], each [$($each:tt)*]) => {
        #[doc(hidden)]
        pub trait $name<T> {
            fn quant(&self) -> Quant $($each)*;
            fn fitting(&self, place: &str, quant: Quant) -> Quant $($each)*;
            fn elements(&self, quant: &Quant) -> u8 $($each)*;
            fn put(&self, value: &T, field: FieldMut<'_>, refs: &dyn Refs) $($each)*;
            fn get(&self, field: FieldRef<'_>, refs: &dyn Refs) -> Result<T, ReadFault> $($each)*;
            fn put_exact(&self, value: &T, out: &mut Vec<u8>, refs: &dyn Refs) $($each)*;
            fn get_exact(&self, input: &mut &[u8], refs: &dyn Refs) -> Result<T, ReadFault> $($each)*;
        }

        impl<T $($bound)*> $name<T> for $own {
            fn quant(&self) -> Quant $($each)* {
                <T as FieldCodec<$marker>>::quant()
            }
            fn fitting(&self, place: &str, quant: Quant) -> Quant $($each)* {
                fitting::<T, $marker>(place, quant)
            }
            fn elements(&self, quant: &Quant) -> u8 $($each)* {
                <T as FieldCodec<$marker>>::elements(quant)
            }
            fn put(&self, value: &T, field: FieldMut<'_>, refs: &dyn Refs) $($each)* {
                <T as FieldCodec<$marker>>::put(value, field, refs);
            }
            fn get(&self, field: FieldRef<'_>, refs: &dyn Refs) -> Result<T, ReadFault> $($each)* {
                <T as FieldCodec<$marker>>::get(field, refs)
            }
            fn put_exact(&self, value: &T, out: &mut Vec<u8>, refs: &dyn Refs) $($each)* {
                <T as FieldCodec<$marker>>::put_exact(value, out, refs);
            }
            fn get_exact(&self, input: &mut &[u8], refs: &dyn Refs) -> Result<T, ReadFault> $($each)* {
                <T as FieldCodec<$marker>>::get_exact(input, refs)
            }
        }
    };
}

pick!(OwnCodec for &&Pick<T>, (), impl [: FieldCodec], each []);
pick!(SerdeCodec for &Pick<T>, Serde, impl [: FieldCodec<Serde>], each []);
pick!(NoCodec for Pick<T>, (), impl [], each [where T: FieldCodec]);
