//! The faults that clients see. The XML-RPC library numbers its own like HTTP
//! statuses (400 for bad arguments, 404 for an unknown method), so these are too.

use dxr::Fault;
use tokio_deferred::DeferredError;

pub(crate) const BAD_ARGUMENTS: i32 = 400;
pub(crate) const UNKNOWN_SESSION: i32 = 401;
pub(crate) const OUT_OF_RANGE: i32 = 416;
pub(crate) const TOO_MANY_SESSIONS: i32 = 429;
const INTERNAL: i32 = 500;

/// Turns the failure of a call into the fault that its client gets.
pub(crate) fn fault(error: &DeferredError) -> Fault {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        fault.clone()
    } else if let Some(error) = error.downcast_ref::<dxr::Error>() {
        Fault::new(BAD_ARGUMENTS, error.to_string())
    } else {
        Fault::new(INTERNAL, format!("{error:#}"))
    }
}
