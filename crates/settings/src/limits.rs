//! The limits of what a client may send. Declarations only.

use crate::declare::settings;
use crate::meta::Apply;
use crate::values::size::{KIB, TIB};

settings! {
    /// How much a client may send.
    Limits, "Limits";

    /// The longest request line, in bytes; a longer one is answered with 414.
    limit_request_line: u64 = 4094, range(256..=32 * KIB) apply(Apply::Live);

    /// How many header fields a request may have; more are answered with 431.
    limit_request_fields: u32 = 100, range(1..=1000) apply(Apply::Live);

    /// The longest header field, name and value, in bytes; a longer one is answered with 431.
    limit_request_field_size: u64 = 8190, also("limit-request-field_size") range(256..=32 * KIB) apply(Apply::Live);

    /// The largest body of a request, in bytes; a larger one is answered with 413. 0 is without limit.
    limit_request_body: u64 = 0, range(0..=64 * TIB) apply(Apply::Live);
}
