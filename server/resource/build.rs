//! Gives wsfcres.dll its version, and keeps libwsfcres.so in memory for good: its thread may still run when the last user has
//! closed it. On Windows the library does that itself, at the first Startup.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS")?.as_str() {
        "linux" => println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete"),
        "windows" => winresource::WindowsResource::new()
            .set_language(0x0409)
            // VFT_DLL of VS_FIXEDFILEINFO.
            .set_version_info(winresource::VersionInfo::FILETYPE, 2)
            .set("FileDescription", "Cluster resources that are run by wsfcd")
            .set("LegalCopyright", "MIT OR Apache-2.0")
            .set("OriginalFilename", "wsfcres.dll")
            .set("ProductName", "wsfcd")
            .compile()?,
        _ => {}
    }
    Ok(())
}
