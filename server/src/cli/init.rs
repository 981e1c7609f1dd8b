//! `wsfcd init`: sets the daemon up with an authority of its own, and invites whoever comes first.

use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use toml_edit::{DocumentMut, Item, Table, value};
use wsfcd::access::host_names::foremost;
use wsfcd::access::init::{Invitation, init, invite};
use wsfcd::access::tokens::Grant;
use wsfcd::platform::Platform;
use wsfcd::settings::sources::{SettingsFile, Sources};
use wsfcd::settings::{Settings, places};

/// The port that `wsfcctl login` takes when none is said.
const PORT: u16 = 7443;
/// Where a daemon listens that is to be reached by others.
const EVERYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), PORT);

/// What is set up.
#[derive(Debug, Args)]
pub struct Options {
    /// The settings file to write or to extend. Without it, `wsfcd.toml` in `/etc/wsfcd` or `ProgramData\wsfcd`.
    #[arg(long, short, env = "WSFCD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the daemon keeps its data (`data_dir`); written to the settings.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Address and port to listen on (`listen.address`); written to the settings [default: what they say, else
    /// 0.0.0.0:7443].
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "token")]
    listen: Option<SocketAddr>,
    /// A name or an address that clients reach the daemon by, beside those that this host knows; repeatable.
    #[arg(long = "name", value_name = "DNS", conflicts_with = "token")]
    names: Vec<String>,
    /// The role that the token gives.
    #[arg(long, default_value = "administrator")]
    role: String,
    /// The name of the identity that the token is for [default: the role].
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// How long the token can be used.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// Set nothing up, and only make another token for a daemon that is set up and does not run.
    #[arg(long)]
    token: bool,
}

/// Sets the daemon up and prints how to log in: the command on standard output, the rest on standard error.
pub fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let grant = Grant {
        name: options.user.clone().unwrap_or_else(|| options.role.clone()),
        role: options.role.clone(),
        clusters: None,
    };
    let platform = Platform::system();
    let path = options.config.clone().unwrap_or_else(places::settings_file);
    let before = read(&path, options.config.is_none())?;
    let planned = plan(&path, before.as_deref(), &options)?;
    let settings = load(&path, &planned)?;
    if settings.listen.address.port() == 0 {
        let problem = "port 0 is another port at each start, which no client could know; give --listen ADDRESS:PORT";
        return Err(problem.into());
    }
    let invitation = if options.token {
        invite(&settings, grant, options.ttl, &platform)?
    } else {
        let settle = || {
            if before.as_deref() == Some(planned.as_str()) {
                return Ok(());
            }
            write(&path, &planned)
        };
        init(&settings, &options.names, grant, options.ttl, &platform, settle)?
    };
    tell(&options, &path, &settings, &invitation)
}

fn tell(options: &Options, path: &Path, settings: &Settings, invitation: &Invitation) -> Result<(), Box<dyn Error>> {
    let mut err = io::stderr();
    if !options.token {
        let names: Vec<_> = invitation.names.iter().map(String::as_str).collect();
        writeln!(
            err,
            "The daemon has an authority of its own, in {}.",
            settings.data_dir.display()
        )?;
        writeln!(err, "Its certificate is for {}.", names.join(", "))?;
        writeln!(
            err,
            "It listens on {} when it runs: {} says so.",
            settings.listen.address,
            path.display()
        )?;
    }
    writeln!(
        err,
        "The token works once, until {}, and makes whoever uses it {} with the role {}.",
        humantime::format_rfc3339_seconds(invitation.expires),
        invitation.grant.name,
        invitation.grant.role
    )?;
    writeln!(err, "Start the daemon, and on the machine that is to use it run:\n")?;
    writeln!(
        io::stdout(),
        "wsfcctl login {} --token {}",
        host(settings, invitation, options.names.first()),
        invitation.token.expose()
    )?;
    Ok(())
}

/// How the daemon is best reached.
fn host(settings: &Settings, invitation: &Invitation, named: Option<&String>) -> String {
    let address = settings.listen.address;
    let host = if let Some(named) = named {
        named.clone()
    } else if address.ip().is_loopback() {
        String::from("localhost")
    } else if address.ip().is_unspecified() {
        foremost(&invitation.names)
            .cloned()
            .unwrap_or_else(|| String::from("HOST"))
    } else {
        match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        }
    };
    match address.port() {
        PORT => host,
        port => format!("{host}:{port}"),
    }
}

/// The settings as they are in the file. One that nobody named must be an administrator's.
fn read(path: &Path, must_be_trusted: bool) -> Result<Option<String>, Box<dyn Error>> {
    let told = |error: io::Error| format!("cannot read the settings file {}: {error}", path.display());
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(told(error).into()),
        Ok(file) if must_be_trusted && !places::is_trusted(&file).map_err(told)? => {
            let problem = "is not an administrator's; take it over, remove it, or name a file with `--config`";
            Err(format!("the settings file {} {problem}", path.display()).into())
        }
        Ok(file) => io::read_to_string(file).map(Some).map_err(|error| told(error).into()),
    }
}

/// The settings as they will be: what is there stays, with its comments, and what the own authority needs is added.
fn plan(path: &Path, before: Option<&str>, options: &Options) -> Result<String, Box<dyn Error>> {
    let mut document: DocumentMut = before
        .unwrap_or_default()
        .parse()
        .map_err(|error| format!("the settings file {} is not TOML: {error}", path.display()))?;
    if let Some(data_dir) = &options.data_dir {
        let data_dir = std::path::absolute(data_dir)?;
        let text = data_dir.to_str().ok_or("`--data-dir` is not valid Unicode")?;
        document["data_dir"] = value(text);
    }
    if options.token {
        return Ok(document.to_string());
    }
    let listen = table(&mut document, "listen")?;
    match options.listen {
        Some(address) => drop(listen.insert("address", value(address.to_string()))),
        None if !listen.contains_key("address") => drop(listen.insert("address", value(EVERYWHERE.to_string()))),
        None => {}
    }
    let tls = table(&mut document, "tls")?;
    for name in ["certificate", "key", "client_ca"] {
        if tls.contains_key(name) {
            return Err(format!(
                "{} sets `tls.{name}`, so certificates come from another authority; remove it to have one of the daemon's own",
                path.display()
            )
            .into());
        }
    }
    tls.insert("authority", value("own"));
    Ok(document.to_string())
}

fn table<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut dyn toml_edit::TableLike, String> {
    document
        .entry(name)
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_like_mut()
        .ok_or_else(|| format!("`{name}` in the settings is a value and has no parts"))
}

/// The settings as the daemon will have them, the environment included.
fn load(path: &Path, text: &str) -> Result<Settings, Box<dyn Error>> {
    let sources = Sources {
        file: SettingsFile::Planned {
            path: path.into(),
            text: text.into(),
        },
        environment: std::env::vars_os().collect(),
        flags: Vec::new(),
    };
    Ok(sources.load()?.settings)
}

/// Writes the file whole, and leaves who may read it as it was.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        make_folder(folder)?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = File::create(&new)?;
    if let Ok(before) = path.metadata() {
        file.set_permissions(before.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&new, &path)?;
    path.parent().map_or(Ok(()), places::sync_dir)
}

/// On Windows everybody may make folders in `ProgramData`, so that of the settings is the daemon's and the administrators'.
fn make_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) {
        places::make_private(folder)
    } else {
        std::fs::create_dir_all(folder)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &[&str]) -> Options {
        let line = ["init"].into_iter().chain(arguments.iter().copied());
        Line::parse_from(line).options
    }

    fn planned(before: &str, arguments: &[&str]) -> Result<String, String> {
        plan(Path::new("wsfcd.toml"), Some(before), &options(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_settings_file_is_written_or_extended() {
        let written = "[listen]\naddress = \"0.0.0.0:7443\"\n\n[tls]\nauthority = \"own\"\n";
        assert_eq!(planned("", &[]).unwrap(), written);
        let before = "# ours\n[listen]\naddress = \"10.0.0.1:7000\" # the cluster's\n\n[log]\nfilter = \"warn\"\n";
        let after = planned(before, &[]).unwrap();
        assert_eq!(after, format!("{before}\n[tls]\nauthority = \"own\"\n"));
        assert_eq!(planned(&after, &[]).unwrap(), after);
        let other = planned(before, &["--listen", "0.0.0.0:1", "--data-dir", "/data"]).unwrap();
        assert!(
            other.contains("address = \"0.0.0.0:1\"") && other.contains("# ours"),
            "{other}"
        );
        assert_eq!(load(Path::new("x"), &other).unwrap().listen.address.port(), 1);
        let inline = planned("tls = { look = 1 }\n", &[]).unwrap();
        assert!(inline.contains("authority = \"own\" }"), "{inline}");
    }

    #[test]
    fn what_another_authority_certifies_stays_as_it_is() {
        for name in ["certificate", "key", "client_ca"] {
            let error = planned(&format!("[tls]\n{name} = \"/x.pem\"\n"), &[]).unwrap_err();
            assert!(error.contains(&format!("`tls.{name}`")), "{error}");
        }
        assert!(planned("listen = 3", &[]).is_err());
        assert!(planned("[[[", &[]).is_err());
    }

    #[test]
    fn a_token_changes_no_settings() {
        let before = "# ours\n[listen]\naddress = \"127.0.0.1:7000\"\n";
        assert_eq!(planned(before, &["--token"]).unwrap(), before);
    }

    #[test]
    fn a_file_is_written_whole_and_as_readable_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/wsfcd.toml");
        write(&path, "one").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            write(&path, "two").unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        }
        write(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
    }

    #[test]
    fn the_command_names_the_host_that_is_reached() {
        let host = |listen: &str, names: &[&str]| {
            let mut settings = Settings::default();
            settings.listen.address = listen.parse().unwrap();
            let invitation = Invitation {
                token: wsfc_proto::join_token::JoinToken {
                    pin: [0; 32],
                    id: "000000000000".into(),
                    secret: wsfc_proto::join_token::JoinSecret::new([0; 16]),
                },
                grant: Grant {
                    name: "a".into(),
                    role: "viewer".into(),
                    clusters: None,
                },
                expires: std::time::SystemTime::UNIX_EPOCH,
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            };
            super::host(&settings, &invitation, None)
        };
        assert_eq!(host("0.0.0.0:7443", &["n1", "n1.example", "localhost"]), "n1.example");
        assert_eq!(host("0.0.0.0:7444", &["n1"]), "n1:7444");
        assert_eq!(host("127.0.0.1:7443", &["n1"]), "localhost");
        assert_eq!(host("[2001:db8::1]:7443", &["n1"]), "[2001:db8::1]");
    }
}
