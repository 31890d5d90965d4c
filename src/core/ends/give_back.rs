//! A value that nobody took goes back to where it came from.
//!
//! A queue must not lose the item of a `get` that was dropped with it. The drop
//! of the consumer of such a chain appends the record of its home in place of
//! the one that drops the value. A stage that is appended makes the chain forget
//! its home, as the value is then another one. Stages of the library that pass a
//! value on take the home away before, and set it again after. All of it stands
//! in the chain's `ChainInfoExt`, so other chains pay nothing.

use super::unhandled::drop_result;
use crate::core::memory::info::Home;
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{Flow, HEADER, Record, RecordClass, RecordVTable};
use crate::failure::catch_and_log;
use std::any::Any;
use std::marker::PhantomData;

/// Takes a value back.
pub(crate) trait ReturnTo<T>: Send + 'static {
    fn take_back(self, value: T);
}

/// Gives a value back, apart from the chain that it came through.
pub(crate) type GiveBack<T> = Box<dyn FnOnce(T) + Send>;

impl<T: 'static> ReturnTo<T> for GiveBack<T> {
    fn take_back(self, value: T) {
        self(value);
    }
}

struct ReturnVTable<T, H>(PhantomData<fn(T, H)>);

impl<T: Send + 'static, H: ReturnTo<T>> ReturnVTable<T, H> {
    const VTABLE: &'static RecordVTable = &RecordVTable {
        size: HEADER,
        run: take_back::<T, H>,
        class: RecordClass::Other,
    };

    fn detached(to: Box<dyn Any + Send>) -> Option<Box<dyn Any>> {
        let to = to.downcast::<H>().ok()?;
        let give_back: GiveBack<T> = Box::new(move |value| to.take_back(value));
        Some(Box::new(give_back))
    }
}

/// # Safety
///
/// By the owner of the consumer, which is a `Consumer<T>`.
pub(in crate::core) unsafe fn set<T, H>(chain: ChainPtr, give_back: H)
where
    T: Send + 'static,
    H: ReturnTo<T>,
{
    let home = Home {
        vtable: ReturnVTable::<T, H>::VTABLE,
        to: Box::new(give_back),
        detached: ReturnVTable::<T, H>::detached,
    };
    chain.block().info.extend().home.with_mut(|place| {
        // SAFETY: [home]: the caller owns the consumer. Nothing was there.
        unsafe { *place = Some(home) }
    });
}

/// Returns the record that takes the value back.
///
/// # Safety
///
/// By the owner of the consumer.
#[inline]
pub(in crate::core) unsafe fn vtable(chain: ChainPtr) -> Option<&'static RecordVTable> {
    let ext = chain.block().info.ext()?;
    // SAFETY: [home]: it is the caller's.
    ext.home
        .with(|home| unsafe { (*home).as_ref().map(|home| home.vtable) })
}

/// Forgets the home of a value that was taken.
///
/// # Safety
///
/// By the owner of the consumer.
pub(in crate::core) unsafe fn forget(chain: ChainPtr) {
    // SAFETY: [home]: it is the caller's.
    drop(unsafe { remove(chain) });
}

/// Takes the home of a value away from its chain, for one who will have the
/// value, and may not want it.
///
/// # Safety
///
/// By the owner of the consumer, which is a `Consumer<T>`.
pub(in crate::core) unsafe fn detach<T: 'static>(chain: ChainPtr) -> Option<GiveBack<T>> {
    // SAFETY: [home]: it is the caller's.
    let home = unsafe { remove(chain) }?;
    let give_back = (home.detached)(home.to)?.downcast::<GiveBack<T>>();
    give_back.ok().map(|give_back| *give_back)
}

/// # Safety
///
/// By the owner of the consumer, or, once that is gone, by the runner.
unsafe fn remove(chain: ChainPtr) -> Option<Home> {
    let ext = chain.block().info.ext()?;
    // SAFETY: [home]: it is the caller's.
    ext.home.with_mut(|home| unsafe { (*home).take() })
}

/// # Safety
///
/// As for [`RecordVTable::run`]; the home of the chain is an `H`.
unsafe fn take_back<T, H: ReturnTo<T>>(_: *mut Record, chain: ChainPtr) -> Flow {
    let info = &chain.block().info;
    // SAFETY: the caller is the runner, the value is a T ([one runner], [slot], [types]), and the
    // consumer is gone.
    let (value, give_back) = unsafe { (chain.take_result::<T>(), remove(chain)) };
    let give_back = give_back.and_then(|give_back| give_back.to.downcast::<H>().ok());
    match (value, give_back) {
        (Ok(value), Some(give_back)) => {
            catch_and_log("the return of a value", || give_back.take_back(value));
        }
        (value, _) => drop_result(value, || (info.made(), info.label())),
    }
    Flow::Finished
}
