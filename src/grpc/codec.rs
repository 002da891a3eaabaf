//! The protobuf codec, with two differences from tonic's own: bytes that are
//! not the message are the caller's mistake, `INVALID_ARGUMENT`, and not an
//! internal error; and a message of very many fields is refused before it is
//! decoded, because two bytes of an empty submessage become a hundred in memory.

use std::any::TypeId;

use bytes::Buf as _;
use prost::{
    Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use tonic::{
    Status,
    codec::{Codec as TonicCodec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::{domain::error::AuthError, service::verify::BATCH_MAX};

use super::pb::auth::BatchVerifyRequest;

/// The most fields of a message and of those in it, repetitions counted. A
/// `BatchVerify` of 100 questions, each with all the scopes and roles that it
/// may require, has 13 300; decoded, as many are a few megabytes at worst.
pub(super) const FIELDS_MAX: usize = 25_000;
/// How deep a batch is looked into: to the fields of its questions. Every
/// other request holds texts only, and a long text is no crowd of fields.
const BATCH_DEPTH: u8 = 1;

/// Encodes `T`, decodes `U`.
#[derive(Debug)]
pub struct Codec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(self.0.decoder())
    }
}

/// tonic's decoder, with another status for malformed bytes.
#[derive(Debug)]
pub struct StrictDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default + 'static> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // The body is one piece of memory: its first chunk is all of it.
        let is_batch = TypeId::of::<U>() == TypeId::of::<BatchVerifyRequest>();
        if is_batch && is_long_batch(bytes.chunk()) {
            let rule = format!("must have 1 to {BATCH_MAX} entries");
            return Err(AuthError::invalid("requests", rule).into());
        }
        let malformed =
            || Status::invalid_argument("the request is not a valid protobuf message of its type");
        let depth = if is_batch { BATCH_DEPTH } else { 0 };
        if count_fields(bytes.chunk(), depth, FIELDS_MAX) > FIELDS_MAX {
            return Err(malformed());
        }
        self.0.decode(bytes).map_err(|_| malformed())
    }
}

/// A field as it is on the wire.
struct Field<'a> {
    tag: u32,
    /// What it holds if it is length-delimited, else nothing.
    content: &'a [u8],
}

/// Takes the next field from the front. `None`: there is no more, or none
/// that can be read.
fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<Field<'a>> {
    let (tag, wire_type) = decode_key(bytes).ok()?;
    let before = *bytes;
    skip_field(wire_type, tag, bytes, DecodeContext::default()).ok()?;
    if wire_type != WireType::LengthDelimited {
        return Some(Field { tag, content: &[] });
    }
    let mut content = before.get(..before.len().checked_sub(bytes.len())?)?;
    decode_varint(&mut content).ok()?;
    Some(Field { tag, content })
}

/// Counts fields and those in them, up to the first byte that is none and
/// until there are more than `most`. Whether a field is a text or a message
/// does not show: in the texts of a question a few may be found that are none.
fn count_fields(mut bytes: &[u8], depth: u8, most: usize) -> usize {
    let mut count = 0;
    while count <= most
        && let Some(field) = next_field(&mut bytes)
    {
        count += 1;
        if let Some(deeper) = depth.checked_sub(1) {
            count += count_fields(field.content, deeper, most.saturating_sub(count));
        }
    }
    count
}

/// Whether there are more questions than may be asked at once. They are not
/// decoded for nothing but to be counted by the service.
fn is_long_batch(mut bytes: &[u8]) -> bool {
    let fields = std::iter::from_fn(|| next_field(&mut bytes));
    fields.filter(|field| field.tag == 1).nth(BATCH_MAX).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::pb::auth::VerifyRequest;

    /// GT-12: 1 MiB of empty submessages would take 100 MiB, and of empty
    /// texts 12.
    #[test]
    fn gt_12_a_bomb_of_small_fields_is_refused() {
        let count = |bytes: &[u8]| count_fields(bytes, BATCH_DEPTH, FIELDS_MAX);
        let empty = |count: usize| [0x0a, 0x00].repeat(count);
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&empty(FIELDS_MAX)), FIELDS_MAX);
        assert_eq!(count(&empty(FIELDS_MAX + 1)), FIELDS_MAX + 1);
        assert_eq!(count(&empty(500_000)), FIELDS_MAX + 1, "no more is looked at");
        assert_eq!(count(&[0x0a, 0x05, 0x00]), 0, "shorter than it says");
        assert_eq!(count(&[0x0b].repeat(900)), 0, "nested groups");
        let nested = VerifyRequest {
            required_scopes: vec![String::new(); 500_000],
            ..VerifyRequest::default()
        };
        let batch = BatchVerifyRequest { requests: vec![nested] };
        assert!(count(&batch.encode_to_vec()) > FIELDS_MAX);
        // The decoder would take it in up to there.
        let damaged = [batch.encode_to_vec(), vec![0xff]].concat();
        assert!(count(&damaged) > FIELDS_MAX);
    }

    /// No honest message is ever taken for a bomb.
    #[test]
    fn the_largest_batch_is_within_the_bound() {
        let texts = |length| (0..64).map(|_| "x".repeat(length)).collect::<Vec<_>>();
        let question = VerifyRequest {
            token: "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9".repeat(200),
            required_audience: "https://api.example.org".to_owned(),
            required_scopes: texts(255),
            required_roles: texts(255),
            min_revocation_seq: i64::MAX,
            max_staleness: Some(prost_types::Duration { seconds: 1, nanos: 1 }),
        };
        let batch = BatchVerifyRequest { requests: vec![question; BATCH_MAX] };
        let bytes = batch.encode_to_vec();
        let fields = count_fields(&bytes, BATCH_DEPTH, FIELDS_MAX);
        assert_eq!(fields, BATCH_MAX * (1 + 4 + 2 * 64));
        assert!(!is_long_batch(&bytes));
        let alone = batch.requests.into_iter().next().expect("one of them").encode_to_vec();
        assert!(count_fields(&alone, BATCH_DEPTH, FIELDS_MAX) <= alone.len() / 2);
        assert!(alone.len() / 2 < FIELDS_MAX, "{}", alone.len());
    }

    #[test]
    fn a_batch_is_long_from_its_101st_entry_on() {
        let batch = |count: usize| [0x0a, 0x00].repeat(count);
        assert!(!is_long_batch(&batch(BATCH_MAX)));
        assert!(is_long_batch(&batch(BATCH_MAX + 1)));
        assert!(!is_long_batch(&[batch(BATCH_MAX), vec![0x10, 0x01]].concat()), "another field");
    }
}
