//! Calls by deadline, most of which are removed before they are due.
//!
//! A binary heap of deadlines beside a table of calls. Adding a call that is not
//! earlier than the others, as timeouts of equal length are not, and removing
//! one are a few steps, however many there are:
//!
//! - *\[left in the heap\]* A call that is removed leaves the table at once; its
//!   deadline stays in the heap, and is passed over when it comes to the top.
//! - *\[mostly calls\]* When more than half of the deadlines are without a call,
//!   they are thrown out, all at once: that pays for their removals.
//! - *\[numbers\]* A number tells a call from those that had its place in the table
//!   before it, and keeps equal deadlines in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A heap of fewer deadlines than this is not tidied up.
const SMALL: usize = 32;

/// Where a call is.
#[derive(Clone, Copy)]
pub(super) struct Key {
    place: usize,
    number: u64,
}

/// Calls `C` by deadlines `D`.
pub(super) struct CallHeap<D, C> {
    /// Deadline, number and place, the first on top.
    deadlines: BinaryHeap<Reverse<(D, u64, usize)>>,
    places: Vec<Place<C>>,
    /// The places that have no call.
    free: Vec<usize>,
    calls_made: u64,
}

struct Place<C> {
    number: u64,
    call: Option<C>,
}

impl<D: Ord, C> Default for CallHeap<D, C> {
    fn default() -> Self {
        CallHeap {
            deadlines: BinaryHeap::new(),
            places: Vec::new(),
            free: Vec::new(),
            calls_made: 0,
        }
    }
}

impl<D: Ord + Copy, C> CallHeap<D, C> {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn push(&mut self, deadline: D, call: C) -> Key {
        let number = self.calls_made;
        self.calls_made += 1;
        let filled = Place {
            number,
            call: Some(call),
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place] = filled;
                place
            }
            None => {
                self.places.push(filled);
                self.places.len() - 1
            }
        };
        self.deadlines.push(Reverse((deadline, number, place)));
        Key { place, number }
    }

    /// Removes a call, if it is there.
    pub(super) fn remove(&mut self, key: Key) -> Option<C> {
        let call = self.take(key)?;
        if self.deadlines.len() > SMALL + 2 * self.len() {
            let places = &self.places;
            self.deadlines.retain(|Reverse((_, number, place))| {
                let place = &places[*place];
                place.number == *number && place.call.is_some()
            });
        }
        Some(call)
    }

    fn take(&mut self, key: Key) -> Option<C> {
        let place = self.places.get_mut(key.place)?;
        if place.number != key.number {
            return None;
        }
        let call = place.call.take()?;
        self.free.push(key.place);
        Some(call)
    }

    fn has(&self, key: Key) -> bool {
        let place = &self.places[key.place];
        place.number == key.number && place.call.is_some()
    }

    /// The deadline of the first call.
    pub(super) fn first_deadline(&mut self) -> Option<D> {
        while let Some(&Reverse((deadline, number, place))) = self.deadlines.peek() {
            if self.has(Key { place, number }) {
                return Some(deadline);
            }
            self.deadlines.pop();
        }
        None
    }

    /// Removes the first call, if it is due.
    pub(super) fn pop_due(&mut self, now: D) -> Option<C> {
        if self.first_deadline()? > now {
            return None;
        }
        let Reverse((_, number, place)) = self.deadlines.pop()?;
        self.take(Key { place, number })
    }

    /// Returns the calls in the order of their deadlines.
    pub(super) fn into_ordered(mut self) -> impl Iterator<Item = C> {
        let deadlines = std::mem::take(&mut self.deadlines).into_sorted_vec();
        let keys = deadlines.into_iter().rev();
        keys.filter_map(move |Reverse((_, number, place))| self.take(Key { place, number }))
    }
}

#[cfg(all(test, not(tokio_deferred_loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::cmp::Ordering;

    #[test]
    fn due_in_the_order_of_the_deadlines_then_of_the_pushes() {
        let mut heap = CallHeap::default();
        for (n, deadline) in [3, 1, 2, 1].into_iter().enumerate() {
            heap.push(deadline, n);
        }
        assert_eq!(heap.first_deadline(), Some(1));
        assert_eq!(heap.pop_due(0), None);
        let due: Vec<_> = std::iter::from_fn(|| heap.pop_due(2)).collect();
        assert_eq!(due, [1, 3, 2]);
        assert_eq!(heap.into_ordered().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn removed_then_its_place_is_anothers() {
        let mut heap = CallHeap::default();
        let first = heap.push(1, 'a');
        assert_eq!(heap.remove(first), Some('a'));
        assert!(heap.is_empty());
        let second = heap.push(2, 'b');
        assert_eq!(heap.remove(first), None);
        assert_eq!(heap.first_deadline(), Some(2));
        assert_eq!(heap.pop_due(1), None);
        assert_eq!(heap.remove(second), Some('b'));
        assert_eq!(heap.first_deadline(), None);
    }

    #[test]
    fn removed_ones_do_not_pile_up() {
        let mut heap = CallHeap::default();
        let kept = heap.push(9, 0);
        for n in 1..10_000 {
            let key = heap.push(10, n);
            heap.remove(key);
            assert!(heap.deadlines.len() <= SMALL + 3 && heap.places.len() <= 2);
        }
        assert_eq!(heap.remove(kept), Some(0));
    }

    thread_local! {
        static COMPARISONS: Cell<u64> = const { Cell::new(0) };
    }

    /// A deadline that counts how often it is compared.
    #[derive(Clone, Copy, Debug)]
    struct Counted(usize);

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            COMPARISONS.set(COMPARISONS.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for Counted {}

    /// The exponent of the growth of the comparisons that `f` makes.
    fn exponent(f: fn(usize)) -> f64 {
        let [few, many] = [1_000, 100_000].map(|n| {
            COMPARISONS.set(0);
            f(n);
            COMPARISONS.get() as f64
        });
        (many / few).ln() / 100_f64.ln()
    }

    type Keys = Vec<Key>;

    /// Adds `n` calls of equal length, one after the other.
    fn added(n: usize) -> (CallHeap<Counted, usize>, Keys) {
        let mut heap = CallHeap::default();
        let keys = (0..n).map(|k| heap.push(Counted(k), k)).collect();
        (heap, keys)
    }

    #[test]
    fn steps_of_calls_that_are_removed_in_time_grow_as_their_number() {
        let from_the_front = |n| {
            let (mut heap, keys) = added(n);
            for key in keys {
                assert!(heap.remove(key).is_some());
            }
        };
        let from_the_back = |n| {
            let (mut heap, keys) = added(n);
            for key in keys.into_iter().rev() {
                assert!(heap.remove(key).is_some());
            }
        };
        let one_for_one = |n| {
            let (mut heap, keys) = added(n);
            for (k, key) in keys.into_iter().enumerate() {
                heap.push(Counted(n + k), k);
                heap.remove(key);
            }
        };
        let ways: [fn(usize); 3] = [from_the_front, from_the_back, one_for_one];
        for way in ways {
            let exponent = exponent(way);
            assert!(exponent <= 1.05, "{exponent}");
        }
    }

    /// Those that become due come out of a heap: a logarithm more.
    #[test]
    fn steps_of_calls_that_become_due_grow_as_those_of_a_heap() {
        let (mut heap, _) = added(100_000);
        COMPARISONS.set(0);
        let mut due = 0;
        while heap.pop_due(Counted(usize::MAX)).is_some() {
            due += 1;
        }
        assert_eq!(due, 100_000);
        let each = COMPARISONS.get() / 100_000;
        assert!(each <= 3 * 17, "{each} comparisons each");
    }
}
