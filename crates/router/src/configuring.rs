//! Settings that change while requests are served, on the line that serves: in all threads.

use std::sync::Arc;

use hostler_log::AccessLog;
use tokio::sync::oneshot;

use crate::{Command, Config, Router};

impl Router {
    /// Treats requests otherwise that are read from now on; `threads` of it is passed over. What was begun is finished as it was begun, and
    /// who waits keeps the time limit that it waits with; a WebSocket looks at the new ones with the next byte or when the old one
    /// is over. Returns when all threads do. A switch brings settings of its own.
    pub async fn configure(&self, config: Config) {
        // Not between the two halves of a switch: some threads would keep it, and others not.
        let _line = self.line.lock().await;
        let config = Arc::new(Config { threads: self.threads.len() as u32, ..config });
        self.tell_all(|tell| Command::Configure(Arc::clone(&config), tell)).await;
    }

    /// Writes the access log elsewhere, or none, from the next request that ends on. `access_log` makes that of one thread. Returns when all
    /// threads do, and have written out what they held for the one before.
    pub async fn log_to(&self, access_log: impl Fn() -> Option<AccessLog>) {
        self.tell_all(|tell| Command::Log(Box::new(access_log()), tell)).await;
    }

    async fn tell_all(&self, command: impl Fn(oneshot::Sender<()>) -> Command) {
        let mut told = Vec::new();
        for thread in &self.threads {
            let (tell, answer) = oneshot::channel();
            // One that has ended serves nobody.
            if thread.send(command(tell)).await.is_ok() {
                told.push(answer);
            }
        }
        for answer in told {
            let _ended = answer.await;
        }
    }
}
