//! Lists: modes, cancels, late results, threads, tasks, and size.

mod homes;
mod late;
mod modes;
mod running;
mod size;
mod tasks;
mod threads;
