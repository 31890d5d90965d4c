//! What both stages share: a member's line, and who is in the room.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio_deferred::local::{LocalDeferred, LocalResolver};

/// How long who asks waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
#[error("the line was closed")]
pub struct HungUp;

#[derive(Debug, thiserror::Error)]
#[error("{0} is not here")]
pub struct NotHere(pub String);

type Out = Rc<dyn Fn(&str)>;

/// The line to one client: a socket calls `feed` and `close`.
#[derive(Clone)]
pub struct Line(Rc<LineState>);

struct LineState {
    /// None once we have hung up.
    out: RefCell<Option<Out>>,
    unread: RefCell<VecDeque<String>>,
    reader: RefCell<Option<LocalResolver<String>>>,
    closed: Cell<bool>,
}

impl Line {
    pub fn new(out: impl Fn(&str) + 'static) -> Self {
        Line(Rc::new(LineState {
            out: RefCell::new(Some(Rc::new(out))),
            unread: RefCell::default(),
            reader: RefCell::default(),
            closed: Cell::new(false),
        }))
    }

    pub fn send(&self, text: &str) {
        let out = self.0.out.borrow().clone();
        if let Some(out) = out {
            out(text);
        }
    }

    /// The next line, which only one reader waits for.
    pub fn read(&self) -> LocalDeferred<String> {
        LocalDeferred::from_callback(|resolver| {
            let unread = self.0.unread.borrow_mut().pop_front();
            match unread {
                Some(text) => resolver.callback(text),
                None if self.0.closed.get() => resolver.errback(HungUp),
                None => *self.0.reader.borrow_mut() = Some(resolver),
            }
        })
    }

    pub fn feed(&self, text: &str) {
        let reader = self.0.reader.take();
        match reader {
            Some(reader) => reader.callback(text.to_owned()),
            None => self.0.unread.borrow_mut().push_back(text.to_owned()),
        }
    }

    /// Ends the line from this side.
    pub fn hang_up(&self) {
        drop(self.0.out.take());
    }

    pub fn close(&self) {
        self.0.closed.set(true);
        let reader = self.0.reader.take();
        if let Some(reader) = reader {
            reader.errback(HungUp);
        }
    }
}

/// Somebody in the room, with those who wait for an answer.
pub struct Member {
    pub line: Line,
    asked: RefCell<VecDeque<LocalResolver<String>>>,
}

impl Member {
    /// What the member says next.
    pub fn answer(&self) -> LocalDeferred<String> {
        LocalDeferred::from_callback(|resolver| self.asked.borrow_mut().push_back(resolver))
    }

    /// Who waits longest for an answer, and still does.
    pub fn asked(&self) -> Option<LocalResolver<String>> {
        loop {
            let next = self.asked.borrow_mut().pop_front()?;
            if next.is_observed() {
                return Some(next);
            }
        }
    }
}

#[derive(Default)]
pub struct Room {
    members: RefCell<BTreeMap<Rc<str>, Rc<Member>>>,
    said: RefCell<Vec<String>>,
}

impl Room {
    pub fn enter(&self, name: &str, line: &Line) -> Result<Rc<str>, &'static str> {
        if name.is_empty() || name.contains(' ') {
            return Err("a name is one word");
        }
        if self.members.borrow().contains_key(name) {
            return Err("that name is taken");
        }
        let name: Rc<str> = Rc::from(name);
        self.say_to_all(&format!("* {name} comes in"));
        let (line, asked) = (line.clone(), RefCell::default());
        let member = Rc::new(Member { line, asked });
        self.members.borrow_mut().insert(name.clone(), member);
        Ok(name)
    }

    pub fn leave(&self, name: &str) {
        let gone = self.members.borrow_mut().remove(name);
        if gone.is_some() {
            self.say_to_all(&format!("* {name} goes out"));
        }
    }

    pub fn member(&self, name: &str) -> Option<Rc<Member>> {
        self.members.borrow().get(name).cloned()
    }

    pub fn names(&self) -> String {
        let names: Vec<_> = self.members.borrow().keys().cloned().collect();
        names.join(", ")
    }

    pub fn said(&self) -> Vec<String> {
        self.said.borrow().clone()
    }

    pub fn say_to_all(&self, text: &str) {
        // A line may answer at once, and somebody come or go by that.
        let members: Vec<_> = self.members.borrow().values().cloned().collect();
        for member in members {
            member.line.send(text);
        }
        self.said.borrow_mut().push(text.to_owned());
    }
}
