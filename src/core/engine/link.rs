//! The record that ends a chain which another one waits for ([links]).

use crate::core::memory::ptr::ChainPtr;
use crate::core::memory::record::{Flow, HEADER, Record, RecordClass, RecordVTable};

/// Its payload is the waiting chain, with a reference.
pub(crate) static LINK: RecordVTable = RecordVTable {
    size: HEADER,
    run: |record, _| {
        // SAFETY: a link's payload is a chain.
        Flow::Deliver(unsafe { (*record).payload.target })
    },
    class: RecordClass::Link,
};

/// Returns the next record of `chain` if it is a link: then it is the last one.
///
/// # Safety
///
/// By the runner of `chain`, or by that of the chain it waits for ([links]).
pub(crate) unsafe fn next_link(chain: ChainPtr) -> Option<*mut Record> {
    let block = chain.block();
    if !chain.state().load().is_closed() {
        return None;
    }
    // SAFETY: the caller may read the records.
    let read = block.reader.with(|reader| unsafe { (*reader).read });
    if read != block.end_of_records() {
        return None;
    }
    // SAFETY: the caller may read the records, and this one is complete ([last
    // record]).
    unsafe { matches!((*read).vtable.class, RecordClass::Link).then_some(read) }
}
