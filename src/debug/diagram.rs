//! The way a result took through a chain.

use super::history::{Record, Story, by_id};
use crate::chain::Deferred;
use crate::failure::brief;
use std::fmt;
use std::panic::Location;

/// Which of the two ways a result is on.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug::{self, Side}};
///
/// debug::set_debugging(true);
/// let d = Deferred::fail("out of paper").add_errback(|_| Ok(0));
/// let diagram = debug::diagram(&d).unwrap();
/// let step = diagram.steps()[0];
/// assert_eq!((step.came(), step.went()), (Some(Side::Errback), Some(Side::Callback)));
/// # debug::set_debugging(false);
/// ```
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
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug};
///
/// fn parse(text: &str) -> Result<u16, tokio_deferred::Failure> {
///     Ok(text.parse()?)
/// }
///
/// debug::set_debugging(true);
/// let d = Deferred::succeed("http").add_callback(parse).add_errback(|_| Ok(80));
/// let diagram = debug::diagram(&d).unwrap();
/// let [first, second] = diagram.steps() else { panic!("it has two") };
/// assert!(first.name().ends_with("parse") && first.raised());
/// assert_eq!(second.at().file(), file!());
/// assert!(second.ran() && second.caught());
/// # debug::set_debugging(false);
/// ```
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
/// `Display` draws it, one line a stage, with values on the left and failures
/// on the right: `●` is a function that ran, `│` a stage that the result passed
/// by, and a line across is a failure that was raised or caught. `{:#}` draws
/// it in colour, for a terminal.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, debug};
///
/// debug::set_debugging(true);
/// let d = Deferred::succeed(1).map(|n| n + 1).add_errback(|_| Ok(0));
/// let diagram = debug::diagram(&d).expect("it was made while debugging was on");
/// let rows: Vec<_> = diagram.to_string().lines().map(str::to_owned).collect();
/// assert_eq!(rows[1], "  value failure");
/// assert!(rows[2].starts_with("    ●      ·   ran"));
/// assert!(rows[3].starts_with("    │      ·   passed by"));
/// # debug::set_debugging(false);
/// ```
#[derive(Clone, Debug)]
pub struct Diagram {
    made: &'static Location<'static>,
    label: Option<&'static str>,
    steps: Vec<Step>,
}

/// Returns the diagram of a Deferred's chain up to now; `None` if it was made
/// while debugging was off ([`set_debugging`](super::set_debugging)).
///
/// The `Debug` of a [`Failure`](crate::Failure) has the diagrams of the chains
/// that it came through.
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
    by_id(d.watch_id()?).map(|record| Diagram::of(&record))
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
    fn of(record: &Record) -> Self {
        let story = record.story();
        Diagram {
            made: record.made,
            label: story.label,
            steps: steps(&story),
        }
    }

    /// Returns the stages, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns where the Deferred was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made
    }

    /// Returns the Deferred's label, if it has one.
    pub fn label(&self) -> Option<&'static str> {
        self.label
    }
}

/// One row of the two lanes, eight columns wide: what is on the left, and what
/// is on the right, each in the colour of its side.
type Row = [(Option<Side>, &'static str); 2];

const GREEN: Option<Side> = Some(Side::Callback);
const RED: Option<Side> = Some(Side::Errback);

impl Step {
    /// The step as a row, and in words.
    fn row(&self) -> (Row, &'static str) {
        match (self.came, self.went) {
            (None, _) => ([(None, "·      "), (None, "·")], "has not run"),
            (GREEN, None) => ([(GREEN, "●"), (None, "      ·")], "returned a Deferred"),
            (RED, None) => ([(None, "·      "), (RED, "●")], "returned a Deferred"),
            (GREEN, GREEN) if self.ran => ([(GREEN, "●"), (None, "      ·")], "ran"),
            (GREEN, GREEN) => ([(GREEN, "│"), (None, "      ·")], "passed by"),
            (GREEN, RED) => ([(GREEN, "●"), (RED, "──────╮")], "raised a failure"),
            (RED, GREEN) => ([(GREEN, "╭──────"), (RED, "●")], "caught the failure"),
            (RED, RED) if self.ran => ([(None, "·      "), (RED, "●")], "failed again"),
            (RED, RED) => ([(None, "·      "), (RED, "│")], "passed by"),
        }
    }
}

/// Begins a line with a row.
fn draw(f: &mut fmt::Formatter<'_>, row: Row) -> fmt::Result {
    f.write_str("\n    ")?;
    for (side, text) in row {
        paint(f, side, text)?;
    }
    f.write_str("   ")
}

/// Writes `text`, with `{:#}` in the colour of its side.
fn paint(f: &mut fmt::Formatter<'_>, side: Option<Side>, text: &str) -> fmt::Result {
    match side.filter(|_| f.alternate()) {
        GREEN => write!(f, "\x1b[32m{text}\x1b[0m"),
        RED => write!(f, "\x1b[31m{text}\x1b[0m"),
        None => f.write_str(text),
    }
}

impl fmt::Display for Diagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred ")?;
        if let Some(label) = self.label {
            write!(f, "({label}) ")?;
        }
        write!(f, "made at {}:{}\n  ", self.made.file(), self.made.line())?;
        paint(f, GREEN, "value")?;
        f.write_str(" ")?;
        paint(f, RED, "failure")?;
        let places = self
            .steps
            .iter()
            .map(|step| format!("{}:{}", step.at.file(), step.at.line()));
        let places: Vec<_> = places.collect();
        let width = places.iter().map(String::len).max().unwrap_or(0);
        for (step, place) in self.steps.iter().zip(&places) {
            let (row, what) = step.row();
            draw(f, row)?;
            write!(f, "{what:<19}  {place:<width$}  {}", brief(step.name))?;
        }
        let (row, what) = match self.steps.last().and_then(|last| last.went) {
            GREEN => ([(GREEN, "▼"), (None, "      ·")], "a value"),
            RED => ([(None, "·      "), (RED, "▼")], "a failure"),
            None => return Ok(()),
        };
        draw(f, row)?;
        f.write_str(what)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Diagram::of(self), f)
    }
}
