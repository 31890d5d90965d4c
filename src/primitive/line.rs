//! A line that anyone in it can leave at any time.

use std::collections::VecDeque;

/// Values in the order in which they came, each with a number by which it is
/// taken out from wherever it stands.
///
/// A value that leaves from the middle leaves a gap. Gaps at the ends go at
/// once, and all of them when they are more than the values: so a line takes
/// memory for those that are in it, and leaving it costs a search by halves.
pub(super) struct Line<V> {
    /// In the order of the numbers.
    places: VecDeque<(u64, Option<V>)>,
    next: u64,
    len: usize,
}

/// How many gaps are not worth moving the values for.
const FEW: usize = 32;

impl<V> Line<V> {
    pub(super) fn new() -> Self {
        Line {
            places: VecDeque::new(),
            next: 0,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the number that the next value gets.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    pub(super) fn push(&mut self, value: V) {
        self.places.push_back((self.next, Some(value)));
        self.next += 1;
        self.len += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the value that came first, and its number.
    pub(super) fn first(&self) -> Option<(u64, &V)> {
        // There is no gap in front.
        let (number, value) = self.places.front()?;
        value.as_ref().map(|value| (*number, value))
    }

    /// Returns the values in their order.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.places.iter().filter_map(|(_, value)| value.as_ref())
    }

    pub(super) fn pop_first(&mut self) -> Option<V> {
        // There is no gap in front.
        let (_, value) = self.places.pop_front()?;
        self.len -= 1;
        self.close_gaps();
        value
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<V> {
        let index = self.places.partition_point(|(other, _)| *other < number);
        let (found, value) = self.places.get_mut(index)?;
        if *found != number {
            return None;
        }
        let value = value.take()?;
        self.len -= 1;
        self.close_gaps();
        Some(value)
    }

    /// Takes all out; the numbers go on.
    pub(super) fn take(&mut self) -> impl Iterator<Item = V> + use<V> {
        self.len = 0;
        let places = std::mem::take(&mut self.places);
        places.into_iter().filter_map(|(_, value)| value)
    }

    fn close_gaps(&mut self) {
        while self
            .places
            .front()
            .is_some_and(|(_, value)| value.is_none())
        {
            self.places.pop_front();
        }
        while self.places.back().is_some_and(|(_, value)| value.is_none()) {
            self.places.pop_back();
        }
        if self.places.len() > 2 * self.len + FEW {
            self.places.retain(|(_, value)| value.is_some());
        }
        // What was a long line gives its memory back.
        if self.places.capacity() > 4 * (self.places.len() + FEW) {
            self.places.shrink_to(2 * (self.places.len() + FEW));
        }
    }
}

#[cfg(all(test, not(tokio_deferred_loom)))]
mod tests {
    use super::*;

    #[test]
    fn leave_from_anywhere_then_the_others_come_in_order() {
        let mut line = Line::new();
        (0..200_u64).for_each(|n| line.push(n));
        for n in (0..200).filter(|n| n % 3 != 0) {
            assert_eq!(line.remove(n), Some(n));
            assert_eq!(line.remove(n), None, "it left");
        }
        assert_eq!(line.len(), 67);
        assert_eq!(line.remove(200), None, "it never came");
        line.push(200);
        let all: Vec<_> = std::iter::from_fn(|| line.pop_first()).collect();
        let expected = (0..200).filter(|n| n % 3 == 0).chain([200]);
        assert_eq!(all, expected.collect::<Vec<_>>());
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn one_that_stays_while_many_come_and_go_keeps_no_memory_of_them() {
        let mut line = Line::new();
        line.push(());
        line.push(());
        for n in 1..100_000 {
            line.push(());
            assert_eq!(line.remove(n), Some(()));
        }
        assert_eq!(line.len(), 2);
        assert!(line.places.len() <= 2 * line.len() + FEW);
    }

    #[test]
    fn all_but_one_leave_from_the_back_then_their_memory_goes_back() {
        let mut line = Line::new();
        (0..10_000_u64).for_each(|n| line.push(n));
        for n in (1..10_000).rev() {
            assert_eq!(line.remove(n), Some(n));
        }
        assert!(line.places.capacity() <= 4 * (1 + FEW));
        assert_eq!(line.first(), Some((0, &0)));
        assert_eq!(line.values().count(), 1);
    }

    #[test]
    fn take_leaves_an_empty_line_whose_numbers_go_on() {
        let mut line = Line::new();
        line.push('a');
        line.push('b');
        line.push('c');
        line.remove(1);
        assert_eq!(line.take().collect::<String>(), "ac");
        assert_eq!((line.len(), line.next_number()), (0, 3));
        line.push('d');
        assert_eq!(line.remove(0), None);
        assert_eq!(line.remove(3), Some('d'));
    }
}
