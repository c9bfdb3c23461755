//! What systemd has in mind for the service of this process that it tells to stop: another start, or none.
//!
//! SIGTERM says nothing of that, and whoever keeps something for the next process wants to know. A job says it: `restart` stays so until the
//! service has stopped, and only then becomes a start (org.freedesktop.systemd1(5)).

use std::path::Path;
use std::time::Duration;

use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "/org/freedesktop/systemd1";
/// How long all of it may take: the stop waits for it.
const LIMIT: Duration = Duration::from_secs(1);

/// Whether systemd stops the service that this process belongs to, and does not start it again with the same job. `notify_socket` is its
/// `$NOTIFY_SOCKET`, which tells the user's systemd from the system's. `None` when no job says it, or nobody answers in time.
pub async fn stops_for_good(notify_socket: &Path) -> Option<bool> {
    let asked = async {
        let connection = if notify_socket.starts_with("/run/user") {
            Connection::session().await?
        } else {
            Connection::system().await?
        };
        job_type(&connection).await
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(job)) => job.map(|job| job == "stop"),
        Ok(Err(error)) => {
            tracing::debug!(%error, "systemd does not say whether it starts the service again");
            None
        }
        Err(_) => None,
    }
}

/// The type of the job of this process's unit; `None` where it has none.
async fn job_type(connection: &Connection) -> zbus::Result<Option<String>> {
    let manager = Some("org.freedesktop.systemd1.Manager");
    // 0 is whoever asks.
    let unit = connection.call_method(Some(SERVICE), MANAGER, manager, "GetUnitByPID", &0_u32).await?;
    let unit: OwnedObjectPath = unit.body().deserialize()?;
    let (number, job): (u32, OwnedObjectPath) = property(connection, &unit, "Unit", "Job").await?.try_into()?;
    if number == 0 {
        return Ok(None);
    }
    Ok(Some(property(connection, &job, "Job", "JobType").await?.try_into()?))
}

async fn property(
    connection: &Connection,
    path: &OwnedObjectPath,
    interface: &str,
    name: &str,
) -> zbus::Result<OwnedValue> {
    let properties = Some("org.freedesktop.DBus.Properties");
    let wanted = (format!("{SERVICE}.{interface}"), name);
    connection.call_method(Some(SERVICE), path, properties, "Get", &wanted).await?.body().deserialize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_nobody_answers_nothing_is_known() {
        // No systemd has started the tests with such a socket, whatever bus there is.
        assert_eq!(stops_for_good(Path::new("/run/user/0/nowhere")).await.filter(|stops| *stops), None);
    }
}
