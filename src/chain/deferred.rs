//! The Deferred itself: where its result is, and how a stage gets it.

use crate::core::{Consumer, EmptyChain, Repr, ResultAndPlace, Site, Stage, Step, call, nested};
use crate::failure::Failure;
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
/// `Result<T, DeferredError>`. A Deferred that is not needed any more is awaited,
/// returned, or ended ([`log_errors`](Deferred::log_errors),
/// [`detach`](Deferred::detach)): the compiler says so where one is forgotten.
/// *Dropping* it detaches it, and its stages still run. If what they end with is
/// a failure, it is reported as unhandled, once
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
#[doc(alias = "oneshot")]
#[doc(alias = "promise")]
#[doc(alias = "CompletableFuture")]
#[must_use = "await it, return it, or end it with log_errors() or detach()"]
pub struct Deferred<T> {
    pub(super) repr: Repr<T>,
}

impl<T> Deferred<T> {
    #[inline]
    pub(super) fn in_chain(consumer: Consumer<T>) -> Self {
        let repr = Repr::chain(consumer);
        Deferred { repr }
    }

    #[inline]
    pub(super) fn fired(result: Result<T, Failure>, made: &'static Location<'static>) -> Self {
        match result {
            Ok(value) => Deferred {
                repr: Repr::ready(value, made),
            },
            Err(failure) => Deferred::failed(failure, made),
        }
    }

    /// A failure takes a chain, as it has taken two allocations already, and
    /// a Deferred has room for a value only.
    #[cold]
    #[inline(never)]
    fn failed(failure: Failure, made: &'static Location<'static>) -> Self {
        Deferred::in_chain(EmptyChain::new(made).put(Err(failure)))
    }

    pub(super) fn made(&self) -> &'static Location<'static> {
        self.repr.made()
    }

    /// Returns the result, if it is there to take.
    #[inline]
    pub(super) fn into_result(self) -> Result<Result<T, Failure>, Consumer<T>> {
        self.repr.into_result()
    }

    /// Returns what a stage that returned this Deferred came to: a chain, which
    /// may have its result, in all but the usual case.
    #[inline(always)]
    pub(super) fn into_step(self) -> Step<T> {
        match self.repr.into_plain() {
            Ok(plain) => Step::Done(plain.result),
            Err(repr) => Step::Wait(repr.into_consumer()),
        }
    }

    /// Returns the chain, put into one if it is in none.
    pub(crate) fn into_consumer(self) -> Consumer<T> {
        self.repr.into_consumer()
    }

    /// Adds a stage (module invariant 2).
    #[inline]
    pub(crate) fn stage<S: Stage<In = T>>(
        self,
        stage: S,
        place: &'static Location<'static>,
    ) -> Deferred<S::Out> {
        let repr = match self.repr.into_pending() {
            Ok(chain) => return Deferred::in_chain(chain.add(stage, place)),
            Err(repr) => repr,
        };
        let ResultAndPlace {
            result: input,
            made,
        } = match repr.into_plain() {
            Ok(plain) => plain,
            Err(repr) => {
                let add = || repr.into_consumer().add(stage, place);
                return Deferred::in_chain(nested(add));
            }
        };
        let site = Site::inline(place, made);
        // A failure may be that of a start, which an errback tries again.
        let step = match input {
            Ok(_) => call(stage, input, site),
            Err(_) => nested(|| call(stage, input, site)),
        };
        match step {
            Step::Done(output) => Deferred::fired(output, made),
            Step::Wait(consumer) => Deferred::in_chain(instead::<S>(consumer, site, made)),
        }
    }

    pub(crate) fn label_of(&self) -> Option<&'static str> {
        self.repr.label()
    }

    /// Tells the debugger what will fire this Deferred.
    pub(crate) fn fired_by(self, source: &'static str) -> Self {
        if let Some(consumer) = self.repr.consumer() {
            consumer.set_source(source);
        }
        self
    }

    /// The debugger's number for this Deferred.
    pub(crate) fn watch_id(&self) -> Option<u64> {
        self.repr.watch_id()
    }
}

/// A result that nobody refers to came to another Deferred.
#[cold]
#[inline(never)]
fn instead<S: Stage>(
    consumer: Consumer<S::Out>,
    site: Site<'_>,
    made: &'static Location<'static>,
) -> Consumer<S::Out> {
    match Step::Wait(consumer).take_if_ready::<S>(site) {
        Step::Done(output) => EmptyChain::new(made).put(output),
        // Nobody refers to that either, and it has no stage of its own that
        // a pause could hold up: it takes this one's place.
        Step::Wait(consumer) if consumer.is_fresh() => consumer,
        Step::Wait(consumer) => EmptyChain::new(made).wait_for(consumer),
    }
}

impl<T> Unpin for Deferred<T> {}
impl<T> std::panic::UnwindSafe for Deferred<T> {}
impl<T> std::panic::RefUnwindSafe for Deferred<T> {}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.repr.is_taken() {
            "taken"
        } else if self.repr.is_fired() {
            "fired"
        } else {
            "no result yet"
        };
        f.debug_struct("Deferred")
            .field("state", &state)
            .field("made", &format_args!("{}", self.made()))
            .field("label", &self.label_of())
            .finish()
    }
}
