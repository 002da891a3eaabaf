//! What orchestrators ask.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::service::readiness::Readiness;

/// The process answers. Touches nothing: a restart cures no database.
pub(super) async fn live() -> Response {
    text(StatusCode::OK, "live\n".to_owned())
}

/// Whether traffic is welcome, and if not, why.
pub(super) async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    match readiness.obstacle() {
        None => text(StatusCode::OK, "ready\n".to_owned()),
        Some(obstacle) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{obstacle}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    (status, body).into_response()
}
