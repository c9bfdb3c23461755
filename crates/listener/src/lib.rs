//! The sockets a server listens on: TCP, unix paths, abstract unix names, inherited descriptors, and those that a process before it left listening.
//!
//! Owns: reading addresses, creating the sockets, taking over left-over socket files, saying who holds a port and whether
//! an address is free, and removing a socket file at the end. Does not know what is spoken on the connections: the
//! `http://` of [`Bound::name`] is how people recognise an address, no more.

mod address;
mod bind;
mod bound;
mod error;
mod holder;
mod inherited;
mod left;
mod owner;
mod probe;
mod tcp;
mod unix;

pub use address::{Address, AddressError, Host};
pub use bind::{Options, bind_again, bind_all};
pub use bound::{Bound, Listener};
pub use error::{BindError, Problem};
pub use holder::Holder;
pub use inherited::{adopt, take_over};
pub use left::{FileId, GivenUp, Left};
pub use owner::{Owner, OwnerError};
pub use probe::probe;

/// For tests: a child has all that this process has open until it runs its program, and so a socket that was closed meanwhile still listens. Who
/// starts one writes; who closes a socket and then counts on that reads.
#[cfg(test)]
static CHILDREN: std::sync::RwLock<()> = std::sync::RwLock::new(());
