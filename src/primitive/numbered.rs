//! Those who wait, in the order of their coming, each of whom may leave.
//!
//! A number is a place in the order, given once. Whoever leaves makes a gap.
//! The gaps at both ends are closed at once, and those between when they are
//! more than those who wait: so memory and time do not grow with the number of
//! those who left, and each operation takes the same time however many wait
//! (but for a search among numbers, which is short).

use std::collections::VecDeque;

pub(super) struct Numbered<V> {
    /// By number, rising. A gap is `None`.
    entries: VecDeque<(u64, Option<V>)>,
    len: usize,
    /// The next number. At one a nanosecond they last 584 years.
    next: u64,
}

impl<V> Numbered<V> {
    pub(super) fn new() -> Self {
        Numbered {
            entries: VecDeque::new(),
            len: 0,
            next: 0,
        }
    }

    /// The number that the next one to come will have.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Gives a number to one who has yet to come, and returns it.
    pub(super) fn reserve(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Enters one with a number that was reserved. It is usually the last one;
    /// others may have come meanwhile.
    pub(super) fn insert(&mut self, number: u64, value: V) {
        self.len += 1;
        let behind = self.entries.iter().rev();
        let behind = behind.take_while(|entry| entry.0 > number).count();
        let place = self.entries.len() - behind;
        self.entries.insert(place, (number, Some(value)));
    }

    /// Enters one behind all others, and returns its number.
    pub(super) fn push(&mut self, value: V) -> u64 {
        let number = self.reserve();
        self.len += 1;
        self.entries.push_back((number, Some(value)));
        number
    }

    /// Takes out the one with this number, if it is there.
    pub(super) fn remove(&mut self, number: u64) -> Option<V> {
        let place = self.place_of(number)?;
        let value = self.entries[place].1.take()?;
        self.len -= 1;
        self.close_gaps();
        Some(value)
    }

    /// The number of the first.
    pub(super) fn first(&self) -> Option<(u64, &V)> {
        let (number, value) = self.entries.front()?;
        // A gap at the front is closed at once.
        value.as_ref().map(|value| (*number, value))
    }

    /// Takes out the first.
    pub(super) fn pop_first(&mut self) -> Option<(u64, V)> {
        let (number, value) = self.entries.pop_front()?;
        self.len -= 1;
        self.close_gaps();
        value.map(|value| (number, value))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All, in their order.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().filter_map(|entry| entry.1.as_ref())
    }

    /// Takes all out, in their order.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = V> + use<V> {
        self.len = 0;
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().filter_map(|entry| entry.1)
    }

    fn place_of(&self, number: u64) -> Option<usize> {
        let first = self.entries.front()?.0;
        // Where it is if nobody between left for good.
        let latest = usize::try_from(number.checked_sub(first)?).ok()?;
        if self
            .entries
            .get(latest)
            .is_some_and(|entry| entry.0 == number)
        {
            return Some(latest);
        }
        let found = self.entries.binary_search_by_key(&number, |entry| entry.0);
        found.ok()
    }

    fn close_gaps(&mut self) {
        let is_gap = |entry: Option<&(u64, Option<V>)>| matches!(entry, Some((_, None)));
        while is_gap(self.entries.front()) {
            self.entries.pop_front();
        }
        while is_gap(self.entries.back()) {
            self.entries.pop_back();
        }
        if self.entries.len() > 2 * self.len + 16 {
            self.entries.retain(|entry| entry.1.is_some());
        }
        // Memory that once held many goes back, but not for a few.
        if self.entries.capacity() > 4 * self.entries.len() + 64 {
            self.entries.shrink_to(2 * self.entries.len() + 32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Numbered;

    #[test]
    fn remove_in_the_middle_then_the_order_stays() {
        let mut waits = Numbered::new();
        let numbers: Vec<_> = (0..5).map(|n| waits.push(n)).collect();
        assert_eq!(waits.remove(numbers[2]), Some(2));
        assert_eq!(waits.remove(numbers[2]), None);
        assert_eq!(waits.remove(numbers[0]), Some(0));
        assert_eq!(waits.first(), Some((numbers[1], &1)));
        assert_eq!(waits.pop_first(), Some((numbers[1], 1)));
        assert_eq!(waits.len(), 2);
        assert_eq!(waits.take_all().collect::<Vec<_>>(), [3, 4]);
        assert!(waits.is_empty());
        assert_eq!(waits.push(9), 5);
    }

    #[test]
    fn insert_with_a_number_that_was_reserved_before_others_came() {
        let mut waits = Numbered::new();
        let first = waits.reserve();
        let second = waits.push("second");
        waits.insert(first, "first");
        assert_eq!(waits.pop_first(), Some((first, "first")));
        assert_eq!(waits.remove(second), Some("second"));
    }

    #[test]
    fn one_that_stays_while_others_come_and_go_keeps_little() {
        let mut waits = Numbered::new();
        let stays = waits.push(0);
        for n in 1..10_000 {
            let number = waits.push(n);
            let leaves = waits.push(n);
            assert_eq!(waits.remove(leaves), Some(n));
            if n % 2 == 0 {
                assert_eq!(waits.remove(number), Some(n));
            } else {
                waits.push(n);
                assert_eq!(waits.remove(number), Some(n));
                assert!(waits.remove(number + 2).is_some());
            }
        }
        assert_eq!(waits.len(), 1);
        assert!(
            waits.entries.capacity() <= 128,
            "{}",
            waits.entries.capacity()
        );
        assert_eq!(waits.remove(stays), Some(0));
        assert_eq!(waits.first(), None);
    }

    #[test]
    fn many_leave_then_their_memory_goes_back() {
        let mut waits = Numbered::new();
        let numbers: Vec<_> = (0..10_000).map(|n| waits.push(n)).collect();
        for number in numbers.iter().skip(1).rev() {
            waits.remove(*number).expect("once");
        }
        assert!(waits.entries.capacity() <= 128);
        assert_eq!(waits.values().count(), 1);
    }
}
