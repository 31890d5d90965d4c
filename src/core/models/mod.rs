//! Models of the core: chains without anything that is built on them.

#[cfg(test)]
mod cancel;
#[cfg(test)]
mod early;
#[cfg(test)]
mod fire;
#[cfg(test)]
mod links;
#[cfg(test)]
mod pause;

pub(super) use crate::models::count;
