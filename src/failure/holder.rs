//! What a failure consists of, and what its error is kept in.
//!
//! Rules:
//!
//! - \[one error\] Clones of a failure share the error, which never changes.
//! - \[own path\] A path belongs to one failure. A failure that has clones gets a
//!   part of its own before a place is noted in it: what one consumer of an error
//!   does with it stands in no other consumer's trace.
//! - \[by value\] The error is taken out only by the sole owner, and only when the
//!   failure is given up.

use super::group::Agreed;
use super::trace::Path;
use super::{BoxError, Failure};
use std::any::Any;
use std::error::Error;
use std::sync::Arc;

/// What is behind the pointer of a [`Failure`].
pub(super) struct Inner<H: ?Sized> {
    /// Where the failure was raised, and the places that it left since.
    pub(super) path: Path,
    /// The failure of a cancel that a drop asked for: nobody wants its report.
    pub(super) quiet: bool,
    /// What the failures of a group agree on, if this is the failure of one.
    pub(super) agreed: Option<Agreed>,
    pub(super) holder: H,
}

impl Inner<dyn Holder> {
    /// Makes a part of its own for one of the clones of `shared` \[own path\].
    pub(super) fn branch(shared: &Arc<Self>) -> Inner<Shared> {
        let error = shared.holder.shared().unwrap_or(shared);
        Inner {
            path: shared.path.clone(),
            quiet: shared.quiet,
            agreed: shared.agreed,
            holder: Shared(error.clone()),
        }
    }
}

/// What an error is in: itself, the box that it came in, or the failure that it
/// is shared with. A question to the error for its type would take longer.
pub(super) trait Holder: Send + Sync + 'static {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static);

    /// The place of the error, an `Option<E>` or an `Option<BoxError>`, for the
    /// sole owner, who may empty it and then gives the failure up.
    fn place(&mut self) -> Option<&mut dyn Any>;

    /// Moves the failures that the error consists of to `into`, before it is
    /// dropped.
    fn release(&mut self, into: &mut Vec<Failure>) {
        let _ = into;
    }

    /// Whom the error is shared with, if it is in another failure's part.
    fn shared(&self) -> Option<&Arc<Inner<dyn Holder>>> {
        None
    }
}

const TAKEN: &str = "an error is taken only from a failure that is given up";

/// An error in its own type.
pub(super) struct Plain<E>(pub(super) Option<E>);

impl<E: Error + Send + Sync + 'static> Holder for Plain<E> {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.0.as_ref().expect(TAKEN)
    }

    fn place(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.0)
    }
}

/// An error that came in a box.
pub(super) struct Boxed(pub(super) Option<BoxError>);

impl Holder for Boxed {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &**self.0.as_ref().expect(TAKEN)
    }

    fn place(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.0)
    }
}

/// An error in the part of another failure, of which this one was a clone.
pub(super) struct Shared(Arc<Inner<dyn Holder>>);

impl Holder for Shared {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.0.holder.error()
    }

    fn place(&mut self) -> Option<&mut dyn Any> {
        Arc::get_mut(&mut self.0)?.holder.place()
    }

    fn release(&mut self, into: &mut Vec<Failure>) {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.holder.release(into);
        }
    }

    fn shared(&self) -> Option<&Arc<Inner<dyn Holder>>> {
        Some(&self.0)
    }
}

/// Takes the error out, if it is an `E` and has no other owner \[by value\].
pub(super) fn take<E: Error + 'static>(inner: &mut Arc<Inner<dyn Holder>>) -> Option<E> {
    let place = Arc::get_mut(inner)?.holder.place()?;
    if let Some(plain) = place.downcast_mut::<Option<E>>() {
        return plain.take();
    }
    let boxed = place.downcast_mut::<Option<BoxError>>()?;
    if !boxed.as_ref()?.is::<E>() {
        return None;
    }
    boxed.take()?.downcast().ok().map(|error| *error)
}
