//! The path that a failure took.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// How many places a trace keeps from its start.
const HEAD: usize = 8;
/// How many places a trace keeps from its end.
const TAIL: usize = 24;
/// How many watched chains a trace keeps: the first, and the last ones.
const CHAINS: usize = 4;

/// The path that a [`Failure`](crate::Failure) took, oldest place first.
///
/// A trace keeps the first 8 and the last 24 places; how many were left out
/// between them is [`skipped`](Trace::skipped). `Display` prints a line a
/// place.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, Failure, PlaceKind, testing};
///
/// let d = Deferred::succeed("seven").add_callback(|s| Ok(s.parse::<i32>()?));
/// let trace = testing::failure_of(d).trace();
/// let kinds: Vec<_> = trace.places().map(|place| place.kind()).collect();
/// assert_eq!(kinds, [PlaceKind::Raised, PlaceKind::Left]);
/// assert!(trace.places().all(|place| place.at().file() == file!()));
/// ```
#[derive(Clone)]
pub struct Trace {
    raised: Place,
    second: Option<Place>,
    rest: Option<Box<Rest>>,
}

/// What a failure keeps of its way: a few words, which every failure has.
#[derive(Clone)]
pub(super) struct Path {
    raised: &'static Location<'static>,
    // The one place that most failures have besides, kept without allocating.
    second: Option<Step>,
    // What few have, and so not worth more than a word.
    rest: Option<Box<Rest>>,
}

/// A place that a failure left, or crossed, in a Deferred without a label.
#[derive(Clone, Copy)]
struct Step {
    at: &'static Location<'static>,
    /// Of the callback, if it left one, and where that one's Deferred was made.
    left: Option<(Name, &'static Location<'static>)>,
}

/// What a failure has that went further, or was watched.
#[derive(Clone, Default)]
struct Rest {
    /// The places up to the eighth, but for those before.
    head: Vec<Place>,
    tail: VecDeque<Place>,
    skipped: u64,
    /// The watched chains that it came through, oldest first.
    seen: Vec<Arc<Picture>>,
}

/// Something that draws a chain; a trace that has one keeps its auto traits.
pub(crate) type Picture = dyn fmt::Display + Send + Sync + UnwindSafe + RefUnwindSafe;

/// What happened to a failure at a [`Place`].
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, PlaceKind, testing};
///
/// let d = Deferred::<()>::fail("out of paper").add_errback(|failure| Err(failure));
/// let trace = testing::failure_of(d).trace();
/// let kinds: Vec<_> = trace.places().map(|place| place.kind()).collect();
/// assert_eq!(kinds, [PlaceKind::Raised, PlaceKind::Left]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlaceKind {
    /// It was made: the line of the `?`, of `Failure::new`, or of the call
    /// (`errback`, `cancel`, ..) that made it.
    Raised,
    /// It left a callback, errback or other stage; the place is the `add_*`
    /// call.
    Left,
    /// It crossed an `.await`; the place is where the awaited Deferred was
    /// made.
    Awaited,
}

/// Gives the name of a callback: half as large as the name.
pub(crate) type Name = fn() -> &'static str;

/// One step on a failure's path.
///
/// # Examples
///
/// ```
/// use tokio_deferred::{Deferred, testing};
///
/// let d = Deferred::succeed("seven")
///     .label("the number")
///     .add_callback(|s| Ok(s.parse::<i32>()?));
/// let trace = testing::failure_of(d).trace();
/// let left = trace.places().last().unwrap();
/// assert_eq!((left.at().file(), left.label()), (file!(), Some("the number")));
/// ```
#[derive(Clone, Copy)]
pub struct Place {
    kind: PlaceKind,
    at: &'static Location<'static>,
    name: Option<Name>,
    made: Option<&'static Location<'static>>,
    label: Option<&'static str>,
}

impl Place {
    pub(crate) fn raised(at: &'static Location<'static>) -> Self {
        Place {
            kind: PlaceKind::Raised,
            at,
            name: None,
            made: None,
            label: None,
        }
    }

    pub(crate) fn left(
        at: &'static Location<'static>,
        name: Name,
        made: &'static Location<'static>,
        label: Option<&'static str>,
    ) -> Self {
        Place {
            kind: PlaceKind::Left,
            at,
            name: Some(name),
            made: Some(made),
            label,
        }
    }

    pub(crate) fn awaited(made: &'static Location<'static>, label: Option<&'static str>) -> Self {
        Place {
            kind: PlaceKind::Awaited,
            at: made,
            name: None,
            made: None,
            label,
        }
    }

    /// Returns what happened here.
    pub fn kind(&self) -> PlaceKind {
        self.kind
    }

    /// Returns the file and line; [`PlaceKind`] says of what.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// Returns the callback's name, as `std::any::type_name` gives it, where a
    /// callback was left.
    pub fn name(&self) -> Option<&'static str> {
        self.name.map(|name| name())
    }

    /// Returns where the Deferred whose callback was left had been made.
    pub fn made(&self) -> Option<&'static Location<'static>> {
        self.made
    }

    /// Returns the label of the Deferred, if it had one.
    pub fn label(&self) -> Option<&'static str> {
        self.label
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        let parts = |place: &Self| (place.kind, place.at, place.name(), place.made, place.label);
        parts(self) == parts(other)
    }
}

impl Eq for Place {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            PlaceKind::Raised => "raised at",
            PlaceKind::Left => "left the callback added at",
            PlaceKind::Awaited => "crossed the .await of the Deferred made at",
        };
        write!(f, "{what} {}:{}", self.at.file(), self.at.line())?;
        if let Some(name) = self.name() {
            write!(f, ", {}", brief(name))?;
        }
        if let Some(made) = self.made {
            write!(
                f,
                ", of the Deferred made at {}:{}",
                made.file(),
                made.line()
            )?;
        }
        if let Some(label) = self.label {
            write!(f, " ({label})")?;
        }
        Ok(())
    }
}

/// Returns a type's name without its generic arguments, which are most of it
/// where a library made the callback.
pub(crate) fn brief(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut depth = 0;
    let mut last = ' ';
    for c in name.chars() {
        match c {
            '<' => depth += 1,
            '>' if last != '-' => depth -= 1, // the arrow of `fn() -> T` closes nothing
            _ if depth > 0 => {}
            // What stood between two of these is gone.
            ':' if short.is_empty() || short.ends_with("::") => {}
            _ => short.push(c),
        }
        last = c;
    }
    short
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Step {
    fn place(self) -> Place {
        match self.left {
            Some((name, made)) => Place::left(self.at, name, made, None),
            None => Place::awaited(self.at, None),
        }
    }
}

impl Path {
    pub(super) fn new(at: &'static Location<'static>) -> Self {
        Path {
            raised: at,
            second: None,
            rest: None,
        }
    }

    /// The newest place.
    pub(super) fn last(&self) -> Place {
        let rest = self.rest.as_ref();
        let in_rest = rest.and_then(|rest| rest.tail.back().or(rest.head.last()).copied());
        in_rest
            .or(self.second.map(Step::place))
            .unwrap_or(Place::raised(self.raised))
    }

    #[inline(always)]
    pub(super) fn push(&mut self, place: Place) {
        if self.second.is_none() && self.rest.is_none() && place.label.is_none() {
            let left = place.name.zip(place.made);
            self.second = Some(Step { at: place.at, left });
        } else {
            self.push_to_rest(place);
        }
    }

    #[inline(never)]
    fn push_to_rest(&mut self, place: Place) {
        let before = 1 + usize::from(self.second.is_some());
        let rest = self.rest.get_or_insert_default();
        if before + rest.head.len() < HEAD {
            rest.head.push(place);
        } else {
            if rest.tail.len() == TAIL {
                rest.tail.pop_front();
                // A u64 of places cannot be reached by counting.
                rest.skipped += 1;
            }
            rest.tail.push_back(place);
        }
    }

    pub(super) fn push_chain(&mut self, chain: Arc<Picture>) {
        let seen = &mut self.rest.get_or_insert_default().seen;
        if seen.iter().any(|known| Arc::ptr_eq(known, &chain)) {
            return;
        }
        if seen.len() == CHAINS {
            seen.remove(1);
        }
        seen.push(chain);
    }
}

impl From<Path> for Trace {
    fn from(path: Path) -> Self {
        Trace {
            raised: Place::raised(path.raised),
            second: path.second.map(Step::place),
            rest: path.rest,
        }
    }
}

impl Trace {
    /// The watched chains that were kept, oldest first.
    pub(super) fn chains(&self) -> impl Iterator<Item = &Picture> {
        self.rest
            .iter()
            .flat_map(|rest| &rest.seen)
            .map(|chain| &**chain)
    }

    /// Returns the places that were kept, oldest first: at most 8 from the
    /// start and 24 from the end.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.raised)
            .chain(&self.second)
            .chain(self.rest.iter().flat_map(|rest| &rest.head))
            .chain(self.rest.iter().flat_map(|rest| &rest.tail))
    }

    /// Returns how many places were left out between the first and the last.
    pub fn skipped(&self) -> u64 {
        self.rest.as_ref().map_or(0, |rest| rest.skipped)
    }

    /// Returns where the failure was raised: the first place.
    pub fn raised_at(&self) -> &'static Location<'static> {
        self.raised.at
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.skipped();
        let gap = if skipped > 0 { HEAD } else { usize::MAX };
        for (n, place) in self.places().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            if n == gap {
                writeln!(f, "  .. {skipped} places left out ..")?;
            }
            write!(f, "  {place}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.places()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_generic_arguments() {
        let cases = [
            ("app::parse", "app::parse"),
            ("app::main::{{closure}}", "app::main::{{closure}}"),
            (
                "app::run<T, fn(u8) -> Vec<u8>>::{{closure}}",
                "app::run::{{closure}}",
            ),
            (
                "app::time::<impl app::Clock<u8>>::limit<u8>",
                "app::time::limit",
            ),
            ("<app::Port as core::str::FromStr>::from_str", "from_str"),
            ("fn(u8) -> u8", "fn(u8) -> u8"),
        ];
        for (name, shown) in cases {
            assert_eq!(brief(name), shown);
        }
    }

    /// A place with a label is kept elsewhere than one without.
    #[test]
    fn first_eight_and_last_twenty_four_are_kept_with_and_without_labels() {
        let here = Location::caller();
        for label in [None, Some("second")] {
            let mut path = Path::new(here);
            path.push(Place::awaited(here, label));
            for _ in 0..HEAD + TAIL - 2 {
                path.push(Place::awaited(here, None));
            }
            let trace = Trace::from(path.clone());
            assert_eq!((trace.places().count(), trace.skipped()), (32, 0));
            path.push(Place::awaited(here, Some("newest")));
            let trace = Trace::from(path);
            assert_eq!((trace.places().count(), trace.skipped()), (32, 1));
            let mut places = trace.places();
            assert_eq!(places.next(), Some(&Place::raised(here)));
            assert_eq!(places.next(), Some(&Place::awaited(here, label)));
            assert_eq!(places.last().and_then(Place::label), Some("newest"));
            let text = trace.to_string();
            assert!(
                text.lines()
                    .nth(HEAD)
                    .is_some_and(|l| l.contains("1 places left out")),
                "{text}"
            );
        }
    }
}
