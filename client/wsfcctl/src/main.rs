//! The program `wsfcctl`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use wsfcctl::{Cli, Environment, Terminal};

fn main() -> ExitCode {
    wsfcctl::complete();
    // Clap prints its own errors and ends with 2, the code for usage.
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("WSFCCTL_LOG"))
        .with_writer(std::io::stderr)
        .init();
    let mut terminal = Terminal::of_process();
    wsfcctl::run(&cli, &Environment::of_process(), &mut terminal).into()
}
