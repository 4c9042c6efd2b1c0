//! The words of `#[net(..)]`, on types and on fields: parsed, each at most once, unknown ones refused with a list of the known.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, Ident, LitInt, LitStr, Path, RangeLimits, Result};

/// Who may know something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Team,
    Owner,
    Server,
}

/// A value of an attribute and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub value: T,
    pub span: Span,
}

/// `#[net(..)]` on a type.
#[derive(Default)]
pub(crate) struct TypeAttrs {
    pub name: Option<At<String>>,
    pub scope: Option<At<Scope>>,
    pub resource: Option<At<()>>,
    pub lifetime: Option<At<u16>>,
    pub krate: Option<At<Path>>,
}

/// `#[net(..)]` on a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub range: Option<At<(Expr, Expr)>>,
    pub step: Option<At<Expr>>,
    pub angle: Option<At<()>>,
    pub bits: Option<At<u8>>,
    pub unit: Option<At<()>>,
    pub quat: Option<At<()>>,
    pub entity: Option<At<()>>,
    pub varint: Option<At<()>>,
    pub serde: Option<At<()>>,
    pub max: Option<At<u32>>,
    pub velocity: Option<At<String>>,
    pub lerp: Option<At<Ident>>,
    pub teleport: Option<At<Expr>>,
    pub scope: Option<At<Scope>>,
    pub foreign: Option<At<()>>,
}

const TYPE_WORDS: &str =
    "`name = \"..\"`, `scope = ..`, `resource`, `lifetime = n`, `crate = path`";
const FIELD_WORDS: &str = "`range = a..=b`, `step = s`, `angle`, `bits = n`, `unit`, `quat`, `entity`, `varint`, `max = n`, `serde`, `velocity = \"field\"`, `lerp = ..`, `teleport = d`, `scope = ..`, `foreign`";

impl TypeAttrs {
    pub(crate) fn parse(attrs: &[Attribute]) -> Result<Self> {
        let mut all = Self::default();
        each_word(attrs, |word, meta| match word {
            "name" => set(&mut all.name, meta, text(meta)?),
            "scope" => set(&mut all.scope, meta, scope(meta)?),
            "resource" => set(&mut all.resource, meta, flag(meta)?),
            "lifetime" => set(
                &mut all.lifetime,
                meta,
                number(meta, 1, u16::MAX.into())? as u16,
            ),
            "crate" => set(
                &mut all.krate,
                meta,
                meta.value()?.call(Path::parse_mod_style)?,
            ),
            _ => Err(unknown(meta, "a type", TYPE_WORDS)),
        })?;
        Ok(all)
    }
}

impl FieldAttrs {
    pub(crate) fn parse(attrs: &[Attribute]) -> Result<Self> {
        let mut all = Self::default();
        each_word(attrs, |word, meta| match word {
            "range" => set(&mut all.range, meta, range(meta)?),
            "step" => set(
                &mut all.step,
                meta,
                value_after(meta, "step = 0.1")?.parse()?,
            ),
            "angle" => set(&mut all.angle, meta, flag(meta)?),
            "bits" => set(&mut all.bits, meta, number(meta, 1, 32)? as u8),
            "unit" => set(&mut all.unit, meta, flag(meta)?),
            "quat" => set(&mut all.quat, meta, flag(meta)?),
            "entity" => set(&mut all.entity, meta, flag(meta)?),
            "varint" => set(&mut all.varint, meta, flag(meta)?),
            "serde" => set(&mut all.serde, meta, flag(meta)?),
            "max" => set(&mut all.max, meta, number(meta, 1, u32::MAX)?),
            "velocity" => set(&mut all.velocity, meta, text(meta)?),
            "lerp" => set(&mut all.lerp, meta, lerp(meta)?),
            "teleport" => set(
                &mut all.teleport,
                meta,
                value_after(meta, "teleport = 64.0")?.parse()?,
            ),
            "scope" => set(&mut all.scope, meta, scope(meta)?),
            "foreign" => set(&mut all.foreign, meta, flag(meta)?),
            _ => Err(unknown(meta, "a field", FIELD_WORDS)),
        })?;
        Ok(all)
    }
}

fn each_word(
    attrs: &[Attribute],
    mut word: impl FnMut(&str, &ParseNestedMeta) -> Result<()>,
) -> Result<()> {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("net")) {
        attr.parse_nested_meta(|meta| {
            let name = meta
                .path
                .get_ident()
                .map(Ident::to_string)
                .unwrap_or_default();
            word(&name, &meta)
        })?;
    }
    Ok(())
}

fn set<T>(place: &mut Option<At<T>>, meta: &ParseNestedMeta, value: T) -> Result<()> {
    if place.is_some() {
        return Err(meta.error("said twice: leave one out"));
    }
    *place = Some(At {
        value,
        span: meta.path.span(),
    });
    Ok(())
}

fn unknown(meta: &ParseNestedMeta, place: &str, known: &str) -> Error {
    meta.error(format_args!("`#[net(..)]` on {place} knows {known}"))
}

fn value_after<'a>(
    meta: &ParseNestedMeta<'a>,
    example: &str,
) -> Result<syn::parse::ParseStream<'a>> {
    meta.value()
        .map_err(|_| meta.error(format_args!("a value is missing: write `{example}`")))
}

fn flag(meta: &ParseNestedMeta) -> Result<()> {
    if meta.input.peek(syn::Token![=]) {
        return Err(meta.error("this word takes no value: write it alone"));
    }
    Ok(())
}

fn text(meta: &ParseNestedMeta) -> Result<String> {
    let word = meta
        .path
        .get_ident()
        .map(Ident::to_string)
        .unwrap_or_default();
    let literal: LitStr = value_after(meta, &format!("{word} = \"..\""))?
        .parse()
        .map_err(|error| {
            Error::new(
                error.span(),
                format!("a text in quotes is wanted: `{word} = \"..\"`"),
            )
        })?;
    Ok(literal.value())
}

fn number(meta: &ParseNestedMeta, least: u32, most: u32) -> Result<u32> {
    let wanted = format!("a whole number from {least} to {most} is wanted");
    let literal: LitInt = value_after(meta, "n = 8")?
        .parse()
        .map_err(|error| Error::new(error.span(), &wanted))?;
    let number = literal
        .base10_parse()
        .ok()
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| Error::new(literal.span(), wanted))
}

fn scope(meta: &ParseNestedMeta) -> Result<Scope> {
    let wanted = "scope is one of all, team, owner, server";
    let word: Ident = value_after(meta, "scope = owner")?
        .parse()
        .map_err(|error| Error::new(error.span(), wanted))?;
    match word.to_string().as_str() {
        "all" => Ok(Scope::All),
        "team" => Ok(Scope::Team),
        "owner" => Ok(Scope::Owner),
        "server" => Ok(Scope::Server),
        _ => Err(Error::new(word.span(), wanted)),
    }
}

/// The name of a variant of `Lerp`.
fn lerp(meta: &ParseNestedMeta) -> Result<Ident> {
    let wanted = "lerp is one of linear, angle, step, quat, hermite";
    let word: Ident = value_after(meta, "lerp = linear")?
        .parse()
        .map_err(|error| Error::new(error.span(), wanted))?;
    let variant = match word.to_string().as_str() {
        "linear" => "Linear",
        "angle" => "Angle",
        "step" => "Step",
        "quat" => "Quat",
        "hermite" => "Hermite",
        _ => return Err(Error::new(word.span(), wanted)),
    };
    Ok(Ident::new(variant, word.span()))
}

fn range(meta: &ParseNestedMeta) -> Result<(Expr, Expr)> {
    let wanted = "a range has both ends, and both can be reached: write `range = -1.0..=1.0`";
    let expr: Expr = value_after(meta, "range = -1.0..=1.0")?.parse()?;
    let span = expr.span();
    match expr {
        Expr::Range(range) => match (range.start, range.limits, range.end) {
            (Some(start), RangeLimits::Closed(_), Some(end)) => Ok((*start, *end)),
            _ => Err(Error::new(span, wanted)),
        },
        _ => Err(Error::new(span, wanted)),
    }
}

/// The number of a literal, with or without a minus; `None` for an expression that only the compiler can compute.
pub(crate) fn literal(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            syn::Lit::Int(int) => int.base10_parse::<i128>().ok().map(|int| int as f64),
            syn::Lit::Float(float) => float.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
            literal(&unary.expr).map(|number| -number)
        }
        Expr::Group(group) => literal(&group.expr),
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}
