//! `wsfcctl completion`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Which script to print.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, session: &mut Session<'_>) -> Result<Exit, Failure> {
    // The generator panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "wsfcctl", &mut script);
    session.terminal.out.write_all(&script)?;
    session.terminal.out.flush()?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::session::Environment;
    use crate::terminal::tests::on_paper;

    #[test]
    fn every_shell_has_a_script_that_knows_the_nouns() {
        for shell in Shell::value_variants() {
            let line = ["wsfcctl".to_owned(), "completion".to_owned(), shell.to_string()];
            let cli = <Cli as clap::Parser>::try_parse_from(line).unwrap();
            let (mut terminal, out, _) = on_paper(None);
            assert_eq!(crate::run(&cli, &Environment::default(), &mut terminal), Exit::Ok);
            assert!(out.text().contains("storage-node"), "{shell}");
        }
    }
}
