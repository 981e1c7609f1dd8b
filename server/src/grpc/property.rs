//! `PropertyService`: properties of every kind of object.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::property_service_server::PropertyService;
use super::reads;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    PropertyService:
    reads {
    reads::get_properties(GetPropertiesRequest) -> GetPropertiesResponse;
    }
    starts {
    set_properties(SetPropertiesRequest) -> SetPropertiesStream: SetProperties, properties;
    }
}
