//! What is compared with what, and the bounds.

/// A contestant: its group and its name.
pub(crate) type Side = (&'static str, &'static str);

/// One comparison.
pub(crate) struct Row {
    /// What is held to the bounds.
    pub(crate) ours: Side,
    /// What it is compared with.
    pub(crate) theirs: Side,
    /// The ratio that it must not exceed.
    pub(crate) must: Option<f64>,
    /// The ratio to reach if it can be.
    pub(crate) aim: Option<f64>,
}

const fn row(work: &'static str, against: &'static str, must: f64, aim: f64) -> Row {
    Row {
        ours: (work, "deferred"),
        theirs: (work, against),
        must: Some(must),
        aim: Some(aim),
    }
}

const fn must(work: &'static str, against: &'static str, must: f64) -> Row {
    Row {
        aim: None,
        ..row(work, against, must, 0.0)
    }
}

const fn aim(work: &'static str, against: &'static str, aim: f64) -> Row {
    Row {
        must: None,
        ..row(work, against, 0.0, aim)
    }
}

/// All comparisons.
pub(crate) const ROWS: &[Row] = &[
    must("fire", "tokio_oneshot", 0.6),
    aim("fire", "oneshot", 1.0),
    row("chain10", "tokio_oneshot", 1.5, 1.0),
    must("chain10", "tokio_task", 0.6),
    row("ready10", "tokio_oneshot", 0.25, 0.1),
    must("flatten10_fired", "tokio_oneshot", 0.1),
    row("flatten10_pending", "tokio_oneshot", 0.5, 0.33),
    row("error10", "tokio_oneshot", 1.5, 1.0),
    row("gather_1000", "tokio_oneshot", 0.2, 0.12),
    Row {
        theirs: ("gather_1000", "deferred"),
        ..must("gather_100000", "", 1.5)
    },
    row("coroutine_fired", "tokio_task", 0.15, 0.085),
    must("coroutine_pending", "tokio_task", 0.7),
    aim("coroutine_pending", "tokio_oneshot", 1.0),
    row("coroutine_fired", "bare", 3.0, 2.0),
    must("coroutine_inline", "tokio_task", 0.7),
    aim("coroutine_inline", "tokio_oneshot", 1.0),
    aim("value_64_bytes", "tokio_oneshot", 1.0),
    aim("value_string", "tokio_oneshot", 1.0),
    aim("value_vec", "tokio_oneshot", 1.0),
    aim("value_result", "tokio_oneshot", 1.0),
    row("semaphore", "tokio_task", 1.1, 0.6),
    must("contended_add", "tokio_oneshot", 1.0),
    must("contended_poll", "tokio_oneshot", 1.0),
    Row {
        theirs: ("chain10", "deferred"),
        ..must("chain10_span", "", 3.0)
    },
    aim("chain10", "safe", 1.0),
];
