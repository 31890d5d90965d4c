//! Models of the core: chains without anything that is built on them.

#[cfg(test)]
mod cancel;
#[cfg(test)]
mod fast_fire;
#[cfg(test)]
mod fire;
#[cfg(test)]
mod links;
#[cfg(test)]
mod pause;

pub(super) use crate::models::count;
