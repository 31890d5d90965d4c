//! The memory of a chain's records: room for three small ones in the block,
//! then chunks that double in size. Records are appended by the owner of the
//! consumer and consumed by the runner; a chunk is freed when the runner leaves it.

use super::pool::{self, Shelves, Size};
use super::record::{
    Chunk, Flow, HEADER, MAX_RECORD, Payload, RECORD_ALIGN, Record, RecordClass, RecordVTable,
};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// Three records of a callback that captures one word, and a jump.
pub(crate) const INLINE: usize = 3 * (HEADER + 8) + HEADER;

/// What stays free at the end of the block's room and of each chunk: a jump to
/// the next chunk, or the chain's last record, which so never allocates.
const RESERVE: usize = HEADER;

/// The first chunk of a chain.
const FIRST_CHUNK: Layout = Chunk::layout(256);
const FIRST_CHUNKS: Size = Size {
    shelf: Shelves::FirstChunks,
    layout: FIRST_CHUNK,
};
const LAST_CHUNK: usize = 4096;

/// What the owner of the consumer knows of the room that is left.
pub(crate) struct Writer {
    room: u16,
    last_chunk: u16,
}

/// What the runner knows of where it is.
pub(crate) struct Reader {
    pub(crate) read: *mut Record,
    chunk: *mut Chunk,
}

/// The block's room for records.
#[repr(C, align(8))]
pub(crate) struct InlineRoom([MaybeUninit<u8>; INLINE]);

// Records lie one behind the other, in the block's room and behind a chunk's
// header, on every target: both begin, and each record ends, at a multiple of
// their alignment.
const _: () = {
    assert!(align_of::<Record>() == RECORD_ALIGN);
    assert!(align_of::<InlineRoom>() == RECORD_ALIGN && align_of::<Chunk>() == RECORD_ALIGN);
    assert!(HEADER.is_multiple_of(RECORD_ALIGN) && INLINE.is_multiple_of(RECORD_ALIGN));
    assert!(size_of::<Chunk>().is_multiple_of(RECORD_ALIGN));
    // Each record has room in a first chunk, and a reserve behind it; and the
    // writer counts in 16 bits.
    assert!(size_of::<Chunk>() + MAX_RECORD + RESERVE <= FIRST_CHUNK.size());
    assert!(INLINE <= LAST_CHUNK && LAST_CHUNK <= u16::MAX as usize);
};

impl InlineRoom {
    /// Only the model checker's cells must be written when they are made.
    #[cfg(tokio_deferred_loom)]
    pub(crate) const fn uninit() -> Self {
        InlineRoom([const { MaybeUninit::uninit() }; _])
    }
}

impl Writer {
    pub(crate) const fn new() -> Self {
        Writer {
            room: (INLINE - RESERVE) as u16,
            last_chunk: 0,
        }
    }
}

impl Reader {
    pub(crate) const fn new(start: *mut Record) -> Self {
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
    pub(crate) unsafe fn jump(&mut self, next: *mut Chunk) {
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
    pub(crate) unsafe fn end(&mut self) {
        // SAFETY: every record is consumed, so nobody uses the chunk any more.
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
            pool::take(FIRST_CHUNKS).as_ptr().cast()
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
                pool::give(FIRST_CHUNKS, chunk.cast());
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
    class: RecordClass::Other,
};

impl Writer {
    /// Returns where a record of `size` bytes may be written, and keeps the
    /// reserve behind it. `write` is where the last record ends.
    ///
    /// # Safety
    ///
    /// The reserve is free at `write`.
    #[inline]
    pub(crate) unsafe fn reserve(&mut self, write: *mut Record, size: usize) -> *mut Record {
        if usize::from(self.room) >= size {
            self.room -= size as u16;
            write
        } else {
            // SAFETY: the reserve is free at `write`.
            unsafe { self.next_chunk(write, size) }
        }
    }

    /// # Safety
    ///
    /// The reserve is free at `write`.
    #[cold]
    unsafe fn next_chunk(&mut self, write: *mut Record, size: usize) -> *mut Record {
        let bytes = (usize::from(self.last_chunk) * 2).clamp(FIRST_CHUNK.size(), LAST_CHUNK);
        let chunk = Chunk::new(bytes);
        self.last_chunk = bytes as u16;
        self.room = (bytes - size_of::<Chunk>() - RESERVE - size) as u16;
        // SAFETY: the reserve, which has the size of a jump, is free at `write`.
        unsafe {
            write.write(Record {
                vtable: &JUMP,
                payload: Payload { chunk },
            });
            chunk.add(1).cast()
        }
    }
}
