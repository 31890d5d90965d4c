//! Lists: modes, cancels, late results, threads, tasks, and size.

#[path = "list/late.rs"]
mod late;
#[path = "list/modes.rs"]
mod modes;
#[path = "list/size.rs"]
mod size;
#[path = "list/tasks.rs"]
mod tasks;
#[path = "list/threads.rs"]
mod threads;
