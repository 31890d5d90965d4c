//! An allocator that counts for each thread what it asks for, so that tests that
//! run side by side do not see each other. A test program installs it:
//!
//! ```text
//! #[global_allocator]
//! static COUNTING: Counting = Counting;
//! ```

#![allow(unsafe_code)] // An allocator cannot be written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with the counts.
#[derive(Debug)]
pub struct Counting;

/// What a thread has asked of the allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Calls that returned new memory; growing a block is one.
    pub allocations: u64,
    /// Bytes allocated less bytes freed, which another thread may have
    /// allocated.
    pub live: i64,
}

thread_local! {
    // Without a destructor and with a constant start: the allocator may be
    // called before anything else of the thread, and after.
    static COUNT: Cell<Count> = const { Cell::new(Count { allocations: 0, live: 0 }) };
}

/// Counts what this thread asks for while `f` runs.
pub fn count<R>(f: impl FnOnce() -> R) -> (Count, R) {
    let before = now();
    let result = f();
    let after = now();
    let count = Count {
        allocations: after.allocations - before.allocations,
        live: after.live - before.live,
    };
    (count, result)
}

/// The counts of this thread since its start.
pub fn now() -> Count {
    COUNT.with(Cell::get)
}

fn add(allocations: u64, bytes: i64) {
    COUNT.with(|count| {
        let Count {
            allocations: a,
            live,
        } = count.get();
        count.set(Count {
            allocations: a + allocations,
            live: live + bytes,
        });
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(1, layout.size() as i64);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(1, layout.size() as i64);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(1, size as i64 - layout.size() as i64);
        // SAFETY: as in `alloc`; the block came from the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(0, -(layout.size() as i64));
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(block, layout) }
    }
}
