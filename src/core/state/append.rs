//! Transitions of a chain that something is appended to.

use super::{APPENDED, AtomicState, CLOSED, Next, REF, RUNNING, Snapshot, UNOBSERVED};

/// The last record was appended, and the consumer is given up.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Nothing was ever appended before: nobody can see the result.
    pub(crate) unobserved: bool,
    /// The consumer's reference is used by the caller further on.
    pub(crate) keep_ref: bool,
}

/// Appending, by the owner of the consumer. Meanwhile the chain may be fired,
/// run, and come to rest.
impl AtomicState {
    /// Makes a record known to the runner that there is, or will be, in one step
    /// from `seen`, which is not at rest.
    #[inline]
    pub(crate) fn note_appended_at_once(&self, seen: Snapshot) -> bool {
        self.change(seen, seen.0 | APPENDED).is_ok()
    }

    /// Makes a record known; AT REST -> RUNNING if the chain is at rest, with a
    /// reference for the run. Returns whether the caller is the runner now.
    pub(crate) fn note_appended(&self) -> bool {
        let (seen, _) = self.update(|s| {
            Next::To(if s.is_at_rest() {
                Snapshot(s.0 | RUNNING).with_ref().0
            } else {
                s.0 | APPENDED
            })
        });
        seen.is_at_rest()
    }

    /// The same for the last record, which stands where `write` points, and is
    /// made known by this alone. The consumer's reference is kept, goes to the
    /// run, or is given up.
    pub(crate) fn note_closed(&self, closing: Closing) -> bool {
        let flags = if closing.unobserved {
            CLOSED | UNOBSERVED
        } else {
            CLOSED
        };
        let (seen, _) = self.update(|s| {
            Next::To(match (s.is_at_rest(), closing.keep_ref) {
                (true, true) => Snapshot(s.0 | RUNNING | flags).with_ref().0,
                (true, false) => s.0 | RUNNING | flags,
                (false, true) => s.0 | APPENDED | flags,
                // Not the last: who will make it run, or has it held up, has one.
                (false, false) => (s.0 | APPENDED | flags) - REF,
            })
        });
        seen.is_at_rest()
    }
}
