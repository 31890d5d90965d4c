//! Lists and races: children whose results are put together.

use super::chain::{Chain, Index, Outcome, Source, Stage};
use super::world::World;
use crate::replayer::value::Value;

#[derive(Clone, Copy, Debug)]
pub(super) struct GroupIndex(pub(super) usize);

/// How a group makes one result out of those of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    List { first_ok: bool, first_err: bool },
    Gather,
    Race,
}

#[derive(Debug)]
pub(super) struct Group {
    kind: Kind,
    /// What it fires.
    target: Index,
    pub(super) children: Vec<Index>,
    reports: Vec<Option<Outcome>>,
    /// Whether a child has won a race.
    won: bool,
}

impl World<'_> {
    /// Puts `children` together and returns what their results fire.
    pub(super) fn group(&mut self, kind: Kind, children: Vec<Index>) -> Index {
        let group = GroupIndex(self.groups.len());
        let source = match kind {
            Kind::Race => Source::Race(group),
            Kind::List { .. } | Kind::Gather => Source::List(group),
        };
        let target = self.make(Chain::unfired(source));
        self.groups.push(Group {
            kind,
            target,
            reports: vec![None; children.len()],
            children: children.clone(),
            won: false,
        });
        for (place, &child) in children.iter().enumerate() {
            self.push(child, Stage::Report(group, place));
        }
        if children.is_empty() {
            self.fire(target, conclude(kind, &[]));
        }
        target
    }

    /// Takes in the result of one child.
    pub(super) fn report(&mut self, index: GroupIndex, place: usize, result: Outcome) {
        let group = &mut self.groups[index.0];
        let (kind, target) = (group.kind, group.target);
        group.reports[place] = Some(result.clone());
        if group.won || self.chains[target.0].fired {
            return;
        }
        match (kind, result) {
            (Kind::Race, Ok(value)) => {
                group.won = true;
                self.cancel_children(index, Some(place));
                self.fire(target, Ok(Value::List(vec![position(place), value])));
            }
            (Kind::List { first_ok: true, .. }, Ok(value)) => {
                self.fire(target, Ok(Value::List(vec![value, position(place)])));
            }
            (
                Kind::List {
                    first_err: true, ..
                }
                | Kind::Gather,
                Err(name),
            ) => {
                self.fire(target, Err(format!("FirstError({place},{name})")));
            }
            _ => {
                let all: Option<Vec<Outcome>> = group.reports.iter().cloned().collect();
                if let Some(all) = all {
                    self.fire(target, conclude(kind, &all));
                }
            }
        }
    }

    /// Cancels the children in order, all but the winner.
    pub(super) fn cancel_children(&mut self, group: GroupIndex, winner: Option<usize>) {
        for place in 0..self.groups[group.0].children.len() {
            if Some(place) != winner {
                self.cancel(self.groups[group.0].children[place]);
            }
        }
    }
}

/// The result of a group none of whose children decided it by itself.
fn conclude(kind: Kind, all: &[Outcome]) -> Outcome {
    let names = || all.iter().filter_map(|result| result.as_ref().err());
    match kind {
        Kind::List {
            first_ok: true,
            first_err: true,
        }
        | Kind::Race => {
            let names: Vec<&str> = names().map(String::as_str).collect();
            Err(format!("FailureGroup({})", names.join(",")))
        }
        Kind::List { .. } => Ok(Value::List(all.iter().map(pair).collect())),
        Kind::Gather => Ok(Value::List(all.iter().flatten().cloned().collect())),
    }
}

fn pair(result: &Outcome) -> Value {
    Value::List(match result {
        Ok(value) => vec![Value::Flag(true), value.clone()],
        Err(name) => vec![Value::Flag(false), Value::Name(name.clone())],
    })
}

fn position(place: usize) -> Value {
    Value::Int(i64::try_from(place).unwrap_or(i64::MAX))
}
