//! Several Deferreds of different types as one.

use super::group::{Combine, Group, Options};
use crate::chain::Deferred;
use crate::core::GiveBack;
use crate::failure::Failure;
use std::panic::Location;

/// Makes one Deferred of a tuple of up to eight: their values, in a tuple.
///
/// The first failure is its failure, at once; the others go on, and if they
/// fail as well, that is reported as unhandled. Cancelling it cancels each of
/// them in order; what comes of that is the result, and is not reported.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, join, testing};
///
/// let both = join((Deferred::succeed(1), Deferred::succeed("one")));
/// assert_eq!(testing::success_of(both), (1, "one"));
/// ```
#[track_caller]
pub fn join<J: JoinAll>(deferreds: J) -> Deferred<J::Values> {
    deferreds.join_all(Location::caller())
}

/// A tuple of Deferreds, for [`join`].
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, JoinAll, join, testing};
///
/// /// Any tuple of Deferreds, as text.
/// fn show<J: JoinAll<Values: std::fmt::Debug>>(deferreds: J) -> Deferred<String> {
///     join(deferreds).map(|values| format!("{values:?}"))
/// }
///
/// let both = show((Deferred::succeed(1), Deferred::succeed("one")));
/// assert_eq!(testing::success_of(both), r#"(1, "one")"#);
/// ```
pub trait JoinAll: sealed::Sealed {
    /// The tuple of their values.
    type Values: Send + 'static;

    #[doc(hidden)]
    fn join_all(self, made: &'static Location<'static>) -> Deferred<Self::Values>;
}

/// The values as they are, in a tuple; or the first failure as it is.
struct Tuple;

macro_rules! join_tuple {
    ($Value:ident: $($T:ident $n:tt),+) => {
        /// The value of one of the children.
        enum $Value<$($T),+> {
            $($T($T)),+
        }

        impl<$($T: Send + 'static),+> Combine<$Value<$($T),+>> for Tuple {
            type Output = ($($T,)+);

            fn first_failure(
                _: usize,
                failure: Failure,
                _: &'static Location<'static>,
            ) -> Failure {
                failure
            }

            fn all(
                mut results: impl ExactSizeIterator<Item = Result<$Value<$($T),+>, Failure>>,
                _: &'static Location<'static>,
            ) -> Result<Self::Output, Failure> {
                Ok(($(
                    match results.next().expect("each child has a result")? {
                        $Value::$T(value) => value,
                        #[allow(unreachable_patterns)] // Of one child.
                        _ => unreachable!("each child has its own slot"),
                    },
                )+))
            }

            fn results(
                output: Self::Output,
            ) -> impl Iterator<Item = (usize, Result<$Value<$($T),+>, Failure>)> {
                [$(($n, Ok($Value::$T(output.$n)))),+].into_iter()
            }
        }

        impl<$($T: Send + 'static),+> sealed::Sealed for ($(Deferred<$T>,)+) {}

        impl<$($T: Send + 'static),+> JoinAll for ($(Deferred<$T>,)+) {
            type Values = ($($T,)+);

            fn join_all(mut self, made: &'static Location<'static>) -> Deferred<Self::Values> {
                let mut homes: Vec<(usize, GiveBack<$Value<$($T),+>>)> = Vec::new();
                $(if let Some(home) = self.$n.take_return_to() {
                    homes.push(($n, Box::new(move |value| {
                        #[allow(irrefutable_let_patterns)] // Of one child.
                        if let $Value::$T(value) = value {
                            home(value);
                        }
                    })));
                })+
                let handles = vec![$(self.$n.pending_handle()),+];
                let options = Options {
                    fire_on_one_errback: true,
                    ..Options::default()
                };
                let (group, d) = Group::<_, Tuple>::of(handles, homes, options, made);
                $(group.watch($n, self.$n, $Value::$T);)+
                drop(group.close());
                d
            }
        }
    };
}

join_tuple!(OneOf1: A 0);
join_tuple!(OneOf2: A 0, B 1);
join_tuple!(OneOf3: A 0, B 1, C 2);
join_tuple!(OneOf4: A 0, B 1, C 2, D 3);
join_tuple!(OneOf5: A 0, B 1, C 2, D 3, E 4);
join_tuple!(OneOf6: A 0, B 1, C 2, D 3, E 4, F 5);
join_tuple!(OneOf7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
join_tuple!(OneOf8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

mod sealed {
    pub trait Sealed {}
}
