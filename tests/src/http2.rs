//! HTTP/2 frame by frame, for peers that do not keep to the rules (RFC 9113).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Types of frames.
pub const HEADERS: u8 = 1;
/// A stream is given up.
pub const RST_STREAM: u8 = 3;
/// The connection ends.
pub const GOAWAY: u8 = 7;
/// The window of a stream, or of the connection, grows.
pub const WINDOW_UPDATE: u8 = 8;
/// Parameters of the connection.
pub const SETTINGS: u8 = 4;

/// The flag of HEADERS that no more headers follow.
pub const END_HEADERS: u8 = 4;

/// The code in a GOAWAY for a peer that asks too much.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// The headers of a call, compressed by the static table alone (RFC 7541).
pub fn call_headers(path: &str) -> Vec<u8> {
    // `:method: POST`, `:scheme: http`; `:path` and `:authority` as literals that nobody remembers.
    let mut block = vec![0x83, 0x86];
    for (index, value) in [(4, path), (1, "localhost")] {
        block.push(index);
        block.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        block.extend_from_slice(value.as_bytes());
    }
    // The name of the content type is the 31st of the table, which is 15 and 16 more.
    block.extend([0x0F, 0x10, 16]);
    block.extend_from_slice(b"application/grpc");
    block
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

impl<T: AsyncRead + AsyncWrite + Unpin> Http2<T> {
    /// Begins: the preface and empty settings.
    ///
    /// # Errors
    ///
    /// The connection takes no bytes.
    pub async fn begin(mut io: T) -> io::Result<Self> {
        io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        let mut begun = Self(io);
        begun.send(SETTINGS, 0, 0, &[]).await?;
        Ok(begun)
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// The connection takes no bytes.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).await
    }

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
