//! `wsfcctl completion`.

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::complete::VARIABLE;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Which script to print.
///
/// The script calls wsfcctl for each completion; names of objects come from the daemon that the line leads to.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let name = arguments.shell.to_string();
    let shells = Shells::builtins();
    let shell = shells
        .completer(&name)
        .ok_or_else(|| Failure::Usage(format!("there is no script for {name}")))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "wsfcctl", "wsfcctl", "wsfcctl", &mut script)?;
    session.terminal.out.write_all(&script)?;
    session.terminal.out.flush()?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::cli::Cli;
    use crate::session::Environment;
    use crate::terminal::tests::on_paper;

    #[test]
    fn every_shell_has_a_script_that_calls_back() {
        for shell in Shell::value_variants() {
            let line = ["wsfcctl".to_owned(), "completion".to_owned(), shell.to_string()];
            let cli = <Cli as clap::Parser>::try_parse_from(line).unwrap();
            let (mut terminal, out, _) = on_paper(None);
            assert_eq!(crate::run(&cli, &Environment::default(), &mut terminal), Exit::Ok);
            assert!(out.text().contains(VARIABLE), "{shell}");
        }
    }
}
