//! The desktop's own file chooser, by its portal: `org.freedesktop.portal.FileChooser`, which xdg-desktop-portal(8) serves on
//! the bus of the session.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ashpd::desktop::ResponseError;
use ashpd::desktop::file_chooser::SelectedFiles;

use super::thread::Connect;
use super::{ChoiceKind, ChoiceWish};
use crate::model::{Failure, FailureKind};

/// Has the person choose; nothing is chosen where they close the dialog.
///
/// # Errors
/// Where no portal answers, or has no such dialog. The words say what to do.
pub(super) async fn choose(connect: Arc<dyn Connect>, wish: ChoiceWish) -> Result<Vec<PathBuf>, Failure> {
    let session = connect.session().await.map_err(|error| absent(&format!("the session's bus: {error}")))?;
    match ask(session, &wish).await {
        Ok(files) => files.uris().iter().map(|uri| path(uri.as_str())).collect(),
        Err(ashpd::Error::Response(ResponseError::Cancelled)) => Ok(Vec::new()),
        Err(error) => Err(absent(&error.to_string())),
    }
}

async fn ask(session: zbus::Connection, wish: &ChoiceWish) -> ashpd::Result<SelectedFiles> {
    let (title, folder, session) = (wish.title.as_str(), Some(wish.folder.as_path()), Some(session));
    match &wish.kind {
        ChoiceKind::Folder => {
            let request = SelectedFiles::open_file().title(title).directory(true).current_folder::<&Path>(folder)?;
            request.connection(session).send().await?.response()
        }
        ChoiceKind::Files => {
            let request = SelectedFiles::open_file().title(title).multiple(true).current_folder::<&Path>(folder)?;
            request.connection(session).send().await?.response()
        }
        ChoiceKind::Save(name) => {
            let request =
                SelectedFiles::save_file().title(title).current_name(name.as_str()).current_folder::<&Path>(folder)?;
            request.connection(session).send().await?.response()
        }
    }
}

fn absent(reason: &str) -> Failure {
    let message = format!(
        "The desktop's file chooser does not answer ({reason}). Type the path; xdg-desktop-portal with a backend for this \
         desktop brings the chooser."
    );
    Failure { kind: FailureKind::Failed, message, ..Failure::default() }
}

/// The path of a file URI (RFC 8089): `file:///srv/my%20shop`.
fn path(uri: &str) -> Result<PathBuf, Failure> {
    let foreign = || Failure {
        message: format!("{uri} is no file of this computer. Choose another, or type the path of a copy of it."),
        ..Failure::default()
    };
    let rest = uri.strip_prefix("file://").ok_or_else(foreign)?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return Err(foreign());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(rest.len());
    let mut rest = rest.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => {
                bytes.push(digit(*high).ok_or_else(foreign)? << 4 | digit(*low).ok_or_else(foreign)?);
                rest = tail;
            }
            (b'%', _) => return Err(foreign()),
            (byte, _) => bytes.push(*byte),
        }
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_uris_are_paths() {
        for (uri, found) in [
            ("file:///srv/my%20shop", Some("/srv/my shop")),
            ("file://localhost/srv/caf%C3%A9", Some("/srv/café")),
            ("file:///", Some("/")),
            ("file://web1/srv/shop", None),
            ("sftp://web1/srv/shop", None),
            ("file:///srv/%2", None),
            ("file:///srv/%zz", None),
        ] {
            let read = path(uri);
            assert_eq!(read.as_ref().ok(), found.map(PathBuf::from).as_ref(), "{uri}");
            if let Err(failure) = read {
                assert!(failure.message.starts_with(uri), "{failure:?}");
            }
        }
    }
}
