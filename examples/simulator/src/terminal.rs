//! The drawing for the terminal.

use std::io::{self, Write};

use tokio_deferred::debug::Side;

use crate::canvas::{Canvas, Ink};
use crate::chain::{self, Firing, Pair};

const BOX_HEIGHT: usize = 5;
const ARROW_HEIGHT: usize = 3;
const STAGE_HEIGHT: usize = BOX_HEIGHT + ARROW_HEIGHT;
const BELOW_TITLE: usize = 3;
/// The row of the first stage of a firing, below its initial value.
const FIRST_STAGE: usize = BELOW_TITLE + 1 + ARROW_HEIGHT;
const BETWEEN_SIDES: usize = 2;
const BETWEEN_COLUMNS: usize = 5;
/// The widest value that can occur, `initial*`.
const WIDEST_VALUE: usize = 8;

/// Draws the chain and its two firings, side by side or one below the other.
///
/// # Errors
///
/// Fails when `out` does.
pub(crate) fn draw(
    out: &mut impl Write,
    pairs: &[Pair],
    callback: &Firing,
    errback: &Firing,
    narrow: bool,
) -> io::Result<()> {
    let widest = pairs
        .iter()
        .flat_map(|pair| chain::SIDES.map(|side| pair.on(side).to_string().len()));
    let columns = Columns {
        // Odd, so that there is a middle for the arrows to run through.
        box_width: (widest.max().unwrap_or(0).max(WIDEST_VALUE) + 4) | 1,
    };
    if narrow {
        let mut canvas = Canvas::default();
        columns.chain(&mut canvas, BELOW_TITLE, pairs);
        canvas.print(out)?;
        for firing in [callback, errback] {
            let mut canvas = Canvas::default();
            columns.firing(&mut canvas, 0, pairs, firing);
            writeln!(out)?;
            canvas.print(out)?;
        }
        return Ok(());
    }
    let mut canvas = Canvas::default();
    columns.chain(&mut canvas, FIRST_STAGE, pairs);
    let pitch = columns.width() + BETWEEN_COLUMNS;
    let height = FIRST_STAGE + pairs.len() * STAGE_HEIGHT + 1;
    for (firing, x) in [callback, errback].into_iter().zip([pitch, 2 * pitch]) {
        for y in 0..height {
            canvas.text(x - BETWEEN_COLUMNS / 2 - 1, y, "│", Ink::Plain);
        }
        columns.firing(&mut canvas, x, pairs, firing);
    }
    canvas.print(out)
}

/// The measures that all three columns share.
struct Columns {
    box_width: usize,
}

impl Columns {
    fn width(&self) -> usize {
        2 * self.box_width + BETWEEN_SIDES
    }

    fn left(&self, x: usize, side: Side) -> usize {
        match side {
            Side::Callback => x,
            Side::Errback => x + self.box_width + BETWEEN_SIDES,
        }
    }

    fn middle(&self, x: usize, side: Side) -> usize {
        self.left(x, side) + self.box_width / 2
    }

    /// The chain as it was built, from row `y` on: what each callback and
    /// errback would do.
    fn chain(&self, canvas: &mut Canvas, y: usize, pairs: &[Pair]) {
        self.title(canvas, 0, "Deferred");
        for (pair, y) in pairs.iter().zip((y..).step_by(STAGE_HEIGHT)) {
            for side in chain::SIDES {
                let caption = pair.on(side).to_string();
                self.stage(canvas, self.left(0, side), y, side, ["", &caption, ""]);
            }
        }
    }

    /// The way a result took, from what the chain was fired with to what came
    /// out at its end.
    fn firing(&self, canvas: &mut Canvas, x: usize, pairs: &[Pair], firing: &Firing) {
        let method = chain::name(firing.start);
        let initial = firing.initial();
        self.title(canvas, x, &format!("d.{method}({initial})"));
        self.value(canvas, x, BELOW_TITLE, firing.start, &initial);
        for step in &firing.steps {
            let caption = pairs[step.stage].on(step.side).to_string();
            let lines = [step.input.as_str(), &caption, &step.output];
            let y = FIRST_STAGE + step.stage * STAGE_HEIGHT;
            self.stage(canvas, self.left(x, step.side), y, step.side, lines);
        }
        let mut below = FIRST_STAGE - ARROW_HEIGHT;
        for (from, to) in firing.hops() {
            canvas.arrow(self.middle(x, from), self.middle(x, to), below, ink(to));
            below += STAGE_HEIGHT;
        }
        self.value(canvas, x, below - BOX_HEIGHT, firing.end, &firing.result);
    }

    fn title(&self, canvas: &mut Canvas, x: usize, title: &str) {
        let rule = "─".repeat(title.chars().count());
        canvas.centred(x, 0, self.width(), title, Ink::Title);
        canvas.centred(x, 1, self.width(), &rule, Ink::Title);
    }

    fn value(&self, canvas: &mut Canvas, x: usize, y: usize, side: Side, value: &str) {
        let left = self.left(x, side);
        canvas.centred(left, y, self.box_width, value, ink(side));
    }

    fn stage(&self, canvas: &mut Canvas, x: usize, y: usize, side: Side, lines: [&str; 3]) {
        canvas.outline(x, y, self.box_width, ink(side));
        for (line, row) in lines.into_iter().zip(y + 1..) {
            // What goes in and comes out has the colour of the side it belongs
            // to; a failure may come out of a green box.
            let ink = match line.ends_with('*') {
                true => Ink::Failure,
                false if row == y + 2 => ink(side),
                false => Ink::Value,
            };
            canvas.centred(x + 1, row, self.box_width - 2, line, ink);
        }
    }
}

fn ink(side: Side) -> Ink {
    match side {
        Side::Callback => Ink::Value,
        Side::Errback => Ink::Failure,
    }
}
