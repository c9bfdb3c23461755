//! What differs between two states of the settings, and what of it a server can take up while it runs.

use crate::declare::Group;
use crate::meta::{Apply, SettingMeta};
use crate::{Settings, metas};

impl Settings {
    /// The settings that `next` has other values of, in the order of [`metas`].
    #[must_use]
    pub fn differing(&self, next: &Self) -> Vec<&'static SettingMeta> {
        let values = self.rendered().into_iter().zip(next.rendered());
        metas().iter().zip(values).filter(|(_, (now, next))| now != next).map(|(meta, _)| meta).collect()
    }

    /// Takes the values of those over from `next` that take effect at once ([`Apply::Live`]).
    pub fn take_live(&mut self, next: &Self) {
        let is_live = |key: &str| metas().iter().any(|meta| meta.key == key && meta.apply == Apply::Live);
        let Self { app, bind, pool, life, asgi, http, limits, log, develop, service, is_bind_given: _ } = self;
        app.take(&next.app, is_live);
        bind.take(&next.bind, is_live);
        pool.take(&next.pool, is_live);
        life.take(&next.life, is_live);
        asgi.take(&next.asgi, is_live);
        http.take(&next.http, is_live);
        limits.take(&next.limits, is_live);
        log.take(&next.log, is_live);
        develop.take(&next.develop, is_live);
        service.take(&next.service, is_live);
    }

    /// Each value as it would be written in a file, in the order of [`metas`]; `None` where it is unset.
    pub(crate) fn rendered(&self) -> Vec<Option<String>> {
        let Self { app, bind, pool, life, asgi, http, limits, log, develop, service, is_bind_given: _ } = self;
        [
            app.rendered(),
            bind.rendered(),
            pool.rendered(),
            life.rendered(),
            asgi.rendered(),
            http.rendered(),
            limits.rendered(),
            log.rendered(),
            develop.rendered(),
            service.rendered(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Reading;

    fn of(text: &str) -> Settings {
        let mut reading = Reading::new();
        reading.file(Path::new("x"), text);
        reading.finish().unwrap()
    }

    #[test]
    fn what_is_live_is_taken_and_nothing_else() {
        let mut now = of("workers = 1\ntimeout = 30");
        let next = of("workers = 2\ntimeout = 5\nlog_level = \"debug\"\nbacklog = 7");
        let keys = |now: &Settings| now.differing(&next).into_iter().map(|meta| meta.key).collect::<Vec<_>>();
        let mut all = keys(&now);
        all.sort_unstable();
        assert_eq!(all, ["backlog", "log_level", "timeout", "workers"]);
        now.take_live(&next);
        let mut left = keys(&now);
        left.sort_unstable();
        assert_eq!(left, ["backlog", "workers"]);
        assert_eq!(now.differing(&now.clone()), Vec::<&SettingMeta>::new());
    }
}
