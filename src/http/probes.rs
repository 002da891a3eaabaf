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

/// Whether traffic is welcome, and if not, why; and what an operator should
/// see to all the same.
pub(super) async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    let remark = readiness.remark().map(|remark| format!("{remark}\n")).unwrap_or_default();
    match readiness.obstacle() {
        None => text(StatusCode::OK, format!("ready\n{remark}")),
        Some(obstacle) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{obstacle}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    (status, body).into_response()
}
