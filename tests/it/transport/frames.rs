//! HTTP/2 frames by hand (RFC 9113 section 4.1).

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::PATIENCE;

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const GOAWAY: u8 = 0x7;
pub(super) const WINDOW_UPDATE: u8 = 0x8;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(super) const INITIAL_WINDOW_SIZE: u16 = 0x4;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const ENHANCE_YOUR_CALM: u32 = 0xb;

/// `GET / http a`, in HPACK: three entries of the static table and a literal.
pub(super) const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The big-endian number at `offset` of the payload.
    pub(super) fn number(&self, offset: usize) -> u32 {
        u32::from_be_bytes(self.payload[offset..offset + 4].try_into().unwrap())
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The id of the client's n-th stream.
pub(super) fn stream_id(n: u32) -> u32 {
    2 * n + 1
}

/// Begins to speak HTTP/2, and reads and writes from then on separately.
pub(super) async fn begin(stream: TcpStream) -> (Reader, OwnedWriteHalf) {
    begin_with(stream, &[]).await
}

/// The same, with settings (RFC 9113 section 6.5.1).
pub(super) async fn begin_with(
    stream: TcpStream,
    settings: &[(u16, u32)],
) -> (Reader, OwnedWriteHalf) {
    let (read, mut write) = stream.into_split();
    write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let entry =
        |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let settings: Vec<u8> = settings.iter().flat_map(entry).collect();
    write.write_all(&frame(SETTINGS, 0, 0, &settings)).await.unwrap();
    (Reader(read), write)
}

pub(super) struct Reader(OwnedReadHalf);

impl Reader {
    /// The next frame; `None` when the connection has ended.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.try_next()).await.expect("a frame or the end")
    }

    async fn try_next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind: head[3], payload })
    }

    /// Every frame up to the end of the connection.
    pub(super) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}
