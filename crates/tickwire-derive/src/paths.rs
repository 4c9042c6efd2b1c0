//! Where generated code finds Tickwire: through the facade, else through one of its crates, else where `#[net(crate = path)]` says.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Ident, Path, Result};

/// The paths that generated code names.
#[derive(Clone)]
pub(crate) struct Paths {
    /// The module with the traits of a game and with bevy.
    pub private: TokenStream,
    /// `tickwire_snapshot`.
    pub snapshot: TokenStream,
}

impl Paths {
    pub(crate) fn find(given: Option<&Path>) -> Result<Self> {
        if let Some(path) = given {
            return Ok(Self::through(quote!(#path)));
        }
        for facade in ["tickwire", "tickwire-sim"] {
            if let Some(name) = name_of(facade) {
                return Ok(Self::through(quote!(::#name)));
            }
        }
        let text = "Tickwire is not among the dependencies of this crate: run `cargo add tickwire`, or say where it is by `#[net(crate = path)]`";
        let snapshot =
            name_of("tickwire-snapshot").ok_or_else(|| Error::new(Span::call_site(), text))?;
        // Messages and shapes need no more than that crate.
        Ok(Self {
            private: quote!(::tickwire_sim::__private),
            snapshot: quote!(::#snapshot),
        })
    }

    fn through(facade: TokenStream) -> Self {
        let private = quote!(#facade::__private);
        Self {
            snapshot: quote!(#private::snapshot),
            private,
        }
    }
}

/// The name of a dependency in the crate being compiled. In the crate itself it is its own name: the crate says `extern crate self as ..` for that.
fn name_of(package: &str) -> Option<Ident> {
    let name = match crate_name(package).ok()? {
        FoundCrate::Itself => package.replace('-', "_"),
        FoundCrate::Name(name) => name,
    };
    Some(Ident::new(&name, Span::call_site()))
}
