//! All that is known of one instance: once, or again and again for whoever watches it.

use std::time::{Duration, Instant};

use hostler_bus::daemon::{Detail, Overview, Result, SocketFacts, UnitFacts};

use super::{Hostlerd, no_instance};
use crate::patience::{QUICK, within};

/// How long a stream shows what systemd said of the units: it takes systemd far more than the instance to say it.
const UNITS_LAST: Duration = Duration::from_secs(5);

/// What systemd said, for a stream.
#[derive(Default)]
pub(crate) struct LastUnits {
    asked: Option<(Instant, Overview)>,
    service: Option<UnitFacts>,
    socket: Option<SocketFacts>,
}

impl Hostlerd {
    /// All that is known of an instance, with all sources read anew.
    pub(crate) async fn look(&self, name: &str) -> Result<Detail> {
        let overview = self.find(name).await?;
        self.detail_of(overview, &mut LastUnits::default()).await
    }

    /// The same for a stream that looks again and again: what is signalled is known without reading it anew.
    pub(crate) async fn look_again(&self, name: &str, units: &mut LastUnits) -> Result<Detail> {
        let known = self.0.overviews.borrow().iter().find(|one| one.name == name).cloned();
        self.detail_of(known.ok_or_else(|| no_instance(name))?, units).await
    }

    /// Asks an instance once more what the list shows of it.
    pub(crate) async fn look_anew(&self, name: &str) {
        self.0.observers.ask_again(name).await;
    }

    async fn detail_of(&self, overview: Overview, known: &mut LastUnits) -> Result<Detail> {
        let name = overview.name.as_str();
        let (instance, silent_because) = match self.0.observers.instance(name) {
            Ok(instance) => match within(QUICK, instance.status()).await {
                Ok(status) => (Some(status), String::new()),
                Err(error) => (None, error.to_string()),
            },
            Err(why) => (None, why),
        };
        if let Some(units) = &self.0.units
            && !known.asked.as_ref().is_some_and(|(at, then)| at.elapsed() < UNITS_LAST && *then == overview)
        {
            known.service = units.service(name).await.ok().map(|(facts, _)| facts);
            known.socket = units.socket(name).await.ok();
            known.asked = Some((Instant::now(), overview.clone()));
        }
        let security = match (&self.0.units, &known.service) {
            (Some(units), Some(service)) => units.judgements.of(self.0.scope.kind, name, &service.drop_ins).await,
            _ => None,
        };
        if security != overview.security {
            // The list shows it from now on.
            self.0.news.notify_one();
        }
        let awaits_restart = instance.as_ref().map(|status| status.observed.awaits_restart.clone());
        Ok(Detail {
            instance,
            silent_because,
            service: known.service.clone(),
            socket: known.socket.clone(),
            security,
            revision: self.stored(name).map(|stored| stored.revision).unwrap_or_default(),
            awaits_restart: awaits_restart.unwrap_or_default(),
            healed: self.0.healer.told(name),
            overview,
        })
    }
}
