//! Calls with anything in them, below the gRPC library: any HTTP method, any header, any bytes.

use std::sync::LazyLock;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, MessageDescriptor, ReflectMessage as _, Value};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Service as _, ServiceExt as _};
use wsfc_proto::methods;
use wsfc_tests::records::soon;

/// How deep messages are filled.
const DEPTH: usize = 4;

/// What the daemon answers a call with.
#[derive(Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub http: StatusCode,
    /// The status of gRPC, unless there was a message before it.
    pub status: Option<Status>,
}

impl Answer {
    /// The code of gRPC; OK stands for a message too.
    pub fn code(&self) -> Code {
        self.status.as_ref().map_or(Code::Ok, Status::code)
    }

    /// Whether it says that the daemon is to blame, or does not say who is. A code of Windows that has no better place is
    /// UNKNOWN, and told with its name.
    pub fn is_the_daemons_fault(&self) -> bool {
        match self.code() {
            Code::Internal | Code::DataLoss => true,
            Code::Unknown => self.reason().is_empty(),
            _ => false,
        }
    }

    /// The reason of the contract; empty without one.
    pub fn reason(&self) -> String {
        let info = self.status.as_ref().and_then(|status| status.get_details_error_info());
        info.map_or_else(String::new, |info| info.reason)
    }
}

/// A request as gRPC has it, to be changed.
pub fn request(path: &str, body: Vec<u8>) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::from(body)))
        .unwrap()
}

/// Makes a call, and waits for the first message or for the end.
///
/// # Errors
///
/// The call was not answered, but its stream or its connection ended.
pub async fn ask(channel: &Channel, request: Request<Body>) -> Result<Answer, String> {
    let mut channel = channel.clone();
    let asking = async {
        let ready = channel.ready().await.map_err(|error| error.to_string())?;
        let response = ready
            .call(request)
            .await
            .map_err(|error| wsfcd::logging::chain(&error))?;
        let (head, mut body) = response.into_parts();
        let mut status = Status::from_header_map(&head.headers);
        if status.is_none()
            && let Some(next) = body.frame().await
        {
            let next = next.map_err(|status| format!("{status:?}"))?;
            status = next.trailers_ref().and_then(Status::from_header_map);
        }
        let http = head.status;
        Ok(Answer { http, status })
    };
    soon("an answer", asking).await
}

/// Bytes as gRPC frames a message.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap());

/// What a method is asked with.
pub fn input(path: &str) -> MessageDescriptor {
    let (service, name) = path.strip_prefix('/').unwrap().split_once('/').unwrap();
    let service = POOL.get_service_by_name(service).unwrap();
    let method = service.methods().find(|method| method.name() == name);
    method.unwrap().input()
}

/// What fills the fields of a message.
pub trait Filling {
    /// Whether a field is filled.
    fn fills(&mut self) -> bool;
    /// A text.
    fn text(&mut self) -> String;
    /// Any number; it is cut to its type.
    fn number(&mut self) -> u64;
}

/// A message with its fields filled.
pub fn filled(descriptor: &MessageDescriptor, filling: &mut dyn Filling) -> DynamicMessage {
    filled_to(descriptor, filling, DEPTH)
}

fn filled_to(descriptor: &MessageDescriptor, filling: &mut dyn Filling, depth: usize) -> DynamicMessage {
    use prost_reflect::Kind;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "any number will do"
    )]
    fn value(kind: &Kind, filling: &mut dyn Filling, depth: usize) -> Option<Value> {
        Some(match kind {
            Kind::Double => Value::F64(f64::from_bits(filling.number())),
            Kind::Float => Value::F32(f32::from_bits(filling.number() as u32)),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(filling.number() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(filling.number() as i64),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(filling.number() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(filling.number()),
            Kind::Bool => Value::Bool(filling.number() % 2 == 1),
            Kind::String => Value::String(filling.text()),
            Kind::Bytes => Value::Bytes(filling.text().into_bytes().into()),
            Kind::Enum(_) => Value::EnumNumber((filling.number() % 16) as i32),
            Kind::Message(inner) if depth > 0 => Value::Message(filled_to(inner, filling, depth - 1)),
            Kind::Message(_) => return None,
        })
    }
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if !filling.fills() {
            continue;
        }
        let kind = field.kind();
        let made = if let (true, Some(entry)) = (field.is_map(), kind.as_message()) {
            let of = entry.map_entry_value_field().kind();
            value(&of, filling, depth).map(|of| Value::Map([(MapKey::String(filling.text()), of)].into()))
        } else {
            let made = value(&kind, filling, depth);
            if field.is_list() {
                made.map(|made| Value::List(vec![made]))
            } else {
                made
            }
        };
        if let Some(made) = made {
            message.set_field(&field, made);
        }
    }
    message
}

/// Sets the text that a path of field numbers leads to.
pub fn set_text(message: &mut DynamicMessage, path: &[u32], text: &str) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let field = message.descriptor().get_field(*first).unwrap();
    if rest.is_empty() {
        message.set_field(&field, Value::String(text.into()));
    } else if let Some(inner) = message.get_field_mut(&field).as_message_mut() {
        set_text(inner, rest, text);
    }
}

/// The paths of all methods of the contract.
pub fn paths() -> impl Iterator<Item = &'static str> {
    methods::ALL.iter().map(|method| method.path)
}
