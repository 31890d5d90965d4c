//! The XML-RPC methods: functions from parameters to a Deferred value.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use dxr::{Fault, TryFromParams, TryToValue, Value};
use dxr_server::{Handler, HandlerMap, HandlerResult, async_trait};
use tokio_deferred::{Deferred, Failure};

use crate::factorials::Factorials;
use crate::faults;
use crate::product::Factorial;
use crate::sessions::Sessions;

/// What all methods share.
pub(crate) struct Service {
    pub(crate) factorials: Factorials,
    pub(crate) sessions: Sessions,
    pub(crate) largest: u32,
}

/// What a method is here; whether it has the value or waits for it, only the
/// Deferred knows.
type Call = fn(&Service, &[Value]) -> Deferred<Value>;

/// One method, as the XML-RPC library wants it.
struct Method {
    service: Arc<Service>,
    call: Call,
}

#[async_trait]
impl Handler for Method {
    async fn handle(&self, params: &[Value], _headers: HeaderMap) -> HandlerResult {
        let reply = (self.call)(&self.service, params);
        reply.await.map_err(|error| faults::fault(&error))
    }
}

/// Routes XML-RPC calls to the methods of `service`.
pub(crate) fn router(service: &Arc<Service>) -> Router {
    let methods: [(&'static str, Call); 4] = [
        ("factorial", factorial),
        ("createSession", create_session),
        ("factorialInSession", factorial_in_session),
        ("stats", stats),
    ];
    let handlers: HandlerMap = Arc::new(HashMap::from(methods.map(|(name, call)| {
        let service = Arc::clone(service);
        (name, Box::new(Method { service, call }) as Box<dyn Handler>)
    })));
    let endpoint = post(async move |headers: HeaderMap, body: String| {
        dxr_server::server(Arc::clone(&handlers), &body, headers).await
    });
    // Clients differ in which of the two they call when they are given none.
    Router::new()
        .route("/", endpoint.clone())
        .route("/RPC2", endpoint)
}

fn factorial(service: &Service, params: &[Value]) -> Deferred<Value> {
    Deferred::maybe(|| {
        let n = natural(&Value::try_from_params(params)?, service.largest)?;
        Ok::<_, Failure>(service.factorials.get(n))
    })
    .flatten()
    .add_callback(reply)
}

fn create_session(service: &Service, params: &[Value]) -> Deferred<Value> {
    Deferred::maybe(|| {
        <()>::try_from_params(params)?;
        Ok::<_, Failure>(Value::String(service.sessions.create()?))
    })
}

fn factorial_in_session(service: &Service, params: &[Value]) -> Deferred<Value> {
    Deferred::maybe(|| {
        let (code, n) = <(String, Value)>::try_from_params(params)?;
        service.sessions.check(&code)?;
        let n = natural(&n, service.largest)?;
        Ok::<_, Failure>(service.factorials.get(n))
    })
    .flatten()
    .add_callback(reply)
}

fn stats(service: &Service, params: &[Value]) -> Deferred<Value> {
    Deferred::maybe(|| {
        <()>::try_from_params(params)?;
        let counters = &service.factorials.counters;
        // In this order a call that is answered meanwhile makes `pending` too
        // large by one, never negative.
        let answered = counters.answered.load(Ordering::Relaxed);
        let calls = counters.calls.load(Ordering::Relaxed);
        let numbers = BTreeMap::from([
            ("calls", calls),
            ("pending", calls.saturating_sub(answered)),
            ("computed", counters.computed.load(Ordering::Relaxed)),
            ("cached", counters.cached.load(Ordering::Relaxed)),
            ("shared", counters.shared.load(Ordering::Relaxed)),
            (
                "multiplications",
                counters.multiplications.load(Ordering::Relaxed),
            ),
            ("sessions", service.sessions.len() as u64),
        ]);
        let numbers: BTreeMap<_, _> = numbers
            .into_iter()
            .map(|(name, number)| (name, integer(number)))
            .collect();
        Ok::<_, Failure>(numbers.try_to_value()?)
    })
}

/// Reads `n`, a whole number from 0 to `largest`.
fn natural(value: &Value, largest: u32) -> Result<u32, Failure> {
    let n = match *value {
        Value::Integer(n) => i64::from(n),
        Value::Long(n) => n,
        _ => {
            let message = "n must be a whole number";
            return Err(Fault::new(faults::BAD_ARGUMENTS, message.into()).into());
        }
    };
    match u32::try_from(n) {
        Ok(n) if n <= largest => Ok(n),
        _ => {
            let message = format!("n must be from 0 to {largest}, not {n}");
            Err(Fault::new(faults::OUT_OF_RANGE, message).into())
        }
    }
}

/// A number while 64 bits hold it, decimal digits from there on.
fn reply(factorial: Arc<Factorial>) -> Result<Value, Failure> {
    Ok(match u64::try_from(&factorial.value) {
        Ok(small) if i64::try_from(small).is_ok() => integer(small),
        _ => Value::String(factorial.digits.clone()),
    })
}

/// The four-byte integer of the XML-RPC specification where it is wide enough,
/// for clients that know no other, and the common eight-byte extension beyond.
fn integer(number: u64) -> Value {
    match i32::try_from(number) {
        Ok(small) => Value::Integer(small),
        Err(_) => Value::Long(i64::try_from(number).unwrap_or(i64::MAX)),
    }
}
