//! Tools for finding out what Deferreds do.

pub use crate::failure::set_unhandled_hook;
