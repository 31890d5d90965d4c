//! What a chain's memory holds for each stage: a header, then the closure.

use super::ptr::ChainPtr;
use std::any::Any;
use std::panic::Location;

/// The header of a record. The closure follows it.
#[repr(C, align(8))]
pub(crate) struct Record {
    pub(crate) vtable: &'static RecordVTable,
    pub(crate) payload: Payload,
}

/// The header's second word, by kind.
#[derive(Clone, Copy)]
pub(crate) union Payload {
    /// Stages: the line of the `add_*` call.
    pub(crate) place: &'static Location<'static>,
    /// Links and fires: the chain that gets the result, with a reference.
    pub(crate) target: ChainPtr,
    /// Jumps: where the records go on.
    pub(crate) chunk: *mut Chunk,
    /// Records that need neither.
    pub(crate) nothing: (),
}

/// The header of a chunk: a piece of memory for records, which lie behind it.
#[repr(C, align(8))]
pub(crate) struct Chunk {
    pub(crate) bytes: usize,
}

/// What sort of record it is: its size, and how to run it.
pub(crate) struct RecordVTable {
    /// In bytes, with the header.
    pub(crate) size: usize,
    /// Runs the record, and moves the runner past it before any code of the
    /// user's: unless it is a jump, which says where to go on, or the last one.
    /// Its memory is forgotten afterwards.
    ///
    /// Not the runner's loop does it: there the size would have to be looked up
    /// first, and where the next record is would be known that much later.
    ///
    /// # Safety
    ///
    /// The caller is the runner of the chain, and the record its next one.
    pub(crate) run: unsafe fn(*mut Record, ChainPtr) -> Flow,
    pub(crate) class: RecordClass,
}

/// What the chain's own code has to know of a record beside how to run it.
#[derive(Clone, Copy)]
pub(crate) enum RecordClass {
    /// It runs code of the user's.
    Stage {
        /// Puts the panic of that code in as the result.
        ///
        /// # Safety
        ///
        /// As for [`RecordVTable::run`], which panicked, so that the slot is empty.
        panicked: unsafe fn(*mut Record, ChainPtr, Box<dyn Any + Send>),
    },
    Link,
    Other,
}

/// How a run goes on after a record.
pub(crate) enum Flow {
    /// To the next record.
    Next,
    /// When this chain, whose consumer is handed over, is at rest.
    Wait(ChainPtr),
    /// The last record took the value: the run ends.
    Finished,
    /// The last record was a link: the value goes to the waiting chain.
    Deliver(ChainPtr),
    /// The last record fired another chain, whose runner we are now.
    Fired(ChainPtr),
    /// The same, and something is to be done when that one's run is over.
    FiredThen(Box<After>),
    /// The span of the next stages is another one.
    Span,
    /// The next record is in another chunk.
    Jump(*mut Chunk),
}

/// What is to be done after the run of `chain`: a stack, innermost first.
pub(crate) struct After {
    pub(crate) chain: ChainPtr,
    pub(crate) then: Box<dyn FnOnce() -> Flow>,
    pub(crate) outer: Option<Box<After>>,
}

/// The alignment of a record and its closure, on every target.
pub(crate) const RECORD_ALIGN: usize = 8;

/// The bytes in front of the closure.
pub(crate) const HEADER: usize = size_of::<Record>();

/// The largest closure that lies in its record.
const MAX_CLOSURE: usize = 128;

/// The size of the largest record.
pub(crate) const MAX_RECORD: usize = HEADER + MAX_CLOSURE;

/// A closure's place: in the record if it is small, else boxed.
pub(crate) const fn is_inline<S>() -> bool {
    size_of::<S>() <= MAX_CLOSURE && align_of::<S>() <= RECORD_ALIGN
}

/// The size of a record with an `S`, rounded up to whole words.
pub(crate) const fn size_with<S>() -> usize {
    let closure = if is_inline::<S>() {
        size_of::<S>()
    } else {
        size_of::<*mut S>()
    };
    HEADER + closure.next_multiple_of(RECORD_ALIGN)
}

/// Stores the closure behind the header.
///
/// # Safety
///
/// `record` is followed by `size_with::<S>() - HEADER` free bytes.
#[inline]
pub(crate) unsafe fn write_closure<S>(record: *mut Record, closure: S) {
    // SAFETY: so many bytes are free behind the header; a record is aligned to `RECORD_ALIGN`, and so is its end.
    unsafe {
        let place = record.add(1);
        if is_inline::<S>() {
            place.cast::<S>().write(closure);
        } else {
            place
                .cast::<*mut S>()
                .write(Box::into_raw(Box::new(closure)));
        }
    }
}

/// Moves the closure out.
///
/// # Safety
///
/// `write_closure::<S>` was called on the record, and this is the first call.
#[inline]
pub(crate) unsafe fn read_closure<S>(record: *mut Record) -> S {
    // SAFETY: an `S`, or the pointer to a boxed one, was written there.
    unsafe {
        let place = record.add(1);
        if is_inline::<S>() {
            place.cast::<S>().read()
        } else {
            *Box::from_raw(place.cast::<*mut S>().read())
        }
    }
}
