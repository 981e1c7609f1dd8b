//! Gives clusapi.dll its version, and keeps libclusapi.so in memory for good: threads of the simulated world run its
//! code after the last user has closed it. On Windows the library does that itself, at the first call.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS")?.as_str() {
        "linux" => println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete"),
        "windows" => winresource::WindowsResource::new()
            .set_language(0x0409)
            // VFT_DLL of VS_FIXEDFILEINFO.
            .set_version_info(winresource::VersionInfo::FILETYPE, 2)
            .set("FileDescription", "Simulated failover cluster, for tests")
            .set("LegalCopyright", "MIT OR Apache-2.0")
            .set("OriginalFilename", "clusapi.dll")
            .set("ProductName", "wsfcd")
            .compile()?,
        _ => {}
    }
    Ok(())
}
