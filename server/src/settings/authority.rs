//! Who vouches for the daemon and for its clients: files of the organisation's authority, or the daemon itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Settings, Tls, Unfit};
use crate::access::files::AccessFolder;

/// Where certificates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsAuthority {
    /// From files that the settings name; that of the server from the machine's certificate store, if they name it there.
    #[default]
    Files,
    /// From the daemon's own authority, which `wsfcd init` makes.
    Own,
}

impl TlsAuthority {
    pub(super) fn is_files(&self) -> bool {
        *self == Self::Files
    }
}

pub(super) fn is_absent(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

impl Tls {
    /// With the daemon's own authority.
    pub fn own() -> Self {
        Self {
            authority: TlsAuthority::Own,
            ..Self::new("", "")
        }
    }

    pub(super) fn check_authority(&self) -> Result<(), Unfit> {
        let files = [
            ("tls.certificate", !is_absent(&self.certificate)),
            ("tls.key", !is_absent(&self.key)),
        ];
        let others = [
            ("tls.store_thumbprint", self.store_thumbprint.is_some()),
            ("tls.client_ca", self.client_ca.is_some()),
        ];
        let of = |wanted: bool| move |(field, is_set): (&'static str, bool)| (is_set == wanted).then_some(field);
        let unfit = match (self.authority, self.store_thumbprint) {
            (TlsAuthority::Own, _) => files
                .into_iter()
                .chain(others)
                .find_map(of(true))
                .map(|field| Unfit::TwoAuthorities { field }),
            (TlsAuthority::Files, Some(_stored)) => files
                .into_iter()
                .find_map(of(true))
                .map(|field| Unfit::TwoCertificates { field }),
            (TlsAuthority::Files, None) => files
                .into_iter()
                .find_map(of(false))
                .map(|field| Unfit::NoCertificate { field }),
        };
        unfit.map_or(Ok(()), Err)
    }
}

impl Settings {
    /// The daemon's own authority, if it vouches for its certificate and its clients: where its files are.
    pub fn own_authority(&self) -> Option<AccessFolder> {
        self.tls
            .as_ref()
            .filter(|tls| tls.authority == TlsAuthority::Own)
            .map(|_own| AccessFolder::of(&self.data_dir))
    }

    /// With the files of the own authority where it vouches, so that whoever reads certificates finds them.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        let folder = self.own_authority();
        if let (Some(folder), Some(tls)) = (folder, &mut self.tls) {
            tls.certificate = folder.server();
            tls.key = folder.server();
            tls.client_ca = Some(folder.authority());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str) -> Result<(), Unfit> {
        toml::from_str::<Tls>(toml).unwrap().check_authority()
    }

    #[test]
    fn certificates_come_from_one_place() {
        assert_eq!(check("certificate = '/c'\nkey = '/k'"), Ok(()));
        assert_eq!(check("authority = 'own'"), Ok(()));
        assert_eq!(
            check("authority = 'own'\nclient_ca = '/ca'"),
            Err(Unfit::TwoAuthorities { field: "tls.client_ca" })
        );
        let stored = "store_thumbprint = '00A1B2C3D4E5F60718293A4B5C6D7E8F90ABCDEF'";
        assert_eq!(check(stored), Ok(()));
        assert_eq!(check(&format!("{stored}\nclient_ca = '/ca'")), Ok(()));
        for (file, field) in [("certificate", "tls.certificate"), ("key", "tls.key")] {
            let both = check(&format!("{stored}\n{file} = '/f'"));
            assert_eq!(both, Err(Unfit::TwoCertificates { field }));
        }
        assert_eq!(
            check(&format!("authority = 'own'\n{stored}")),
            Err(Unfit::TwoAuthorities {
                field: "tls.store_thumbprint"
            })
        );
        assert_eq!(
            check("key = '/k'"),
            Err(Unfit::NoCertificate {
                field: "tls.certificate"
            })
        );
        assert_eq!(
            check("certificate = '/c'"),
            Err(Unfit::NoCertificate { field: "tls.key" })
        );
    }

    #[test]
    fn the_own_authority_has_its_files_in_the_data_directory() {
        let settings = Settings {
            data_dir: "/data".into(),
            tls: Some(Tls::own()),
            ..Settings::default()
        };
        let tls = settings.resolved().tls.unwrap();
        let access = Path::new("/data").join("access");
        assert_eq!(
            (&tls.certificate, &tls.key),
            (&access.join("server.pem"), &access.join("server.pem"))
        );
        assert_eq!(tls.client_ca, Some(access.join("ca.pem")));
        let plain = Settings::default();
        assert_eq!(plain.clone().resolved(), plain);
    }
}
