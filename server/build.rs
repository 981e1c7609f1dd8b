//! Generates the server's side of the services, and gives `wsfcd.exe` its Windows resources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message as _;

/// LANG_ENGLISH, SUBLANG_ENGLISH_US.
const ENGLISH: u16 = 0x0409;

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
    for message in record_streams(&set) {
        builder = builder.extern_path(message, "crate::grpc::frame::Frame");
    }
    for message in [".wsfc.v1.WatchResponse", ".wsfc.v1.WatchStatusResponse"] {
        builder = builder.extern_path(message, "crate::grpc::frame::EventFrame");
    }
    builder.compile_fds(set)?;
    Ok(())
}

/// The answers of the streams of operation records: those that are streamed and whose field 1 is a list of records.
fn record_streams(set: &prost_types::FileDescriptorSet) -> BTreeSet<String> {
    let streamed: BTreeSet<&str> = set
        .file
        .iter()
        .flat_map(|file| &file.service)
        .flat_map(|service| &service.method)
        .filter(|method| method.server_streaming())
        .map(|method| method.output_type())
        .collect();
    let mut streams = BTreeSet::new();
    for file in &set.file {
        for message in &file.message_type {
            let name = format!(".{}.{}", file.package(), message.name());
            let holds_records = message
                .field
                .iter()
                .any(|field| field.number() == 1 && field.type_name() == ".wsfc.v1.OperationRecord");
            if holds_records && streamed.contains(name.as_str()) {
                streams.insert(name);
            }
        }
    }
    streams
}

/// Version, icon, manifest, and the texts of the event log.
fn resources() -> Result<(), Box<dyn std::error::Error>> {
    let windows = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("windows");
    let folder = windows.join("resources");
    let messages = windows.join("events.mc");
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rerun-if-changed={}", messages.display());
    let table = compile_messages(&messages, Path::new(&std::env::var("OUT_DIR")?))?;
    winresource::WindowsResource::new()
        .set_language(ENGLISH)
        .set("FileDescription", "Daemon for Windows Server Failover Clustering")
        .set("LegalCopyright", "MIT OR Apache-2.0")
        .set("OriginalFilename", "wsfcd.exe")
        .set_icon(&folder.join("wsfc.ico").to_string_lossy())
        .set_manifest_file(&folder.join("program.manifest").to_string_lossy())
        // 11 is RT_MESSAGETABLE.
        .append_rc_content(&format!("LANGUAGE 9, 1\n1 11 \"{}\"", table.display()))
        .compile_for("wsfcd")?;
    Ok(())
}

/// Makes a message table of a message file, by the compiler that comes with the C compiler for Windows.
fn compile_messages(messages: &Path, folder: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let compiler = if cfg!(windows) {
        "windmc"
    } else {
        "x86_64-w64-mingw32-windmc"
    };
    let status = Command::new(compiler)
        .arg("--headerdir")
        .arg(folder)
        .arg("--rcdir")
        .arg(folder)
        .arg(messages)
        .status()
        .map_err(|error| format!("{compiler} cannot be run: {error}"))?;
    if !status.success() {
        return Err(format!("{compiler} refuses {}", messages.display()).into());
    }
    // The compiler names it by the `LanguageNames` of the message file.
    Ok(folder.join("MSG00409.bin"))
}
