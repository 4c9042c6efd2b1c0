//! `Shaped` and `NetMessage`: what the postcard bytes of a type look like, derived beside serde.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Result, Type, parse_quote_spanned};

use crate::attrs::{FieldAttrs, TypeAttrs};
use crate::expand::{Errors, no_generics};
use crate::kind::Kind;
use crate::paths::Paths;
use crate::record::name_of;

/// Words of `#[serde(..)]` that leave postcard's bytes as they are.
const HARMLESS: [&str; 8] = [
    "alias",
    "bound",
    "crate",
    "deny_unknown_fields",
    "expecting",
    "rename",
    "rename_all",
    "transparent",
];

pub(crate) fn net_message(input: &DeriveInput) -> Result<TokenStream> {
    no_generics(input, "a message")?;
    let attrs = TypeAttrs::parse(&input.attrs)?;
    let shape = shaped(input)?;
    let (ident, name) = (&input.ident, name_of(input, &attrs)?);
    let Paths { snapshot, .. } = Paths::find(attrs.krate.as_ref().map(|path| &path.value))?;
    Ok(quote! {
        #shape

        #[automatically_derived]
        impl #snapshot::message::Message for #ident {
            const NAME: &'static str = #name;
        }
    })
}

pub(crate) fn shaped(input: &DeriveInput) -> Result<TokenStream> {
    let attrs = TypeAttrs::parse(&input.attrs)?;
    let mut errors = Errors::default();
    refuse_records(&mut errors, &attrs);
    check_serde(&mut errors, &input.attrs);
    if let Some(lifetime) = input.generics.lifetimes().next() {
        errors.push(Error::new_spanned(
            lifetime,
            "what is decoded owns its data: no lifetimes",
        ));
    }
    let paths = Paths::find(attrs.krate.as_ref().map(|path| &path.value))?;
    let name = name_of(input, &attrs)?;
    let shape = errors.keep(shape_of(input, &name, &paths));
    errors.finish(())?;
    let (ident, snapshot) = (&input.ident, &paths.snapshot);
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter
            .bounds
            .push(parse_quote_spanned!(parameter.span()=> #snapshot::shape::Shaped));
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #snapshot::shape::Shaped for #ident #type_generics #where_clause {
            fn shape() -> #snapshot::shape::Shape {
                #shape
            }
        }
    })
}

fn shape_of(input: &DeriveInput, name: &str, paths: &Paths) -> Result<TokenStream> {
    let Paths { snapshot, .. } = paths;
    let shape = quote!(#snapshot::shape::Shape);
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Unnamed(_) => content(&data.fields, "", input, paths),
            named => content(named, name, input, paths),
        },
        Data::Enum(data) => {
            let mut errors = Errors::default();
            let variants = data.variants.iter().map(|variant| {
                check_serde(&mut errors, &variant.attrs);
                let name = variant.ident.unraw().to_string();
                let content = match &variant.fields {
                    Fields::Unit => Some(quote!(#shape::Unit)),
                    fields => errors.keep(content(fields, &name, input, paths)),
                };
                quote!((::std::string::String::from(#name), #content))
            });
            let variants: Vec<_> = variants.collect();
            errors.finish(quote! {
                #shape::Enum { name: ::std::string::String::from(#name), variants: ::std::vec![#(#variants),*] }
            })
        }
        Data::Union(_) => Err(Error::new_spanned(
            &input.ident,
            "a union has no serde form: use an enum",
        )),
    }
}

/// The shape of fields: a struct where they have names, the only one where there is one, else a tuple.
fn content(fields: &Fields, name: &str, input: &DeriveInput, paths: &Paths) -> Result<TokenStream> {
    let Paths { snapshot, .. } = paths;
    let shape = quote!(#snapshot::shape::Shape);
    let mut errors = Errors::default();
    let shapes: Vec<_> = fields
        .iter()
        .filter_map(|field| errors.keep(field_shape(field, input, paths)))
        .collect();
    errors.finish(())?;
    Ok(match fields {
        Fields::Unnamed(_) if shapes.len() == 1 => quote!(#(#shapes)*),
        Fields::Unnamed(_) => quote!(#shape::Tuple(::std::vec![#(#shapes),*])),
        _ => {
            let names = fields
                .iter()
                .filter_map(|field| field.ident.as_ref())
                .map(|ident| ident.unraw().to_string());
            quote! {
                #shape::Struct {
                    name: ::std::string::String::from(#name),
                    fields: ::std::vec![#((::std::string::String::from(#names), #shapes)),*],
                }
            }
        }
    })
}

fn field_shape(field: &Field, input: &DeriveInput, paths: &Paths) -> Result<TokenStream> {
    let Paths { snapshot, .. } = paths;
    let mut errors = Errors::default();
    check_serde(&mut errors, &field.attrs);
    let attrs = FieldAttrs::parse(&field.attrs)?;
    only_max(&mut errors, field, &attrs);
    if names(&field.ty, input) {
        let text = format!(
            "`{}` contains itself, so its shape has no end: use a list with indices, or a bounded depth",
            input.ident
        );
        errors.push(Error::new_spanned(&field.ty, text));
    }
    errors.finish(())?;
    let (ty, max) = (&field.ty, attrs.max.map(|max| max.value));
    let bound = max.map(|max| quote!(.with_max(#max)));
    Ok(quote_spanned!(ty.span()=> <#ty as #snapshot::shape::Shaped>::shape() #bound))
}

/// Serde writes a message as it is: `max` is all that a field can say.
fn only_max(errors: &mut Errors, field: &Field, attrs: &FieldAttrs) {
    let spans = [
        attrs.range.as_ref().map(|a| a.span),
        attrs.step.as_ref().map(|a| a.span),
        attrs.angle.as_ref().map(|a| a.span),
        attrs.bits.as_ref().map(|a| a.span),
        attrs.unit.as_ref().map(|a| a.span),
        attrs.quat.as_ref().map(|a| a.span),
        attrs.entity.as_ref().map(|a| a.span),
        attrs.varint.as_ref().map(|a| a.span),
        attrs.serde.as_ref().map(|a| a.span),
        attrs.velocity.as_ref().map(|a| a.span),
        attrs.lerp.as_ref().map(|a| a.span),
        attrs.teleport.as_ref().map(|a| a.span),
        attrs.scope.as_ref().map(|a| a.span),
        attrs.foreign.as_ref().map(|a| a.span),
    ];
    for span in spans.into_iter().flatten() {
        errors.push(Error::new(
            span,
            "a message is written by serde as it is: only `#[net(max = n)]` means something here",
        ));
    }
    let bounded = matches!(
        Kind::of(&field.ty),
        Kind::Text | Kind::Compound | Kind::Named | Kind::Unordered
    );
    if let (Some(max), false) = (&attrs.max, bounded) {
        errors.push(Error::new(
            max.span,
            "`max` bounds a text, byte string, list or map: leave it out here",
        ));
    }
}

fn refuse_records(errors: &mut Errors, attrs: &TypeAttrs) {
    let spans = [
        attrs.scope.as_ref().map(|a| a.span),
        attrs.resource.as_ref().map(|a| a.span),
        attrs.lifetime.as_ref().map(|a| a.span),
    ];
    for span in spans.into_iter().flatten() {
        errors.push(Error::new(span, "this is not for messages and their parts: leave it out, or derive `Replicate` or `TickEvent`"));
    }
}

/// Serde attributes that change the bytes would make the shape a lie.
fn check_serde(errors: &mut Errors, attrs: &[Attribute]) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        let parsed = attr.parse_nested_meta(|meta| {
            let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if !HARMLESS.contains(&word.as_str()) {
                return Err(meta.error("this changes the bytes that serde writes, so the shape would be wrong: leave it out"));
            }
            skip_value(&meta)
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
}

fn skip_value(meta: &syn::meta::ParseNestedMeta) -> Result<()> {
    if meta.input.peek(syn::Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| skip_value(&inner))?;
    }
    Ok(())
}

/// Whether a type names the type being derived. A path like `other::Name` is taken for another type.
fn names(ty: &Type, input: &DeriveInput) -> bool {
    fn any(tokens: TokenStream, found: &dyn Fn(&Ident) -> bool) -> bool {
        let mut after_colon = false;
        tokens.into_iter().any(|token| {
            let in_path = std::mem::replace(
                &mut after_colon,
                matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':'),
            );
            match token {
                TokenTree::Ident(ident) => !in_path && found(&ident),
                TokenTree::Group(group) => any(group.stream(), found),
                _ => false,
            }
        })
    }
    any(ty.to_token_stream(), &|ident| {
        *ident == input.ident || ident == "Self"
    })
}
