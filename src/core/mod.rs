//! The core: one block of memory a chain, its state in one atomic word, its
//! stages stored in it. The only module with `unsafe`.
//!
//! A chain has one producer, [`Producer`], which fires it, and one consumer,
//! [`Consumer`], which adds stages and in the end takes or gives up the result.
//! Any number of [`Handle`]s cancel it and any number of [`PauseGuard`]s hold
//! it up. All own a counted reference to the [`Block`](memory::block::Block), and
//! so does an [`EmptyChain`], which is what a `Consumer` leaves whose result was
//! taken.
//!
//! # Where to read
//!
//! Each layer knows those below it only; a test reads the imports.
//!
//! | layer | what it has |
//! |---|---|
//! | [`repr`] | what a `Deferred<T>` is: a value, or a chain |
//! | [`ends`] | producer, consumer, stages: the typed surface |
//! | [`engine`] | append, fire, run, wait, collapse, cancel, wake |
//! | [`memory`] | the block, its records, what its slot may hold |
//! | [`state`] | the state machine: every transition, by name |
//!
//! Two files are not about chains: [`shared_future`] keeps a future that several
//! threads poll in turn, [`on_thread`] a value that stays on its thread. To follow one fire, begin at [`Producer::fire`]:
//!
//! ```text
//!  Resolver::callback                       chain/resolver.rs
//!   └ Producer::fire                        ends/producer.rs
//!      ├ fast_fire::fire                    a word, and nothing to run: one step, done
//!      └ AtomicState::claim_at_once, fill   UNFIRED -> RUNNING, the result in the slot
//!         └ run                             engine/run.rs, this thread is the runner
//!            ├ RecordVTable::run            ends/stage.rs: a stage, its result in the slot
//!            │   └ Flow::Wait               the stage returned a chain: wait::wait, or collapse
//!            ├ Flow::Deliver                the chain is over: wait::deliver, run the waiting one
//!            └ AtomicState::stop            no record is left: AT REST
//!               └ waker::wake               the task that awaits the chain
//! ```
//!
//! # The block of a chain
//!
//! ```text
//!  0       8          32       40        48     56          72      80       84          88         96       112
//!  ├ state ┼ slot, 24 ┼ inline ┼ put     ┼ info ┼ reader 16 ┼ write ┼ writer ┼ wait_     ┼ awaited_ ┼ waker 16 ┼ room for
//!  │       │          │ value  │         │      │           │       │        │ generation│ by       │          │ records
//!  any      by state   producer never     any    runner      owner   owner    runner      owner      [waker]    owner writes,
//!  (atomic) [slot]     [slot]   changes   (atomic)           of the consumer              of the                runner reads
//!                                                                                         consumer
//! ```
//!
//! # The states of a chain
//!
//! ```text
//!                    claim (fire, cancel, drop of the producer)
//!    UNFIRED ────────────────────────────────────────────► RUNNING ◄────────────────┐
//!       │  fire_inline: a word, and nothing to run            │ │ │   unpause        │ note_appended:
//!       │  (one compare-exchange)                             │ │ └──► PAUSED ──────┤ a stage is added
//!       │                                               stop  │ │ stop              │ (run_from_rest)
//!       └────────────────────────────► AT REST ◄──────────────┘ │                   │
//!                                         └─────────────────────┼───────────────────┘
//!                            running_to_waiting: a stage        │     ▲ waiting_to_running
//!                            returned a chain                   ▼     │ (the runner of that chain)
//!                                                            WAITING ─┘
//!                                                               │ only a link is left: collapse
//!                                                               ▼ running_ or waiting_to_forwarded
//!                                                           FORWARDED (handles only)
//! ```
//!
//! | state | what may happen next, and the method of [`AtomicState`](state::AtomicState) |
//! |---|---|
//! | UNFIRED | the producer fires: `claim`, `claim_at_once`, `fire_inline`; a cancel: `claim_for_cancel`, `lock_hooks` and `unlock_*`; the consumer appends: `note_appended` |
//! | RUNNING | the runner runs stages, waits (`running_to_waiting`), collapses (`running_to_forwarded`), stops (`stop`, `stop_and_take_waker`), ends (`end_run`); the consumer appends; other threads leave calls (`note_call`) |
//! | WAITING | the deliverer ends the wait (`waiting_to_running`) or collapses (`waiting_to_forwarded`); a cancel looks whom to go to (`lock_wait`); the consumer appends |
//! | PAUSED: fired, idle, with pauses | the last unpause makes it run (`unpause`); the consumer appends |
//! | AT REST | the owner of the consumer takes the value, appends and runs (`note_appended`), or closes (`note_closed`) |
//! | FORWARDED | nothing: an intermediate chain that was collapsed, of which only handles are left |
//!
//! # Rules
//!
//! They are cited by name, in brackets, where code relies on them.
//!
//! - **[references]** A `ChainPtr` is used only while its user holds, or borrows
//!   from one who holds, a counted reference. The count stands in the state word.
//!   The thread that takes it to zero frees the block, and touches it no more.
//! - **[one fire]** A chain is fired once, by the compare-exchange that also makes
//!   the caller the runner or takes the chain straight to rest; an `EmptyChain` is
//!   fired from the start.
//! - **[one runner]** The thread that makes the state RUNNING is the runner until
//!   it ends that state. It alone reads records and moves on in them, and it holds
//!   a reference.
//! - **[slot]** The slot belongs, by state: UNFIRED, to the thread that holds the
//!   lock (it may hold the [`CancelHooks`](memory::cancel_hooks::CancelHooks), as
//!   the state says); RUNNING, to the runner (the value between two stages);
//!   WAITING, to the thread that holds the lock (the
//!   [`Wait`](memory::links::Wait)) and to the runner of the awaited chain, which
//!   ends the wait; PAUSED or AT REST, to the owner of the consumer. FORWARDED, it
//!   holds a [`Forward`](memory::links::Forward) and changes no more. The place of
//!   the *inline value* is the producer's; where the state says that the value is
//!   there, it is in place of the slot, and belongs to the slot's owner.
//! - **[lock]** The lock over the slot is held for a few instructions, over no
//!   allocation and no code of the user's. A thread that would end the state in
//!   which it may be held (that fires, or delivers) waits until it is clear.
//! - **[one writer]** The owner of the consumer alone appends records. It stores
//!   `write` after the record is complete and then, always, performs a
//!   read-modify-write on the state: either it finds the chain at rest and becomes
//!   the runner, or it notes that it appended. A runner goes to rest only by a
//!   compare-exchange on a state without such a note, and after it cleared the
//!   note it reads `write` again. So no record is overlooked.
//! - **[types]** The value in the slot is a `Result<T, Failure>` where `T` is the
//!   input type of the next record, or, if none is left, that of the consumer.
//!   Producer, consumer and stages keep this by their type parameters.
//! - **[last record]** The last record consumes the value. After it there is none,
//!   so a chain whose consumer is gone never keeps a value. It stands where
//!   `write` points and is made known by the state alone: consuming it may free
//!   the block, so it must not be seen before its writer's last step.
//! - **[rest]** AT REST is fired, and neither running, waiting nor paused. There
//!   nobody moves the chain but the owner of the consumer.
//! - **[waker]** The waker's place belongs to the owner of the consumer while the
//!   state says neither that a waker is there nor that a runner takes it; while one
//!   is there, to the thread that clears that note: the owner of the consumer, or
//!   the runner, in the step in which it goes to rest. Such a runner then owns the
//!   place until it has moved the waker out.
//! - **[links]** A chain that waits has exactly one deliverer: the chain it waits
//!   for has, as its last record, a link with a reference to it. The waiting chain
//!   in turn holds a reference to the awaited one, to pass a cancel on. Delivery
//!   ends both. The records of a waiting chain may be read by its deliverer's
//!   runner: no other thread can start it.
//! - **[user code]** Stages, cancellers, wakers and drops run under no lock, and
//!   each panic of theirs is caught where they are called; that of a stage, by the
//!   run that it is part of.
//! - **[home]** Where a value goes that nobody takes is for the type of the
//!   consumer: it is forgotten when a stage is appended, and when the value is
//!   taken. It belongs to the owner of the consumer; once that is gone, to
//!   the runner of the last record.

mod ends;
mod engine;
mod memory;
#[cfg(tokio_deferred_loom)]
mod models;
mod on_thread;
mod repr;
mod shared_future;
mod state;

pub use ends::resolver::Resolver;
pub(crate) use ends::{
    consumer::{OnCancel, pair, pair_with},
    give_back::{GiveBack, ReturnTo},
    pause::PauseGuard,
    stage::{Handles, Site, Stage, Step, call, with_trace},
    types::{Consumer, EmptyChain, Producer, ResultAndPlace},
};
pub(crate) use engine::{
    cancel::{Attempt, Running, Sent},
    due_run::DueRun,
    resume::{Resume, is_in_wake, resume, wake_and_resume},
    span::{CurrentSpan, current_span, in_span},
    trampoline::{drains, is_deep, nested, trampoline},
};
pub(crate) use memory::{
    awaiter::{AwaitState, Awaiter},
    block::Handle,
    cancel_hooks::{CancelRequest, Delegate},
    info::{WATCH, Watch, WatchState},
};
pub(crate) use on_thread::OnThread;
pub(crate) use repr::Repr;
pub(crate) use shared_future::{Controller, FirstTurn, OutputSink, PollErased, SharedFuture};
