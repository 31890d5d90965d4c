//! Lists: modes, cancels, late results, threads, tasks, and size.

mod late;
mod modes;
mod size;
mod tasks;
mod threads;
