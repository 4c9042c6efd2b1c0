//! The fields of a record as the derive sees them: in order of their names, checked one by one and against each other.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Index, Member, Result, Type};

use crate::attrs::{FieldAttrs, Scope};
use crate::expand::Errors;
use crate::paths::Paths;
use crate::quant::{self, Codec, Quant};

/// A field of a record.
pub(crate) struct RecordField {
    pub name: String,
    pub member: Member,
    pub ty: Type,
    pub attrs: FieldAttrs,
    pub codec: Codec,
    pub quant: Quant,
}

/// The fields of a struct, in order of their names: the order of a row's columns.
pub(crate) fn fields(input: &DeriveInput) -> Result<Vec<RecordField>> {
    let Data::Struct(data) = &input.data else {
        let text = "only a struct has fields to replicate: put an enum that derives `NetEnum` into a struct";
        return Err(Error::new_spanned(&input.ident, text));
    };
    let mut errors = Errors::default();
    let read = data
        .fields
        .iter()
        .enumerate()
        .map(|(i, field)| RecordField::read(i, field));
    let mut fields: Vec<_> = read.filter_map(|field| errors.keep(field)).collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    let mut errors = match errors.finish(()) {
        Ok(()) => Errors::default(),
        Err(error) => return Err(error),
    };
    for field in &fields {
        errors.keep(field.check_velocity(&fields));
    }
    errors.finish(fields)
}

impl RecordField {
    fn read(index: usize, field: &Field) -> Result<Self> {
        let attrs = FieldAttrs::parse(&field.attrs)?;
        let (codec, quant) = quant::decide(&field.ty, &attrs)?;
        let (name, member) = match &field.ident {
            Some(ident) => (ident.unraw().to_string(), Member::Named(ident.clone())),
            None => (
                index.to_string(),
                Member::Unnamed(Index {
                    index: index as u32,
                    span: field.ty.span(),
                }),
            ),
        };
        Ok(Self {
            name,
            member,
            ty: field.ty.clone(),
            attrs,
            codec,
            quant,
        })
    }

    fn check_velocity(&self, all: &[Self]) -> Result<()> {
        let Some(velocity) = &self.attrs.velocity else {
            return Ok(());
        };
        let error = |text: String| Err(Error::new(velocity.span, text));
        let Some(other) = all.iter().find(|field| field.name == velocity.value) else {
            let names: Vec<&str> = all
                .iter()
                .map(|f| f.name.as_str())
                .filter(|name| *name != self.name)
                .collect();
            return error(format!(
                "no field is called {:?}: there is {}",
                velocity.value,
                names.join(", ")
            ));
        };
        if other.name == self.name {
            return error(
                "a field cannot be its own velocity: name the field that moves it".to_owned(),
            );
        }
        if !matches!(other.quant, Quant::Range(_)) {
            let name = &other.name;
            return error(format!(
                "`{name}` needs a range too, in units a second: write `range = -400.0..=400.0, step = 0.1` on it"
            ));
        }
        Ok(())
    }

    /// Whether a row that all may see holds it.
    pub(crate) fn visible(&self) -> bool {
        self.attrs
            .scope
            .as_ref()
            .is_none_or(|scope| scope.value == Scope::All)
    }

    /// Whether its owner may know it.
    pub(crate) fn owned(&self) -> bool {
        let scope = self.attrs.scope.as_ref().map(|scope| scope.value);
        matches!(scope, None | Some(Scope::All | Scope::Owner))
    }

    /// The expression of its `FieldSchema`.
    pub(crate) fn schema(&self, record: &str, paths: &Paths) -> TokenStream {
        let Paths { snapshot, .. } = paths;
        let (name, place) = (&self.name, self.place(record));
        let own = self.call(paths, "quant", quote!());
        let quant = match self.quant.tokens(&self.ty, paths) {
            Some(given) => self.call(paths, "fitting", quote!(#place, #given)),
            None => own,
        };
        let elements = self.call(paths, "elements", quote!(&quant));
        let scope = self.attrs.scope.as_ref().map(|scope| {
            let scope = scope_tokens(scope.value, paths);
            quote!(.with_scope(#scope))
        });
        let velocity = self
            .attrs
            .velocity
            .as_ref()
            .map(|velocity| &velocity.value)
            .map(|name| quote!(.with_velocity(#name)));
        let lerp = self
            .attrs
            .lerp
            .as_ref()
            .map(|lerp| &lerp.value)
            .map(|lerp| quote!(.with_lerp(#snapshot::schema::Lerp::#lerp)));
        let teleport = self
            .attrs
            .teleport
            .as_ref()
            .map(|teleport| &teleport.value)
            .map(|most| quote!(.with_teleport((#most) as f64)));
        quote! {{
            let quant = #quant;
            let elements = #elements;
            #snapshot::schema::FieldSchema::new(#name, quant).with_len(elements) #scope #velocity #lerp #teleport
        }}
    }

    /// A call of its codec: what `FieldCodec` offers, and `fitting`.
    pub(crate) fn call(
        &self,
        paths: &Paths,
        function: &str,
        arguments: TokenStream,
    ) -> TokenStream {
        let Paths { snapshot, .. } = paths;
        let (ty, span) = (&self.ty, self.ty.span());
        let function = syn::Ident::new(function, span);
        if self.codec == Codec::Pick {
            return quote_spanned!(span=> (&&&#snapshot::record::Pick::<#ty>::NEW).#function(#arguments));
        }
        let marker = self.codec.marker(paths);
        if function == "fitting" {
            return quote_spanned!(span=> #snapshot::record::fitting::<#ty, #marker>(#arguments));
        }
        quote_spanned!(span=> <#ty as #snapshot::record::FieldCodec<#marker>>::#function(#arguments))
    }

    /// Record and field, for errors.
    pub(crate) fn place(&self, record: &str) -> String {
        format!("{record}.{}", self.name)
    }
}

pub(crate) fn scope_tokens(scope: Scope, paths: &Paths) -> TokenStream {
    let Paths { snapshot, .. } = paths;
    let scope = match scope {
        Scope::All => quote!(All),
        Scope::Team => quote!(Team),
        Scope::Owner => quote!(Owner),
        Scope::Server => quote!(Server),
    };
    quote!(#snapshot::schema::Scope::#scope)
}
