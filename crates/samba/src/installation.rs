//! The domain controller that smb.conf describes: its names, and the paths of its files.
//!
//! Samba's own `testparm` reads the file, so that includes, substitutions and this installation's
//! defaults have the same effect as for the domain controller.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::tools;

/// An installed domain controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The configuration file.
    pub smb_conf: PathBuf,
    /// Samba's version.
    pub version: String,
    /// The server's short name, as in `netbios name`; upper case.
    pub netbios_name: String,
    /// The Kerberos realm, upper case.
    pub realm: String,
    /// The domain's short name, upper case.
    pub workgroup: String,
    /// `private dir`: the directory's databases, secrets and keys.
    pub private: PathBuf,
    /// `state directory`: databases that survive a restart.
    pub state: PathBuf,
    /// `cache directory`: never backed up.
    pub cache: PathBuf,
    /// `lock directory`: never backed up.
    pub locks: PathBuf,
    /// `pid directory`: never backed up.
    pub pids: PathBuf,
    /// `binddns dir`: its `dns` folder can be recreated and is not backed up.
    pub bind_dns: PathBuf,
    /// The path of the share `sysvol`.
    pub sysvol: PathBuf,
    /// The path of the share `netlogon`.
    pub netlogon: PathBuf,
    /// The files of `tls keyfile`, `tls certfile` and so on that are outside the folders above.
    pub tls_files: Vec<PathBuf>,
}

impl Installation {
    /// Reads smb.conf.
    ///
    /// # Errors
    /// [`Error::Tool`] if testparm cannot be started; [`Error::Configuration`] if the file is
    /// unreadable, or does not describe an Active Directory domain controller.
    pub fn read(smb_conf: &Path) -> Result<Self> {
        let unusable = |reason: String| Error::Configuration {
            path: smb_conf.to_path_buf(),
            reason,
        };
        let smb_conf = smb_conf
            .canonicalize()
            .map_err(|error| unusable(format!("cannot read the configuration: {error}")))?;
        let mut command = Command::new("testparm");
        command
            .args(["--suppress-prompt", "--verbose"])
            .arg(&smb_conf);
        let output = tools::run(command, Duration::from_secs(30))?;
        if !output.success {
            return Err(unusable(format!(
                "testparm refuses it: {}",
                output.last_words()
            )));
        }
        let mut command = Command::new("testparm");
        command.arg("--version");
        let version = tools::run(command, Duration::from_secs(30))?.stdout;
        let version = version.trim().trim_start_matches("Version ");
        Self::from_testparm(&smb_conf, version, &output.stdout)
    }

    fn from_testparm(smb_conf: &Path, version: &str, text: &str) -> Result<Self> {
        let unusable = |reason: String| Error::Configuration {
            path: smb_conf.to_path_buf(),
            reason,
        };
        let sections = Sections::parse(text);
        let global = |key: &str| sections.get("global", key);
        let demanded = |key: &'static str| {
            global(key)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| unusable(format!("it does not say `{key}`")))
        };
        let role = global("server role").unwrap_or_default();
        if role != "active directory domain controller" {
            return Err(unusable(format!(
                "server role = {role}: this is not the configuration of an Active Directory domain \
                 controller; name that one (on Debian /etc/samba/smb.conf)"
            )));
        }
        let folder = |key: &'static str| -> Result<PathBuf> {
            let path = PathBuf::from(demanded(key)?);
            match path.is_absolute() {
                true => Ok(path),
                false => Err(unusable(format!(
                    "{key} = {}: expected an absolute path",
                    path.display()
                ))),
            }
        };
        let share = |name: &str| -> Result<PathBuf> {
            match sections.get(name, "path").map(PathBuf::from) {
                Some(path) if path.is_absolute() => Ok(path),
                _ => Err(unusable(format!(
                    "it has no share [{name}] with an absolute path, which every domain controller \
                     has"
                ))),
            }
        };
        let private = folder("private dir")?;
        let tls_files = ["keyfile", "certfile", "cafile", "crlfile", "dh params file"]
            .into_iter()
            .filter_map(|key| global(&format!("tls {key}")))
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .collect();
        let mut installation = Self {
            netbios_name: demanded("netbios name")?.to_uppercase(),
            realm: demanded("realm")?.to_uppercase(),
            workgroup: demanded("workgroup")?.to_uppercase(),
            state: folder("state directory")?,
            cache: folder("cache directory")?,
            locks: folder("lock directory")?,
            pids: folder("pid directory")?,
            bind_dns: folder("binddns dir")?,
            sysvol: share("sysvol")?,
            netlogon: share("netlogon")?,
            smb_conf: smb_conf.to_path_buf(),
            version: version.to_owned(),
            private,
            tls_files,
        };
        let roots = [
            installation.private.clone(),
            installation.state.clone(),
            installation.configuration_folder().to_path_buf(),
        ];
        installation
            .tls_files
            .retain(|file| !roots.iter().any(|root| file.starts_with(root)));
        Ok(installation)
    }

    /// The folder of smb.conf.
    pub fn configuration_folder(&self) -> &Path {
        self.smb_conf.parent().unwrap_or(Path::new("/"))
    }

    /// The database that lists the partitions.
    pub fn sam(&self) -> PathBuf {
        self.private.join("sam.ldb")
    }

    /// The database whose transaction lock blocks every commit to the directory.
    pub fn metadata(&self) -> PathBuf {
        self.private.join("sam.ldb.d").join("metadata.tdb")
    }

    /// The LDAP socket of the SYSTEM account, open to root only.
    pub fn privileged_socket(&self) -> PathBuf {
        self.private.join("ldap_priv").join("ldapi")
    }
}

/// The sections of testparm's output.
struct Sections(BTreeMap<String, BTreeMap<String, String>>);

impl Sections {
    fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                current = name.to_lowercase();
            } else if let Some((key, value)) = line.split_once(" =") {
                sections
                    .entry(current.clone())
                    .or_default()
                    .insert(key.trim().to_lowercase(), value.trim().to_owned());
            }
        }
        Self(sections)
    }

    fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.0.get(section)?.get(key).map(String::as_str)
    }
}

#[cfg(test)]
impl Installation {
    /// A made-up domain controller, all in one folder.
    pub(crate) fn example(folder: &Path) -> Self {
        let place = |name: &str| folder.join(name);
        Self {
            smb_conf: place("etc/smb.conf"),
            version: "4.17.12".into(),
            netbios_name: "DC1".into(),
            realm: "LAB.EXAMPLE.COM".into(),
            workgroup: "LAB".into(),
            private: place("lib/private"),
            state: place("lib"),
            cache: place("lib/cache"),
            locks: place("run"),
            pids: place("run"),
            bind_dns: place("lib/bind-dns"),
            sysvol: place("lib/sysvol"),
            netlogon: place("lib/sysvol/scripts"),
            tls_files: vec![place("ssl/key.pem")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
# Global parameters
[global]
\tbinddns dir = /var/lib/samba/bind-dns
\tcache directory = /var/cache/samba
\tlock directory = /run/samba
\tnetbios name = DC1
\tpid directory = /run/samba
\tprivate dir = /var/lib/samba/private
\trealm = LAB.EXAMPLE.COM
\tserver role = active directory domain controller
\tstate directory = /var/lib/samba
\ttls cafile = tls/ca.pem
\ttls certfile = /etc/ssl/dc1.pem
\ttls crlfile =
\tworkgroup = LAB
\tidmap config * : backend = tdb

[sysvol]
\tpath = /var/lib/samba/sysvol

[netlogon]
\tpath = /var/lib/samba/sysvol/lab.example.com/scripts
";

    #[test]
    fn a_domain_controller_is_understood() {
        let found =
            Installation::from_testparm(Path::new("/etc/samba/smb.conf"), "4.17.12", OUTPUT)
                .unwrap();
        assert_eq!(found.netbios_name, "DC1");
        assert_eq!(found.sam(), Path::new("/var/lib/samba/private/sam.ldb"));
        assert_eq!(found.sysvol, Path::new("/var/lib/samba/sysvol"));
        assert_eq!(found.configuration_folder(), Path::new("/etc/samba"));
        assert_eq!(found.tls_files, [PathBuf::from("/etc/ssl/dc1.pem")]);
    }

    #[test]
    fn what_is_no_domain_controller_is_refused_with_the_reason() {
        for (from, to, reason) in [
            (
                "active directory domain controller",
                "standalone server",
                "server role",
            ),
            ("[sysvol]", "[other]", "[sysvol]"),
            ("realm = LAB.EXAMPLE.COM", "realm =", "realm"),
            ("private dir = /var", "private dir = var", "absolute"),
        ] {
            let text = OUTPUT.replace(from, to);
            let error = Installation::from_testparm(Path::new("/x/smb.conf"), "4.17.12", &text)
                .unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(reason) && text.contains("/x/smb.conf"),
                "{text}"
            );
        }
    }
}
