//! The identities of events that an operator cares for (`MESSAGE_ID`), each with an explanation in `systemd/hostler.catalog`.
//!
//! `journalctl -x` shows the explanation with the entry, and `journalctl MESSAGE_ID=…` finds all of one kind. An identity is
//! made at random once (`systemd-id128 new`) and never changes its meaning.

use std::fmt;

/// The identity of a kind of event: 32 hexadecimal digits when shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(u128);

impl MessageId {
    /// An instance is ready and accepts requests.
    pub const STARTED: MessageId = MessageId(0x4fb7_a1ee_b28c_4dea_b445_0a29_ec4c_97af);
    /// A reload succeeded.
    pub const RELOADED: MessageId = MessageId(0xfccd_2569_e6be_487a_af66_5dfe_682d_844d);
    /// A reload failed; the former generation goes on.
    pub const RELOAD_FAILED: MessageId = MessageId(0xb2ce_349b_dbe3_4887_aae4_df7d_d49f_c975);
    /// A worker ended without being asked.
    pub const WORKER_DIED: MessageId = MessageId(0xcc31_7de4_6dd8_45f3_8317_67cc_3282_107b);
    /// A worker was killed because a request ran past `timeout`.
    pub const WORKER_TIMED_OUT: MessageId = MessageId(0x3131_3ade_0b67_4c8a_a482_57bb_0ae8_55f2);
    /// The kernel killed a worker for want of memory.
    pub const WORKER_OUT_OF_MEMORY: MessageId = MessageId(0x303e_6286_f20c_41a3_8f52_5609_4cb5_781d);
    /// No worker can serve: the application does not load, or its workers die at once.
    pub const APPLICATION_BROKEN: MessageId = MessageId(0x1c03_3e90_3ee7_47c0_97b9_182f_cce4_fac3);
    /// A worker serves again.
    pub const APPLICATION_HEALED: MessageId = MessageId(0xc1b6_dfa4_95fa_4e65_85b4_e89b_519f_e16d);
    /// Nobody asked anything, and all workers were let go.
    pub const ASLEEP: MessageId = MessageId(0xb1e8_0fef_bd16_4494_b75b_131d_dc35_11ab);
    /// A worker is ready after the sleep.
    pub const AWAKE: MessageId = MessageId(0x0702_b654_75a9_4ba1_beb9_90f5_d3fd_9cb4);
    /// The server itself makes no progress; the watchdog will end it.
    pub const STUCK: MessageId = MessageId(0x5e6d_960a_ccc9_4b08_b737_bca5_11da_67b5);
    /// No worker makes progress, and the server cannot mend it; the watchdog will end it.
    pub const WORKERS_STUCK: MessageId = MessageId(0x3a7d_8f4d_5a60_4fe5_8dde_f6bc_8688_1df3);
    /// The server ended before it served anything: its settings, its application or its sockets are not as they should be.
    pub const NOT_SERVED: MessageId = MessageId(0x6ecb_d18a_e779_454e_aaa6_b220_28b0_3103);

    /// All of them, with their names.
    pub const ALL: [(&'static str, MessageId); 13] = [
        ("STARTED", MessageId::STARTED),
        ("RELOADED", MessageId::RELOADED),
        ("RELOAD_FAILED", MessageId::RELOAD_FAILED),
        ("WORKER_DIED", MessageId::WORKER_DIED),
        ("WORKER_TIMED_OUT", MessageId::WORKER_TIMED_OUT),
        ("WORKER_OUT_OF_MEMORY", MessageId::WORKER_OUT_OF_MEMORY),
        ("APPLICATION_BROKEN", MessageId::APPLICATION_BROKEN),
        ("APPLICATION_HEALED", MessageId::APPLICATION_HEALED),
        ("ASLEEP", MessageId::ASLEEP),
        ("AWAKE", MessageId::AWAKE),
        ("STUCK", MessageId::STUCK),
        ("WORKERS_STUCK", MessageId::WORKERS_STUCK),
        ("NOT_SERVED", MessageId::NOT_SERVED),
    ];

    /// The one of this name in [`MessageId::ALL`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_is_explained_in_the_catalog_and_nothing_else_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd/hostler.catalog");
        let catalog = std::fs::read_to_string(path).unwrap();
        let mut explained: Vec<&str> = catalog.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
        let mut known: Vec<String> = MessageId::ALL.iter().map(|(_, id)| id.to_string()).collect();
        explained.sort_unstable();
        known.sort_unstable();
        assert_eq!(explained, known);
        assert_eq!(known.iter().collect::<HashSet<_>>().len(), known.len());
        assert_eq!(MessageId::named("AWAKE"), Some(MessageId::AWAKE));
        assert_eq!(MessageId::named("awake"), None);
    }
}
