//! What cannot be a coroutine, and what to write instead.
//!
//! A coroutine outlives the call that started it, so it owns what it works on.
//! The compiler would say so in terms of lifetimes, at lines that the user did
//! not write; here the words name the way out.

use crate::coroutine::Coroutine;
use crate::options::{Options, Place};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Error, FnArg, GenericParam, Lifetime, ReceiverKind, ReturnType, Signature, Type, TypeReference,
};

/// Returns all that is wrong with the signature, each at its place.
pub(crate) fn check(coroutine: &Coroutine, options: &Options) -> syn::Result<()> {
    let signature = &coroutine.signature;
    let mut errors = Errors(None);
    check_kind(signature, &mut errors);
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => {
                let borrows = match &receiver.kind {
                    ReceiverKind::Reference(..) => true,
                    ReceiverKind::Typed(_, ty) => is_borrow(ty),
                    _ => false,
                };
                if borrows {
                    errors.add(receiver, borrowed_self(&options.place));
                }
            }
            FnArg::Typed(argument) => Borrows(&mut errors).visit_type(&argument.ty),
        }
    }
    for parameter in &signature.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            let message = "a coroutine outlives the call that starts it, so its arguments cannot \
                           borrow: write `'static`, or take owned values";
            errors.add(lifetime, message);
        }
    }
    match &signature.output {
        ReturnType::Default => {
            let message = "a coroutine returns a `Result`: write `-> Result<(), Failure>`";
            errors.add_at(signature.paren_token.span.close(), message);
        }
        ReturnType::Type(_, output) => {
            if let Type::ImplTrait(output) = &**output {
                errors.add(
                    output,
                    "a coroutine returns a `Result<T, E>`, whose types are named",
                );
            }
        }
    }
    errors.0.map_or(Ok(()), Err)
}

fn check_kind(signature: &Signature, errors: &mut Errors) {
    if signature.asyncness.is_none() {
        let message = "this is no `async fn`: `#[inline_callbacks]` makes an async fn callable as a \
                       function that returns a `Deferred`; a plain fn returns one by itself";
        errors.add(signature.fn_token, message);
    }
    if let Some(constness) = signature.constness {
        errors.add(constness, "a coroutine cannot be `const`");
    }
    if let Some(variadic) = &signature.variadic {
        errors.add(variadic, "a coroutine has a fixed number of arguments");
    }
}

fn borrowed_self(place: &Place) -> &'static str {
    match place {
        Place::Local => {
            "a coroutine outlives the call that starts it, so it cannot borrow `self`: write \
             `self: Rc<Self>`, and call it on a clone of the `Rc`"
        }
        _ => {
            "a coroutine outlives the call that starts it, so it cannot borrow `self`: write \
             `self: Arc<Self>`, and call it on a clone of the `Arc`"
        }
    }
}

fn is_borrow(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if !is_static(reference))
}

fn is_static(reference: &TypeReference) -> bool {
    let lifetime: Option<&Lifetime> = reference.lifetime.as_ref();
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

/// Finds references that are not `'static` inside a type; not those in the
/// arguments of a `fn(&T)` or a `Fn(&T)`, which borrow nothing from the call.
struct Borrows<'a>(&'a mut Errors);

impl<'ast> Visit<'ast> for Borrows<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if is_static(reference) {
            return visit::visit_type_reference(self, reference);
        }
        let message = "a coroutine outlives the call that starts it, so its arguments cannot \
                       borrow: take an owned value (`String` for `&str`, an `Arc`), or write `&'static`";
        self.0.add(reference, message);
    }

    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(
        &mut self,
        _: &'ast syn::ParenthesizedGenericArguments,
    ) {
    }
}

struct Errors(Option<Error>);

impl Errors {
    fn add(&mut self, at: impl Spanned, message: &str) {
        self.add_at(at.span(), message);
    }

    fn add_at(&mut self, at: proc_macro2::Span, message: &str) {
        let error = Error::new(at, message);
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }
}
