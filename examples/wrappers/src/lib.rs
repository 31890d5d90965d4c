//! Seven callback APIs, each made awaitable twice: with Deferreds, and with
//! `tokio::sync::oneshot`.
//!
//! Each file holds an API in its `mod api`, and the same function in its `mod
//! deferred` and its `mod oneshot`. `tests/compared.rs` runs both through the
//! same events, counts their lines, and holds the tables of the guide's chapter
//! "Wrappers compared" to what it finds.

pub mod by_id;
pub mod c_status;
pub mod closure;
pub mod device;
pub mod main_loop;
pub mod stop_handle;
pub mod twice_or_never;
pub mod two_callbacks;

use thiserror::Error;
use tokio::sync::oneshot::error::RecvError;
use tokio::time::error::Elapsed;

/// The error of the APIs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("refused: code {0}")]
pub struct Refused(pub u32);

/// What the wrappers around `oneshot` fail with. Those around Deferreds need no
/// such type.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the API dropped its callback")]
    Lost(#[from] RecvError),
    #[error(transparent)]
    TimedOut(#[from] Elapsed),
}
