//! Every program on the way from callbacks to coroutines says the same, to the
//! last line. `build.rs` writes them.

#![allow(
    unused_imports,
    unreachable_pub,
    reason = "a step is a module that `build.rs` puts together"
)]

use local_chat::room::{Line, PATIENCE, Room};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio_deferred::local::LocalDeferred;
use tokio_deferred::testing;

type Session = fn(Rc<Room>, Line) -> LocalDeferred<()>;

include!(concat!(env!("OUT_DIR"), "/steps.rs"));

/// A client in memory.
struct Client {
    name: &'static str,
    line: Line,
    session: Option<LocalDeferred<()>>,
}

/// Runs `play` against one step, and returns all that the clients were sent.
fn run(session: Session, play: impl AsyncFn(&dyn Fn(&'static str) -> Client)) -> Vec<String> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let room = Rc::new(Room::default());
    let connect = |name: &'static str| {
        let seen = seen.clone();
        let line = Line::new(move |text| seen.borrow_mut().push(format!("{name} < {text}")));
        let session = Some(session(room.clone(), line.clone()));
        Client {
            name,
            line,
            session,
        }
    };
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("it is built");
    let reports = testing::capture_unhandled(|| {
        LocalSet::new().block_on(&runtime, play(&connect));
    });
    assert!(reports.is_empty(), "{reports:?}");
    assert_eq!(room.names(), "", "everybody has gone");
    assert_eq!(Rc::strong_count(&room), 1, "no session is left");
    seen.take()
}

impl Client {
    fn says(&self, text: &str) {
        self.line.feed(text);
    }

    async fn ended(&mut self) {
        let session = self.session.take().expect(self.name);
        session.await.expect("it ends well");
    }
}

#[track_caller]
fn all_steps_send(play: impl AsyncFn(&dyn Fn(&'static str) -> Client) + Copy, expected: &[&str]) {
    for (step, session) in STEPS.into_iter().enumerate() {
        assert_eq!(run(session, play), expected, "step {step}");
    }
}

#[test]
fn names_are_asked_for_until_one_is_free() {
    all_steps_send(
        async |connect| {
            let mut ann = connect("ann");
            ann.says("ann");
            let mut bob = connect("bob");
            bob.says("ann");
            bob.says("b o b");
            bob.says("bob");
            bob.says("/quit");
            bob.ended().await;
            ann.says("/quit");
            ann.ended().await;
        },
        &[
            "ann < your name?",
            "ann < * ann comes in",
            "bob < your name?",
            "bob < that name is taken",
            "bob < your name?",
            "bob < a name is one word",
            "bob < your name?",
            "ann < * bob comes in",
            "bob < * ann comes in",
            "bob < * bob comes in",
            "ann < * bob goes out",
        ],
    );
}

#[test]
fn what_is_said_goes_to_all_and_is_told_to_those_who_come_later() {
    all_steps_send(
        async |connect| {
            let mut ann = connect("ann");
            ann.says("ann");
            ann.says("hello?");
            let mut bob = connect("bob");
            bob.says("bob");
            bob.says("/who");
            bob.line.close();
            bob.ended().await;
            ann.says("/quit");
            ann.ended().await;
        },
        &[
            "ann < your name?",
            "ann < * ann comes in",
            "ann < ann: hello?",
            "bob < your name?",
            "ann < * bob comes in",
            "bob < * ann comes in",
            "bob < ann: hello?",
            "bob < * bob comes in",
            "bob < ann, bob",
            "ann < * bob goes out",
        ],
    );
}

#[test]
fn questions_are_answered_or_not() {
    all_steps_send(
        async |connect| {
            let mut ann = connect("ann");
            ann.says("ann");
            let mut bob = connect("bob");
            bob.says("bob");
            ann.says("/ask bob tea or coffee?");
            bob.says("tea");
            ann.says("/ask bob sugar?");
            tokio::time::sleep(PATIENCE + Duration::from_secs(1)).await;
            bob.says("no"); // too late: it is said to all
            ann.says("/ask eve are you there?");
            for client in [&mut bob, &mut ann] {
                client.says("/quit");
                client.ended().await;
            }
        },
        &[
            "ann < your name?",
            "ann < * ann comes in",
            "bob < your name?",
            "ann < * bob comes in",
            "bob < * ann comes in",
            "bob < * bob comes in",
            "bob < ann asks you: tea or coffee?",
            "ann < bob answers: tea",
            "bob < ann asks you: sugar?",
            "ann < bob does not answer",
            "ann < bob: no",
            "bob < bob: no",
            "ann < eve is not here",
            "ann < * bob goes out",
        ],
    );
}

#[test]
fn who_hangs_up_in_a_question_leaves_at_its_end() {
    all_steps_send(
        async |connect| {
            let mut ann = connect("ann");
            ann.says("ann");
            ann.says("/ask ann why?");
            ann.line.close();
            ann.ended().await;
        },
        &[
            "ann < your name?",
            "ann < * ann comes in",
            "ann < ann asks you: why?",
            "ann < ann does not answer",
        ],
    );
}

#[test]
fn ten_thousand_lines_need_no_stack() {
    for session in STEPS {
        let thread = std::thread::Builder::new().stack_size(512 * 1024);
        let run = move || {
            let seen = run(session, async |connect| {
                let mut ann = connect("ann");
                ann.says("ann");
                for _ in 0..10_000 {
                    ann.says("/who");
                }
                ann.line.close();
                ann.ended().await;
            });
            assert_eq!(seen.len(), 10_002);
        };
        thread
            .spawn(run)
            .expect("it starts")
            .join()
            .expect("it ends");
    }
}
