//! Credentials that systemd passes to a service: files that only its user reads (`LoadCredential=`, systemd.exec(5), since
//! 247; systemd.io/CREDENTIALS).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::Environment;

/// The limit of all credentials of a unit together, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Where the credentials of this service are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    directory: Option<PathBuf>,
}

/// Why a credential cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The name cannot be one.
    #[error("\"{}\" cannot be the name of a credential: printable ASCII without / and :, up to 255 bytes", .0.escape_default())]
    Name(String),
    /// The service has none of this name.
    #[error(
        "the credential \"{name}\" was not passed to this service: write LoadCredential={name}:/path/to/file into the \
         service unit, and restart it"
    )]
    Missing {
        /// The name.
        name: String,
    },
    /// It cannot be read.
    #[error("the credential {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is larger than systemd passes.
    #[error("the credential {} is larger than {LIMIT} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It should be text.
    #[error("the credential {} is not text in UTF-8", .0.display())]
    NotText(PathBuf),
}

impl Credentials {
    /// The directory that `CREDENTIALS_DIRECTORY` names. Without one every credential is missing.
    pub fn from(environment: &Environment) -> Self {
        Self { directory: environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
    }

    /// The file of a credential, which need not exist. `None` when the service has no credentials at all.
    ///
    /// # Errors
    /// [`CredentialError::Name`].
    pub fn path(&self, name: &str) -> Result<Option<PathBuf>, CredentialError> {
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':'));
        if !plain || !(1..=255).contains(&name.len()) || matches!(name, "." | "..") {
            return Err(CredentialError::Name(name.to_owned()));
        }
        Ok(self.directory.as_ref().map(|directory| directory.join(name)))
    }

    /// The bytes of a credential.
    ///
    /// # Errors
    /// It was not passed, or cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, CredentialError> {
        let missing = || CredentialError::Missing { name: name.to_owned() };
        let path = self.path(name)?.ok_or_else(missing)?;
        match read(&path) {
            Ok(bytes) if bytes.len() as u64 > LIMIT => Err(CredentialError::TooLarge(path)),
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing()),
            Err(source) => Err(CredentialError::Read { path, source }),
        }
    }

    /// The text of a credential, without the newline that an editor put at its end.
    ///
    /// # Errors
    /// As [`Credentials::read`]; it is not UTF-8.
    pub fn read_text(&self, name: &str) -> Result<String, CredentialError> {
        let bytes = self.read(name)?;
        let not_text = |_| CredentialError::NotText(self.directory.clone().unwrap_or_default().join(name));
        let mut text = String::from_utf8(bytes).map_err(not_text)?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(text)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_by_name() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("secret"), "s3\n\n").unwrap();
        std::fs::write(directory.path().join("latin"), [0xe9]).unwrap();
        std::fs::write(directory.path().join("large"), vec![0; 1024 * 1024 + 1]).unwrap();
        std::fs::create_dir(directory.path().join("inside")).unwrap();
        let credentials = Credentials::from(&[("CREDENTIALS_DIRECTORY", directory.path())].into_iter().collect());
        assert_eq!(credentials.read("secret").unwrap(), b"s3\n\n");
        assert_eq!(credentials.read_text("secret").unwrap(), "s3\n");
        assert!(matches!(credentials.read_text("latin"), Err(CredentialError::NotText(_))));
        assert!(matches!(credentials.read("large"), Err(CredentialError::TooLarge(_))));
        assert!(matches!(credentials.read("inside"), Err(CredentialError::Read { .. })));
        let message = credentials.read("none").unwrap_err().to_string();
        assert!(message.contains("write LoadCredential=none:/path/to/file"), "{message}");
        for bad in ["", ".", "..", "../secret", "a:b", "a b", "é"] {
            assert!(matches!(credentials.read(bad), Err(CredentialError::Name(_))), "{bad}");
        }
    }

    #[test]
    fn without_a_directory_all_are_missing() {
        let credentials = Credentials::from(&Environment::default());
        assert_eq!(credentials.path("x").unwrap(), None);
        assert!(matches!(credentials.read("x"), Err(CredentialError::Missing { .. })));
    }
}
