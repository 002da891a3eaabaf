//! The protobuf codec, with two differences from tonic's own: bytes that are
//! not the message are the caller's mistake, `INVALID_ARGUMENT`, and not an
//! internal error; and a message of very many fields is refused before it is
//! decoded, because two bytes of an empty submessage become a hundred in memory.

use bytes::Buf as _;
use prost::{
    Message,
    encoding::{DecodeContext, decode_key, skip_field},
};
use tonic::{
    Status,
    codec::{Codec as TonicCodec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// The most fields of a message, repetitions counted. A `BatchVerify` may have
/// 100; a few more may come, to be told so by name.
const FIELDS_MAX: usize = 1000;

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

impl<U: Message + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let malformed =
            || Status::invalid_argument("the request is not a valid protobuf message of its type");
        // The body is one piece of memory: its first chunk is all of it.
        if !has_few_fields(bytes.chunk()) {
            return Err(malformed());
        }
        self.0.decode(bytes).map_err(|_| malformed())
    }
}

/// Walks over the fields without decoding any.
fn has_few_fields(mut bytes: &[u8]) -> bool {
    for _ in 0..FIELDS_MAX {
        if bytes.is_empty() {
            return true;
        }
        let skipped = decode_key(&mut bytes).and_then(|(tag, wire_type)| {
            skip_field(wire_type, tag, &mut bytes, DecodeContext::default())
        });
        if skipped.is_err() {
            return false;
        }
    }
    bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GT-12: 1 MiB of empty submessages would take 100 MiB.
    #[test]
    fn gt_12_a_bomb_of_small_fields_is_refused() {
        let empty_submessages = |count: usize| [0x0a, 0x00].repeat(count);
        assert!(has_few_fields(&[]));
        assert!(has_few_fields(&empty_submessages(FIELDS_MAX)));
        assert!(!has_few_fields(&empty_submessages(FIELDS_MAX + 1)));
        assert!(!has_few_fields(&[0x0a, 0x05, 0x00]), "shorter than it says");
        assert!(!has_few_fields(&[0x0b].repeat(900)), "nested groups");
    }
}
