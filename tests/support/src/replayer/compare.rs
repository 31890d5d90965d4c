//! Compares traces.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// How much of the order of events counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All of it.
    Total,
    /// Only that among the events of one deferred or one queue.
    PerActor,
}

/// Describes where `actual` first differs from `expected`.
pub fn first_difference(order: Order, expected: &[Json], actual: &[Json]) -> Option<String> {
    match order {
        Order::Total => difference("event", expected, actual),
        Order::PerActor => {
            let (expected, actual) = (by_actor(expected), by_actor(actual));
            let actors = expected.keys().chain(actual.keys());
            let events =
                |of: &BTreeMap<Actor, Vec<Json>>, actor| of.get(actor).cloned().unwrap_or_default();
            actors.into_iter().find_map(|actor| {
                let what = format!("event of {} {}", actor.0, actor.1);
                difference(&what, &events(&expected, actor), &events(&actual, actor))
            })
        }
    }
}

/// The kind and the number of what an event belongs to. Queues have numbers of
/// their own.
type Actor = (&'static str, String);

fn by_actor(trace: &[Json]) -> BTreeMap<Actor, Vec<Json>> {
    let mut actors: BTreeMap<Actor, Vec<Json>> = BTreeMap::new();
    for event in trace {
        let kind = if event[0] == "overflow" {
            "queue"
        } else {
            "deferred"
        };
        let actor = (kind, event[1].to_string());
        actors.entry(actor).or_default().push(event.clone());
    }
    actors
}

fn difference(what: &str, expected: &[Json], actual: &[Json]) -> Option<String> {
    let at =
        (0..expected.len().max(actual.len())).find(|&at| expected.get(at) != actual.get(at))?;
    let show = |event: Option<&Json>| event.map_or("none".to_owned(), Json::to_string);
    let before: Vec<String> = expected[..at]
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(Json::to_string)
        .collect();
    Some(format!(
        "{what} {at} differs\n  expected {}\n  got      {}\n  after    {}",
        show(expected.get(at)),
        show(actual.get(at)),
        if before.is_empty() {
            "nothing".to_owned()
        } else {
            before.join(" ")
        },
    ))
}
