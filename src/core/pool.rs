//! Memory that was freed on this thread, for what is made on it next.
//!
//! Most Deferreds live for a moment, and then half of their cost is the
//! allocator's. So each thread keeps a few pieces of the two sizes that come
//! again and again: blocks, and first chunks of records.
//!
//! Invariants:
//!
//! 1. A piece that is kept belongs to the pool of its thread alone; nothing is
//!    in it. Whoever takes it out owns it as if it were fresh.
//! 2. A pool keeps at most [`KEPT`] pieces of each size, and frees them when
//!    its thread ends. After that, and while it is being done, it keeps none.
//!
//! In debug builds and under the model checker nothing is kept, so that tools
//! that watch the allocator see each piece's own life.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// How many pieces of a size a thread keeps. Programs that make and fire more
/// than this at a time wait for other things than the allocator.
const KEPT: usize = 16;

const ON: bool = !cfg!(any(debug_assertions, tokio_deferred_loom));

/// The sizes that are kept.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Block,
    FirstChunk,
}

impl Size {
    const fn layout(self) -> Layout {
        match self {
            Size::Block => Layout::new::<super::block::Block>(),
            Size::FirstChunk => super::arena::FIRST_CHUNK,
        }
    }
}

struct Shelf {
    len: Cell<usize>,
    pieces: [Cell<*mut u8>; KEPT],
}

impl Shelf {
    const fn new() -> Self {
        Shelf {
            len: Cell::new(0),
            pieces: [const { Cell::new(ptr::null_mut()) }; KEPT],
        }
    }

    #[inline]
    fn take(&self) -> Option<NonNull<u8>> {
        let len = self.len.get().checked_sub(1)?;
        self.len.set(len);
        NonNull::new(self.pieces.get(len)?.get())
    }

    /// Whether there was room.
    #[inline]
    fn put(&self, piece: NonNull<u8>) -> bool {
        let len = self.len.get();
        let Some(place) = self.pieces.get(len) else {
            return false;
        };
        place.set(piece.as_ptr());
        self.len.set(len + 1);
        true
    }
}

/// The pool of a thread, by size.
struct Pool([Shelf; 2]);

impl Drop for Pool {
    fn drop(&mut self) {
        for size in [Size::Block, Size::FirstChunk] {
            while let Some(piece) = self.0[size as usize].take() {
                // SAFETY: invariant 1, and it was allocated with this layout.
                unsafe { dealloc(piece.as_ptr(), size.layout()) };
            }
        }
    }
}

thread_local! {
    static POOL: Pool = const { Pool([const { Shelf::new() }; 2]) };
}

/// Returns memory of the size, uninitialised.
#[inline]
pub(super) fn take(size: Size) -> NonNull<u8> {
    if ON && let Ok(Some(piece)) = POOL.try_with(|pool| pool.0[size as usize].take()) {
        return piece;
    }
    let layout = size.layout();
    // SAFETY: the layout is not of size zero.
    let piece = unsafe { alloc(layout) };
    NonNull::new(piece).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives memory back.
///
/// # Safety
///
/// It came from [`take`] of the same size, and is not used any more.
#[inline]
pub(super) unsafe fn give(size: Size, piece: NonNull<u8>) {
    if ON && POOL.try_with(|pool| pool.0[size as usize].put(piece)) == Ok(true) {
        return;
    }
    // SAFETY: the caller says so.
    unsafe { dealloc(piece.as_ptr(), size.layout()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shelf_gives_back_what_it_got_and_no_more() {
        let shelf = Shelf::new();
        assert!(shelf.take().is_none());
        let mut things = [0_u8; KEPT + 1];
        let pieces: Vec<_> = things.iter_mut().map(NonNull::from).collect();
        let kept: Vec<_> = pieces.iter().map(|piece| shelf.put(*piece)).collect();
        assert!(kept[..KEPT].iter().all(|kept| *kept) && !kept[KEPT]);
        for piece in pieces[..KEPT].iter().rev() {
            assert_eq!(shelf.take(), Some(*piece));
        }
        assert!(shelf.take().is_none());
    }

    #[test]
    fn taken_and_given_on_two_threads_and_after_the_end_of_one() {
        let pieces: Vec<_> = (0..2 * KEPT)
            .map(|_| take(Size::Block).as_ptr() as usize)
            .collect();
        std::thread::spawn(move || {
            for piece in pieces {
                let piece = NonNull::new(piece as *mut u8).expect("allocated");
                // SAFETY: from `take`, and nobody uses it.
                unsafe { give(Size::Block, piece) };
            }
        })
        .join()
        .expect("nothing panics");
    }
}
