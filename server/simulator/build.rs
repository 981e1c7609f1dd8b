//! Builds the one C function of the simulator: it takes a variable number of arguments, which stable Rust cannot define.

fn main() {
    let source = "src/monitor/log.c";
    println!("cargo:rerun-if-changed={source}");
    cc::Build::new()
        .file(source)
        .warnings(true)
        .compile("wsfc_simulator_log");
}
