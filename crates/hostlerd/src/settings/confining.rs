//! What settings say of how much of the system is kept from an instance, as drop-ins of its service: links, which systemd reads with the next
//! `daemon-reload` and which the next start obeys.
//!
//! Drop-ins are left alone where no setting speaks of them: then a person may link what they like.

use std::path::Path;

use hostler_bus::daemon::{Error, Result};
use hostler_instances::{Change, Failed, Name, Plan, Step};
use hostler_settings::{Reading, Service};

use crate::beside::beside;
use crate::creating::impossible;
use crate::daemon::Hostlerd;
use crate::units::service_of;

impl Hostlerd {
    /// What has to be done for the drop-ins to be what the settings `after` say, where these, or those `before`, speak of them.
    ///
    /// # Errors
    /// When systemd cannot keep it from this instance, or what is there was written by somebody else.
    pub(crate) fn confinement(&self, name: &str, before: &str, after: &str) -> Result<Vec<Step>> {
        let wanted = meant(after);
        if wanted == Service::default() && meant(before) == wanted {
            return Ok(Vec::new());
        }
        let refused = |reason: String| Error::Refused { reason };
        let name: Name = name.parse().map_err(|error| refused(format!("{error}")))?;
        let places = self.places(&name)?;
        let plan = Plan::confinement(&name, &wanted, &places).map_err(impossible)?;
        let mut steps = plan.compare(&places, false).map_err(|error| refused(error.to_string()))?;
        if let Some(step) = steps.iter().find(|step| matches!(step.change, Change::Refused(_) | Change::Kept)) {
            return Err(refused(format!(
                "{} is there already, and was not written by Hostler; nothing was changed. Look at it, and take it away",
                step.path.display()
            )));
        }
        steps.retain(|step| step.change != Change::Same);
        Ok(steps)
    }

    /// Does that, and has systemd read it; whether there was anything to do.
    pub(crate) async fn confine(&self, name: &str, before: &str, after: &str) -> Result<bool> {
        let steps = self.confinement(name, before, after)?;
        if steps.is_empty() {
            return Ok(false);
        }
        let known = name.parse::<Name>().map_err(|error| Error::Refused { reason: error.to_string() })?;
        let places = self.places(&known)?;
        let take = move || {
            let refused = |error: Failed| Error::Refused { reason: error.to_string() };
            steps.iter().try_for_each(|step| step.take(&places).map(drop).map_err(refused))
        };
        beside(take).await?;
        // Without systemd there is nobody to be told.
        if let Ok(units) = self.units() {
            units.read_again(&service_of(name)).await?;
        }
        Ok(true)
    }
}

/// What a text says of it; what is no settings file says nothing.
fn meant(text: &str) -> Service {
    let mut reading = Reading::new();
    reading.file(Path::new(""), text);
    reading.finish().map(|settings| settings.service).unwrap_or_default()
}
