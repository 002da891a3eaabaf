//! Code generated from `proto/`.

/// `tokenward.auth.v1`.
#[expect(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the comments are in the .proto files"
)]
pub mod auth {
    tonic::include_proto!("tokenward.auth.v1");
}

/// `tokenward.admin.v1`.
#[expect(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the comments are in the .proto files"
)]
pub mod admin {
    tonic::include_proto!("tokenward.admin.v1");
}

/// Every descriptor of `proto/`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("tokenward_descriptor");
