//! What a field's type is, as far as its tokens tell: the derive knows the types of the standard library by name, the compiler knows the rest.

use syn::{Expr, GenericArgument, Lit, PathArguments, Type};

/// A type as its tokens tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// `u8` to `u64`, `i8` to `i64`.
    Int {
        bits: u8,
        signed: bool,
    },
    /// `usize`, `isize`, 128 bits.
    OddInt,
    F32,
    F64,
    Text,
    /// `[f32; N]`, N if it is a literal.
    Floats(Option<usize>),
    /// `Entity` or `Option<Entity>`.
    Entity,
    /// A type that only serde writes: lists, options, tuples, boxes, maps, characters.
    Compound,
    /// `HashMap` and `HashSet`, whose order differs from run to run.
    Unordered,
    /// A reference, function, pointer: nothing that can be kept.
    Foreign,
    /// A name that only the compiler knows.
    Named,
}

impl Kind {
    pub(crate) fn of(ty: &Type) -> Self {
        match ty {
            Type::Group(group) => Self::of(&group.elem),
            Type::Paren(paren) => Self::of(&paren.elem),
            Type::Tuple(_) => Self::Compound,
            Type::Array(array) if Self::of(&array.elem) == Self::F32 => {
                Self::Floats(len(&array.len))
            }
            Type::Array(_) => Self::Compound,
            Type::Path(path) => path.path.segments.last().map_or(Self::Named, |last| {
                named(&last.ident.to_string(), &last.arguments)
            }),
            Type::Macro(_) => Self::Named,
            _ => Self::Foreign,
        }
    }
}

fn named(name: &str, arguments: &PathArguments) -> Kind {
    match name {
        "bool" => Kind::Bool,
        "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" => Kind::Int {
            bits: name[1..].parse().unwrap_or(64),
            signed: name.starts_with('i'),
        },
        "usize" | "isize" | "u128" | "i128" => Kind::OddInt,
        "f32" => Kind::F32,
        "f64" => Kind::F64,
        "String" => Kind::Text,
        "Entity" => Kind::Entity,
        "Option" if matches!(first_type(arguments).map(Kind::of), Some(Kind::Entity)) => {
            Kind::Entity
        }
        "Option" | "Vec" | "Box" | "BTreeMap" | "char" => Kind::Compound,
        "HashMap" | "HashSet" => Kind::Unordered,
        _ => Kind::Named,
    }
}

fn first_type(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn len(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(int) => int.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
