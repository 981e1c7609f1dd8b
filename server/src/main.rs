//! `wsfcd`: the daemon on a console, the demonstration, and a look at the settings.

#![forbid(unsafe_code)]

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Arguments, Command, ConfigCommand, config, demo, functions, init, serve, service, trace};
use wsfcd::logging;

fn main() -> ExitCode {
    // Before anything is loaded by name.
    #[cfg(windows)]
    if let Err(error) = wsfc_windows::loading::from_system_only() {
        let _ = writeln!(
            std::io::stderr(),
            "wsfcd: the search for libraries cannot be restricted: {error}"
        );
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Logging may not have begun, and whoever started the daemon by hand reads this.
            let _ = writeln!(std::io::stderr(), "wsfcd: {}", logging::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match arguments.command {
        Command::Run(flags) => serve::serve(&flags, wsfcd::cluster_api::connect)?,
        Command::Demo(options) => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(demo::run(options))?;
        }
        Command::Init(options) => init::run(options)?,
        Command::Config(ConfigCommand::Check(flags)) => config::check(&flags)?,
        Command::Config(ConfigCommand::Show(flags)) => config::show(&flags)?,
        Command::Functions(options) => functions::show(&options)?,
        Command::Trace(command) => trace::execute(&command)?,
        Command::Service(command) => return service::execute(command),
    }
    Ok(ExitCode::SUCCESS)
}
