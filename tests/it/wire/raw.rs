//! Messages as bytes, for what no generated client would send, and the
//! descriptors that say what there is to send.

use bytes::{Buf as _, BufMut as _};
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use tokenward::grpc::pb::FILE_DESCRIPTOR_SET;
use tonic::{
    Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

pub(super) const AUTH_SERVICE: &str = "tokenward.auth.v1.AuthService";
/// Its one method has tests of its own: see `ext_authz`.
const EXT_AUTHZ: &str = "envoy.service.auth.v3.Authorization";
const ADMIN_PACKAGE: &str = "tokenward.admin.v1";

/// Bytes as they are, in both directions.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// One call of any path; gives the bytes of the answer.
pub(super) async fn send(
    channel: &Channel,
    path: &str,
    message: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    send_request(channel, path, Request::new(message)).await
}

/// The same, with metadata.
pub(super) async fn send_request(
    channel: &Channel,
    path: &str,
    request: Request<Vec<u8>>,
) -> Result<Vec<u8>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    grpc.unary(request, path, Raw).await.map(tonic::Response::into_inner)
}

/// A method, by its descriptor.
pub(super) struct Method {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) request: DescriptorProto,
    /// Are there many answers to one request?
    pub(super) streams: bool,
}

/// Every method of `tokenward.auth.v1` that gives one answer, so that none is
/// forgotten. `watch.rs` has the other.
pub(super) fn methods() -> Vec<Method> {
    let ours = |method: &Method| method.path.contains(AUTH_SERVICE) && !method.streams;
    described().into_iter().filter(ours).collect()
}

/// Every method of `tokenward.admin.v1`.
pub(super) fn admin_methods() -> Vec<Method> {
    described().into_iter().filter(|method| method.path.contains(ADMIN_PACKAGE)).collect()
}

fn described() -> Vec<Method> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let services = files.iter().flat_map(|file| file.service.iter().map(move |s| (file, s)));
    let methods = services.flat_map(|(file, service)| {
        let full_name = format!("{}.{}", file.package(), service.name());
        let covered = [AUTH_SERVICE, EXT_AUTHZ].contains(&full_name.as_str())
            || file.package() == ADMIN_PACKAGE;
        assert!(covered, "{full_name} has no coverage");
        service.method.iter().map(move |method| Method {
            name: method.name().to_owned(),
            path: format!("/{full_name}/{}", method.name()),
            request: message(file, method.input_type()),
            streams: method.server_streaming(),
        })
    });
    methods.collect()
}

fn message(file: &FileDescriptorProto, type_name: &str) -> DescriptorProto {
    let name = type_name.rsplit('.').next().unwrap();
    file.message_type.iter().find(|message| message.name() == name).expect("described").clone()
}

impl Method {
    /// The fields that hold text.
    pub(super) fn texts(&self) -> impl Iterator<Item = &FieldDescriptorProto> {
        self.request.field.iter().filter(|field| field.r#type() == Type::String)
    }

    /// Does the request hold a number that names something?
    pub(super) fn has_enum(&self) -> bool {
        self.request.field.iter().any(|field| field.r#type() == Type::Enum)
    }
}

/// A message whose only field is this one, with these bytes as its value.
pub(super) fn only(field: &FieldDescriptorProto, value: &[u8]) -> Vec<u8> {
    assert_ne!(field.label(), Label::Required, "proto3");
    let mut message = Vec::new();
    let tag = u32::try_from(field.number()).unwrap();
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut message);
    prost::encoding::encode_varint(value.len() as u64, &mut message);
    message.extend_from_slice(value);
    message
}
