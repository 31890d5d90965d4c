//! The mark of what must not leave its thread, and who may take it off.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A part of the core's machinery that refers to a local chain: neither `Send`
/// nor `Sync`, although what is inside is both.
#[derive(Clone)]
pub(super) struct Confined<C> {
    inner: C,
    mark: PhantomData<*const ()>,
}

impl<C> Confined<C> {
    #[inline]
    pub(super) fn new(inner: C) -> Self {
        let mark = PhantomData;
        Confined { inner, mark }
    }

    #[inline]
    pub(super) fn into_inner(self) -> C {
        self.inner
    }
}

impl<C> Deref for Confined<C> {
    type Target = C;

    #[inline]
    fn deref(&self) -> &C {
        &self.inner
    }
}

impl<C> DerefMut for Confined<C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut C {
        &mut self.inner
    }
}

/// The right to take the mark off, which only this module's code has.
///
/// The traits that callbacks' results implement are public, so everybody may
/// call their methods. Those that return what is behind the mark, or that put a
/// function which is not `Send` into a chain that is, ask for one of these.
#[doc(hidden)]
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)] // It cannot be named from outside.
pub struct Unmark(());

impl Unmark {
    #[inline]
    pub(super) const fn new() -> Self {
        Unmark(())
    }
}
