//! The stages that programs add.

use crate::chains::{Fate, Output, Ran};
use crate::ledger::{Number, Oops, Token, locked, see};
use crate::perform::World;
use crate::program::{Effect, End, Name, Side, Then};
use std::sync::Arc;
use tokio_deferred::{Deferred, Failure};

type Input = Result<Number, Failure>;

/// The result of a stage whose argument is not one to count up from.
pub(crate) const FRESH: i64 = 7;

/// A stage of a chain.
struct Stage {
    world: Arc<World>,
    chain: Name,
    number: usize,
    then: Then,
    /// Goes with the closure.
    _token: Token,
}

/// Adds a stage; its number is that of the stages before.
pub(crate) fn add(
    world: &Arc<World>,
    chain: Name,
    deferred: Deferred<Number>,
    side: Side,
    then: Then,
) -> Deferred<Number> {
    let number = {
        let mut note = locked(&world.chains.get(chain).note);
        note.stages.push(side);
        note.stages.len() - 1
    };
    let stage = || Stage {
        world: world.clone(),
        chain,
        number,
        then,
        _token: world.ledger.token(),
    };
    if let End::Inner(inner) = then.end {
        let run = |stage: Stage| move |input: Input| stage.returning(inner, input);
        attach(deferred, side, run(stage()), || run(stage()))
    } else {
        let run = |stage: Stage| move |input: Input| stage.now(input);
        attach(deferred, side, run(stage()), || run(stage()))
    }
}

fn attach<R: tokio_deferred::Outcome<Output = Number>, F: FnOnce(Input) -> R + Send + 'static>(
    deferred: Deferred<Number>,
    side: Side,
    run: F,
    again: impl FnOnce() -> F,
) -> Deferred<Number> {
    match side {
        Side::Both => deferred.add_both(run),
        Side::Each => {
            let other = again();
            deferred.add_callbacks(|value| run(Ok(value)), |failure| other(Err(failure)))
        }
        Side::Value => deferred.add_callback(|value| run(Ok(value))),
        Side::Failure => deferred.add_errback(|failure| run(Err(failure))),
    }
}

impl Stage {
    fn now(self, input: Input) -> Input {
        self.effect();
        let ledger = &self.world.ledger;
        let output = match (self.then.end, &input) {
            (End::Raise, _) => Err(Oops::new(100 * (1 + self.chain) + self.number, ledger).into()),
            (_, Ok(value)) => Ok(Number::new(value.n + 1, ledger)),
            (_, Err(_)) => Ok(Number::new(FRESH, ledger)),
        };
        self.log(&input, Output::Now(see(&output)));
        output
    }

    fn returning(self, inner: Name, input: Input) -> Deferred<Number> {
        self.effect();
        let by = self.chain;
        match self.world.chains.consume(inner, Fate::Returned { by }) {
            Some(deferred) => {
                self.log(&input, Output::Inner(inner));
                deferred
            }
            None => {
                self.log(&input, Output::Now(see(&input)));
                Deferred::maybe(move || input)
            }
        }
    }

    fn effect(&self) {
        match self.then.effect {
            Some(Effect::Fire(name)) => {
                let value = Number::first_of(name, &self.world.ledger);
                self.world.chains.fire(name, Ok(value));
            }
            Some(Effect::Cancel(name)) => self.world.chains.cancel(name),
            Some(Effect::Unpause(name)) => {
                self.world.chains.unpause(name);
            }
            None => {}
        }
    }

    fn log(&self, input: &Input, output: Output) {
        let ran = Ran {
            stage: self.number,
            input: see(input),
            output,
        };
        locked(&self.world.chains.get(self.chain).note)
            .ran
            .push(ran);
    }
}
