//! From the compiler's tokens to an expansion or a compile error, and the checks that all derives share.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Error, Result};

/// Runs a derive; its errors become compile errors at their spans.
pub(crate) fn run(
    input: proc_macro::TokenStream,
    derive: fn(&DeriveInput) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    let expansion = syn::parse(input).and_then(|input| derive(&input));
    expansion
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Collects errors, so that a user sees all of them at once.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, or `None` after keeping the error.
    pub(crate) fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn finish<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

/// Refuses generics: a schema knows a type by its name alone.
pub(crate) fn no_generics(input: &DeriveInput, what: &str) -> Result<()> {
    let generics = &input.generics;
    if generics.params.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{what} has no generics: its schema knows it by its name alone. Write one type for each use"
    );
    Err(Error::new_spanned(generics, text))
}
