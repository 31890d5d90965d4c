//! The memory of a chain's records: room for three small ones in the block,
//! then chunks that double in size. Records are appended by the owner of the
//! consumer and consumed by the runner; a chunk is freed when the runner leaves it.

use super::block::{Block, ChainPtr};
use super::pool::{self, Size};
use super::record::{
    Flow, HEADER, MAX_RECORD, Payload, RECORD_ALIGN, Record, RecordClass, RecordVTable,
};
use crate::sync::Ordering;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// Three records of a callback that captures one word, and a jump.
pub(super) const INLINE: usize = 3 * (HEADER + 8) + HEADER;

/// What stays free at the end of the block's room and of each chunk: a jump to
/// the next chunk, or the chain's last record, which so never allocates.
const RESERVE: usize = HEADER;

/// The first chunk of a chain.
pub(super) const FIRST_CHUNK: Layout = Chunk::layout(256);
const LAST_CHUNK: usize = 4096;

/// A piece of memory for records, behind this header.
#[repr(C, align(8))]
pub(super) struct Chunk {
    bytes: usize,
}

/// What the owner of the consumer knows of the room that is left.
pub(super) struct Writer {
    room: u16,
    last_chunk: u16,
}

/// What the runner knows of where it is.
pub(super) struct Reader {
    pub(super) read: *mut Record,
    chunk: *mut Chunk,
}

/// The block's room for records.
#[repr(C, align(8))]
pub(super) struct Inline([MaybeUninit<u8>; INLINE]);

// Records lie one behind the other, in the block's room and behind a chunk's
// header, on every target: both begin, and each record ends, at a multiple of
// their alignment.
const _: () = {
    assert!(align_of::<Record>() == RECORD_ALIGN);
    assert!(align_of::<Inline>() == RECORD_ALIGN && align_of::<Chunk>() == RECORD_ALIGN);
    assert!(HEADER.is_multiple_of(RECORD_ALIGN) && INLINE.is_multiple_of(RECORD_ALIGN));
    assert!(size_of::<Chunk>().is_multiple_of(RECORD_ALIGN));
    // Each record has room in a first chunk, and a reserve behind it; and the
    // writer counts in 16 bits.
    assert!(size_of::<Chunk>() + MAX_RECORD + RESERVE <= FIRST_CHUNK.size());
    assert!(INLINE <= LAST_CHUNK && LAST_CHUNK <= u16::MAX as usize);
};

impl Inline {
    /// Only the model checker's cells must be written when they are made.
    #[cfg(tokio_deferred_loom)]
    pub(super) const fn uninit() -> Self {
        Inline([const { MaybeUninit::uninit() }; _])
    }
}

impl Writer {
    pub(super) const fn new() -> Self {
        Writer {
            room: (INLINE - RESERVE) as u16,
            last_chunk: 0,
        }
    }
}

impl Reader {
    pub(super) const fn new(start: *mut Record) -> Self {
        Reader {
            read: start,
            chunk: ptr::null_mut(),
        }
    }

    /// Goes on in `next`, and frees the chunk that is read to its end.
    ///
    /// # Safety
    ///
    /// By the runner, for the jump at the end of the chunk it reads.
    pub(super) unsafe fn jump(&mut self, next: *mut Chunk) {
        // SAFETY: all records before the jump are consumed.
        unsafe { Chunk::free(self.chunk) };
        self.chunk = next;
        // SAFETY: a chunk's records begin behind its header.
        self.read = unsafe { next.add(1) }.cast();
    }

    /// Frees the chunk of a chain that is over.
    ///
    /// # Safety
    ///
    /// By who frees the block: every record is consumed.
    #[inline]
    pub(super) unsafe fn end(&mut self) {
        // SAFETY: the caller says so.
        unsafe { Chunk::free(self.chunk) };
    }
}

impl Chunk {
    const fn layout(bytes: usize) -> Layout {
        match Layout::from_size_align(bytes, RECORD_ALIGN) {
            Ok(layout) => layout,
            Err(_) => panic!("a chunk's size is small"),
        }
    }

    fn new(bytes: usize) -> *mut Chunk {
        let chunk: *mut Chunk = if bytes == FIRST_CHUNK.size() {
            pool::take(Size::FirstChunk).as_ptr().cast()
        } else {
            let layout = Chunk::layout(bytes);
            // SAFETY: the size is not zero.
            let chunk = unsafe { alloc(layout) };
            if chunk.is_null() {
                handle_alloc_error(layout);
            }
            chunk.cast()
        };
        // SAFETY: it was allocated with room for the header.
        unsafe { chunk.write(Chunk { bytes }) };
        chunk
    }

    /// # Safety
    ///
    /// `chunk` is null or from `new`, and not used afterwards.
    #[inline]
    unsafe fn free(chunk: *mut Chunk) {
        let Some(chunk) = NonNull::new(chunk) else {
            return;
        };
        // SAFETY: the layout is the one it was allocated with, by `new`.
        unsafe {
            let bytes = chunk.as_ref().bytes;
            if bytes == FIRST_CHUNK.size() {
                pool::give(Size::FirstChunk, chunk.cast());
            } else {
                dealloc(chunk.as_ptr().cast(), Chunk::layout(bytes));
            }
        }
    }
}

/// The kind of the record that leads on to another chunk.
static JUMP: RecordVTable = RecordVTable {
    size: HEADER,
    run: |record, _| {
        // SAFETY: a jump's payload is a chunk.
        Flow::Jump(unsafe { (*record).payload.chunk })
    },
    sort: RecordClass::Other,
};

impl Block {
    /// Returns where a record of `size` bytes may be written, and keeps the
    /// reserve behind it. `publish` makes it known.
    ///
    /// # Safety
    ///
    /// By the owner of the consumer (invariant 6).
    #[inline]
    pub(super) unsafe fn reserve(&self, size: usize) -> *mut Record {
        // ORDERING: this thread, or the one that handed the consumer over, stored
        // it.
        let write = self.write.load(Ordering::Relaxed);
        self.writer.with_mut(|writer| {
            // SAFETY: invariant 6: only the owner of the consumer comes here.
            let writer = unsafe { &mut *writer };
            if usize::from(writer.room) >= size {
                writer.room -= size as u16;
                write
            } else {
                // SAFETY: the reserve is free at `write`.
                unsafe { writer.next_chunk(write, size) }
            }
        })
    }

    /// Where the reserve is: the place of the last record.
    pub(super) fn reserved(&self) -> *mut Record {
        // ORDERING: as in `reserve`.
        self.write.load(Ordering::Relaxed)
    }

    /// Makes the record at `record`, of `size` bytes, known to the runner. The
    /// read-modify-write that must follow is the caller's.
    #[inline]
    pub(super) fn publish(&self, record: *mut Record, size: usize) {
        // ORDERING: Release: whoever reads this sees the record's bytes.
        self.write
            .store(record.wrapping_byte_add(size), Ordering::Release);
    }
}

impl Writer {
    /// # Safety
    ///
    /// The reserve is free at `write`.
    #[cold]
    unsafe fn next_chunk(&mut self, write: *mut Record, size: usize) -> *mut Record {
        let bytes = (usize::from(self.last_chunk) * 2).clamp(FIRST_CHUNK.size(), LAST_CHUNK);
        let chunk = Chunk::new(bytes);
        self.last_chunk = bytes as u16;
        self.room = (bytes - size_of::<Chunk>() - RESERVE - size) as u16;
        // SAFETY: the caller says so.
        unsafe {
            write.write(Record {
                kind: &JUMP,
                payload: Payload { chunk },
            });
            chunk.add(1).cast()
        }
    }
}

impl ChainPtr {
    /// Whether no record was appended, except perhaps the last one.
    pub(super) fn is_untouched(self) -> bool {
        let block = self.block();
        // ORDERING: by the owner of the consumer, as in `reserve`.
        block.write.load(Ordering::Relaxed) == block.start()
    }
}
