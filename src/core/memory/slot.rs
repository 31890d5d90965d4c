//! Room for one value of any type: in place if it has no more words than the
//! slot, else boxed.

use std::mem::{self, MaybeUninit};
use std::ptr;

/// Untyped storage. Whether it holds something, and of which type, is known
/// from the chain's state alone ([slot], [types]).
#[repr(C)]
pub(crate) struct Slot<const WORDS: usize = 3>([MaybeUninit<u64>; WORDS]);

/// The producer's own place, for a value of a word: see
/// [`fast_fire`](crate::core::engine::fast_fire).
pub(crate) type InlineValue = Slot<1>;

impl<const WORDS: usize> Slot<WORDS> {
    pub(crate) const fn empty() -> Self {
        Slot([MaybeUninit::uninit(); WORDS])
    }

    /// Whether a `V` is stored in place.
    pub(crate) const fn fits<V>() -> bool {
        size_of::<V>() <= size_of::<Self>() && align_of::<V>() <= align_of::<Self>()
    }

    /// Stores `value`. What was there is forgotten, not dropped.
    #[inline]
    pub(crate) fn put<V>(&mut self, value: V) {
        let place: *mut Self = self;
        if Self::fits::<V>() {
            // SAFETY: the value fits, and nothing that must be dropped is
            // overwritten unless the caller moved it out before.
            unsafe { place.cast::<V>().write(value) }
        } else {
            // SAFETY: as above, of a pointer.
            unsafe { place.cast::<*mut V>().write(Box::into_raw(Box::new(value))) }
        }
    }

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// The slot holds a `V`, which counts as moved out afterwards.
    #[inline]
    pub(crate) unsafe fn take<V>(&mut self) -> V {
        let place: *mut Self = self;
        if Self::fits::<V>() {
            // SAFETY: the slot holds a `V`, which fits.
            unsafe { place.cast::<V>().read() }
        } else {
            // SAFETY: `put` stored a pointer from `Box::into_raw`.
            unsafe { *Box::from_raw(place.cast::<*mut V>().read()) }
        }
    }

    /// Moves a result out in parts, as it was put in: a read of the whole would
    /// wait until those writes are through.
    ///
    /// # Safety
    ///
    /// As for [`take`](Slot::take).
    #[inline]
    pub(crate) unsafe fn take_result<T, E>(&mut self) -> Result<T, E> {
        if !Self::fits::<Result<T, E>>() {
            // SAFETY: the slot holds a `V`, which fits.
            return unsafe { self.take() };
        }
        // SAFETY: the slot holds such a result; what is read counts as moved out.
        unsafe {
            match self.peek::<Result<T, E>>() {
                Ok(value) => Ok(ptr::read(value)),
                Err(error) => Err(ptr::read(error)),
            }
        }
    }

    /// Borrows the value where it lies, while others may as well.
    ///
    /// # Safety
    ///
    /// The slot holds a `V`, which nobody changes meanwhile.
    #[inline]
    pub(crate) unsafe fn get<V>(&self) -> &V {
        let place: *const Self = self;
        if Self::fits::<V>() {
            // SAFETY: the slot holds a `V`, which fits.
            unsafe { &*place.cast::<V>() }
        } else {
            // SAFETY: `put` stored a pointer from `Box::into_raw`.
            unsafe { &**place.cast::<*mut V>() }
        }
    }

    /// Borrows the value where it lies.
    ///
    /// # Safety
    ///
    /// The slot holds a `V`.
    #[inline]
    pub(crate) unsafe fn peek<V>(&mut self) -> &mut V {
        let place: *mut Self = self;
        if Self::fits::<V>() {
            // SAFETY: the slot holds a `V`, which fits.
            unsafe { &mut *place.cast::<V>() }
        } else {
            // SAFETY: `put` stored a pointer from `Box::into_raw`.
            unsafe { &mut **place.cast::<*mut V>() }
        }
    }

    /// Moves whatever is in here to `other`, of whatever type it is.
    #[inline]
    pub(crate) fn move_to(&mut self, other: &mut Self) {
        other.0 = mem::replace(&mut self.0, Self::empty().0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_and_overaligned_values_come_back() {
        #[repr(align(64))]
        #[derive(Debug, PartialEq)]
        struct Wide([u8; 64]);

        let mut slot = <Slot>::empty();
        slot.put(String::from("three words"));
        let mut other = <Slot>::empty();
        slot.move_to(&mut other);
        // SAFETY: put and moved just before.
        assert_eq!(unsafe { other.take::<String>() }, "three words");
        slot.put(Wide([7; 64]));
        slot.move_to(&mut other);
        // SAFETY: put and moved just before.
        unsafe {
            other.peek::<Wide>().0[0] = 8;
            assert_eq!(other.take::<Wide>().0[..2], [8, 7]);
        }
        slot.put([1_u64; 100]);
        // SAFETY: put just before.
        assert_eq!(unsafe { slot.take::<[u64; 100]>() }, [1; 100]);
    }
}
