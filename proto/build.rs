//! Compiles the protobuf files without an installed protoc, and keeps the descriptor set for reflection and JSON.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 6] = [
    "wsfc/v1/cluster.proto",
    "wsfc/v1/operation.proto",
    "wsfc/v1/parameters.proto",
    "wsfc/v1/setup.proto",
    "wsfc/v1/status.proto",
    "wsfc/v1/topology.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=wsfc");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let set = protox::compile(FILES, ["."])?;
    std::fs::write(out.join("descriptor.bin"), set.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    // The password must not reach a log through `{:?}`; the crate writes this one by hand.
    config.skip_debug([".wsfc.v1.Credentials"]);
    // The server's code is generated in the daemon, where the streams send ready-made frames.
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds_with_config(set, config)?;
    Ok(())
}
