//! Generates the server's side of the services. The messages come from `wsfc-proto`; only the answers of the streams
//! are ours: a frame whose records were encoded once, by the journal.

use prost::Message as _;

/// The streams of operation records: eleven answers of one shape.
const RECORD_STREAMS: [&str; 11] = [
    "CreateClusterResponse",
    "AddNodeResponse",
    "EvictNodeResponse",
    "DestroyClusterResponse",
    "UpgradeFunctionalLevelResponse",
    "CreateNameAccountResponse",
    "RemoveNameAccountResponse",
    "RepairNameAccountResponse",
    "AddStorageNodeResponse",
    "RemoveStorageNodeResponse",
    "WatchOperationResponse",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let set = prost_types::FileDescriptorSet::decode(wsfc_proto::FILE_DESCRIPTOR_SET)?;
    let mut builder = tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".wsfc.v1", "::wsfc_proto::v1");
    for message in RECORD_STREAMS {
        builder = builder.extern_path(format!(".wsfc.v1.{message}"), "crate::grpc::frame::Frame");
    }
    builder.compile_fds(set)?;
    Ok(())
}
