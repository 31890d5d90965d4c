//! Reads programs from their JSON form.

use serde_json::Value as Json;

use super::program::{Action, Canceller, Conclusion, ListMode, Now, Op, Outcome, Program, Step};
use super::value::{ProgramError, Value};

/// Why a text is no program.
type Parsed<T> = Result<T, String>;

impl Program {
    /// Reads one line of a file.
    ///
    /// # Errors
    ///
    /// If the line is no JSON object with an `id` and `ops`.
    pub fn parse(line: &str) -> Parsed<Program> {
        let json: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let id = json["id"].as_str().ok_or("a program needs an \"id\"")?;
        Ok(Program {
            id: id.to_owned(),
            ops: ops(&json["ops"])?,
            trace: json["trace"].as_array().cloned(),
        })
    }
}

fn ops(json: &Json) -> Parsed<Vec<Op>> {
    let readable = |json| op(json).unwrap_or_else(Op::Unreadable);
    Ok(array(json)?.iter().map(readable).collect())
}

fn op(json: &Json) -> Parsed<Op> {
    let items = array(json)?;
    let [kind, args @ ..] = items.as_slice() else {
        return Err("an operation is empty".to_owned());
    };
    let kind = kind.as_str().ok_or_else(|| unknown("operation", json))?;
    Ok(match (kind, args) {
        ("new", [d, answer]) => Op::New(number(d)?, optional(answer, canceller)?),
        ("succeed", [d, v]) => Op::Succeed(number(d)?, value(v)?),
        ("fail", [d, name]) => Op::Fail(number(d)?, failure(name)?),
        ("add", [_, Json::Null, Json::Null]) => return Err(unknown("stage", json)),
        ("add", [d, cb, eb]) => Op::Add(number(d)?, optional(cb, action)?, optional(eb, action)?),
        ("both", [d, act]) => Op::Both(number(d)?, action(act)?),
        ("fire", [d, sort, result]) => Op::Fire(number(d)?, outcome(sort, result)?),
        ("cancel", [d]) => Op::Cancel(number(d)?),
        ("pause", [d]) => Op::Pause(number(d)?),
        ("unpause", [d]) => Op::Unpause(number(d)?),
        ("chain", [source, target]) => Op::Chain(number(source)?, number(target)?),
        ("list", [d, children, mode]) => {
            Op::List(number(d)?, all(children, number)?, list_mode(mode)?)
        }
        ("gather", [d, children]) => Op::Gather(number(d)?, all(children, number)?),
        ("race", [d, children]) => Op::Race(number(d)?, all(children, number)?),
        ("sem", [s, tokens]) => Op::Semaphore(number(s)?, number(tokens)?),
        ("lock", [l]) => Op::Lock(number(l)?),
        ("sem_run", [d, s, act]) => Op::SemaphoreRun(number(d)?, number(s)?, action(act)?),
        ("lock_run", [d, l, act]) => Op::LockRun(number(d)?, number(l)?, action(act)?),
        ("queue", [q, size, backlog]) => Op::Queue(
            number(q)?,
            optional(size, number)?,
            optional(backlog, number)?,
        ),
        ("put", [q, v]) => Op::Put(number(q)?, value(v)?),
        ("get", [d, q]) => Op::Get(number(d)?, number(q)?),
        ("drop", [d]) => Op::Drop(number(d)?),
        ("co", [d, body]) => Op::Coroutine(number(d)?, steps(body)?.into()),
        _ => return Err(unknown("operation", json)),
    })
}

fn action(json: &Json) -> Parsed<Action> {
    let mut before = Vec::new();
    let mut rest = json;
    while let Some(("do", [nested, last])) = tagged(rest) {
        before.extend(ops(nested)?);
        rest = last;
    }
    let conclusion = match tagged(rest) {
        Some(("pass", [])) => Conclusion::Now(Now::Pass),
        Some(("ret", [v])) => Conclusion::Now(Now::Return(value(v)?)),
        Some(("inc", [k])) => Conclusion::Now(Now::Increase(integer(k)?)),
        Some(("raise", [name])) => Conclusion::Now(Now::Raise(failure(name)?)),
        Some(("defer", [x])) => Conclusion::Defer(number(x)?),
        _ => return Err(unknown("action", rest)),
    };
    Ok(Action {
        ops: before,
        conclusion,
    })
}

fn steps(json: &Json) -> Parsed<Vec<Step>> {
    let steps = all(json, step)?;
    let ends = |step: &Step| !matches!(step, Step::Await(_) | Step::Try(_));
    if steps.iter().position(ends).map(|at| at + 1) == Some(steps.len()) {
        Ok(steps)
    } else {
        Err(unknown("end of a coroutine", json))
    }
}

fn step(json: &Json) -> Parsed<Step> {
    Ok(match tagged(json) {
        Some(("await", [k])) => Step::Await(number(k)?),
        Some(("try", [k])) => Step::Try(number(k)?),
        Some(("ret", [v])) => Step::Return(value(v)?),
        Some(("ret_last", [])) => Step::ReturnLast,
        Some(("raise", [name])) => Step::Raise(failure(name)?),
        _ => return Err(unknown("step", json)),
    })
}

fn canceller(json: &Json) -> Parsed<Canceller> {
    match (json.as_str(), json.as_array().map(Vec::as_slice)) {
        (Some("noop"), _) => Ok(None),
        (_, Some([sort, result])) => outcome(sort, result).map(Some),
        _ => Err(unknown("canceller", json)),
    }
}

fn outcome(sort: &Json, result: &Json) -> Parsed<Outcome> {
    match sort.as_str() {
        Some("ok") => value(result).map(Ok),
        Some("err") => failure(result).map(Err),
        _ => Err(unknown("outcome", sort)),
    }
}

fn list_mode(json: &Json) -> Parsed<ListMode> {
    let flag = |name: &str| {
        json[name]
            .as_bool()
            .ok_or_else(|| unknown("list mode", json))
    };
    Ok(ListMode {
        first_ok: flag("first_ok")?,
        first_err: flag("first_err")?,
        consume: flag("consume")?,
    })
}

fn failure(json: &Json) -> Parsed<ProgramError> {
    let digit = json.as_str().and_then(|name| name.strip_prefix('E'));
    match digit.and_then(|digit| digit.parse().ok()) {
        Some(number @ 0..=4) => Ok(ProgramError(number)),
        _ => Err(unknown("failure", json)),
    }
}

fn value(json: &Json) -> Parsed<Value> {
    match json {
        Json::Array(_) => all(json, value).map(Value::List),
        _ => integer(json).map(Value::Int),
    }
}

fn integer(json: &Json) -> Parsed<i64> {
    json.as_i64().ok_or_else(|| unknown("integer", json))
}

fn number<N: TryFrom<u64>>(json: &Json) -> Parsed<N> {
    let number = json.as_u64().and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| unknown("number", json))
}

fn optional<T>(json: &Json, read: impl Fn(&Json) -> Parsed<T>) -> Parsed<Option<T>> {
    if json.is_null() {
        Ok(None)
    } else {
        read(json).map(Some)
    }
}

fn all<T>(json: &Json, read: impl Fn(&Json) -> Parsed<T>) -> Parsed<Vec<T>> {
    array(json)?.iter().map(read).collect()
}

fn array(json: &Json) -> Parsed<&Vec<Json>> {
    json.as_array().ok_or_else(|| unknown("array", json))
}

/// Splits `"name"` and `["name", argument, ...]` alike.
fn tagged(json: &Json) -> Option<(&str, &[Json])> {
    match json {
        Json::String(name) => Some((name, &[])),
        Json::Array(items) => {
            let (name, arguments) = items.split_first()?;
            Some((name.as_str()?, arguments))
        }
        _ => None,
    }
}

fn unknown(what: &str, json: &Json) -> String {
    format!("no {what}: {json}")
}
