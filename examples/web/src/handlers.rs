//! The async side: axum handlers that await the ledger's Deferreds.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio_deferred::DeferredError;

use crate::ledger::{DoesNotFit, Ledger};
use crate::tally::{Snapshot, Tally};

pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) tally: Arc<Tally>,
    pub(crate) limit: Duration,
}

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/add", post(add))
        .route("/stats", get(stats))
        .with_state(app)
}

#[derive(Deserialize)]
struct Posting {
    amount: i64,
    /// Milliseconds that the ledger takes to make it.
    #[serde(default)]
    delay: u32,
}

/// Answers with the total once the ledger's thread has made the posting.
async fn add(
    State(app): State<Arc<App>>,
    Query(posting): Query<Posting>,
) -> Result<String, Refusal> {
    let visit = app.tally.enter();
    let delay = Duration::from_millis(posting.delay.into());
    // Two things end the wait early, and both cancel the posting: the timeout,
    // and the client's going away, on which hyper drops this future.
    let total = app
        .ledger
        .add(posting.amount, delay)
        .add_timeout(app.limit)
        .cancel_on_drop()
        .await;
    visit.end(&total);
    Ok(format!("{}\n", total?))
}

#[derive(Serialize)]
struct Stats {
    #[serde(flatten)]
    requests: Snapshot,
    /// Postings that the ledger's thread still holds.
    held: usize,
}

async fn stats(State(app): State<Arc<App>>) -> Result<String, (StatusCode, String)> {
    let stats = Stats {
        requests: app.tally.snapshot(),
        held: app.ledger.held(),
    };
    match serde_json::to_string(&stats) {
        Ok(text) => Ok(text + "\n"),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// A failure, as HTTP tells it.
struct Refusal(DeferredError);

impl From<DeferredError> for Refusal {
    fn from(error: DeferredError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error) = self;
        if let Some(error) = error.downcast_ref::<DoesNotFit>() {
            return (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response();
        }
        let status = if error.is_timed_out() {
            StatusCode::GATEWAY_TIMEOUT
        } else if error.is_resolver_dropped() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        (status, format!("{error:#}\n")).into_response()
    }
}
