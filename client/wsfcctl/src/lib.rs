//! The command line of wsfcd: a noun, a verb, data on stdout and talk on stderr.
//!
//! [`run`] is the whole program but for its process: it takes the parsed arguments, the environment and a
//! [`Terminal`], and gives the [`Exit`] code.

#![forbid(unsafe_code)]

mod address;
mod change;
mod choice;
mod cli;
mod cmds;
mod complete;
mod contexts;
mod credentials;
mod exit;
mod failure;
mod follow;
mod names;
mod output;
mod phrases;
mod report;
mod session;
mod start;
mod statuses;
mod tables;
mod terminal;

pub use cli::Cli;
pub use complete::complete;
pub use exit::Exit;
pub use session::Environment;
pub use terminal::Terminal;

use crate::failure::Failure;
use crate::session::Session;

/// Runs a command to its end, and tells about its failure.
pub fn run(cli: &Cli, environment: &Environment, terminal: &mut Terminal) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let mut session = Session {
                globals: &cli.globals,
                environment,
                terminal,
            };
            runtime.block_on(async {
                let exit = cmds::run(&cli.command, &mut session).await?;
                // Whoever could not reach the daemon is not held up by another attempt.
                if cli.command.asks_the_daemon() && exit != Exit::OutputClosed {
                    // The command has done what it was asked; what cannot be told now is told the next time.
                    let _untold = credentials::look_after(&mut session).await;
                }
                Ok(exit)
            })
        }
        Err(error) => Err(Failure::Runtime(error)),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            // There is nowhere left to tell that stderr is closed.
            let _closed = failure.tell(&mut terminal.err);
            failure.exit()
        }
    }
}
