//! From a field's type and attributes to its quantiser and codec, or to an error that says what to write instead.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Expr, Result, Type};

use crate::attrs::{At, FieldAttrs, literal};
use crate::kind::Kind;
use crate::paths::Paths;

/// Steps of a range at most: the same limit as the quantisers'.
const STEPS_MAX: f64 = (1_u32 << 30) as f64;
/// Bytes of a text or blob at most: the same limit as the quantisers'.
const BLOB_MAX: u32 = 4096;
const ANGLE_BITS: u8 = 12;
const UNIT_BITS: u8 = 12;
const QUAT_BITS: u8 = 10;

/// Whose codec a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// The type's own.
    Own,
    /// References to entities.
    Entity,
    /// Whatever serde writes.
    Serde,
    /// What method resolution finds: the type's own, else serde's.
    Pick,
}

/// The ends of a range and its step.
#[derive(Clone)]
pub(crate) struct Steps {
    min: Expr,
    max: Expr,
    step: Option<Expr>,
}

/// How a field is quantised.
#[derive(Clone)]
pub(crate) enum Quant {
    /// As its codec does by itself.
    Default,
    Range(Box<Steps>),
    Angle {
        bits: u8,
    },
    Bits {
        bits: u8,
        signed: bool,
    },
    Unit2 {
        bits: u8,
    },
    Unit3 {
        bits: u8,
    },
    Quat {
        bits: u8,
    },
    /// The same, by the step of its parts.
    QuatStep(Box<Expr>),
    Varint,
    Text {
        max: u16,
    },
    Blob {
        max: u32,
    },
}

/// Decides, from what the type's tokens tell and what the attributes ask.
pub(crate) fn decide(ty: &Type, attrs: &FieldAttrs) -> Result<(Codec, Quant)> {
    let kind = Kind::of(ty);
    only_one(attrs)?;
    odd_types(ty, kind)?;
    companions(attrs)?;
    teleports(attrs)?;
    let quant = if let Some(range) = &attrs.range {
        return decide_range(ty, kind, range, attrs);
    } else if let Some(angle) = &attrs.angle {
        wants(
            kind,
            &[Kind::F32, Kind::F64],
            angle,
            "`angle` is for `f32`: radians that wrap",
        )?;
        Quant::Angle {
            bits: bits(attrs, ANGLE_BITS, 1, 24)?,
        }
    } else if let Some(unit) = &attrs.unit {
        decide_unit(kind, unit, bits(attrs, UNIT_BITS, 2, 24)?)?
    } else if let Some(quat) = &attrs.quat {
        wants(
            kind,
            &[Kind::Floats(Some(4))],
            quat,
            "`quat` is for `[f32; 4]`: x, y, z, w of a rotation",
        )?;
        match &attrs.step {
            None => Quant::Quat {
                bits: bits(attrs, QUAT_BITS, 2, 20)?,
            },
            Some(step) => decide_quat_step(step, attrs)?,
        }
    } else if let Some(varint) = &attrs.varint {
        match kind {
            Kind::Int { bits: ..=32, .. } | Kind::Named => Quant::Varint,
            _ => {
                return Err(Error::new(
                    varint.span,
                    "`varint` is for integers of at most 32 bits",
                ));
            }
        }
    } else if let Some(entity) = &attrs.entity {
        wants(
            kind,
            &[Kind::Entity],
            entity,
            "`entity` is for `Entity`, `Option<Entity>` and other names of them",
        )?;
        return Ok((Codec::Entity, Quant::Default));
    } else if let Some(given) = &attrs.bits {
        return decide_bits(kind, given);
    } else {
        return decide_default(ty, kind, attrs);
    };
    Ok((Codec::Own, quant))
}

fn only_one(attrs: &FieldAttrs) -> Result<()> {
    let spans = [
        attrs.range.as_ref().map(|a| a.span),
        attrs.angle.as_ref().map(|a| a.span),
        attrs.unit.as_ref().map(|a| a.span),
        attrs.quat.as_ref().map(|a| a.span),
        attrs.varint.as_ref().map(|a| a.span),
        attrs.entity.as_ref().map(|a| a.span),
        attrs.serde.as_ref().map(|a| a.span),
    ];
    match spans.iter().flatten().nth(1) {
        Some(second) => Err(Error::new(
            *second,
            "a field has one quantiser: choose one of range, angle, unit, quat, varint, entity, serde",
        )),
        None => Ok(()),
    }
}

/// Types that no attribute can help.
fn odd_types(ty: &Type, kind: Kind) -> Result<()> {
    let text = match kind {
        Kind::OddInt => {
            "this integer differs between targets or has no place on the wire: use `u32`, `i32`, `u64` or `i64`"
        }
        Kind::Unordered => {
            "its order differs from run to run, so its bytes would: use `BTreeMap`, or a sorted `Vec`"
        }
        Kind::Foreign => "a replicated field owns its value: no references, pointers or functions",
        _ => return Ok(()),
    };
    Err(Error::new_spanned(ty, text))
}

/// Attributes that say nothing without another.
fn companions(attrs: &FieldAttrs) -> Result<()> {
    let at = |span: Span, text: &str| Err(Error::new(span, text));
    match attrs {
        FieldAttrs {
            step: Some(step),
            range: None,
            quat: None,
            ..
        } => at(
            step.span,
            "`step` needs a range: write `range = 0.0..=800.0, step = 0.1`",
        ),
        FieldAttrs {
            bits: Some(bits),
            range: Some(_),
            ..
        } => at(
            bits.span,
            "a range says its precision by `step = s`: leave `bits` out",
        ),
        FieldAttrs {
            bits: Some(bits),
            varint: Some(_),
            ..
        }
        | FieldAttrs {
            bits: Some(bits),
            entity: Some(_),
            ..
        } => at(
            bits.span,
            "`bits` goes with angle, unit and quat, or stands alone on an integer",
        ),
        FieldAttrs {
            velocity: Some(velocity),
            range: None,
            ..
        } => at(
            velocity.span,
            "`velocity` is for a position with a range: write `range = 0.0..=800.0, step = 0.1, velocity = \"vx\"`",
        ),
        FieldAttrs {
            lerp: Some(lerp),
            velocity: None,
            ..
        } if lerp.value == "Hermite" => at(
            lerp.span,
            "`hermite` needs a velocity: write `velocity = \"vx\", lerp = hermite`",
        ),
        _ => Ok(()),
    }
}

/// A teleport is told by a number that slides.
fn teleports(attrs: &FieldAttrs) -> Result<()> {
    let Some(teleport) = &attrs.teleport else {
        return Ok(());
    };
    if literal(&teleport.value).is_some_and(|most| most <= 0.0) {
        return Err(Error::new(
            teleport.value.span(),
            "a teleport is a change of more than some number above 0: write `teleport = 64.0`",
        ));
    }
    let slides = attrs
        .lerp
        .as_ref()
        .is_none_or(|lerp| lerp.value == "Linear" || lerp.value == "Hermite");
    let odd = [
        attrs.angle.is_some(),
        attrs.unit.is_some(),
        attrs.quat.is_some(),
        attrs.entity.is_some(),
        attrs.serde.is_some(),
        attrs.max.is_some(),
    ];
    if slides && !odd.contains(&true) {
        return Ok(());
    }
    Err(Error::new(
        teleport.span,
        "`teleport` is for a number that slides: write `range = 0.0..=800.0, step = 0.1, teleport = 64.0`. What is beside it in its component jumps with it",
    ))
}

fn wants<T>(kind: Kind, kinds: &[Kind], attr: &At<T>, text: &str) -> Result<()> {
    let unknown = kind == Kind::Named
        || (kind == Kind::Floats(None) && kinds.iter().any(|k| matches!(k, Kind::Floats(_))));
    let each = matches!(kind, Kind::Floats(_)) && kinds.contains(&Kind::F32);
    if kinds.contains(&kind) || unknown || each {
        Ok(())
    } else {
        Err(Error::new(attr.span, text))
    }
}

fn bits(attrs: &FieldAttrs, default: u8, least: u8, most: u8) -> Result<u8> {
    match &attrs.bits {
        None => Ok(default),
        Some(bits) if (least..=most).contains(&bits.value) => Ok(bits.value),
        Some(bits) => Err(Error::new(
            bits.span,
            format!("{} bits: {least} to {most} are possible here", bits.value),
        )),
    }
}

fn decide_quat_step(step: &At<Expr>, attrs: &FieldAttrs) -> Result<Quant> {
    if let Some(bits) = &attrs.bits {
        return Err(Error::new(
            bits.span,
            "`quat` takes `bits = n` or `step = s`: choose one",
        ));
    }
    let size = literal(&step.value);
    if size.is_some_and(|size| !(2e-6..=0.75).contains(&size)) {
        return Err(Error::new(
            step.value.span(),
            "the parts of a rotation are within ±0.7072: write a step such as 0.001",
        ));
    }
    Ok(Quant::QuatStep(Box::new(step.value.clone())))
}

fn decide_unit(kind: Kind, unit: &At<()>, bits: u8) -> Result<Quant> {
    match kind {
        Kind::Floats(Some(2)) => Ok(Quant::Unit2 { bits }),
        Kind::Floats(Some(3)) => Ok(Quant::Unit3 { bits }),
        _ => Err(Error::new(
            unit.span,
            "`unit` is for `[f32; 2]` and `[f32; 3]`: a direction of length 1",
        )),
    }
}

fn decide_bits(kind: Kind, given: &At<u8>) -> Result<(Codec, Quant)> {
    let text = match kind {
        Kind::Int { bits: 64, .. } => "64-bit integers have no bits here: use a smaller type, or `range = a..=b`".to_owned(),
        Kind::Int { bits, signed } if given.value <= bits => {
            return Ok((Codec::Own, Quant::Bits { bits: given.value, signed }));
        }
        Kind::Int { bits, .. } => format!("the type has {bits} bits: ask for fewer"),
        Kind::F32 | Kind::F64 | Kind::Floats(_) => {
            "bits alone say nothing of a float: write `range = a..=b, step = s`, or `angle, bits = n`".to_owned()
        }
        _ => "`bits` alone is for integers that are called by their own name (`u16`, `i32`)".to_owned(),
    };
    Err(Error::new(given.span, text))
}

fn decide_default(ty: &Type, kind: Kind, attrs: &FieldAttrs) -> Result<(Codec, Quant)> {
    let max = match &attrs.max {
        Some(max) if max.value > BLOB_MAX => {
            return Err(Error::new(
                max.span,
                format!("at most {BLOB_MAX} bytes: what is larger belongs into a message"),
            ));
        }
        max => max.as_ref().map(|max| max.value),
    };
    let blob = max.map_or(Quant::Default, |max| Quant::Blob { max });
    match kind {
        _ if attrs.serde.is_some() => Ok((Codec::Serde, blob)),
        Kind::Text => Ok((
            Codec::Own,
            max.map_or(Quant::Default, |max| Quant::Text { max: max as u16 }),
        )),
        Kind::Compound => Ok((Codec::Serde, blob)),
        Kind::Named if max.is_some() => Ok((Codec::Serde, blob)),
        _ if max.is_some() => Err(Error::new(
            attrs.max.as_ref().map_or_else(|| ty.span(), |max| max.span),
            "`max` bounds the bytes of a `String` or of what serde writes: leave it out here",
        )),
        Kind::Named => Ok((Codec::Pick, Quant::Default)),
        Kind::Entity => Ok((Codec::Entity, Quant::Default)),
        Kind::Int { bits: 64, .. } | Kind::F64 => Ok((Codec::Serde, Quant::Default)),
        _ => Ok((Codec::Own, Quant::Default)),
    }
}

fn decide_range(
    ty: &Type,
    kind: Kind,
    range: &At<(Expr, Expr)>,
    attrs: &FieldAttrs,
) -> Result<(Codec, Quant)> {
    let (min, max) = &range.value;
    let step = attrs.step.as_ref().map(|step| step.value.clone());
    let float = matches!(kind, Kind::F32 | Kind::F64 | Kind::Floats(_) | Kind::Named);
    if !float && !matches!(kind, Kind::Int { .. }) {
        return Err(Error::new(range.span, "`range` is for numbers"));
    }
    if float && kind != Kind::Named && step.is_none() {
        return Err(Error::new_spanned(
            ty,
            "a range of floats needs its step: write `range = 0.0..=800.0, step = 0.1`",
        ));
    }
    if let (Some(low), Some(high)) = (literal(min), literal(max)) {
        check_literals(kind, range, (low, high), attrs.step.as_ref())?;
    }
    Ok((
        Codec::Own,
        Quant::Range(Box::new(Steps {
            min: min.clone(),
            max: max.clone(),
            step,
        })),
    ))
}

fn check_literals(
    kind: Kind,
    range: &At<(Expr, Expr)>,
    (low, high): (f64, f64),
    step: Option<&At<Expr>>,
) -> Result<()> {
    let at_range = |text: String| {
        Err(Error::new(
            range
                .value
                .0
                .span()
                .join(range.value.1.span())
                .unwrap_or(range.span),
            text,
        ))
    };
    if low >= high {
        return at_range(format!("the range is empty: {low} is not below {high}"));
    }
    if let Kind::Int { bits, signed } = kind {
        let (least, most) = int_bounds(bits, signed);
        if low < least || high > most {
            return at_range(format!(
                "the range is wider than its type, which holds {least} to {most}"
            ));
        }
    }
    let Some(size) = step.map_or(Some(1.0), |step| literal(&step.value)) else {
        return Ok(());
    };
    let place = step.map_or(range.span, |step| step.value.span());
    // Written so that NaN is refused too.
    if !(size > 0.0 && size <= high - low) {
        return Err(Error::new(
            place,
            "a step is above 0 and not above the range",
        ));
    }
    if (high - low) / size > STEPS_MAX {
        return Err(Error::new(
            place,
            format!("too many steps: at most {STEPS_MAX} are possible, so use a larger step"),
        ));
    }
    Ok(())
}

fn int_bounds(bits: u8, signed: bool) -> (f64, f64) {
    let half = (1_u64 << (bits - 1)) as f64;
    if signed {
        (-half, half - 1.0)
    } else {
        (0.0, half * 2.0 - 1.0)
    }
}

impl Codec {
    /// The marker of `FieldCodec`; `Pick` has none.
    pub(crate) fn marker(self, paths: &Paths) -> TokenStream {
        let Paths { private, snapshot } = paths;
        match self {
            Self::Own | Self::Pick => quote!(()),
            Self::Entity => quote!(#private::EntityMarker),
            Self::Serde => quote!(#snapshot::record::Serde),
        }
    }
}

impl Quant {
    /// The value, or `None` where the codec's own default is to be taken.
    pub(crate) fn tokens(&self, ty: &Type, paths: &Paths) -> Option<TokenStream> {
        let Paths { snapshot, .. } = paths;
        let quant = quote!(#snapshot::quant::Quant);
        let number = |expr: &dyn ToTokens| quote!((#expr) as f64);
        Some(match self {
            Self::Default => return None,
            Self::Range(steps) => {
                let Steps { min, max, step } = &**steps;
                let (min, max) = (number(min), number(max));
                let step = step.as_ref().map_or(quote!(1.0), |step| number(step));
                quote!(#quant::Range { min: #min, max: #max, step: #step })
            }
            Self::Angle { bits } => quote!(#quant::Angle { bits: #bits }),
            Self::Bits { bits, signed } => quote!(#quant::Bits { bits: #bits, signed: #signed }),
            Self::Unit2 { bits } => quote!(#quant::Unit2 { bits: #bits }),
            Self::Unit3 { bits } => quote!(#quant::Unit3 { bits: #bits }),
            Self::Quat { bits } => quote!(#quant::quat_bits(#bits)),
            Self::QuatStep(step) => {
                let step = number(step);
                quote!(#quant::Quat { step: #step })
            }
            Self::Varint => quote!(#quant::Varint),
            Self::Text { max } => quote!(#quant::Text { max: #max }),
            Self::Blob { max } => {
                let shape = quote_spanned!(ty.span()=> <#ty as #snapshot::shape::Shaped>::shape());
                quote!(#quant::Blob { shape: #shape, max: #max })
            }
        })
    }
}
