//! An XML-RPC client whose calls are Deferreds.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode, Uri};
use dxr::{MethodCall, TryToParams, Value};
use dxr_client::utils::{request_to_body, response_to_result};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio_deferred::{Deferred, Failure};

/// The server answered, but not with XML-RPC.
#[derive(Debug, thiserror::Error)]
#[error("the server answered with HTTP status {0}")]
struct HttpStatus(StatusCode);

/// A connection pool for one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    url: Uri,
    timeout: Duration,
}

impl Client {
    /// Makes a client whose calls take at most `timeout`.
    pub(crate) fn new(url: Uri, timeout: Duration) -> Self {
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        Self { http, url, timeout }
    }

    /// Starts a call at once.
    ///
    /// # Errors
    ///
    /// The failure is a [`dxr::Fault`] when the server refused, `TimedOut`
    /// when it was slow, and else the error of the HTTP client.
    pub(crate) fn call(&self, method: &'static str, params: impl TryToParams) -> Deferred<Value> {
        // Encoded here, not in the coroutine, so that only text goes there.
        let body = params.try_to_params().and_then(|params| {
            request_to_body(&MethodCall {
                name: method.into(),
                params,
            })
        });
        let client = self.clone();
        Deferred::from_coroutine(async move { client.post(body?).await })
            .add_timeout(self.timeout)
            .add_callback(|body| match response_to_result(&body)? {
                Ok(response) => Ok(response.value),
                Err(response) => Err(response.fault.into()),
            })
    }

    async fn post(&self, body: String) -> Result<String, Failure> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "text/xml")
            .body(Full::from(body))?;
        let response = self.http.request(request).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(HttpStatus(status).into());
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(body.into())?)
    }
}
