//! A grid of coloured characters.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

/// What a character belongs to, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Title,
    Value,
    Failure,
}

impl Ink {
    fn style(self) -> Style {
        match self {
            Ink::Plain => Style::new(),
            Ink::Title => Style::new().bold(),
            Ink::Value => AnsiColor::Green.on_default(),
            Ink::Failure => AnsiColor::Red.on_default(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Canvas {
    rows: Vec<Vec<(char, Ink)>>,
}

impl Canvas {
    /// Writes `text` from column `x` of row `y` on.
    pub(crate) fn text(&mut self, x: usize, y: usize, text: &str, ink: Ink) {
        if self.rows.len() <= y {
            self.rows.resize_with(y + 1, Vec::new);
        }
        let row = &mut self.rows[y];
        let end = x + text.chars().count();
        if row.len() < end {
            row.resize(end, (' ', Ink::Plain));
        }
        for (cell, character) in row[x..end].iter_mut().zip(text.chars()) {
            *cell = (character, ink);
        }
    }

    /// Writes `text` in the middle of `width` columns.
    pub(crate) fn centred(&mut self, x: usize, y: usize, width: usize, text: &str, ink: Ink) {
        let indent = width.saturating_sub(text.chars().count()) / 2;
        self.text(x + indent, y, text, ink);
    }

    /// Draws the outline of a box, five rows high.
    pub(crate) fn outline(&mut self, x: usize, y: usize, width: usize, ink: Ink) {
        let bar = "─".repeat(width - 2);
        self.text(x, y, &format!("┌{bar}┐"), ink);
        for row in y + 1..y + 4 {
            self.text(x, row, "│", ink);
            self.text(x + width - 1, row, "│", ink);
        }
        self.text(x, y + 4, &format!("└{bar}┘"), ink);
    }

    /// Draws an arrow three rows high from column `from` down to column `to`.
    pub(crate) fn arrow(&mut self, from: usize, to: usize, y: usize, ink: Ink) {
        self.text(from, y, "│", ink);
        if from == to {
            self.text(from, y + 1, "│", ink);
        } else {
            let (left, right) = (from.min(to), from.max(to));
            let bar = "─".repeat(right - left - 1);
            let turn = match from < to {
                true => format!("└{bar}┐"),
                false => format!("┌{bar}┘"),
            };
            self.text(left, y + 1, &turn, ink);
        }
        self.text(to, y + 2, "▼", ink);
    }

    /// Prints the grid, with escape codes wherever the colour changes.
    ///
    /// # Errors
    ///
    /// Fails when `out` does.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for row in &self.rows {
            for run in row.chunk_by(|left, right| left.1 == right.1) {
                let style = run[0].1.style();
                let text: String = run.iter().map(|cell| cell.0).collect();
                write!(out, "{style}{text}{style:#}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
