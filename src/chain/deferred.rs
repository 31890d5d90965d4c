//! The Deferred itself: where its result is, and how a stage gets it.

use crate::core::Taken;
use crate::core::{Anchor, LazyAnchor, Site, Stage, Step, Tail, Unshared, call, give_up};
use crate::failure::{AlreadyTaken, Failure};
use std::fmt;
use std::panic::Location;

/// A result that may not be there yet, with the callbacks that will get it:
/// Twisted's `Deferred`.
///
/// `T` is the type of the value; in place of a value a [`Failure`] may come.
/// Stages added with [`add_callback`](Deferred::add_callback) and its kin run
/// in the order added, each once, each on the result of the one before:
///
/// - on the thread that fires, before [`Resolver::callback`] returns;
/// - on the adder's thread, before `add_*` returns, if the result is there
///   already;
/// - under no lock: a stage may add to, fire, cancel, pause or drop any
///   Deferred, its own included;
/// - inside the `tracing` span that was current when they were added.
///
/// A fire runs its whole chain without yielding; [`via`](Deferred::via) moves
/// the later stages to a task.
///
/// A Deferred *is* a [`Future`], under any executor: `d.await` gives
/// `Result<T, DeferredError>`. It needs no stage at the end, and is no
/// `#[must_use]`: *dropping* it detaches it, and its stages still run. If what
/// they end with is a failure, it is reported as unhandled, once
/// ([`debug::set_unhandled_hook`](crate::debug::set_unhandled_hook)).
/// [`cancel_on_drop`](Deferred::cancel_on_drop) gives the other behaviour.
///
/// [`Resolver::callback`]: crate::Resolver::callback
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let (resolver, d) = Deferred::new();
/// let d = d
///     .add_callback(|s: String| Ok(s.parse::<i32>()?))
///     .add_errback(|_failure| Ok(0))
///     .map(|n| n + 1);
/// resolver.callback("41".to_owned()); // the stages run here
/// assert_eq!(testing::success_of(d), 42);
/// ```
pub struct Deferred<T> {
    pub(super) held: Held<T>,
    /// Only beside a result that is not in a chain.
    pub(super) anchor: LazyAnchor,
    pub(super) made: &'static Location<'static>,
    /// The coroutine that awaits it, by number; 0 is none.
    pub(super) awaited_by: u64,
}

/// Where the result is.
pub(super) enum Held<T> {
    Ready(Unshared<T>),
    Chain(Tail<T>),
    /// An await had it.
    Taken,
}

impl<T> Deferred<T> {
    #[inline]
    pub(super) fn in_chain(tail: Tail<T>, made: &'static Location<'static>) -> Self {
        Deferred {
            held: Held::Chain(tail),
            anchor: LazyAnchor::new(None),
            made,
            awaited_by: 0,
        }
    }

    #[inline]
    pub(super) fn beside(
        result: Result<T, Failure>,
        anchor: Option<Anchor>,
        made: &'static Location<'static>,
    ) -> Self {
        Deferred {
            held: Held::Ready(Unshared::new(result)),
            anchor: LazyAnchor::new(anchor),
            made,
            awaited_by: 0,
        }
    }

    #[inline]
    pub(super) fn into_parts(mut self) -> (Held<T>, Option<Anchor>) {
        let held = std::mem::replace(&mut self.held, Held::Taken);
        let anchor = self.anchor.take();
        std::mem::forget(self);
        (held, anchor)
    }

    /// Whether it has its result in itself and no anchor beside it: the usual
    /// case of a fired one.
    #[inline(always)]
    pub(super) fn is_plain(&mut self) -> bool {
        matches!(self.held, Held::Ready(_)) && self.anchor.is_none()
    }

    /// Whether its chain has no result to take: the usual case of a pending
    /// one.
    #[inline(always)]
    fn is_busy(&self) -> bool {
        matches!(&self.held, Held::Chain(tail) if !tail.is_at_rest())
    }

    /// Takes the result of one that [`is_plain`](Deferred::is_plain).
    #[inline(always)]
    fn into_ready(mut self) -> Result<T, Failure> {
        let held = std::mem::replace(&mut self.held, Held::Taken);
        // Nothing is left to drop, and so the compiler sees through it.
        std::mem::forget(self);
        match held {
            Held::Ready(result) => result.into_inner(),
            _ => unreachable!("it is plain"),
        }
    }

    /// Takes the chain of one that [`is_busy`](Deferred::is_busy): there is no
    /// anchor beside a chain.
    #[inline(always)]
    fn into_chain(mut self) -> Tail<T> {
        let held = std::mem::replace(&mut self.held, Held::Taken);
        std::mem::forget(self);
        match held {
            Held::Chain(tail) => tail,
            _ => unreachable!("it is busy"),
        }
    }

    /// Returns the result, with what else there is of the chain, if it is
    /// there to take.
    #[inline]
    pub(super) fn into_result(mut self) -> Result<Taken<T>, Tail<T>> {
        if self.is_plain() {
            return Ok((self.into_ready(), None));
        }
        self.into_result_slowly()
    }

    #[inline(never)]
    fn into_result_slowly(self) -> Result<Taken<T>, Tail<T>> {
        let (held, anchor) = self.into_parts();
        let result = match held {
            Held::Chain(tail) => return tail.take(),
            Held::Ready(result) => result.into_inner(),
            Held::Taken => Err(AlreadyTaken::new().into()),
        };
        match anchor {
            Some(anchor) if anchor.is_held() => Err(anchor.put_back(result)),
            anchor => Ok((result, anchor)),
        }
    }

    /// Returns what a stage that returned this Deferred came to.
    #[inline]
    pub(super) fn into_step(self) -> Step<T> {
        match self.into_result() {
            Ok((result, _)) => Step::Done(result),
            Err(tail) => Step::Wait(tail),
        }
    }

    /// Returns the chain, put into one if it is in none.
    pub(crate) fn into_tail(self) -> Tail<T> {
        let made = self.made;
        match self.into_result() {
            Ok((result, anchor)) => anchor
                .unwrap_or_else(|| Anchor::make(made))
                .put_back(result),
            Err(tail) => tail,
        }
    }

    /// Adds a stage (module invariant 2).
    #[inline]
    pub(super) fn stage<S: Stage<In = T>>(
        mut self,
        stage: S,
        place: &'static Location<'static>,
    ) -> Deferred<S::Out> {
        let made = self.made;
        if self.is_busy() {
            return Deferred::in_chain(self.into_chain().add(stage, place), made);
        }
        if self.is_plain() {
            return match call(stage, self.into_ready(), Site::inline(place, made)) {
                Step::Done(output) => Deferred::beside(output, None, made),
                Step::Wait(tail) => Deferred::instead(tail, made),
            };
        }
        self.stage_slowly(stage, place)
    }

    /// A Deferred that nobody refers to came to another one.
    fn instead(tail: Tail<T>, made: &'static Location<'static>) -> Self {
        if tail.is_fresh() {
            // Nobody refers to that either, and it has no stage of its own that
            // a pause could hold up: it takes this one's place.
            Deferred::in_chain(tail, made)
        } else {
            Deferred::in_chain(Anchor::make(made).wait_for(tail), made)
        }
    }

    /// Adds a stage to one that just got its result, has an anchor, or gave its
    /// result away.
    #[inline(never)]
    fn stage_slowly<S: Stage<In = T>>(
        self,
        stage: S,
        place: &'static Location<'static>,
    ) -> Deferred<S::Out> {
        let made = self.made;
        let (input, anchor) = match self.into_result_slowly() {
            Ok(ready) => ready,
            Err(tail) => return Deferred::in_chain(tail.add(stage, place), made),
        };
        let Some(anchor) = anchor else {
            return match call(stage, input, Site::inline(place, made)) {
                Step::Done(output) => Deferred::beside(output, None, made),
                Step::Wait(tail) => Deferred::instead(tail, made),
            };
        };
        let value_in = input.is_ok();
        let step = call(stage, input, anchor.site(place));
        anchor.watch_stage::<S>(place, value_in, &step);
        match step {
            Step::Done(output) => Deferred::beside(output, Some(anchor), made),
            Step::Wait(tail) => Deferred::in_chain(anchor.wait_for(tail), made),
        }
    }

    pub(super) fn label_of(&self) -> Option<&'static str> {
        match &self.held {
            Held::Chain(tail) => tail.label(),
            _ => self
                .anchor
                .get()
                .and_then(|anchor| anchor.as_tail().label()),
        }
    }

    /// Tells the debugger what will fire this Deferred.
    pub(crate) fn fired_by(self, source: &'static str) -> Self {
        if let Held::Chain(tail) = &self.held {
            tail.set_source(source);
        }
        self
    }

    /// The debugger's number for this Deferred.
    pub(crate) fn watch_id(&self) -> Option<u64> {
        match &self.held {
            Held::Chain(tail) => tail.watch_id(),
            _ => self.anchor.get()?.as_tail().watch_id(),
        }
    }

    /// Does something at the chain, which is made if there is none.
    pub(super) fn at_chain<R>(
        &self,
        chain: impl FnOnce(&Tail<T>) -> R,
        anchor: impl FnOnce(&Tail<()>) -> R,
    ) -> R {
        match &self.held {
            Held::Chain(tail) => chain(tail),
            _ => anchor(&self.anchor.get_or_make(self.made).as_tail()),
        }
    }
}

impl<T> Drop for Deferred<T> {
    #[inline]
    fn drop(&mut self) {
        if let Held::Ready(_) = self.held {
            let held = std::mem::replace(&mut self.held, Held::Taken);
            let Held::Ready(result) = held else { return };
            let result = result.into_inner();
            match self.anchor.take() {
                // Its report, if it comes to one, comes after the unpause.
                Some(anchor) if anchor.is_held() => drop(anchor.put_back(result)),
                anchor => give_up(result, || {
                    let label = anchor.as_ref().and_then(|a| a.as_tail().label());
                    (self.made, label)
                }),
            }
        }
    }
}

impl<T> Unpin for Deferred<T> {}
impl<T> std::panic::UnwindSafe for Deferred<T> {}
impl<T> std::panic::RefUnwindSafe for Deferred<T> {}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.held {
            Held::Ready(result) if result.is_ok() => "fired with a value",
            Held::Ready(_) => "fired with a failure",
            Held::Chain(tail) if tail.is_at_rest() => "fired",
            Held::Chain(_) => "no result yet",
            Held::Taken => "taken",
        };
        f.debug_struct("Deferred")
            .field("state", &state)
            .field("made", &format_args!("{}", self.made))
            .field("label", &self.label_of())
            .finish()
    }
}
