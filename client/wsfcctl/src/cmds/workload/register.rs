//! `wsfcctl workload register`.

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use wsfc_client::property::Changes;
use wsfc_client::v1::property_value::Value;
use wsfc_client::v1::{
    CreateGroupParameters, CreateResourceParameters, CreateResourceTypeParameters, GetResourceRequest,
    GetResourceTypeRequest, ListWorkloadsRequest, ObjectKind, OperationState, SetPropertiesParameters, TextList,
};
use wsfc_client::workload::{RESOURCE_DLL, RESOURCE_TYPE};
use wsfc_client::{Client, Code, Error, Parameters};

use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::ctrl_c;
use crate::names::quoted;
use crate::output;
use crate::report;
use crate::session::Session;

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The workload, as agents attach to it.
    #[arg(value_name = "NAME")]
    workload: String,
    /// The resource [default: the name of the workload].
    #[arg(long)]
    resource: Option<String>,
    /// The group that it belongs to, which is made when it is missing [default: that of the resource, else the name of
    /// the workload].
    #[arg(long, add = names(ObjectKind::Group))]
    group: Option<String>,
    /// A parameter for the agent; may be repeated. All of them take the place of those that there were.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parameter)]
    parameters: Vec<String>,
    /// The resource DLL, if the type is not there yet: a path that is the same on every node, or the name of a file in
    /// `%SystemRoot%\Cluster`.
    #[arg(long, value_name = "FILE", default_value = RESOURCE_DLL)]
    dll: String,
    /// Where the resource DLL finds the daemon on its host [default: what the daemon says, if that has to be said].
    #[arg(long, value_name = "ENDPOINT")]
    channel: Option<String>,
    /// How long the resource may be without a report while it goes online or offline, such as 5m [default: 3m].
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    pending_timeout: Option<u32>,
    /// How long the resource stays as it is while its daemon is away, such as 2m [default: 1m].
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    daemon_grace: Option<u32>,
}

fn parameter(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() => Ok(text.to_owned()),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// Reads a duration as the properties of resources write it.
fn milliseconds(text: &str) -> Result<u32, String> {
    let read: Duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    u32::try_from(read.as_millis()).map_err(|_| "the time is too long".to_owned())
}

/// How far a registration has come.
#[derive(Debug, Default)]
struct Reached {
    /// What is still to be done, in order; empty before that is known.
    missing: VecDeque<String>,
    /// The operation that is waited for.
    operation: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments, session: &mut Session<'_>) -> Result<Exit, Failure> {
    run_until(
        session,
        ctrl_c(),
        async |session: &mut Session<'_>, reached: &mut Reached| register(arguments, session, reached).await,
    )
    .await
}

/// Registers until that is done or interrupted, and says what is missing then.
async fn run_until(
    session: &mut Session<'_>,
    interrupt: impl Future<Output = ()>,
    register: impl AsyncFnOnce(&mut Session<'_>, &mut Reached) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let mut reached = Reached::default();
    let end = tokio::select! {
        biased;
        () = interrupt => Ok(Exit::CtrlC),
        end = register(&mut *session, &mut reached) => end,
    };
    let err = &mut session.terminal.err;
    if let (Ok(Exit::CtrlC), Some(id)) = (&end, &reached.operation) {
        writeln!(
            err,
            "The operation goes on. Come back with: wsfcctl operation watch {id}"
        )?;
    }
    if !reached.missing.is_empty() {
        let missing = Vec::from(reached.missing).join(", ");
        writeln!(
            err,
            "Still missing: {missing}. The command may be run again; what is as wished stays."
        )?;
    }
    end
}

async fn register(arguments: &Arguments, session: &mut Session<'_>, reached: &mut Reached) -> Result<Exit, Failure> {
    let action = format!("register workload {}", quoted(&arguments.workload));
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let resource = arguments.resource.as_ref().unwrap_or(&arguments.workload).clone();
    let failed = |source| Failure::Call {
        action: action.clone(),
        source,
    };
    let request = GetResourceRequest {
        cluster: cluster.clone(),
        resource: resource.clone(),
        ..Default::default()
    };
    let known = there(client.get_resource(request).await).map_err(failed)?;
    let known = known.and_then(|answer| answer.resource);
    let request = GetResourceTypeRequest {
        cluster: cluster.clone(),
        resource_type: RESOURCE_TYPE.to_owned(),
        ..Default::default()
    };
    let type_is_there = there(client.get_resource_type(request).await)
        .map_err(failed)?
        .is_some();
    let group = arguments.group.clone();
    let group = group.unwrap_or_else(|| known.map_or_else(|| arguments.workload.clone(), |known| known.group));
    let type_name = format!("resource type {}", quoted(RESOURCE_TYPE));
    let group_name = format!("group {}", quoted(&group));
    let resource_name = format!("resource {}", quoted(&resource));
    let classes = arguments.properties(&cluster, &resource, None).into_iter();
    let classes = classes.map(|(class, _)| properties_of(class, &resource));
    reached.missing = [type_name.clone(), group_name.clone(), resource_name.clone()].into();
    reached.missing.extend(classes);
    let mut registering = Registering {
        reached,
        session,
        client: &client,
        action,
    };

    let resource_type = CreateResourceTypeParameters {
        cluster: cluster.clone(),
        resource_type: RESOURCE_TYPE.to_owned(),
        dll: arguments.dll.clone(),
        ..Default::default()
    };
    // Where an administrator has put its DLL elsewhere, it stays there.
    if type_is_there {
        registering.tell(&type_name, "unchanged")?;
        registering.reached.missing.pop_front();
    } else if let Some(exit) = registering.step(&type_name, "created", resource_type).await? {
        return Ok(exit);
    }
    let new_group = CreateGroupParameters {
        cluster: cluster.clone(),
        group: group.clone(),
        ..Default::default()
    };
    if let Some(exit) = registering.step(&group_name, "created", new_group).await? {
        return Ok(exit);
    }
    let new_resource = CreateResourceParameters {
        cluster: cluster.clone(),
        resource: resource.clone(),
        group,
        r#type: RESOURCE_TYPE.to_owned(),
        separate_monitor: false,
    };
    if let Some(exit) = registering.step(&resource_name, "created", new_resource).await? {
        return Ok(exit);
    }
    let channel = match &arguments.channel {
        Some(channel) => Some(channel.clone()),
        None => {
            let request = ListWorkloadsRequest::default();
            let told = registering.client.list_workloads(request).await;
            let told = told.map_err(|source| Failure::Call {
                action: registering.action.clone(),
                source,
            })?;
            Some(told.endpoint).filter(|endpoint| !endpoint.is_empty())
        }
    };
    for (class, changes) in arguments.properties(&cluster, &resource, channel) {
        let what = properties_of(class, &resource);
        if let Some(exit) = registering.step(&what, "set", changes).await? {
            return Ok(exit);
        }
    }
    Ok(Exit::Ok)
}

/// What the properties of one class are called.
fn properties_of(class: &str, resource: &str) -> String {
    format!("{class} properties of resource {}", quoted(resource))
}

/// The answer, or none where there is no such object.
fn there<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => {
            let missing = error
                .rejection()
                .is_some_and(|rejection| rejection.code == Code::NotFound);
            if missing { Ok(None) } else { Err(error) }
        }
    }
}

impl Arguments {
    /// The properties to set, each class with its name. What is not given stays as it is.
    fn properties(
        &self,
        cluster: &str,
        resource: &str,
        channel: Option<String>,
    ) -> Vec<(&'static str, SetPropertiesParameters)> {
        let of = || Changes::new(cluster, ObjectKind::Resource, resource);
        let mut private = of().private().set("Workload", Value::Text(self.workload.clone()));
        if !self.parameters.is_empty() {
            let texts = self.parameters.clone();
            private = private.set("Parameters", Value::Texts(TextList { texts }));
        }
        if let Some(channel) = channel {
            private = private.set("Endpoint", Value::Text(channel));
        }
        if let Some(grace) = self.daemon_grace {
            private = private.set("DaemonGrace", Value::Dword(grace));
        }
        let mut all = vec![("private", private.build())];
        if let Some(timeout) = self.pending_timeout {
            let common = of().set("PendingTimeout", Value::Dword(timeout));
            all.push(("common", common.build()));
        }
        all
    }
}

/// What the steps of a registration have in common.
struct Registering<'a, 'b> {
    reached: &'a mut Reached,
    session: &'a mut Session<'b>,
    client: &'a Client,
    action: String,
}

impl Registering<'_, '_> {
    /// Says what came of a step, to people; programs get the operations.
    fn tell(&mut self, what: &str, came: &str) -> Result<(), Failure> {
        let out = &mut self.session.terminal.out;
        if !self.session.globals.output.is_machine() {
            writeln!(out, "{what}: {came}")?;
            out.flush()?;
        }
        Ok(())
    }

    /// Carries one operation out and tells what came of it; gives the exit code when that is the end.
    async fn step<P: Parameters>(&mut self, what: &str, done: &str, parameters: P) -> Result<Option<Exit>, Failure> {
        let failed = |source| Failure::Call {
            action: self.action.clone(),
            source,
        };
        let operation = self.client.start(parameters).await.map_err(failed)?;
        self.reached.operation = Some(operation.id().to_owned());
        let outcome = operation.wait().await.map_err(failed)?;
        self.reached.operation = None;
        let format = self.session.globals.output;
        let terminal = &mut *self.session.terminal;
        let succeeded = outcome.state() == OperationState::Succeeded && !outcome.partial;
        if format.is_machine() {
            let whole = operation.get().await.map_err(failed)?;
            output::item(&mut terminal.out, format, &whole)?;
        } else if succeeded {
            let came = if outcome.unchanged { "unchanged" } else { done };
            let later = if outcome.effective_at_next_online {
                ", takes effect when it comes online next"
            } else {
                ""
            };
            self.tell(what, &format!("{came}{later}"))?;
        } else {
            writeln!(terminal.out, "{what}:")?;
            report::outcome(&mut terminal.out, operation.id(), &outcome)?;
        }
        if succeeded {
            self.reached.missing.pop_front();
            return Ok(None);
        }
        Ok(Some(Exit::of_outcome(&outcome)))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::cmds::Command;
    use crate::session::Environment;
    use crate::terminal::tests::on_paper;

    fn parsed(line: &[&str]) -> Arguments {
        let line = ["wsfcctl", "workload", "register", "web"]
            .into_iter()
            .chain(line.iter().copied());
        match Cli::try_parse_from(line).unwrap().command {
            Command::Workload(super::super::Verb::Register(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_given_is_set() {
        let bare = parsed(&[]).properties("CL1", "Web", None);
        assert_eq!(bare.len(), 1);
        let names = |set: &SetPropertiesParameters| {
            let names = set.properties.iter().map(|property| property.name.clone());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (names(&bare[0].1).as_str(), bare[0].1.name.as_str()),
            ("Workload", "Web")
        );
        let all = parsed(&[
            "--set=PORT=80",
            "--set=A=b=c",
            "--pending-timeout=5m",
            "--daemon-grace=90s",
        ])
        .properties("CL1", "Web", Some("/run/x.sock".into()));
        assert_eq!(names(&all[0].1), "Workload Parameters Endpoint DaemonGrace");
        assert_eq!(names(&all[1].1), "PendingTimeout");
        let value = |set: &SetPropertiesParameters, at: usize| set.properties[at].value.clone().unwrap().value.unwrap();
        let texts = vec!["PORT=80".to_owned(), "A=b=c".to_owned()];
        assert_eq!(value(&all[0].1, 1), Value::Texts(TextList { texts }));
        assert_eq!(value(&all[0].1, 3), Value::Dword(90_000));
        assert_eq!(value(&all[1].1, 0), Value::Dword(300_000));
    }

    #[tokio::test]
    async fn who_is_interrupted_hears_what_is_missing() {
        let cli = Cli::try_parse_from(["wsfcctl", "workload", "list"]).unwrap();
        let environment = Environment::default();
        let (mut terminal, _, err) = on_paper(None);
        let mut session = Session {
            globals: &cli.globals,
            environment: &environment,
            terminal: &mut terminal,
        };
        let end = run_until(&mut session, tokio::task::yield_now(), async |_, reached| {
            reached.missing = ["group web".to_owned(), "resource web".to_owned()].into();
            reached.operation = Some("0190".to_owned());
            std::future::pending().await
        });
        assert!(matches!(end.await, Ok(Exit::CtrlC)));
        assert_eq!(
            err.text(),
            "The operation goes on. Come back with: wsfcctl operation watch 0190\n\
             Still missing: group web, resource web. The command may be run again; what is as wished stays.\n"
        );
        let end = run_until(&mut session, std::future::pending(), async |_, _| Ok(Exit::Ok));
        assert!(matches!(end.await, Ok(Exit::Ok)));
        assert_eq!(err.text().lines().count(), 2);
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        assert!(parameter("PORT").is_err() && parameter("=80").is_err() && parameter("PORT=").is_ok());
        assert!(milliseconds("60d").is_err());
    }
}
