//! Appending records, by the owner of the consumer ([one writer]).

use super::waker;
use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{Payload, Record, RecordVTable};
use crate::core::state::Closing;

/// Writes a record and makes it known, but for the read-modify-write that must
/// follow.
///
/// # Safety
///
/// By the owner of the consumer ([one writer]). `closure` writes what the vtable
/// says into the record.
#[inline]
pub(crate) unsafe fn append(
    chain: ChainPtr,
    vtable: &'static RecordVTable,
    payload: Payload,
    closure: impl FnOnce(*mut Record),
) {
    let block = chain.block();
    // SAFETY: the caller owns the consumer; the reserved memory has the size that
    // the vtable says.
    unsafe {
        let record = block.reserve(vtable.size);
        record.write(Record { vtable, payload });
        closure(record);
        block.publish(record, vtable.size);
    }
}

/// Appends the last record, without allocating, and returns the chain if it is
/// the caller's to run.
///
/// # Safety
///
/// The caller owns the consumer, and gives it up. The vtable's size is `HEADER`.
pub(crate) unsafe fn append_last(
    chain: ChainPtr,
    vtable: &'static RecordVTable,
    payload: Payload,
    closing: Closing,
) -> Option<ChainPtr> {
    let record = chain.block().end_of_records();
    // SAFETY: the reserve is free, and is used once: nothing follows.
    unsafe { record.write(Record { vtable, payload }) };
    close(chain, closing)
}

/// Makes the last record known, which stands where `write` points: not by
/// `write`, but by the state. So the runner cannot consume it, and with it the
/// reference that keeps the chain, before this thread is through.
///
/// By the owner of the consumer, which is given up; the record stands there.
pub(crate) fn close(chain: ChainPtr, closing: Closing) -> Option<ChainPtr> {
    waker::forget(chain);
    chain.state().note_closed(closing).then_some(chain)
}
