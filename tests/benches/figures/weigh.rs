//! A watcher that weighs what it gets and decodes nothing, so that what is measured is the daemon.

use prost::bytes::Buf as _;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use wsfc_proto::v1::WatchOperationRequest;

/// The bytes of all messages of a stream.
pub async fn weigh(channel: Channel, request: WatchOperationRequest) -> Result<usize, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/wsfc.v1.OperationService/WatchOperation");
    let response = grpc.server_streaming(Request::new(request), path, Scales).await?;
    let mut messages = response.into_inner();
    let mut bytes = 0;
    while let Some(message) = messages.message().await? {
        bytes += message;
    }
    Ok(bytes)
}

/// Encodes requests as ever, and decodes an answer to its size.
#[derive(Clone, Copy, Default)]
struct Scales;

impl Codec for Scales {
    type Encode = WatchOperationRequest;
    type Decode = usize;
    type Encoder = <ProstCodec<WatchOperationRequest, ()> as Codec>::Encoder;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<WatchOperationRequest, ()>::default().encoder()
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Decoder for Scales {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let bytes = message.remaining();
        message.advance(bytes);
        Ok(Some(bytes))
    }
}
