//! Memory that was freed on this thread, for what is made on it next.
//!
//! Most Deferreds live for a moment, and then half of their cost is the
//! allocator's. So each thread keeps a few pieces of the two sizes that come
//! again and again: blocks, and first chunks of records.
//!
//! Rules:
//!
//! - *[own]* A piece that is kept belongs to the pool of its thread alone; nothing is
//!   in it. Whoever takes it out owns it as if it were fresh.
//! - *[few]* A pool keeps at most [`KEPT`] pieces of each size, and frees them when
//!   its thread ends. After that, and while it is being done, it keeps none.
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

/// A size of memory that is kept. Its owner says which shelf is for it.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) shelf: Shelves,
    pub(crate) layout: Layout,
}

#[derive(Clone, Copy)]
pub(crate) enum Shelves {
    Blocks,
    FirstChunks,
}

struct Shelf {
    /// Of each piece on it.
    layout: Cell<Layout>,
    len: Cell<usize>,
    pieces: [Cell<*mut u8>; KEPT],
}

impl Shelf {
    const fn new() -> Self {
        Shelf {
            layout: Cell::new(Layout::new::<()>()),
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
    fn put(&self, piece: NonNull<u8>, layout: Layout) -> bool {
        let len = self.len.get();
        let Some(place) = self.pieces.get(len) else {
            return false;
        };
        self.layout.set(layout);
        place.set(piece.as_ptr());
        self.len.set(len + 1);
        true
    }
}

/// The pool of a thread, by size.
struct Pool([Shelf; 2]);

impl Drop for Pool {
    fn drop(&mut self) {
        for shelf in &self.0 {
            while let Some(piece) = shelf.take() {
                // SAFETY: [own]: nobody uses it; it was allocated with the layout
                // that was given with it.
                unsafe { dealloc(piece.as_ptr(), shelf.layout.get()) };
            }
        }
    }
}

thread_local! {
    static POOL: Pool = const { Pool([const { Shelf::new() }; 2]) };
}

/// Returns memory of the size, uninitialised.
#[inline]
pub(crate) fn take(size: Size) -> NonNull<u8> {
    if ON && let Ok(Some(piece)) = POOL.try_with(|pool| pool.0[size.shelf as usize].take()) {
        return piece;
    }
    let layout = size.layout;
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
pub(crate) unsafe fn give(size: Size, piece: NonNull<u8>) {
    if ON && POOL.try_with(|pool| pool.0[size.shelf as usize].put(piece, size.layout)) == Ok(true) {
        return;
    }
    // SAFETY: it came from `take` of the same size, which allocated it with this
    // layout.
    unsafe { dealloc(piece.as_ptr(), size.layout) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: Size = Size {
        shelf: Shelves::Blocks,
        layout: Layout::new::<crate::core::memory::block::Block>(),
    };

    #[test]
    fn shelf_gives_back_what_it_got_and_no_more() {
        let shelf = Shelf::new();
        assert!(shelf.take().is_none());
        let mut things = [0_u8; KEPT + 1];
        let pieces: Vec<_> = things.iter_mut().map(NonNull::from).collect();
        let kept: Vec<_> = pieces
            .iter()
            .map(|piece| shelf.put(*piece, Layout::new::<u8>()))
            .collect();
        assert!(kept[..KEPT].iter().all(|kept| *kept) && !kept[KEPT]);
        for piece in pieces[..KEPT].iter().rev() {
            assert_eq!(shelf.take(), Some(*piece));
        }
        assert!(shelf.take().is_none());
    }

    #[test]
    fn taken_and_given_on_two_threads_and_after_the_end_of_one() {
        let pieces: Vec<_> = (0..2 * KEPT)
            .map(|_| take(BLOCKS).as_ptr() as usize)
            .collect();
        std::thread::spawn(move || {
            for piece in pieces {
                let piece = NonNull::new(piece as *mut u8).expect("allocated");
                // SAFETY: from `take`, and nobody uses it.
                unsafe { give(BLOCKS, piece) };
            }
        })
        .join()
        .expect("nothing panics");
    }
}
