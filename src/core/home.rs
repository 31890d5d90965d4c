//! A value that nobody took goes back to where it came from.
//!
//! A queue must not lose the item of a `get` that was dropped with it. While
//! no stage was ever added to such a chain, the drop of its tail appends the
//! record of its home in place of the one that drops the value. All of it
//! stands in the chain's `Ext`, so other chains pay nothing.

use super::block::Ptr;
use super::record::{Flow, HEADER, Kind, Record, Sort};
use super::tail::take_value;
use super::taken::give_up;
use crate::failure::quietly;
use std::any::Any;
use std::marker::PhantomData;

/// Takes a value back.
pub(crate) trait TakesBack<T>: Send + 'static {
    fn take_back(self, value: T);
}

/// Where the value of a chain goes back to.
pub(super) struct Home {
    /// The last record of a chain that is given up; for the value's type.
    kind: &'static Kind,
    to: Box<dyn Any + Send>,
}

struct KindOf<T, H>(PhantomData<fn(T, H)>);

impl<T: Send + 'static, H: TakesBack<T>> KindOf<T, H> {
    const KIND: &'static Kind = &Kind {
        size: HEADER,
        run: take_back::<T, H>,
        sort: Sort::Other,
    };
}

/// # Safety
///
/// By the owner of the tail, which is a `Tail<T>`.
pub(super) unsafe fn set<T, H>(chain: Ptr, home: H)
where
    T: Send + 'static,
    H: TakesBack<T>,
{
    let home = Home {
        kind: KindOf::<T, H>::KIND,
        to: Box::new(home),
    };
    chain.block().meta.extend().home.with_mut(|place| {
        // SAFETY: the caller says so. Nothing was there.
        unsafe { *place = Some(home) }
    });
}

/// Returns the record that takes the value back.
///
/// # Safety
///
/// By the owner of the tail.
#[inline]
pub(super) unsafe fn kind(chain: Ptr) -> Option<&'static Kind> {
    let ext = chain.block().meta.ext()?;
    // SAFETY: the caller says so.
    ext.home
        .with(|home| unsafe { (*home).as_ref().map(|home| home.kind) })
}

/// Forgets the home of a value that was taken.
///
/// # Safety
///
/// By the owner of the tail.
pub(super) unsafe fn forget(chain: Ptr) {
    // SAFETY: the caller says so.
    drop(unsafe { remove(chain) });
}

/// # Safety
///
/// By the owner of the tail, or, once that is gone, by the runner.
unsafe fn remove(chain: Ptr) -> Option<Home> {
    let ext = chain.block().meta.ext()?;
    // SAFETY: the caller says so.
    ext.home.with_mut(|home| unsafe { (*home).take() })
}

/// # Safety
///
/// As for [`Kind::run`]; the home of the chain is an `H`.
unsafe fn take_back<T, H: TakesBack<T>>(_: *mut Record, chain: Ptr) -> Flow {
    let meta = &chain.block().meta;
    // SAFETY: the caller is the runner, the value is a T (3, 4, 7), and the
    // tail is gone.
    let (value, home) = unsafe { (take_value::<T>(chain), remove(chain)) };
    let home = home.and_then(|home| home.to.downcast::<H>().ok());
    match (value, home) {
        (Ok(value), Some(home)) => {
            quietly("the return of a value", || home.take_back(value));
        }
        (value, _) => give_up(value, || (meta.made(), meta.label())),
    }
    Flow::Finished
}
