//! HTTP/2 frame by frame, for peers that do not keep to the rules (RFC 9113).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a body.
pub const DATA: u8 = 0;
/// A call, or the head or the end of an answer.
pub const HEADERS: u8 = 1;
/// A stream is given up.
pub const RST_STREAM: u8 = 3;
/// The connection ends.
pub const GOAWAY: u8 = 7;
/// The window of a stream, or of the connection, grows.
pub const WINDOW_UPDATE: u8 = 8;
/// Parameters of the connection.
pub const SETTINGS: u8 = 4;
/// Whether the other side is there.
pub const PING: u8 = 6;
/// More headers.
pub const CONTINUATION: u8 = 9;

/// The flag of DATA and HEADERS that the stream's sender has said everything.
pub const END_STREAM: u8 = 1;
/// The flag of SETTINGS and PING that they answer one.
pub const ACK: u8 = 1;
/// The flag of HEADERS that no more headers follow.
pub const END_HEADERS: u8 = 4;

/// The code in a GOAWAY for a peer that asks too much.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// The headers of a gRPC call, compressed by the static table alone (RFC 7541).
pub fn call_headers(path: &str) -> Vec<u8> {
    // `:method: POST`, `:scheme: https`, `:path` and `:authority` as literals that nobody remembers.
    let mut block = vec![0x83, 0x87];
    for (index, value) in [(4, path), (1, "localhost")] {
        block.push(index);
        push_text(&mut block, value.as_bytes());
    }
    push_header(&mut block, b"content-type", b"application/grpc");
    push_header(&mut block, b"te", b"trailers");
    block
}

/// Adds a header to a block, as a literal that nobody remembers.
pub fn push_header(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    push_text(block, name);
    push_text(block, value);
}

/// A string without Huffman's code; its length begins in seven bits (RFC 7541 5.1 and 5.2).
fn push_text(block: &mut Vec<u8>, text: &[u8]) {
    const FIRST: usize = 0x7F;
    if text.len() < FIRST {
        block.extend(u8::try_from(text.len()));
    } else {
        block.push(0x7F);
        let mut rest = text.len() - FIRST;
        while rest >= 0x80 {
            block.extend(u8::try_from(rest % 0x80 + 0x80));
            rest /= 0x80;
        }
        block.extend(u8::try_from(rest));
    }
    block.extend_from_slice(text);
}

/// The bytes of a frame.
///
/// # Panics
///
/// There is more in it than a frame can hold.
#[expect(clippy::expect_used, reason = "a mistake of the test")]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).ok().filter(|length| *length < 1 << 24);
    let length = length.expect("a frame holds less than 16 MiB");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// What is in it.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a GOAWAY.
    pub fn goaway_code(&self) -> Option<u32> {
        let code = self.payload.get(4..8)?.try_into().ok()?;
        (self.kind == GOAWAY).then(|| u32::from_be_bytes(code))
    }
}

/// A client's side of a connection.
#[derive(Debug)]
pub struct Http2<T>(T);

impl<T: AsyncWrite + Unpin> Http2<T> {
    /// Begins: the preface and empty settings.
    ///
    /// # Errors
    ///
    /// The connection takes no bytes.
    pub async fn begin(io: T) -> io::Result<Self> {
        Self::begin_with(io, &[]).await
    }

    /// A connection that has begun already.
    pub fn begun(io: T) -> Self {
        Self(io)
    }

    /// Begins: the preface and settings.
    ///
    /// # Errors
    ///
    /// The connection takes no bytes.
    pub async fn begin_with(mut io: T, settings: &[u8]) -> io::Result<Self> {
        io.write_all(PREFACE).await?;
        let mut begun = Self(io);
        begun.send(SETTINGS, 0, 0, settings).await?;
        Ok(begun)
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// The connection takes no bytes.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.send_bytes(&frame(kind, flags, stream, payload)).await
    }

    /// Sends the bytes of frames, or of what is none.
    ///
    /// # Errors
    ///
    /// The connection takes no bytes.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }
}

impl<T: AsyncRead + Unpin> Http2<T> {
    /// The next frame; nothing when the connection is closed.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).ok()?];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// The frames until the connection is closed.
    pub async fn to_the_end(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}

impl<T: AsyncRead + AsyncWrite> Http2<T> {
    /// What reads and what writes, for whoever does both at once.
    pub fn split(self) -> (Http2<ReadHalf<T>>, Http2<WriteHalf<T>>) {
        let (read, write) = tokio::io::split(self.0);
        (Http2(read), Http2(write))
    }
}
