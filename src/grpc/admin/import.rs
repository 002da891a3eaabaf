//! `ImportUsers`: users come one by one, are created many at a time, and each
//! is told how it ended, in their order.

use std::mem;

use tokio::{sync::mpsc, time::timeout};
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use crate::{
    domain::{error::AuthError, id::UserId, password::PasswordHash},
    grpc::pb::admin::{self as pb, import_users_response::Outcome},
    peers::PeerNames,
    service::{
        Administrator,
        import::{IMPORT_BATCH, ImportUserRequest},
    },
};

use super::{AdminEdge, names, users::new_profile};
use crate::grpc::{
    request::{bearer, caller},
    status::in_stream,
};

/// What is told of each row.
pub(super) type Results = ReceiverStream<Result<pb::ImportUsersResponse, Status>>;

type Row = Result<ImportUserRequest, AuthError>;

/// Begins, in a task of its own that ends with the stream.
pub(super) fn start(
    edge: AdminEdge,
    request: Request<Streaming<pb::ImportUsersRequest>>,
    admin: Administrator,
) -> Results {
    let (results, stream) = mpsc::channel(IMPORT_BATCH);
    tokio::spawn(async move {
        let (failed, request_id) = (results.clone(), caller(&request).request_id);
        if let Err(error) = run(edge, request, admin, results).await {
            let status = match error {
                Failed::Here(error) => in_stream(&error, &request_id),
                Failed::There(status) => status,
            };
            // Nobody may be there any more to hear it.
            drop(failed.send(Err(status)).await);
        }
    });
    ReceiverStream::new(stream)
}

/// Where a stream has broken.
enum Failed {
    /// On our side.
    Here(AuthError),
    /// On the caller's: what it sent is no message, or it is gone.
    There(Status),
}

impl From<AuthError> for Failed {
    fn from(error: AuthError) -> Self {
        Self::Here(error)
    }
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self::There(status)
    }
}

async fn run(
    edge: AdminEdge,
    request: Request<Streaming<pb::ImportUsersRequest>>,
    mut admin: Administrator,
    results: mpsc::Sender<Result<pb::ImportUsersResponse, Status>>,
) -> Result<(), Failed> {
    let names = request.extensions().get::<PeerNames>().cloned().unwrap_or_default();
    let (bearer, caller) = (bearer(request.metadata())?.map(str::to_owned), caller(&request));
    let mut rows = request.into_inner();
    let (mut batch, mut told) = (Vec::with_capacity(IMPORT_BATCH), Told::default());
    loop {
        let next = tokio::select! {
            () = edge.bounds.shutdown.cancelled() => None,
            next = timeout(edge.bounds.silence, rows.message()) => {
                next.map_err(|_| AuthError::DeadlineExceeded)??
            }
        };
        let ended = next.is_none();
        batch.extend(next.map(parse));
        if ended || batch.len() >= IMPORT_BATCH {
            // Judged anew for every batch: whoever lost the role stops here.
            if !batch.is_empty() {
                admin = edge.auth.administrator(bearer.as_deref(), &names, caller.clone()).await?;
            }
            for response in create(&edge, mem::take(&mut batch), &admin, &mut told).await? {
                if results.send(Ok(response)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if ended {
            return Ok(());
        }
    }
}

fn parse(row: pb::ImportUsersRequest) -> Row {
    let pb::ImportUsersRequest { user, password_hash } = row;
    let profile = new_profile(user)?;
    Ok(ImportUserRequest { profile, password_hash: PasswordHash::new(password_hash) })
}

/// How far the stream is.
#[derive(Debug, Default)]
struct Told {
    rows: i64,
    created: i64,
}

/// Creates those that can be, and says of all how it ended.
async fn create(
    edge: &AdminEdge,
    batch: Vec<Row>,
    admin: &Administrator,
    told: &mut Told,
) -> Result<Vec<pb::ImportUsersResponse>, AuthError> {
    let (mut requests, mut invalid) = (Vec::new(), Vec::new());
    for row in batch {
        invalid.push(row.map(|request| requests.push(request)).err());
    }
    let mut created = edge.auth.import_users(requests, admin).await?.into_iter();
    let mut responses = Vec::with_capacity(invalid.len());
    for error in invalid {
        let result = match error {
            Some(error) => Err(error),
            None => created.next().unwrap_or_else(|| Err(AuthError::internal("a row was lost"))),
        };
        responses.push(told.of(result)?);
    }
    Ok(responses)
}

impl Told {
    /// What is wrong with one row stops nothing; anything else does.
    fn of(
        &mut self,
        result: Result<UserId, AuthError>,
    ) -> Result<pb::ImportUsersResponse, AuthError> {
        self.rows += 1;
        let outcome = match result {
            Ok(id) => {
                self.created += 1;
                Outcome::Created(names::user(id))
            }
            Err(AuthError::AlreadyExists(field)) => Outcome::Taken(field.to_owned()),
            Err(error @ AuthError::InvalidArgument(_)) => Outcome::Invalid(error.to_string()),
            Err(error) => return Err(error),
        };
        let (row, created_total) = (self.rows, self.created);
        Ok(pb::ImportUsersResponse { row, outcome: Some(outcome), created_total })
    }
}
