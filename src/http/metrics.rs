//! `GET /metrics`, for Prometheus and its like.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::telemetry::metrics::{CONTENT_TYPE, Metrics};

use super::problem::Problem;

/// What was counted and measured until now.
pub(super) async fn serve(State(metrics): State<Arc<Metrics>>) -> Response {
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE)];
    match metrics.encode() {
        Ok(text) => (headers, text).into_response(),
        Err(_) => Problem::INTERNAL.into_response(),
    }
}
