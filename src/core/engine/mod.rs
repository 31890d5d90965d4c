//! What moves a result through chains. It knows the memory, and no value's type.
//!
//! | file | what it does |
//! |---|---|
//! | [`append`] | adds a record to a chain |
//! | [`fire`] | puts a result in, and starts the run |
//! | [`fast_fire`] | the same for a value of a word, in one step |
//! | [`run`] | runs records, one after the other |
//! | [`wait`] | makes a chain wait for another, and ends that |
//! | [`link`] | the record that ends an awaited chain |
//! | [`collapse`] | takes out a chain that would only pass a result on |
//! | [`cancel`] | finds what a cancel reaches, and asks it |
//! | [`after_stage`] | keeps cancels until the stage that runs is over |
//! | [`waker`] | keeps and wakes the task that awaits a chain |
//! | [`resume`] | coroutines that the thread whose fire woke them polls |
//! | [`span`] | the `tracing` span of a stage |
//! | [`due_run`], [`after_run`] | runs that the runner of this thread starts when it has time |
//! | [`trampoline`] | steps that may nest without end, kept off the stack |

pub(super) mod after_run;
pub(super) mod after_stage;
pub(super) mod append;
pub(super) mod cancel;
pub(super) mod collapse;
pub(super) mod due_run;
pub(super) mod fast_fire;
pub(super) mod fire;
pub(super) mod link;
pub(super) mod resume;
pub(super) mod run;
pub(super) mod span;
pub(super) mod trampoline;
pub(super) mod wait;
pub(super) mod waker;
