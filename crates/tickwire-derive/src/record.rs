//! The implementation of `Record`: a row of the fields that all may see, and the exact form of all fields.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{DeriveInput, Error, Result};

use crate::attrs::TypeAttrs;
use crate::expand::no_generics;
use crate::field::{RecordField, fields, scope_tokens};
use crate::paths::Paths;
use crate::quant::Codec;

/// Bytes of a name at most: the same limit as the schema's.
const NAME_MAX: usize = 64;

/// A type that becomes a record.
pub(crate) struct RecordType<'a> {
    pub input: &'a DeriveInput,
    pub attrs: TypeAttrs,
    pub fields: Vec<RecordField>,
    pub paths: Paths,
    pub name: String,
}

impl<'a> RecordType<'a> {
    pub(crate) fn read(input: &'a DeriveInput, what: &str) -> Result<Self> {
        no_generics(input, what)?;
        let attrs = TypeAttrs::parse(&input.attrs)?;
        let name = name_of(input, &attrs)?;
        let fields = fields(input)?;
        let paths = Paths::find(attrs.krate.as_ref().map(|path| &path.value))?;
        Ok(Self {
            input,
            attrs,
            fields,
            paths,
            name,
        })
    }

    pub(crate) fn implementation(&self) -> TokenStream {
        let (ident, snapshot) = (&self.input.ident, &self.paths.snapshot);
        let (schema, write, read) = (self.schema(), self.write(), self.read_row());
        let (write_exact, read_exact) = (self.write_exact(), self.read_exact());
        let (write_own, read_own, duplicate) =
            (self.write_own(), self.read_own(), self.duplicate());
        let picks = self.fields.iter().any(|field| field.codec == Codec::Pick);
        let import = picks.then(
            || quote!(use #snapshot::record::{NoCodec as _, OwnCodec as _, SerdeCodec as _};),
        );
        quote! {
            const _: () = {
                #[allow(unused_imports)]
                #import
                #[allow(unused_imports)]
                use #snapshot::record::{Copied as _, CopiedExactly as _};
                #[automatically_derived]
                impl #snapshot::record::Record for #ident {
                    #schema
                    #write
                    #read
                    #write_exact
                    #read_exact
                    #write_own
                    #read_own
                    #duplicate
                }
            };
        }
    }

    fn schema(&self) -> TokenStream {
        let (name, snapshot) = (&self.name, &self.paths.snapshot);
        let fields = self
            .fields
            .iter()
            .map(|field| field.schema(name, &self.paths));
        let scope = self.attrs.scope.as_ref().map(|scope| {
            let scope = scope_tokens(scope.value, &self.paths);
            quote!(.with_scope(#scope))
        });
        quote! {
            fn schema() -> #snapshot::schema::RecordSchema {
                #snapshot::schema::RecordSchema::new(#name, ::std::vec![#(#fields),*]) #scope
            }
        }
    }

    fn write(&self) -> TokenStream {
        let snapshot = &self.paths.snapshot;
        let puts = self.visible().enumerate().map(|(column, field)| {
            let member = &field.member;
            field.call(
                &self.paths,
                "put",
                quote!(&self.#member, row.field(#column), refs),
            )
        });
        quote! {
            fn write(&self, row: &mut #snapshot::row::RowMut<'_>, refs: &dyn #snapshot::record::Refs) {
                let _ = (&row, refs);
                #(#puts;)*
            }
        }
    }

    fn read_row(&self) -> TokenStream {
        let snapshot = &self.paths.snapshot;
        let mut columns = 0_usize..;
        let values = self.fields.iter().map(|field| {
            let (member, ty, place) = (&field.member, &field.ty, field.place(&self.name));
            let column = if field.visible() {
                columns.next()
            } else {
                None
            };
            let Some(column) = column else {
                return quote!(#member: <#ty as ::core::default::Default>::default());
            };
            let get = field.call(&self.paths, "get", quote!(row.field(#column), refs));
            quote!(#member: #get.map_err(|fault| fault.of(#place))?)
        });
        quote! {
            fn read(
                row: &#snapshot::row::Row<'_>,
                refs: &dyn #snapshot::record::Refs,
            ) -> ::core::result::Result<Self, #snapshot::record::ReadError> {
                let _ = (row, refs);
                ::core::result::Result::Ok(Self { #(#values),* })
            }
        }
    }

    fn write_exact(&self) -> TokenStream {
        let snapshot = &self.paths.snapshot;
        let puts = self.fields.iter().map(|field| {
            let member = &field.member;
            field.call(&self.paths, "put_exact", quote!(&self.#member, out, refs))
        });
        quote! {
            fn write_exact(&self, out: &mut ::std::vec::Vec<u8>, refs: &dyn #snapshot::record::Refs) {
                let _ = (&out, refs);
                #(#puts;)*
            }
        }
    }

    fn read_exact(&self) -> TokenStream {
        let snapshot = &self.paths.snapshot;
        let values = self.fields.iter().map(|field| {
            let (member, place) = (&field.member, field.place(&self.name));
            let get = field.call(&self.paths, "get_exact", quote!(input, refs));
            quote!(#member: #get.map_err(|fault| fault.of(#place))?)
        });
        quote! {
            fn read_exact(
                input: &mut &[u8],
                refs: &dyn #snapshot::record::Refs,
            ) -> ::core::result::Result<Self, #snapshot::record::ReadError> {
                let _ = (&input, refs);
                ::core::result::Result::Ok(Self { #(#values),* })
            }
        }
    }

    fn write_own(&self) -> TokenStream {
        let snapshot = &self.paths.snapshot;
        let puts = self
            .fields
            .iter()
            .filter(|field| field.owned())
            .map(|field| {
                let member = &field.member;
                field.call(&self.paths, "put_exact", quote!(&self.#member, out, refs))
            });
        quote! {
            fn write_own(&self, out: &mut ::std::vec::Vec<u8>, refs: &dyn #snapshot::record::Refs) {
                let _ = (&out, refs);
                #(#puts;)*
            }
        }
    }

    fn read_own(&self) -> TokenStream {
        let snapshot = &self.paths.snapshot;
        let values = self.fields.iter().map(|field| {
            let (member, ty, place) = (&field.member, &field.ty, field.place(&self.name));
            if field.owned() {
                let get = field.call(&self.paths, "get_exact", quote!(input, refs));
                return quote!(#member: #get.map_err(|fault| fault.of(#place))?);
            }
            let kept = quote!(before.and_then(|before| (&&#snapshot::record::CopyOf(&before.#member)).copied()));
            quote!(#member: #kept.unwrap_or_else(<#ty as ::core::default::Default>::default))
        });
        quote! {
            fn read_own(
                before: ::core::option::Option<&Self>,
                input: &mut &[u8],
                refs: &dyn #snapshot::record::Refs,
            ) -> ::core::result::Result<Self, #snapshot::record::ReadError> {
                let _ = (before, &input, refs);
                ::core::result::Result::Ok(Self { #(#values),* })
            }
        }
    }

    fn duplicate(&self) -> TokenStream {
        let snapshot = &self.paths.snapshot;
        let values = self.fields.iter().map(|field| {
            let member = &field.member;
            quote! {
                #member: match (&&#snapshot::record::CopyOf(&self.#member)).copied() {
                    ::core::option::Option::Some(copy) => copy,
                    ::core::option::Option::None => return #snapshot::record::exactly(self),
                }
            }
        });
        quote! {
            #[inline]
            fn duplicate(&self) -> Self {
                Self { #(#values),* }
            }
        }
    }

    fn visible(&self) -> impl Iterator<Item = &RecordField> {
        self.fields.iter().filter(|field| field.visible())
    }
}

/// The name in the schema: the type's own, or the one that `#[net(name = "..")]` gives.
pub(crate) fn name_of(input: &DeriveInput, attrs: &TypeAttrs) -> Result<String> {
    let Some(given) = &attrs.name else {
        return Ok(input.ident.unraw().to_string());
    };
    let good = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let name = &given.value;
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(good) {
        let text = format!("a name is 1 to {NAME_MAX} letters, digits, `_` or `:`");
        return Err(Error::new(given.span, text));
    }
    Ok(name.clone())
}
