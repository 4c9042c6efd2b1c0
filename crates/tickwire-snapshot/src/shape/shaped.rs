//! The trait that tells a type's shape, for the types of the standard library. For other types the derives write it.

use std::collections::BTreeMap;

use super::Shape;

/// Bytes of a text or byte string, if `#[net(max = n)]` does not say less or more.
pub const TEXT_MAX_DEFAULT: u32 = 4096;
/// Elements of a sequence or map, if `#[net(max = n)]` does not say less or more.
pub const ITEMS_MAX_DEFAULT: u32 = 4096;

/// A type whose postcard bytes have a known shape.
///
/// The law: serde's derived implementations write exactly what the shape says. `NetMessage`, `NetEnum` and `Shaped` derive it; write it by hand only
/// beside a hand-written `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a message or of a field that serde writes",
    label = "its bytes have no known shape",
    note = "derive `NetMessage` for a message, `NetEnum` for an enum without fields, `Shaped` for other parts",
    note = "instead of `HashMap` use `BTreeMap` (its order is the same everywhere), instead of `usize` use `u32` or `u64`"
)]
pub trait Shaped {
    /// What its bytes look like.
    fn shape() -> Shape;

    /// What a sequence of it looks like: bytes are told apart from other numbers.
    #[doc(hidden)]
    fn sequence() -> Shape {
        Shape::Seq {
            item: Box::new(Self::shape()),
            max: ITEMS_MAX_DEFAULT,
        }
    }
}

macro_rules! plain {
    ($($type:ty => $shape:expr),* $(,)?) => {$(
        impl Shaped for $type {
            fn shape() -> Shape {
                $shape
            }
        }
    )*};
}

plain! {
    bool => Shape::Bool,
    u16 => Shape::U16,
    u32 => Shape::U32,
    u64 => Shape::U64,
    i8 => Shape::I8,
    i16 => Shape::I16,
    i32 => Shape::I32,
    i64 => Shape::I64,
    f32 => Shape::F32,
    f64 => Shape::F64,
    char => Shape::Char,
    String => Shape::Str { max: TEXT_MAX_DEFAULT },
    () => Shape::Unit,
}

impl Shaped for u8 {
    fn shape() -> Shape {
        Shape::U8
    }

    fn sequence() -> Shape {
        Shape::Bytes {
            max: TEXT_MAX_DEFAULT,
        }
    }
}

impl<T: Shaped> Shaped for Vec<T> {
    fn shape() -> Shape {
        T::sequence()
    }
}

impl<T: Shaped> Shaped for Option<T> {
    fn shape() -> Shape {
        Shape::Option(Box::new(T::shape()))
    }
}

impl<T: Shaped> Shaped for Box<T> {
    fn shape() -> Shape {
        Shape::Boxed(Box::new(T::shape()))
    }
}

impl<T: Shaped, const N: usize> Shaped for [T; N] {
    fn shape() -> Shape {
        Shape::Array {
            item: Box::new(T::shape()),
            len: u32::try_from(N).unwrap_or(u32::MAX),
        }
    }
}

impl<K: Shaped, V: Shaped> Shaped for BTreeMap<K, V> {
    fn shape() -> Shape {
        Shape::Map {
            key: Box::new(K::shape()),
            value: Box::new(V::shape()),
            max: ITEMS_MAX_DEFAULT,
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident)+))*) => {$(
        impl<$($part: Shaped),+> Shaped for ($($part,)+) {
            fn shape() -> Shape {
                Shape::Tuple(vec![$($part::shape()),+])
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
