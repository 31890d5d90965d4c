//! The function that takes the async fn's place.
//!
//! - *Arguments live as long as the coroutine*, as in an async fn, used or not:
//!   each is moved into the async block under its own name and pattern, so that
//!   the compiler's lints about it point at the user's tokens.
//! - *The body is the user's tokens.* It is not parsed; what is wrong in it is
//!   reported at its line.
//! - *The return type is the one that was written*: an early `return` and the
//!   `?` operator see it.

use crate::coroutine::Coroutine;
use crate::options::{Options, Place};
use crate::refuse;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, Pat, PatIdent, Path, PathArguments, ReturnType, Type};

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = syn::parse2::<Options>(options)
        .and_then(|options| Ok((options, syn::parse2::<Coroutine>(item.clone())?)))
        .and_then(|(options, coroutine)| {
            refuse::check(&coroutine, &options)?;
            Ok((options, coroutine))
        });
    match parsed {
        Ok((options, coroutine)) => function(&options, coroutine),
        // The item stays, so that the other uses of its name raise no errors of
        // their own.
        Err(error) => {
            let errors = error.into_compile_error();
            quote!(#errors #item)
        }
    }
}

fn function(options: &Options, coroutine: Coroutine) -> TokenStream {
    let Coroutine {
        attributes,
        visibility,
        mut signature,
        body,
    } = coroutine;
    let ReturnType::Type(_, output) = &signature.output else {
        unreachable!("a coroutine without a result was refused");
    };
    let output = output.clone();
    signature.asyncness = None;
    let arguments: Vec<TokenStream> = signature.inputs.iter_mut().enumerate().map(moved).collect();
    let library = &options.library;
    let deferred = match options.place {
        Place::Local => quote!(#library::local::LocalDeferred),
        _ => quote!(#library::Deferred),
    };
    let value = value_of(&output, library);
    signature.output = syn::parse_quote_spanned!(output.span()=> -> #deferred<#value>);
    let track_caller = (!attributes.iter().any(|a| a.path().is_ident("track_caller")))
        .then(|| quote!(#[track_caller]));
    let body = match body {
        Some(body) => {
            let future = future(&output, &arguments, &body.to_token_stream());
            let call = call(options, &future);
            quote!({ #call })
        }
        None => quote!(;),
    };
    quote! {
        #(#attributes)*
        #track_caller
        #visibility #signature #body
    }
}

/// Makes an argument's pattern a plain name, and returns the statement that
/// moves it into the coroutine and takes it apart there.
fn moved((index, argument): (usize, &mut FnArg)) -> TokenStream {
    let argument = match argument {
        // A reference suffices to move it in.
        FnArg::Receiver(_) => return quote!(let _ = &self;),
        FnArg::Typed(argument) => argument,
    };
    if let Pat::Ident(PatIdent {
        by_ref: None,
        mutability,
        ident,
        subpat: None,
        ..
    }) = &mut *argument.pat
    {
        let mutability = mutability.take();
        return quote!(let #mutability #ident = #ident;);
    }
    let ident = Ident::new(&format!("argument_{index}"), Span::mixed_site());
    let name: Pat = syn::parse_quote!(#ident);
    let pattern = std::mem::replace(&mut *argument.pat, name);
    if let Pat::Wild(_) = pattern {
        // `_` would drop it at once.
        let ident_inside = format_ident!("_argument_{index}", span = Span::mixed_site());
        return quote!(let #ident_inside = #ident;);
    }
    quote!(let #pattern = #ident;)
}

/// The async block.
fn future(output: &Type, arguments: &[TokenStream], body: &TokenStream) -> TokenStream {
    // At the type, so that a mismatch between it and the body names it.
    let typed = quote_spanned! {output.span()=>
        if let ::core::option::Option::Some(result) = ::core::option::Option::None::<#output> {
            return result;
        }
    };
    quote! {
        async move {
            #typed
            #(#arguments)*
            let result: #output = #body;
            #[allow(unreachable_code)]
            result
        }
    }
}

/// The expression that starts it.
fn call(options: &Options, future: &TokenStream) -> TokenStream {
    let library = &options.library;
    match &options.place {
        Place::Task => quote!(#library::Deferred::from_coroutine(#future)),
        Place::Inline => quote!(#library::Deferred::from_coroutine_inline(#future)),
        Place::Local => quote!(#library::local::LocalDeferred::from_coroutine(#future)),
        Place::On(handle) => {
            // Cloned first: the coroutine may own what the handle is in.
            let clone =
                quote_spanned!(handle.span()=> #library::__private::clone_handle(&(#handle)));
            quote! {
                let handle = #clone;
                #library::Deferred::from_coroutine_on(&handle, #future)
            }
        }
    }
}

/// The type of the value in a `Result` type: as it was written, where the type
/// is called `Result`; else by asking the type.
fn value_of(output: &Type, library: &Path) -> TokenStream {
    if let Type::Path(path) = output
        && let Some(last) = path.path.segments.last()
        && last.ident == "Result"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(value)) = arguments.args.first()
    {
        return value.to_token_stream();
    }
    quote_spanned!(output.span()=> <#output as #library::__private::CoroutineResult>::Value)
}
