//! Requests: any bytes of any request are refused with field errors or accepted, and never panic the daemon.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use wsfc_proto::v1;
use wsfcd::operation::call::Parameters;
use wsfcd::operation::validate;

/// Decodes one kind of start request and checks it as the daemon does.
macro_rules! start {
    ($request:ty, $bytes:expr, $field:ident, $parameters:path) => {
        start!($request, $bytes, $field, $parameters, |_request| None)
    };
    ($request:ty, $bytes:expr, $field:ident, $parameters:path, $credentials:expr) => {
        if let Ok(request) = <$request>::decode($bytes) {
            let credentials: fn(&$request) -> Option<&v1::Credentials> = $credentials;
            let request_id = request.options.as_ref().map_or("", |options| options.request_id.as_str());
            if let Some(parameters) = request.$field.clone() {
                check(&$parameters(parameters), credentials(&request), request_id);
            }
        }
    };
}

fn check(parameters: &Parameters, credentials: Option<&v1::Credentials>, request_id: &str) {
    if let Err(violations) = validate::validate(parameters, credentials, request_id) {
        assert!(!violations.is_empty(), "a refusal names a field");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 13 {
        0 => start!(v1::CreateClusterRequest, bytes, cluster, Parameters::CreateCluster, |r| r.credentials.as_ref()),
        1 => start!(v1::AddNodeRequest, bytes, node, Parameters::AddNode),
        2 => start!(v1::EvictNodeRequest, bytes, node, Parameters::EvictNode),
        3 => start!(v1::DestroyClusterRequest, bytes, cluster, Parameters::DestroyCluster),
        4 => start!(v1::UpgradeFunctionalLevelRequest, bytes, upgrade, Parameters::UpgradeFunctionalLevel),
        5 => start!(
            v1::CreateNameAccountRequest,
            bytes,
            account,
            Parameters::CreateNameAccount,
            |r| r.credentials.as_ref()
        ),
        6 => start!(v1::RemoveNameAccountRequest, bytes, account, Parameters::RemoveNameAccount),
        7 => start!(
            v1::RepairNameAccountRequest,
            bytes,
            account,
            Parameters::RepairNameAccount,
            |r| r.credentials.as_ref()
        ),
        8 => start!(v1::AddStorageNodeRequest, bytes, storage_node, Parameters::AddStorageNode),
        9 => start!(v1::RemoveStorageNodeRequest, bytes, storage_node, Parameters::RemoveStorageNode),
        10 => {
            // Every verb: parameters of any kind.
            if let Ok(v1::OperationParameters { parameters: Some(parameters) }) = v1::OperationParameters::decode(bytes) {
                check(&parameters, None, "");
            }
        }
        11 => {
            if let Ok(request) = v1::GetClusterRequest::decode(bytes) {
                let _ = validate::name_to_open("cluster", &request.cluster);
            }
        }
        _ => {
            if let Ok(v1::WaitOperationRequest { timeout: Some(timeout), .. }) = v1::WaitOperationRequest::decode(bytes) {
                let _ = validate::duration(&timeout, validate::MAX_WAIT);
            }
        }
    }
});
