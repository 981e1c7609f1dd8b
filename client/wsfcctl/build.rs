//! Gives `wsfcctl.exe` its Windows resources: version, icon and manifest, the last two shared with `wsfcd.exe`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS")? != "windows" {
        return Ok(());
    }
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../server/windows/resources");
    println!("cargo::rerun-if-changed={}", folder.display());
    winresource::WindowsResource::new()
        .set_language(0x0409)
        .set("FileDescription", "Command line of wsfcd")
        .set("LegalCopyright", "MIT OR Apache-2.0")
        .set("OriginalFilename", "wsfcctl.exe")
        .set("ProductName", "wsfcd")
        .set_icon(&folder.join("wsfc.ico").to_string_lossy())
        .set_manifest_file(&folder.join("program.manifest").to_string_lossy())
        .compile_for("wsfcctl")?;
    Ok(())
}
