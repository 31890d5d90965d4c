//! The last stage: the same functions as coroutines.

use crate::room::{HungUp, Line, NotHere, PATIENCE, Room};
use std::rc::Rc;
use tokio_deferred::{DeferredError, Failure, inline_callbacks};

/// Asks for a name until it is one that is free.
#[inline_callbacks(local)]
pub async fn log_in(room: Rc<Room>, line: Line) -> Result<Rc<str>, DeferredError> {
    loop {
        line.send("your name?");
        match room.enter(&line.read().await?, &line) {
            Ok(name) => return Ok(name),
            Err(reason) => line.send(reason),
        }
    }
}

/// Passes a question on, and returns the answer.
#[inline_callbacks(local)]
pub async fn ask(
    room: Rc<Room>,
    from: Rc<str>,
    to: String,
    text: String,
) -> Result<String, DeferredError> {
    let Some(member) = room.member(&to) else {
        return Err(Failure::new(NotHere(to)).into());
    };
    member.line.send(&format!("{from} asks you: {text}"));
    match member.answer().add_timeout(PATIENCE).await {
        Ok(answer) => Ok(format!("{to} answers: {answer}")),
        Err(error) if error.is_timed_out() => Ok(format!("{to} does not answer")),
        Err(error) => Err(error),
    }
}

/// Does what a member says. Returns whether there is more to come.
#[inline_callbacks(local)]
pub async fn command(
    room: Rc<Room>,
    name: Rc<str>,
    line: Line,
    text: String,
) -> Result<bool, DeferredError> {
    let asked = room.member(&name).and_then(|member| member.asked());
    if let Some(asked) = asked {
        asked.callback(text);
        return Ok(true);
    }
    match text.splitn(3, ' ').collect::<Vec<_>>()[..] {
        ["/quit"] => return Ok(false),
        ["/who"] => line.send(&room.names()),
        ["/ask", to, question] => match ask(room, name, to.to_owned(), question.to_owned()).await {
            Ok(answer) => line.send(&answer),
            Err(error) => line.send(&error.check::<NotHere>().ok_or(error.clone())?.to_string()),
        },
        _ => room.say_to_all(&format!("{name}: {text}")),
    }
    Ok(true)
}

/// Does all that a member says, until there is no more to come.
#[inline_callbacks(local)]
pub async fn talk(room: Rc<Room>, name: Rc<str>, line: Line) -> Result<(), DeferredError> {
    loop {
        let text = line.read().await?;
        if !command(room.clone(), name.clone(), line.clone(), text).await? {
            return Ok(());
        }
    }
}

/// Everything, from the first question to the end of the line.
#[inline_callbacks(local)]
pub async fn session(room: Rc<Room>, line: Line) -> Result<(), DeferredError> {
    let name = log_in(room.clone(), line.clone()).await?;
    room.said().iter().for_each(|said| line.send(said));
    let ended = talk(room.clone(), name.clone(), line).await;
    room.leave(&name);
    match ended {
        Err(error) if error.is::<HungUp>() => Ok(()),
        ended => ended,
    }
}
