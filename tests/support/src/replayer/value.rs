//! The values that programs pass along, and the names of the failures they see.

use serde::{Serialize, Serializer};
use tokio_deferred::{Cancelled, DeferredError, Failure, FailureGroup, FirstError, QueueUnderflow};

/// What a deferred of a program delivers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Int(i64),
    /// Whether a child of a list succeeded.
    Flag(bool),
    /// The failure of a child of a list.
    Name(String),
    List(Vec<Value>),
}

// By hand: a derive would make the first build of the examples longer.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Int(number) => number.serialize(serializer),
            Value::Flag(flag) => flag.serialize(serializer),
            Value::Name(name) => name.serialize(serializer),
            Value::List(values) => values.serialize(serializer),
        }
    }
}

/// A result as stages see it.
pub type Input = Result<Value, Failure>;

/// One of the failures that programs make: `E0` to `E4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("E{0}")]
pub struct ProgramError(pub u8);

/// What a list of `(success, result)` looks like in a trace.
pub fn report_list(reports: Vec<Result<Value, DeferredError>>) -> Value {
    let pair = |report: Result<Value, DeferredError>| match report {
        Ok(value) => Value::List(vec![Value::Flag(true), value]),
        Err(error) => failed_pair(error.failure()),
    };
    Value::List(reports.into_iter().map(pair).collect())
}

/// The list that Twisted fires with where this library fails with a
/// [`FailureGroup`].
pub fn failed_list(group: &FailureGroup) -> Value {
    Value::List(group.failures.iter().map(failed_pair).collect())
}

fn failed_pair(failure: &Failure) -> Value {
    Value::List(vec![Value::Flag(false), Value::Name(name_of(failure))])
}

/// The position of a winner as a value.
pub fn position(index: usize) -> Value {
    Value::Int(i64::try_from(index).unwrap_or(i64::MAX))
}

/// The name that a trace gives to `failure`.
///
/// The outermost error alone decides: `check` would follow `source()` and find
/// the failure of a child where an aggregate was meant.
pub fn name_of(failure: &Failure) -> String {
    // The failure's own error, not one of its sources.
    let error = failure.error();
    if let Some(named) = error.downcast_ref::<ProgramError>() {
        named.to_string()
    } else if error.downcast_ref::<Cancelled>().is_some() {
        "Cancelled".to_owned()
    } else if let Some(first) = error.downcast_ref::<FirstError>() {
        format!("FirstError({},{})", first.index, name_of(&first.failure))
    } else if let Some(group) = error.downcast_ref::<FailureGroup>() {
        let names: Vec<String> = group.failures.iter().map(name_of).collect();
        format!("FailureGroup({})", names.join(","))
    } else if error.downcast_ref::<QueueUnderflow>().is_some() {
        "QueueUnderflow".to_owned()
    } else {
        // No program expects it, so that it shows as a mismatch with its text.
        format!("?{failure}")
    }
}
