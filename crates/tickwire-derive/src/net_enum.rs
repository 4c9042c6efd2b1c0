//! `NetEnum`: an enum without fields as a field of a record, and its shape in messages.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Result};

use crate::attrs::TypeAttrs;
use crate::expand::no_generics;
use crate::paths::Paths;
use crate::record::name_of;

/// Variants at most: the same limit as the quantisers'.
const VARIANTS_MAX: usize = 256;

pub(crate) fn net_enum(input: &DeriveInput) -> Result<TokenStream> {
    no_generics(input, "a `NetEnum`")?;
    let attrs = TypeAttrs::parse(&input.attrs)?;
    let (name, idents) = (name_of(input, &attrs)?, variants(input)?);
    let Paths { snapshot, .. } = Paths::find(attrs.krate.as_ref().map(|path| &path.value))?;
    let ident = &input.ident;
    let names: Vec<String> = idents
        .iter()
        .map(|ident| ident.unraw().to_string())
        .collect();
    let count = names.len();
    // At most 256 variants: each number is a byte.
    let numbers: Vec<u8> = (0..count).map(|number| number as u8).collect();
    Ok(quote! {
        #[automatically_derived]
        impl #snapshot::record::FieldCodec for #ident {
            fn quant() -> #snapshot::quant::Quant {
                #snapshot::quant::Quant::Enum { variants: ::std::vec![#(::std::string::String::from(#names)),*] }
            }

            fn fits(quant: &#snapshot::quant::Quant) -> bool {
                ::core::matches!(quant, #snapshot::quant::Quant::Enum { variants } if variants.len() == #count)
            }

            fn put(&self, field: #snapshot::row::FieldMut<'_>, _refs: &dyn #snapshot::record::Refs) {
                field.ints[0] = match self {
                    #(Self::#idents => #numbers as i32,)*
                };
            }

            fn get(
                field: #snapshot::row::FieldRef<'_>,
                _refs: &dyn #snapshot::record::Refs,
            ) -> ::core::result::Result<Self, #snapshot::record::ReadFault> {
                const NUMBERS: &[i32] = &[#(#numbers as i32),*];
                match field.ints.first() {
                    #(::core::option::Option::Some(number) if *number == #numbers as i32 => ::core::result::Result::Ok(Self::#idents),)*
                    _ => ::core::result::Result::Err(#snapshot::record::ReadFault::Range),
                }
            }

            fn put_exact(&self, out: &mut ::std::vec::Vec<u8>, _refs: &dyn #snapshot::record::Refs) {
                out.push(match self {
                    #(Self::#idents => #numbers,)*
                });
            }

            fn get_exact(
                input: &mut &[u8],
                _refs: &dyn #snapshot::record::Refs,
            ) -> ::core::result::Result<Self, #snapshot::record::ReadFault> {
                let (number, rest) = input.split_first().ok_or(#snapshot::record::ReadFault::Truncated)?;
                let value = match *number {
                    #(#numbers => Self::#idents,)*
                    _ => return ::core::result::Result::Err(#snapshot::record::ReadFault::Range),
                };
                *input = rest;
                ::core::result::Result::Ok(value)
            }
        }

        #[automatically_derived]
        impl #snapshot::shape::Shaped for #ident {
            fn shape() -> #snapshot::shape::Shape {
                #snapshot::shape::Shape::Enum {
                    name: ::std::string::String::from(#name),
                    variants: ::std::vec![#((::std::string::String::from(#names), #snapshot::shape::Shape::Unit)),*],
                }
            }
        }
    })
}

fn variants(input: &DeriveInput) -> Result<Vec<&syn::Ident>> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`NetEnum` is for enums without fields; for a struct inside a message derive `Shaped`",
        ));
    };
    if let Some(variant) = data
        .variants
        .iter()
        .find(|variant| !variant.fields.is_empty())
    {
        let text = "a `NetEnum` has no fields: derive `Shaped` for an enum inside messages, or move the data into fields of the struct";
        return Err(Error::new_spanned(&variant.fields, text));
    }
    if data.variants.is_empty() || data.variants.len() > VARIANTS_MAX {
        let text = format!(
            "an enum of 1 to {VARIANTS_MAX} variants is wanted, this one has {}",
            data.variants.len()
        );
        return Err(Error::new_spanned(&input.ident, text));
    }
    Ok(data.variants.iter().map(|variant| &variant.ident).collect())
}
