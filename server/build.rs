//! Generates the server's side of the services, and gives `wsfcd.exe` its Windows resources.

use std::path::Path;

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
    services()?;
    if std::env::var("CARGO_CFG_TARGET_OS")? == "windows" {
        resources()?;
    }
    Ok(())
}

/// The messages come from `wsfc-proto`; only the answers of the streams are ours: a frame whose records were encoded
/// once, by the journal.
fn services() -> Result<(), Box<dyn std::error::Error>> {
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

/// Version, icon and manifest.
fn resources() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("windows/resources");
    println!("cargo::rerun-if-changed={}", folder.display());
    winresource::WindowsResource::new()
        .set_language(0x0409)
        .set("FileDescription", "Daemon for Windows Server Failover Clustering")
        .set("LegalCopyright", "MIT OR Apache-2.0")
        .set("OriginalFilename", "wsfcd.exe")
        .set_icon(&folder.join("wsfc.ico").to_string_lossy())
        .set_manifest_file(&folder.join("program.manifest").to_string_lossy())
        .compile_for("wsfcd")?;
    Ok(())
}
