//! Changes of the cluster database, all or none (facts 2.6).

use wsfc_clusapi::sys::constants::registry_access;
use wsfc_clusapi::{BatchCommand, Error, RegistryType, RegistryValue};
use wsfc_proto::v1;
use wsfc_proto::v1::RegistryCommandType as Type;

use super::scene::{End, Run, Scene, Stop};

pub(super) fn apply(scene: &Scene<'_>, p: &v1::ApplyRegistryBatchParameters) -> Run {
    let root = scene.cluster.root_key(registry_access::ALL)?;
    let key = if p.key.is_empty() {
        root
    } else {
        root.open(&p.key, registry_access::ALL)?
    };
    let commands: Vec<BatchCommand> = p.commands.iter().filter_map(command).collect();
    scene.begin()?;
    match key.apply(&commands) {
        Ok(()) => Ok(End::done(format!(
            "{} commands were applied, all of them.",
            commands.len()
        ))),
        Err(Error::Batch {
            code,
            command: Some(failed),
        }) => {
            let name = p.commands.get(failed).map_or("", |command| command.name.as_str());
            Ok(End {
                status: Some(code.0),
                ..End::failed(
                    code.name().map_or_else(|| format!("WIN32_{}", code.0), String::from),
                    format!("The command at index {failed} on {name:?} failed with error {code}; nothing was changed."),
                )
            })
        }
        Err(error) => Err(Stop::Api(error)),
    }
}

/// A command for the cluster API. Validated on the way in, so what has no type was refused.
fn command(command: &v1::RegistryCommand) -> Option<BatchCommand> {
    let name = command.name.clone();
    let value = || RegistryValue {
        kind: RegistryType(command.value_type),
        data: command.data.clone(),
    };
    Some(match command.r#type() {
        Type::Unspecified => return None,
        Type::SetValue => BatchCommand::SetValue { name, value: value() },
        Type::CreateKey => BatchCommand::CreateKey { path: name },
        Type::DeleteKey => BatchCommand::DeleteKey { path: name },
        Type::DeleteValue => BatchCommand::DeleteValue { name },
        Type::IfExists => BatchCommand::ValueExists { name },
        Type::IfNotExists => BatchCommand::ValueNotExists { name },
        Type::IfEqual => BatchCommand::IsEqual { name, value: value() },
        Type::IfNotEqual => BatchCommand::IsNotEqual { name, value: value() },
        Type::IfGreaterThan => BatchCommand::IsGreater { name, value: value() },
        Type::IfLessThan => BatchCommand::IsLess { name, value: value() },
        Type::IfKeyExists => BatchCommand::KeyExists { path: name },
        Type::IfKeyNotExists => BatchCommand::KeyNotExists { path: name },
    })
}
