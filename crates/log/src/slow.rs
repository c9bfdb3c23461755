//! The slow-request log: a warning in the error log.

use crate::access::AccessRecord;

/// Warns of a request that took longer than the caller allows. The error log escapes the values.
pub fn slow_request(record: &AccessRecord) {
    tracing::warn!(
        remote = record.remote,
        method = record.method,
        target = record.target,
        status = record.status,
        bytes = record.bytes,
        request_id = record.request_id,
        queue = record.queue.as_secs_f64(),
        application = record.application.as_secs_f64(),
        total = record.total.as_secs_f64(),
        worker = record.worker,
        generation = record.generation,
        outcome = record.outcome,
        "slow request"
    );
}
