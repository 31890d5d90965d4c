//! The first stage: callbacks.

use crate::room::{HungUp, Line, NotHere, PATIENCE, Room};
use std::rc::Rc;
use tokio_deferred::local::LocalDeferred;
use tokio_deferred::{Failure, TimedOut};

/// Asks for a name until it is one that is free.
pub fn log_in(room: Rc<Room>, line: Line) -> LocalDeferred<Rc<str>> {
    line.send("your name?");
    line.read()
        .add_callback(move |name| match room.enter(&name, &line) {
            Ok(name) => LocalDeferred::succeed(name),
            Err(reason) => {
                line.send(reason);
                log_in(room, line)
            }
        })
}

/// Passes a question on, and returns the answer.
pub fn ask(room: Rc<Room>, from: Rc<str>, to: String, text: String) -> LocalDeferred<String> {
    let Some(member) = room.member(&to) else {
        return LocalDeferred::fail(NotHere(to));
    };
    member.line.send(&format!("{from} asks you: {text}"));
    let silent = to.clone();
    member
        .answer()
        .add_timeout(PATIENCE)
        .map(move |answer| format!("{to} answers: {answer}"))
        .add_errback(move |failure| {
            failure.trap::<TimedOut>()?;
            Ok(format!("{silent} does not answer"))
        })
}

/// Does what a member says. Returns whether there is more to come.
pub fn command(room: Rc<Room>, name: Rc<str>, line: Line, text: String) -> LocalDeferred<bool> {
    let asked = room.member(&name).and_then(|member| member.asked());
    if let Some(asked) = asked {
        asked.callback(text);
        return LocalDeferred::succeed(true);
    }
    match text.splitn(3, ' ').collect::<Vec<_>>()[..] {
        ["/quit"] => LocalDeferred::succeed(false),
        ["/who"] => {
            line.send(&room.names());
            LocalDeferred::succeed(true)
        }
        ["/ask", to, question] => ask(room, name, to.to_owned(), question.to_owned())
            .add_errback(|failure| Ok(failure.trap::<NotHere>()?.to_string()))
            .map(move |answer| {
                line.send(&answer);
                true
            }),
        _ => {
            room.say_to_all(&format!("{name}: {text}"));
            LocalDeferred::succeed(true)
        }
    }
}

/// Does all that a member says, until there is no more to come.
pub fn talk(room: Rc<Room>, name: Rc<str>, line: Line) -> LocalDeferred<()> {
    let (r, n, l) = (room.clone(), name.clone(), line.clone());
    line.read()
        .add_callback(move |text| command(r, n, l, text))
        .add_callback(move |more| match more {
            true => talk(room, name, line),
            false => LocalDeferred::succeed(()),
        })
}

/// Everything, from the first question to the end of the line.
pub fn session(room: Rc<Room>, line: Line) -> LocalDeferred<()> {
    log_in(room.clone(), line.clone()).add_callback(move |name| {
        room.said().iter().for_each(|said| line.send(said));
        let (r, n) = (room.clone(), name.clone());
        talk(room, name, line)
            .finally(move || r.leave(&n))
            .add_errback(|failure| {
                failure.trap::<HungUp>()?;
                Ok::<_, Failure>(())
            })
    })
}
