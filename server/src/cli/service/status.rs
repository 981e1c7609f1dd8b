//! What the system knows of the service, for people and for scripts.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};
use wsfc_windows::control::{self, Description};
use wsfc_windows::lifecycle::{Exit, State};

use super::exit::Code;
use super::{Form, Status};

/// Prints the service.
pub fn show(options: &Status) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let name = &options.service.name;
    let description = control::describe(name)?;
    let text = match options.output {
        Form::Table => table(name, &description),
        Form::Json => format!("{}\n", object(name, &description)),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn table(name: &str, description: &Description) -> String {
    let mut rows = vec![
        ("name", name.to_owned()),
        ("display name", description.display_name.clone()),
        ("state", description.look.state.name().into()),
    ];
    if let Some(process) = description.process {
        rows.push(("process", process.to_string()));
    }
    rows.push(("start", description.start.name().into()));
    rows.push(("account", description.account.clone()));
    if description.look.state == State::Stopped {
        rows.push(("exit code", ended(description.exit)));
    }
    rows.push(("command", description.command.clone()));
    rows.iter()
        .map(|(label, value)| format!("{label:<14}{value}\n"))
        .collect()
}

fn object(name: &str, description: &Description) -> Value {
    let (win32_code, service_code) = match description.exit {
        Exit::Win32(code) => (Some(code), None),
        Exit::Specific(code) => (None, Some(code)),
    };
    json!({
        "name": name,
        "display_name": description.display_name,
        "state": description.look.state.name(),
        "process_id": description.process,
        "start": description.start.name(),
        "account": description.account,
        "win32_exit_code": win32_code,
        "service_exit_code": service_code,
        "exit_meaning": service_code.and_then(Code::of_number).map(Code::meaning),
        "command": description.command,
    })
}

/// How a service ended, for people.
pub fn ended(exit: Exit) -> String {
    match exit {
        Exit::Win32(0) => "0".into(),
        Exit::Win32(code) => {
            let error = std::io::Error::from_raw_os_error(code.cast_signed());
            format!("{code} ({error})")
        }
        Exit::Specific(code) => match Code::of_number(code) {
            Some(known) => format!("{code} ({})", known.meaning()),
            None => format!("{code} (of the service's own)"),
        },
    }
}
