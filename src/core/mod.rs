//! The core: one block of memory a chain, its state in one atomic word, its
//! stages stored in it. The only module with `unsafe`.
//!
//! A chain has one producer, [`Producer`], which fires it, and one consumer,
//! [`Consumer`], which adds stages and in the end takes or gives up the result.
//! Any number of [`Handle`]s cancel it and any number of [`PauseGuard`]s hold
//! it up. All own a counted reference to the [`Block`](block::Block), and so does
//! an [`EmptyChain`], which is what a `Consumer` leaves whose result was taken.
//!
//! # Invariants
//!
//! 1. *References.* A `ChainPtr` is used only while its user holds, or borrows from
//!    one who holds, a counted reference. The count stands in the state word.
//!    Whoever takes it to zero frees the block, and touches it no more.
//! 2. *One firing.* `FIRED` is set once, by the compare-exchange that also sets
//!    `RUNNING`, or `VALUE_INLINE`; or from the start, in an `EmptyChain`. Nobody fires a
//!    chain whose `FIRED` is set.
//! 3. *One runner.* Whoever sets `RUNNING` is the runner until it clears it. It
//!    alone reads records and moves `read`, and it holds a reference.
//! 4. *The slot* belongs, by state: unfired, to whoever holds `LOCKED` (it may
//!    hold the [`CancelHooks`](cancel::CancelHooks), as `CANCEL_HOOKS` says);
//!    `RUNNING`, to the runner (the value between two stages); `WAITING`, to
//!    whoever holds `LOCKED` (the [`Wait`](link::Wait)) and to the runner of
//!    the awaited chain, which ends the wait; fired and none of these, to the
//!    owner of the `Consumer`. `FORWARDED`: it holds a [`Forward`](link::Forward)
//!    and changes no more. The slot of an `EmptyChain` is empty. The *early* place is the
//!    head's; with `VALUE_INLINE` it holds the value in place of the slot, and belongs
//!    to whom the slot would: to the runner, or to the owner of the `Consumer`.
//! 5. *`LOCKED`* is held for a few instructions, over no allocation and no code
//!    of the user's. Whoever would end a state in which it may be held (fires,
//!    delivers) waits until it is clear.
//! 6. *One writer.* The owner of the `Consumer` alone appends records. It stores
//!    `write` after the record is complete and then, always, performs a
//!    read-modify-write on the state: either it finds the chain at rest and
//!    becomes the runner, or it leaves `APPENDED` set. A runner goes to rest only
//!    by a compare-exchange on a state without `APPENDED`, and after it cleared
//!    `APPENDED` it reads `write` again. So no record is overlooked.
//! 7. *Types.* The value in the slot is `Result<T, Failure>` where `T` is the
//!    input type of the record at `read`, or, if none is left, that of the
//!    `Consumer`. `Producer`, `Consumer` and records keep this by their type parameters.
//! 8. *The last record* consumes the value. After it there is none, so a chain
//!    whose `Consumer` is gone never keeps a value. It stands where `write` points
//!    and is made known by `CLOSED` alone: consuming it may free the block, so
//!    it must not be seen before its writer's last step.
//! 9. *Rest* is `FIRED` without `RUNNING`, `WAITING` and pauses. While a chain
//!    is at rest nobody but the owner of the `Consumer` moves it.
//! 10. *The waker's place* belongs to the owner of the `Consumer` while `WAKER` and
//!     `TAKING_WAKER` are clear; with `WAKER` to whoever clears it (the runner, which
//!     sets `TAKING_WAKER` in the same step when it goes to rest; or the owner of the
//!     `Consumer`); with `TAKING_WAKER` to that runner.
//! 11. *Links.* A chain that waits has exactly one deliverer: the chain it
//!     waits for holds, as its last record, a link with a reference to it. The
//!     waiting chain in turn holds a reference to the awaited one, to pass a
//!     cancel on. Delivery ends both. The records of a waiting chain may be
//!     read by its deliverer's runner: nobody else can start it.
//! 12. *User code* (stages, cancellers, wakers, drops) runs under no lock, and
//!     each panic of it is caught where it is called; that of a stage, by the
//!     run that it is part of.
//! 13. *A home* (where a value goes that nobody takes) is for the type of the
//!     `Consumer`: it is forgotten when a stage is appended, and when the value is
//!     taken. It belongs to the owner of the `Consumer`; once that is dropped, to
//!     the runner of the last record.
//!
//! States, as (flags: who may do what next):
//!
//! | state | next |
//! |---|---|
//! | unfired | the producer or a cancel fires, and so becomes the runner, or the producer takes it straight to rest; the consumer appends |
//! | `RUNNING` | the runner runs stages, waits, or goes to rest; the consumer appends |
//! | `WAITING` | the deliverer makes it `RUNNING`; the consumer appends |
//! | held: fired, idle, paused | the last unpause makes it `RUNNING`; the consumer appends |
//! | at rest | the owner of the consumer takes the value, or appends and runs |
//! | `FORWARDED` | nothing: a middle that let go, of which only handles are left |

mod after_stage;
mod arena;
mod block;
mod cancel;
mod consumer;
mod due_run;
mod empty_chain;
mod fast_fire;
mod give_back;
mod info;
mod link;
#[cfg(tokio_deferred_loom)]
mod models;
mod on_thread;
mod pause;
mod pool;
mod producer;
mod record;
mod repr;
mod resolver;
mod run;
mod shared_future;
mod slot;
mod span;
mod stage;
mod state;
mod trampoline;
mod unhandled;
mod waker;

pub(crate) use cancel::{Attempt, AwaitState, CancelRequest, Delegate, Handle, Running, Sent};
pub(crate) use consumer::{Awaiter, Consumer, OnCancel, pair, pair_with};
pub(crate) use due_run::DueRun;
pub(crate) use empty_chain::EmptyChain;
pub(crate) use give_back::{GiveBack, ReturnTo};
pub(crate) use info::{WATCH, Watch, WatchState};
pub(crate) use on_thread::OnThread;
pub(crate) use pause::PauseGuard;
pub(crate) use producer::Producer;
pub(crate) use repr::{Repr, ResultAndPlace};
pub use resolver::Resolver;
pub(crate) use shared_future::{Controller, FirstTurn, OutputSink, PollErased, SharedFuture};
pub(crate) use span::CurrentSpan;
pub(crate) use stage::{Handles, Site, Stage, Step, call, with_trace};
pub(crate) use trampoline::{drains, is_deep, nested, trampoline};
