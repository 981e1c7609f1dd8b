//! The text of an inferred scenario, with the reasons as comments.

use std::fmt::Write as _;
use std::net::IpAddr;

use wsfc_clusapi::trace::Trace;

use super::Inference;
use super::clusters::cluster_addresses;
use super::machines::InferredMachine;
use super::view::View;
use crate::fault::Phase;
use crate::recording::{RecordedCallback, Recording};
use crate::scenario::{ExistingCluster, Network};

/// The host number of the first machine, as in scenarios that give no addresses.
const FIRST_HOST: u32 = 11;

/// A text that grows line by line. Writing to a string cannot fail.
struct Text(String);

impl Text {
    fn line(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.0, "{}", line.as_ref());
    }

    /// A comment; line breaks within it begin new comments.
    fn comment(&mut self, comment: impl AsRef<str>) {
        for line in comment.as_ref().lines() {
            // Names of a foreign system may hold anything, and a comment may not.
            let clean: String = line.chars().filter(|letter| !letter.is_control()).collect();
            self.line(format!("# {clean}").trim_end());
        }
    }
}

/// Writes the scenario.
pub(super) fn write(trace: &Trace, inference: &Inference, scale: f64) -> String {
    let mut text = Text(String::new());
    heading(&mut text, trace, inference);
    if let Some(local) = &inference.local {
        text.comment("The machine whose programs call: the recording host, or else the first that answered.");
        text.line(format!("local = {}", quoted(local)));
    }
    if let Some((level, from)) = &inference.form_at_level {
        text.comment(format!(
            "The level of a new cluster, below what its nodes support: {from}."
        ));
        text.line(format!("form_at_level = {level}"));
    }
    if !trace.header.absent.is_empty() {
        text.comment("What the recorded cluster API did not have.");
        let absent: Vec<String> = trace.header.absent.iter().map(|name| quoted(name)).collect();
        text.line(format!("functions_absent = [{}]", absent.join(", ")));
    }
    text.line("\n[timing]");
    text.comment("Real time per recorded time: 1 plays the calls as fast as they were, 0 waits for nothing.");
    text.line(format!("scale = {scale:?}"));
    if let Some(domain) = &inference.domain {
        text.line("\n[domain]");
        text.comment("Of the first host that was named in full.");
        text.line(format!("name = {}", quoted(domain)));
    }
    for (position, (network, from)) in inference.networks.iter().enumerate() {
        text.line("\n[[networks]]");
        text.comment(format!("The network {from}. Its name was not seen."));
        text.line(format!(
            "name = {}",
            quoted(&format!("Cluster Network {}", position + 1))
        ));
        text.line(format!("subnet = {}", quoted(&network.subnet.to_string())));
        text.line(format!("prefix = {}", network.prefix));
    }
    let addresses = machine_addresses(trace, inference);
    for (position, machine) in inference.machines.iter().enumerate() {
        write_machine(&mut text, machine);
        if let Some(addresses) = addresses.get(position) {
            text.comment("Not seen; chosen so that no cluster has them.");
            text.line(format!("addresses = [{}]", listed(addresses)));
        }
    }
    for (cluster, from) in &inference.clusters.clusters {
        write_cluster(&mut text, cluster, from);
    }
    for call in &inference.calls {
        text.line("");
        text.line("[[recordings]]");
        for note in &call.notes {
            text.comment(note);
        }
        write_recording(&mut text, &call.recording);
    }
    text.0
}

fn heading(text: &mut Text, trace: &Trace, inference: &Inference) {
    let header = &trace.header;
    text.comment(format!(
        "Inferred from a trace that {} recorded on {}, over {}.",
        header.program, header.os, header.library
    ));
    if trace.truncated {
        text.comment("The last line of the trace was cut off and is left out.");
    }
    if !trace.ended {
        text.comment("The recording was not ended in order: what came last may be missing.");
    }
    text.comment("\nWhat the trace does not show:");
    let always = [
        "accounts and rights in the directory: new ones can be made, and no name is taken",
        "networks beyond those of the addresses below, and the addresses of machines",
        "what a call had done to the world while it ran: it does all of it at its end",
    ];
    for unseen in always.into_iter().chain(inference.unseen.iter().map(String::as_str)) {
        text.comment(format!("- {unseen}"));
    }
    text.line("");
}

fn write_machine(text: &mut Text, machine: &InferredMachine) {
    text.line("\n[[machines]]");
    text.line(format!("name = {}", quoted(&machine.name)));
    text.comment(format!("{}.", machine.os_from));
    text.line(format!("os = {}", quoted(machine.os.name())));
    match &machine.state_from {
        Some(from) => text.comment(format!("{from}.")),
        None => text.comment("Whether it was in a cluster before was not seen."),
    }
    for (field, value, usual) in [
        ("reachable", machine.reachable, true),
        ("feature_installed", machine.feature_installed, true),
        ("already_clustered", machine.already_clustered, false),
    ] {
        if value != usual {
            text.line(format!("{field} = {value}"));
        }
    }
}

fn write_cluster(text: &mut Text, cluster: &ExistingCluster, from: &[String]) {
    text.line("\n[[clusters]]");
    for from in from {
        text.comment(format!("{from}."));
    }
    text.line(format!("name = {}", quoted(&cluster.name)));
    let nodes: Vec<String> = cluster.nodes.iter().map(|node| quoted(node)).collect();
    text.line(format!("nodes = [{}]", nodes.join(", ")));
    if let Some(level) = cluster.functional_level {
        text.line(format!("functional_level = {level}"));
    }
    if !cluster.addresses.is_empty() {
        text.line(format!("addresses = [{}]", listed(&cluster.addresses)));
    }
    if !cluster.groups.is_empty() {
        let groups = cluster
            .groups
            .iter()
            .map(|group| format!("{{ name = {} }}", quoted(&group.name)));
        text.line(format!("groups = [{}]", groups.collect::<Vec<_>>().join(", ")));
    }
}

fn write_recording(text: &mut Text, recording: &Recording) {
    text.line(format!("function = {}", quoted(&recording.function)));
    text.line(format!("cluster = {}", quoted(&recording.cluster)));
    if let Some(node) = &recording.node {
        text.line(format!("node = {}", quoted(node)));
    }
    if recording.check {
        text.line("check = true");
    }
    text.line(format!("duration_ms = {}", recording.duration_ms));
    if recording.result != 0 {
        text.line(format!("result = {}", recording.result));
    }
    if recording.cleanup_status != 0 {
        text.line(format!("cleanup_status = {:#x}", recording.cleanup_status));
    }
    if let Some(changes) = recording.changes_world {
        text.line(format!("changes_world = {changes}"));
    }
    if recording.second_thread {
        text.line("second_thread = true");
    }
    if !recording.hosts_after.is_empty() {
        let hosts = recording.hosts_after.iter();
        let hosts: Vec<String> = hosts
            .map(|(host, state)| format!("{} = {state}", quoted(host)))
            .collect();
        text.line(format!("hosts_after = {{ {} }}", hosts.join(", ")));
    }
    if !recording.callbacks.is_empty() {
        text.line("callbacks = [");
        for callback in &recording.callbacks {
            text.line(format!("    {},", inline(callback)));
        }
        text.line("]");
    }
}

/// A callback as an inline table, without what is as usual.
fn inline(callback: &RecordedCallback) -> String {
    let phase = match &callback.phase {
        Phase::Number(number) => number.to_string(),
        Phase::Name(name) => quoted(name),
    };
    let mut fields = format!("at_ms = {}, phase = {phase}", callback.at_ms);
    let mut field = |name: &str, value: String| {
        let _ = write!(fields, ", {name} = {value}");
    };
    if let Some(phase_type) = callback.phase_type {
        field("type", phase_type.to_string());
        if callback.severity != 1 {
            field("severity", callback.severity.to_string());
        }
        field("percent", callback.percent.to_string());
    }
    if let Some(object) = &callback.object {
        field("object", quoted(object));
    }
    if callback.status != 0 {
        // Win32 codes are known by their decimal numbers, HRESULTs by their hexadecimal ones.
        let status = callback.status;
        field(
            "status",
            if status >> 31 == 0 {
                status.to_string()
            } else {
                format!("{status:#x}")
            },
        );
    }
    format!("{{ {fields} }}")
}

/// The addresses of each machine, if those that a scenario gives by itself belong to a cluster here; none otherwise.
fn machine_addresses(trace: &Trace, inference: &Inference) -> Vec<Vec<IpAddr>> {
    let mut taken = cluster_addresses(&View::new(trace));
    taken.extend(
        inference
            .clusters
            .clusters
            .iter()
            .flat_map(|(cluster, _)| &cluster.addresses),
    );
    let machines = inference.machines.iter().count();
    let networks: Vec<&Network> = inference.networks.iter().map(|(network, _)| network).collect();
    let last = FIRST_HOST.saturating_add(u32::try_from(machines).unwrap_or(u32::MAX));
    let collides = networks
        .iter()
        .any(|network| (FIRST_HOST..last).any(|host| taken.contains(&network.address(host))));
    if !collides {
        return Vec::new();
    }
    let mut addresses = vec![Vec::new(); machines];
    for network in networks {
        let free = (1..=u32::from(u16::MAX)).map(|host| network.address(host));
        let free = free.filter(|address| network.contains(*address) && !taken.contains(address));
        for (own, address) in addresses.iter_mut().zip(free) {
            own.push(address);
        }
    }
    addresses
}

fn listed(addresses: &[IpAddr]) -> String {
    let quoted: Vec<String> = addresses.iter().map(|address| quoted(&address.to_string())).collect();
    quoted.join(", ")
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's too; only DEL stands as it is in JSON, and may not in TOML.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
