//! The attribute `#[inline_callbacks]` of [tokio-deferred], which re-exports
//! and documents it.
//!
//! [tokio-deferred]: https://docs.rs/tokio-deferred

mod coroutine;
mod expand;
mod options;
mod refuse;

use proc_macro::TokenStream;

// Its documentation stands where it is re-exported, next to the function of
// the same name.
#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn inline_callbacks(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into()).into()
}
