//! `Replicate`, `PlayerCommand` and `TickEvent`: a record and what makes it a component, resource, command or event.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, Error, Result};

use crate::attrs::At;
use crate::expand::Errors;
use crate::field::RecordField;
use crate::quant::Codec;
use crate::record::RecordType;

pub(crate) fn replicate(input: &DeriveInput) -> Result<TokenStream> {
    let record = RecordType::read(input, "a replicated type")?;
    let mut errors = Errors::default();
    refuse(
        &mut errors,
        &record.attrs.lifetime,
        "`lifetime` is for events: derive `TickEvent`",
    );
    for field in &record.fields {
        refuse(
            &mut errors,
            &field.attrs.foreign,
            "`foreign` is for commands: derive `PlayerCommand`",
        );
    }
    errors.finish(())?;
    let implementation = record.implementation();
    let rest = if record.attrs.resource.is_some() {
        resource(&record)
    } else {
        component(&record)
    };
    Ok(quote!(#implementation #rest))
}

/// A component in a table whose summary tick tells whether any row of it changed: what makes a capture cheap.
fn component(record: &RecordType) -> TokenStream {
    let (ident, private) = (&record.input.ident, &record.paths.private);
    let common = common(record);
    quote! {
        #[automatically_derived]
        impl #private::bevy_ecs::component::Component for #ident {
            const STORAGE_TYPE: #private::bevy_ecs::component::StorageType = #private::bevy_ecs::component::StorageType::Table;
            const HAS_SUMMARY_TICK: bool = true;
            #common
        }

        #[automatically_derived]
        impl #private::Replicate for #ident {}
    }
}

/// A resource is a component of an entity of its own, which requires the mark that it is one.
fn resource(record: &RecordType) -> TokenStream {
    let (ident, private) = (&record.input.ident, &record.paths.private);
    let common = common(record);
    quote! {
        #[automatically_derived]
        impl #private::bevy_ecs::component::Component for #ident {
            const STORAGE_TYPE: #private::bevy_ecs::component::StorageType = #private::bevy_ecs::component::StorageType::SparseSet;
            #common

            fn register_required_components(
                _requiree: #private::bevy_ecs::component::ComponentId,
                required: &mut #private::bevy_ecs::component::RequiredComponentsRegistrator,
            ) {
                let registrator = required.components_registrator();
                let id = match registrator.component_id::<#ident>() {
                    ::core::option::Option::Some(id) => id,
                    ::core::option::Option::None => registrator.register_component::<#ident>(),
                };
                required.register_required::<#private::bevy_ecs::resource::IsResource>(move || {
                    #private::bevy_ecs::resource::IsResource::new(id)
                });
            }
        }

        #[automatically_derived]
        impl #private::bevy_ecs::resource::Resource for #ident {}

        #[automatically_derived]
        impl #private::ReplicateResource for #ident {}
    }
}

/// What components and resources have alike: they may be changed, are cloned where they can be, and their references follow when entities are mapped.
fn common(record: &RecordType) -> TokenStream {
    let private = &record.paths.private;
    let references = record
        .fields
        .iter()
        .filter(|field| field.codec == Codec::Entity);
    let members: Vec<_> = references.map(|field| &field.member).collect();
    let map_entities = (!members.is_empty()).then(|| {
        quote! {
            fn map_entities<M: #private::bevy_ecs::entity::EntityMapper>(this: &mut Self, mapper: &mut M) {
                #(#private::bevy_ecs::entity::MapEntities::map_entities(&mut this.#members, mapper);)*
            }
        }
    });
    quote! {
        type Mutability = #private::bevy_ecs::component::Mutable;

        fn clone_behavior() -> #private::bevy_ecs::component::ComponentCloneBehavior {
            use #private::bevy_ecs::component::{DefaultCloneBehaviorBase, DefaultCloneBehaviorViaClone};
            (&&&#private::bevy_ecs::component::DefaultCloneBehaviorSpecialization::<Self>::default()).default_clone_behavior()
        }

        #map_entities
    }
}

pub(crate) fn player_command(input: &DeriveInput) -> Result<TokenStream> {
    let record = RecordType::read(input, "a command")?;
    let mut errors = Errors::default();
    plain_type(&mut errors, &record, "a command");
    refuse(
        &mut errors,
        &record.attrs.lifetime,
        "`lifetime` is for events: derive `TickEvent`",
    );
    for field in &record.fields {
        plain_field(&mut errors, field, "a command");
        if field.codec != Codec::Entity {
            refuse(
                &mut errors,
                &field.attrs.foreign,
                "`foreign` allows a reference to an entity of somebody else: it is for `Entity` and `Option<Entity>`",
            );
        }
    }
    errors.finish(())?;
    let (ident, private) = (&input.ident, &record.paths.private);
    let implementation = record.implementation();
    let foreign = record
        .fields
        .iter()
        .filter(|field| field.attrs.foreign.is_some())
        .map(|field| &field.name);
    Ok(quote! {
        #implementation

        #[automatically_derived]
        impl #private::PlayerCommand for #ident {
            fn foreign() -> &'static [&'static str] {
                &[#(#foreign),*]
            }
        }
    })
}

pub(crate) fn tick_event(input: &DeriveInput) -> Result<TokenStream> {
    let record = RecordType::read(input, "an event")?;
    let mut errors = Errors::default();
    plain_type(&mut errors, &record, "an event");
    for field in &record.fields {
        plain_field(&mut errors, field, "an event");
        refuse(
            &mut errors,
            &field.attrs.foreign,
            "`foreign` is for commands: derive `PlayerCommand`",
        );
    }
    errors.finish(())?;
    let (ident, private) = (&input.ident, &record.paths.private);
    let implementation = record.implementation();
    let lifetime = record.attrs.lifetime.as_ref().map(|lifetime| lifetime.value).map(|ticks| {
        quote!(const LIFETIME: ::core::option::Option<u16> = ::core::option::Option::Some(#ticks);)
    });
    Ok(quote! {
        #implementation

        #[automatically_derived]
        impl #private::GameEvent for #ident {
            #lifetime
        }
    })
}

/// Commands and events are there for a moment and for all who get them.
fn plain_type(errors: &mut Errors, record: &RecordType, what: &str) {
    refuse(
        errors,
        &record.attrs.scope,
        &format!("{what} has no scope: leave it out"),
    );
    refuse(
        errors,
        &record.attrs.resource,
        &format!("{what} is no resource: derive `Replicate`"),
    );
}

fn plain_field(errors: &mut Errors, field: &RecordField, what: &str) {
    refuse(
        errors,
        &field.attrs.scope,
        &format!("{what} has no scopes: leave it out"),
    );
    refuse(
        errors,
        &field.attrs.velocity,
        &format!("{what} is not moved from tick to tick: leave `velocity` out"),
    );
    refuse(
        errors,
        &field.attrs.lerp,
        &format!("{what} is not interpolated: leave `lerp` out"),
    );
    refuse(
        errors,
        &field.attrs.teleport,
        &format!("{what} is not interpolated: leave `teleport` out"),
    );
}

fn refuse<T>(errors: &mut Errors, attr: &Option<At<T>>, text: &str) {
    if let Some(At { span, .. }) = attr {
        let span: Span = *span;
        errors.push(Error::new(span, text));
    }
}
