//! What stands in the brackets of `#[inline_callbacks(..)]`.

use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, Path, Token, parenthesized, parse_quote};

/// Where the coroutine goes on when it has to wait.
pub(crate) enum Place {
    /// In a task of the runtime that is current, or of the default one.
    Task,
    /// In a task of this runtime.
    On(Expr),
    /// On the thread that fires what it awaits.
    Inline,
    /// On the thread that started it, with values that are not `Send`.
    Local,
}

pub(crate) struct Options {
    pub(crate) place: Place,
    /// The path of the library.
    pub(crate) library: Path,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut place = None;
        let mut library = None;
        while !input.is_empty() {
            if input.peek(Token![crate]) {
                let name: Token![crate] = input.parse()?;
                input.parse::<Token![=]>()?;
                let path = input.call(Path::parse_mod_style)?;
                if library.replace(path).is_some() {
                    return Err(syn::Error::new(name.span, "`crate` stands here twice"));
                }
            } else {
                let name: Ident = input.parse().map_err(|e| unknown(e.span()))?;
                let one = match name.to_string().as_str() {
                    "inline" => Place::Inline,
                    "local" => Place::Local,
                    "on" => {
                        if input.peek(syn::token::Paren) {
                            let content;
                            parenthesized!(content in input);
                            Place::On(content.parse()?)
                        } else {
                            input.parse::<Token![=]>()?;
                            Place::On(input.parse()?)
                        }
                    }
                    _ => return Err(unknown(name.span())),
                };
                if place.replace(one).is_some() {
                    let message =
                        "a coroutine goes on in one place: `inline`, `local` or `on = handle`";
                    return Err(syn::Error::new(name.span(), message));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(Options {
            place: place.unwrap_or(Place::Task),
            library: library.unwrap_or_else(|| parse_quote!(::tokio_deferred)),
        })
    }
}

fn unknown(at: proc_macro2::Span) -> syn::Error {
    let message = "the options are `inline`, `local`, `on = handle` and `crate = path`";
    syn::Error::new(at, message)
}
