//! Compiles the protobuf files without an installed protoc, and keeps the descriptor set for reflection and JSON.

use std::path::PathBuf;

#[path = "build/methods.rs"]
mod methods;

const FILES: [&str; 36] = [
    "wsfc/v1/access.proto",
    "wsfc/v1/access_parameters.proto",
    "wsfc/v1/affinity_rule.proto",
    "wsfc/v1/affinity_rule_parameters.proto",
    "wsfc/v1/cluster.proto",
    "wsfc/v1/cluster_parameters.proto",
    "wsfc/v1/event.proto",
    "wsfc/v1/group.proto",
    "wsfc/v1/group_parameters.proto",
    "wsfc/v1/group_set.proto",
    "wsfc/v1/group_set_parameters.proto",
    "wsfc/v1/identity.proto",
    "wsfc/v1/inventory.proto",
    "wsfc/v1/network.proto",
    "wsfc/v1/network_parameters.proto",
    "wsfc/v1/node.proto",
    "wsfc/v1/node_parameters.proto",
    "wsfc/v1/operation.proto",
    "wsfc/v1/parameters.proto",
    "wsfc/v1/permission.proto",
    "wsfc/v1/property.proto",
    "wsfc/v1/property_parameters.proto",
    "wsfc/v1/quorum.proto",
    "wsfc/v1/quorum_parameters.proto",
    "wsfc/v1/registry.proto",
    "wsfc/v1/registry_parameters.proto",
    "wsfc/v1/resource.proto",
    "wsfc/v1/resource_parameters.proto",
    "wsfc/v1/resource_type.proto",
    "wsfc/v1/resource_type_parameters.proto",
    "wsfc/v1/setup.proto",
    "wsfc/v1/shared_volume.proto",
    "wsfc/v1/shared_volume_parameters.proto",
    "wsfc/v1/status.proto",
    "wsfc/v1/topology.proto",
    "wsfc/v1/workload.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=wsfc");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["."])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(FILES)?;
    // Encoded by the compiler: the decoded form has no room for options of our own.
    std::fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    std::fs::write(out.join("methods.rs"), methods::generate(&compiler.descriptor_pool())?)?;
    let set = compiler.file_descriptor_set();
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    // Secrets must not reach a log through `{:?}`; the crate writes these by hand.
    config.skip_debug([
        ".wsfc.v1.Credentials",
        ".wsfc.v1.CreateTokenResponse",
        ".wsfc.v1.EnrolRequest",
        ".wsfc.v1.WitnessSecret",
    ]);
    // The server's code is generated in the daemon, where the streams send ready-made frames.
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds_with_config(set, config)?;
    Ok(())
}
