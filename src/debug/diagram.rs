//! The way a result took through a chain.

use super::record::{Story, by_id};
use crate::chain::Deferred;
use std::fmt;
use std::panic::Location;

/// Which of the two ways a result is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// A value, on its way past callbacks: green.
    Callback,
    /// A failure, on its way past errbacks: red.
    Errback,
}

impl Side {
    fn of(is_value: bool) -> Self {
        if is_value {
            Side::Callback
        } else {
            Side::Errback
        }
    }
}

/// One stage of a chain, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    name: &'static str,
    at: &'static Location<'static>,
    came: Option<Side>,
    went: Option<Side>,
    ran: bool,
}

impl Step {
    /// Returns the callback's name, as `std::any::type_name` gives it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the place of the `add_*` call.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// Returns what came in; `None` if it has not run.
    pub fn came(&self) -> Option<Side> {
        self.came
    }

    /// Returns what went out; `None` if there is no result yet.
    pub fn went(&self) -> Option<Side> {
        self.went
    }

    /// Returns whether a function of the stage ran, rather than that the
    /// result passed it by.
    pub fn ran(&self) -> bool {
        self.ran
    }

    /// Returns whether a failure was raised here.
    pub fn raised(&self) -> bool {
        (self.came, self.went) == (Some(Side::Callback), Some(Side::Errback))
    }

    /// Returns whether a failure was caught here.
    pub fn caught(&self) -> bool {
        (self.came, self.went) == (Some(Side::Errback), Some(Side::Callback))
    }
}

/// The red-green diagram of a chain: each stage, and which way the result took.
///
/// `Display` draws it, one line a stage: a dot on the left is a value, one on
/// the right a failure.
#[derive(Clone, Debug)]
pub struct Diagram {
    made: &'static Location<'static>,
    label: Option<&'static str>,
    steps: Vec<Step>,
}

/// Returns the diagram of a Deferred's chain up to now; `None` if it was made
/// while debugging was off ([`set_debugging`](super::set_debugging)).
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug};
///
/// debug::set_debugging(true);
/// let d = Deferred::succeed("seven")
///     .add_callback(|s| Ok(s.parse::<i32>()?))
///     .map(|n| n + 1)
///     .add_errback(|_| Ok(0));
/// let diagram = debug::diagram(&d).unwrap();
/// let steps = diagram.steps();
/// assert!(steps[0].raised() && !steps[1].ran() && steps[2].caught());
/// println!("{diagram}");
/// # debug::set_debugging(false);
/// ```
pub fn diagram<T: Send + 'static>(d: &Deferred<T>) -> Option<Diagram> {
    let record = by_id(d.watch_id()?)?;
    let story = record.story();
    Some(Diagram {
        made: record.made,
        label: story.label,
        steps: steps(&story),
    })
}

fn steps(story: &Story) -> Vec<Step> {
    let mut steps: Vec<Step> = story
        .stages
        .iter()
        .map(|stage| Step {
            name: stage.name,
            at: stage.at,
            came: stage.became.map(|state| Side::of(state.value_in)),
            went: stage.became.and_then(|state| state.value_out).map(Side::of),
            ran: stage.became.is_some_and(|state| state.ran),
        })
        .collect();
    // A stage that returned an unfired Deferred passed on what the next got.
    for n in 1..steps.len() {
        let came = steps[n].came;
        if steps[n - 1].came.is_some() && steps[n - 1].went.is_none() {
            steps[n - 1].went = came;
        }
    }
    steps
}

impl Diagram {
    /// Returns the stages, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns where the Deferred was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made
    }
}

impl fmt::Display for Diagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Deferred made at {}:{}",
            self.made.file(),
            self.made.line()
        )?;
        if let Some(label) = self.label {
            write!(f, " ({label})")?;
        }
        writeln!(f)?;
        writeln!(f, "  value failure")?;
        for step in &self.steps {
            let (way, what) = match (step.came, step.went) {
                (None, _) => ("    ·   ·    ", "has not run"),
                (Some(Side::Callback), None) => {
                    ("    ●   ·    ", "returned a Deferred that is pending")
                }
                (Some(Side::Errback), None) => {
                    ("    ·   ●    ", "returned a Deferred that is pending")
                }
                (Some(Side::Callback), Some(Side::Callback)) if step.ran => {
                    ("    ●   ·    ", "ran")
                }
                (Some(Side::Callback), Some(Side::Callback)) => ("    │   ·    ", "passed by"),
                (Some(Side::Callback), Some(Side::Errback)) => {
                    ("    ●──╮·    ", "raised a failure")
                }
                (Some(Side::Errback), Some(Side::Callback)) => {
                    ("    ·╭──●    ", "caught the failure")
                }
                (Some(Side::Errback), Some(Side::Errback)) if step.ran => {
                    ("    ·   ●    ", "ran, and failed")
                }
                (Some(Side::Errback), Some(Side::Errback)) => ("    ·   │    ", "passed by"),
            };
            writeln!(
                f,
                "{way}{what}: {} ({}:{})",
                step.name,
                step.at.file(),
                step.at.line()
            )?;
        }
        Ok(())
    }
}
