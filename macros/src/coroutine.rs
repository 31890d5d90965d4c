//! The async fn that the attribute stands on, taken apart.

use proc_macro2::{Group, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility, token};

/// An async fn: free, in an `impl` block, or in a trait.
pub(crate) struct Coroutine {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// The body with its braces, not parsed: the compiler says best what is
    /// wrong in it. A required method of a trait has none.
    pub(crate) body: Option<Group>,
}

impl Parse for Coroutine {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse().map_err(|error| {
            let mut at = syn::Error::new(error.span(), NOT_A_FN);
            at.combine(error);
            at
        })?;
        let body = if input.peek(token::Brace) {
            Some(input.parse()?)
        } else {
            input.parse::<Token![;]>()?;
            None
        };
        let rest: TokenStream = input.parse()?;
        debug_assert!(rest.is_empty(), "an attribute gets one item");
        Ok(Coroutine {
            attributes,
            visibility,
            signature,
            body,
        })
    }
}

const NOT_A_FN: &str = "`#[inline_callbacks]` stands on an `async fn`";
