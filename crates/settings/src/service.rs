//! The settings of how systemd runs an instance. Declarations only; what they become, drop-ins of the unit, is known by who writes those.

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::choice::Profile;

settings! {
    /// How systemd runs the instance.
    Service, "As a service of systemd";

    /// How much of the system is kept from an instance that systemd runs: `strict`, `standard` or `compat`.
    /// `strict` closes all that can be closed for a web application, `standard` is what most of them bear, `compat` is for what that breaks. It is
    /// in force where the service has the drop-in of that name, which `hostler new` and `hostler set` write; a server whose service has
    /// another does not start. Without it, what the service has is right. Of the system's instances only.
    profile: Option<Profile> = None, confines() apply(Apply::Restart);

    /// Whether an instance that systemd runs reaches any network.
    /// With `false` it has the sockets that were passed to it, unix sockets, and nothing else, whatever the `profile` is. In force by a
    /// drop-in, as that is. Of the system's instances only.
    network: bool = true, confines() apply(Apply::Restart);
}
