//! Writes programs in the form that the replayer reads, to be looked at with
//! `cargo run -p replay -- -`.

use crate::replayer::program::{Action, Conclusion, Now, Op, Outcome, Program, Step};
use serde_json::{Value as Json, json};

/// Returns `program` as a line of a file.
pub fn line(program: &Program) -> String {
    json!({"id": program.id, "ops": ops(&program.ops)}).to_string()
}

fn ops(ops: &[Op]) -> Json {
    ops.iter().map(op).collect()
}

fn op(op: &Op) -> Json {
    match op {
        Op::New(id, canceller) => json!([
            "new",
            id,
            match canceller {
                None => Json::Null,
                Some(None) => json!("noop"),
                Some(Some(answer)) => Json::Array(outcome(answer).into()),
            }
        ]),
        Op::Succeed(id, value) => json!(["succeed", id, value]),
        Op::Fail(id, error) => json!(["fail", id, error.to_string()]),
        Op::Add(id, on_value, on_failure) => {
            let side = |side: &Option<Action>| side.as_ref().map(action);
            json!(["add", id, side(on_value), side(on_failure)])
        }
        Op::Both(id, both) => json!(["both", id, action(both)]),
        Op::Fire(id, result) => {
            let [sort, result] = outcome(result);
            json!(["fire", id, sort, result])
        }
        Op::Cancel(id) => json!(["cancel", id]),
        Op::Pause(id) => json!(["pause", id]),
        Op::Unpause(id) => json!(["unpause", id]),
        Op::Chain(source, target) => json!(["chain", source, target]),
        Op::List(id, children, mode) => json!([
            "list",
            id,
            children,
            {"first_ok": mode.first_ok, "first_err": mode.first_err, "consume": mode.consume}
        ]),
        Op::Gather(id, children) => json!(["gather", id, children]),
        Op::Race(id, children) => json!(["race", id, children]),
        Op::Semaphore(id, tokens) => json!(["sem", id, tokens]),
        Op::Lock(id) => json!(["lock", id]),
        Op::SemaphoreRun(id, semaphore, run) => json!(["sem_run", id, semaphore, action(run)]),
        Op::LockRun(id, lock, run) => json!(["lock_run", id, lock, action(run)]),
        Op::Queue(id, size, backlog) => json!(["queue", id, size, backlog]),
        Op::Put(queue, value) => json!(["put", queue, value]),
        Op::Get(id, queue) => json!(["get", id, queue]),
        Op::Drop(id) => json!(["drop", id]),
        Op::Coroutine(id, body) => {
            json!(["co", id, body.iter().map(step).collect::<Json>()])
        }
        Op::Unreadable(what) => json!([what]),
    }
}

fn action(action: &Action) -> Json {
    let conclusion = match &action.conclusion {
        Conclusion::Now(Now::Pass) => json!("pass"),
        Conclusion::Now(Now::Return(value)) => json!(["ret", value]),
        Conclusion::Now(Now::Increase(by)) => json!(["inc", by]),
        Conclusion::Now(Now::Raise(error)) => json!(["raise", error.to_string()]),
        Conclusion::Defer(id) => json!(["defer", id]),
    };
    if action.ops.is_empty() {
        conclusion
    } else {
        json!(["do", ops(&action.ops), conclusion])
    }
}

fn outcome(outcome: &Outcome) -> [Json; 2] {
    match outcome {
        Ok(value) => [json!("ok"), json!(value)],
        Err(error) => [json!("err"), json!(error.to_string())],
    }
}

fn step(step: &Step) -> Json {
    match step {
        Step::Await(id) => json!(["await", id]),
        Step::Try(id) => json!(["try", id]),
        Step::Return(value) => json!(["ret", value]),
        Step::ReturnLast => json!(["ret_last"]),
        Step::Raise(error) => json!(["raise", error.to_string()]),
    }
}
