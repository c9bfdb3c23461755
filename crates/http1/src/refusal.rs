//! A request that is not served: the status to answer with and a sentence for the developer who reads the log.
//!
//! Which rule leads to which refusal stands beside the rules, not here.

/// Why a request is refused. The caller answers with `status` and closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {reason}")]
pub struct Refusal {
    /// The HTTP status code of the answer: 400, 414, 417, 431, 501 or 505.
    pub status: u16,
    /// What is wrong with the request, to be read by people. It never holds bytes of the request.
    pub reason: &'static str,
}

impl Refusal {
    /// 400 Bad Request (RFC 9110 section 15.5.1): malformed, ambiguous, or known from smuggling attacks.
    pub(crate) const fn bad_request(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }

    /// 414 URI Too Long (RFC 9110 section 15.5.15).
    pub(crate) const fn request_line_too_long() -> Self {
        Self { status: 414, reason: "the request line is longer than limit_request_line allows" }
    }

    /// 417 Expectation Failed (RFC 9110 section 15.5.18).
    pub(crate) const fn expectation_failed(reason: &'static str) -> Self {
        Self { status: 417, reason }
    }

    /// 431 Request Header Fields Too Large (RFC 6585 section 5).
    pub(crate) const fn fields_too_large(reason: &'static str) -> Self {
        Self { status: 431, reason }
    }

    /// 501 Not Implemented (RFC 9110 section 15.6.2).
    pub(crate) const fn not_implemented(reason: &'static str) -> Self {
        Self { status: 501, reason }
    }

    /// 505 HTTP Version Not Supported (RFC 9110 section 15.6.6).
    pub(crate) const fn version_not_supported(reason: &'static str) -> Self {
        Self { status: 505, reason }
    }
}
