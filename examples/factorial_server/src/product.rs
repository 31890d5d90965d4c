//! The work itself: a product of numbers, computed on rayon's threads.

use std::sync::Arc;

use num_bigint::BigUint;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio_deferred::{Deferred, Failure};

/// A factorial, with its decimal digits.
///
/// The digits are kept because making them takes as long as the product does,
/// and must not happen on the threads that serve requests.
#[derive(Debug)]
pub(crate) struct Factorial {
    pub(crate) value: BigUint,
    pub(crate) digits: String,
}

impl Factorial {
    /// `0!`, which every other one can be built on.
    pub(crate) fn of_zero() -> Arc<Self> {
        Arc::new(Self::from(BigUint::from(1_u32)))
    }
}

impl From<BigUint> for Factorial {
    fn from(value: BigUint) -> Self {
        let digits = value.to_string();
        Self { value, digits }
    }
}

/// Multiplies `base` by every number from `first` to `last`.
pub(crate) fn extend(base: Arc<Factorial>, first: u32, last: u32) -> Deferred<Arc<Factorial>> {
    Deferred::from_callback(|resolver| {
        // A panic inside `rayon::spawn` would end the process; `maybe` makes
        // it a failure of this one call.
        rayon::spawn(move || {
            resolver.fire_from(Deferred::maybe(|| {
                let factors = (first..=last)
                    .into_par_iter()
                    .map(BigUint::from)
                    .reduce(|| BigUint::from(1_u32), |left, right| left * right);
                Ok::<_, Failure>(Arc::new(Factorial::from(&base.value * factors)))
            }));
        });
    })
}
