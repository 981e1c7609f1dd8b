//! Calls by their path, with whatever bytes a test wants as the request.

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{IntoRequest, Status};

/// Makes a call and gives its first answer; a stream is left after it.
///
/// # Errors
///
/// What the daemon answers.
///
/// # Panics
///
/// The path is none.
#[expect(clippy::expect_used, reason = "a mistake of the test")]
pub async fn call(channel: &Channel, path: &str, request: impl IntoRequest<Bytes>) -> Result<Option<Bytes>, Status> {
    let path = PathAndQuery::try_from(path).expect("a path");
    let mut client = tonic::client::Grpc::new(channel.clone());
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = client.server_streaming(request.into_request(), path, Raw).await?;
    answer.into_inner().message().await
}

/// Messages as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
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
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
