//! `wsfcd functions`: the C functions of the cluster API, and whether this host has them.

use std::error::Error;
use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};
use wsfc_clusapi::Clusapi;
use wsfcd::cluster_api;
use wsfcd::settings::Settings;

use super::SettingsFlags;
use super::service::Form;

/// What to show, and how.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    settings: SettingsFlags,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
}

/// Prints the functions.
pub fn show(options: &Options) -> Result<(), Box<dyn Error>> {
    let settings = options.settings.load()?.settings;
    let api = load(&settings)?;
    let origin = match (&settings.cluster_api.simulate, api.loaded_from()) {
        (Some(scenario), _) => format!("simulated, scenario {scenario}"),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => String::from("unknown"),
    };
    let text = match options.output {
        Form::Table => table(&api, &origin),
        Form::Json => format!("{}\n", object(&api, &origin)),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// The cluster API that the settings name; a simulated world is made anew, so that a saved one is not touched.
fn load(settings: &Settings) -> Result<Clusapi, cluster_api::ClusterApiError> {
    match &settings.cluster_api.simulate {
        Some(scenario) => cluster_api::simulation(scenario, None).map(Clusapi::from_provider),
        None => cluster_api::connect(settings).map(|connected| connected.api),
    }
}

fn table(api: &Clusapi, origin: &str) -> String {
    let functions = api.functions();
    let width = functions.iter().map(|function| function.name.len()).max().unwrap_or(0);
    let here = functions
        .iter()
        .filter(|function| api.is_supported(function.name))
        .count();
    let mut text = format!(
        "Library: {origin}\n{here} of {} functions are here; what needs another answers UNIMPLEMENTED.\n\n{:width$}  HERE  SINCE\n",
        functions.len(),
        "FUNCTION"
    );
    for function in functions {
        let here = if api.is_supported(function.name) { "yes" } else { "no" };
        text.push_str(&format!("{:width$}  {here:<4}  {}\n", function.name, function.since));
    }
    text
}

fn object(api: &Clusapi, origin: &str) -> Value {
    let functions: Vec<Value> = api
        .functions()
        .iter()
        .map(|function| {
            json!({
                "name": function.name,
                "here": api.is_supported(function.name),
                "since": function.since.to_string(),
            })
        })
        .collect();
    json!({ "library": origin, "functions": functions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn older() -> Clusapi {
        let scenario = "functions_absent = [\"AddClusterNodeEx\"]\n[[machines]]\nname = \"n1\"\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.toml");
        std::fs::write(&path, scenario).unwrap();
        let mut settings = Settings::default();
        settings.cluster_api.simulate = Some(path.to_str().unwrap().into());
        load(&settings).unwrap()
    }

    #[test]
    fn what_is_missing_shows_with_its_release() {
        let text = table(&older(), "here");
        assert!(text.starts_with("Library: here\n"), "{text}");
        let row = |name: &str| {
            let row = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
            row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("AddClusterNodeEx"), "no Windows Server 2022");
        assert_eq!(row("CreateCluster"), "yes Windows Server 2008");
    }

    #[test]
    fn the_object_has_every_function() {
        let api = older();
        let object = object(&api, "here");
        let functions = object["functions"].as_array().unwrap();
        assert_eq!(functions.len(), api.functions().len());
        let missing: Vec<_> = functions.iter().filter(|function| function["here"] == false).collect();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0]["name"], "AddClusterNodeEx");
    }
}
