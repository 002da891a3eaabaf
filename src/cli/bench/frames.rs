//! A client that replays frames, so cheap that the server is what is measured.
//!
//! It speaks just enough of HTTP/2 (RFC 9113) for unary gRPC calls to a server
//! that it trusts: the same header block for every call, told in full once and
//! by its place in the table from then on (RFC 7541), messages that were
//! encoded before, and answers that are looked at but for their headers. A
//! call that fails has no message in its answer, and ends the measurement.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};

use super::{samples::Samples, scratch::PATIENCE};
use crate::domain::clock::{Clock as _, SystemClock};

/// What is called.
pub(super) struct Load {
    pub(super) address: SocketAddr,
    /// `/package.Service/Method`.
    pub(super) path: &'static str,
    /// Encoded messages, sent in turn.
    pub(super) messages: Vec<Vec<u8>>,
    /// Is this the right answer? Asked of one in [`CHECKED`].
    pub(super) is_right: fn(&[u8]) -> bool,
    pub(super) shape: Shape,
}

/// How many calls at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) connections: usize,
    /// Calls in flight on each of them.
    pub(super) streams: usize,
}

/// One answer of so many is read.
const CHECKED: u64 = 61;
/// Bytes.
const READ_AT_ONCE: usize = 256 << 10;
/// Of each connection and stream: as much as there is, so that answers never
/// wait for leave.
const WINDOW: u32 = (1 << 31) - 1;
const WINDOW_AT_FIRST: u32 = 65_535;
/// How much is received before more is allowed.
const WINDOW_STEP: u32 = 1 << 28;

const HEADER_LEN: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u8 = 4;

/// Calls for so long, again as soon as an answer is there, and gives the times
/// of all.
pub(super) fn closed_loop(load: &Arc<Load>, span: Duration) -> anyhow::Result<Samples> {
    let connection = |number| {
        let load = Arc::clone(load);
        thread::spawn(move || Connection::open(&load, number)?.call_for(span))
    };
    let connections: Vec<_> = (0..load.shape.connections).map(connection).collect();
    let mut times = Vec::new();
    for connection in connections {
        times.extend(connection.join().map_err(|_| anyhow!("a client thread has panicked"))??);
    }
    Ok(Samples::new(times))
}

struct Connection {
    load: Arc<Load>,
    stream: TcpStream,
    clock: SystemClock,
    out: Vec<u8>,
    /// The next message, and the next stream.
    message: usize,
    id: u32,
    /// When the calls in flight began, and what has come of their answers.
    calls: HashMap<u32, Call>,
    times: Vec<Duration>,
    /// Received since the window was opened last.
    received: u32,
}

struct Call {
    began: Duration,
    answered: bool,
}

impl Connection {
    /// Says hello. Each connection begins at a message of its own.
    fn open(load: &Arc<Load>, number: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(load.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut settings = vec![0, INITIAL_WINDOW_SIZE];
        settings.extend(WINDOW.to_be_bytes());
        frame(&mut out, SETTINGS, 0, 0, &settings);
        frame(&mut out, WINDOW_UPDATE, 0, 0, &(WINDOW - WINDOW_AT_FIRST).to_be_bytes());
        let message = number * load.messages.len() / load.shape.connections.max(1);
        Ok(Self {
            load: Arc::clone(load),
            stream,
            clock: SystemClock::new(),
            out,
            message,
            id: 1,
            calls: HashMap::new(),
            times: Vec::new(),
            received: 0,
        })
    }

    fn call_for(mut self, span: Duration) -> anyhow::Result<Vec<Duration>> {
        let mut buffer = vec![0; READ_AT_ONCE];
        let mut held = 0;
        for _ in 0..self.load.shape.streams {
            self.call()?;
        }
        while !self.calls.is_empty() {
            self.stream.write_all(&self.out)?;
            self.out.clear();
            let room = buffer.get_mut(held..).context("a frame is too large")?;
            held += match self.stream.read(room) {
                Ok(0) => bail!("the server has closed the connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(error) => return Err(error).context("no answer"),
            };
            let unread = self.frames(buffer.get(..held).unwrap_or_default(), span)?;
            buffer.copy_within(held - unread..held, 0);
            held = unread;
        }
        Ok(self.times)
    }

    /// Begins a call.
    fn call(&mut self) -> anyhow::Result<()> {
        let headers = if self.id == 1 { first_headers(&self.load)? } else { HEADERS_AGAIN.into() };
        let load = Arc::clone(&self.load);
        let message = load.messages.get(self.message % load.messages.len());
        let message = message.context("there is nothing to send")?;
        frame(&mut self.out, HEADERS, END_HEADERS, self.id, &headers);
        frame(&mut self.out, DATA, END_STREAM, self.id, message);
        self.calls.insert(self.id, Call { began: self.clock.monotonic(), answered: false });
        self.message += 1;
        self.id += 2;
        Ok(())
    }

    /// Looks at every whole frame, and gives how many bytes are left.
    fn frames(&mut self, mut bytes: &[u8], span: Duration) -> anyhow::Result<usize> {
        while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
            let [a, b, c, kind, flags, id @ ..] = *header;
            let len = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, rest)) = rest.split_at_checked(len) else { break };
            self.frame(kind, flags, u32::from_be_bytes(id), payload, span)?;
            bytes = rest;
        }
        Ok(bytes.len())
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        id: u32,
        payload: &[u8],
        span: Duration,
    ) -> anyhow::Result<()> {
        match kind {
            DATA => self.answer(id, payload)?,
            RST_STREAM => bail!("the server has reset a call: {payload:?}"),
            GOAWAY => bail!("the server wants no more calls: {payload:?}"),
            SETTINGS if flags & ACK == 0 => frame(&mut self.out, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut self.out, PING, ACK, 0, payload),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            let call = self.calls.remove(&id).context("an answer to nothing")?;
            ensure!(call.answered, "a call has failed");
            let now = self.clock.monotonic();
            self.times.push(now.saturating_sub(call.began));
            if now < span {
                self.call()?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: u32, message: &[u8]) -> anyhow::Result<()> {
        let call = self.calls.get_mut(&id).context("an answer to nothing")?;
        call.answered = true;
        if u64::from(id / 2).is_multiple_of(CHECKED) {
            ensure!((self.load.is_right)(message.get(5..).unwrap_or_default()), "a wrong answer");
        }
        self.received += u32::try_from(message.len())?;
        if self.received >= WINDOW_STEP {
            frame(&mut self.out, WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
            self.received = 0;
        }
        Ok(())
    }
}

/// POST, http, and then what [`first_headers`] has put into the table, the
/// last first.
const HEADERS_AGAIN: [u8; 6] = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];

/// The same headers in full, each to be remembered.
fn first_headers(load: &Load) -> anyhow::Result<Vec<u8>> {
    let mut block = vec![0x83, 0x86];
    let mut text = |name: &[u8], value: &str| {
        block.extend(name);
        let len = u8::try_from(value.len()).ok().filter(|len| *len < 127);
        block.push(len.context("a header is too long")?);
        block.extend(value.as_bytes());
        anyhow::Ok(())
    };
    text(&[0x44], load.path)?;
    text(&[0x41], &load.address.to_string())?;
    text(&[0x5f], "application/grpc")?;
    text(&[0x40, 2, b't', b'e'], "trailers")?;
    Ok(block)
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend([a, b, c, kind, flags]);
    out.extend(id.to_be_bytes());
    out.extend(payload);
}

/// A message as gRPC sends it: not compressed, and its length before it.
pub(super) fn message(message: &impl prost::Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(bytes);
    framed
}
