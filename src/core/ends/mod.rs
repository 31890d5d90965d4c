//! The typed ends of a chain: what the rest of the crate holds.
//!
//! | file | what it has |
//! |---|---|
//! | [`types`] | the owners of a chain's references |
//! | [`producer`] | fires |
//! | [`consumer`] | adds stages, takes the result or gives it up |
//! | [`empty_chain`] | a chain whose result was taken |
//! | [`pause`] | holds a chain up |
//! | [`stage`] | what a chain runs |
//! | [`give_back`] | where a value goes back to that nobody took |
//! | [`unhandled`] | what becomes of a result that nobody takes |
//! | [`resolver`] | the producer as users hold it |

pub(super) mod consumer;
pub(super) mod empty_chain;
pub(super) mod give_back;
pub(super) mod pause;
pub(super) mod producer;
pub(super) mod resolver;
pub(super) mod stage;
pub(super) mod types;
pub(super) mod unhandled;
