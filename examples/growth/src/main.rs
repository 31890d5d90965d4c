//! How time grows with size: chains, chains of returned Deferreds, children of
//! a list, and waiters on a semaphore.
//!
//! `cargo run --release -p growth` prints the nanoseconds for each unit
//! and the exponent of the growth (1 is linear), and draws `docs/growth.svg`;
//! another file may be named.

mod plot;
mod work;

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use work::{WORKS, Work};

/// Each size is measured at least this often, and for at least this long.
const LEAST_TIMES: usize = 5;
const LEAST_TIME: Duration = Duration::from_millis(50);

/// The times that one work took.
pub(crate) struct Series {
    /// What was done.
    pub(crate) name: &'static str,
    /// Sizes, and the median of the nanoseconds for each.
    pub(crate) points: Vec<(f64, f64)>,
    /// The power of the size that fits the times best.
    pub(crate) exponent: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("docs/growth.svg"), PathBuf::from);
    let series: Vec<Series> = WORKS.iter().map(measure).collect();
    for series in &series {
        println!(
            "{}: time grows with size^{:.3}",
            series.name, series.exponent
        );
        for (size, time) in &series.points {
            println!("  {size:>9} {:>9.1} ns a unit", time / size);
        }
    }
    plot::draw(&file, &series)?;
    println!("drawn to {}", file.display());
    Ok(())
}

fn measure(work: &Work) -> Series {
    let sizes = (0..).map(|power| 10_u64.pow(power));
    let points: Vec<_> = sizes
        .take_while(|&size| size <= work.largest)
        .map(|size| (size as f64, median(work, size)))
        .collect();
    let exponent = slope(&points);
    Series {
        name: work.name,
        points,
        exponent,
    }
}

fn median(work: &Work, size: u64) -> f64 {
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < LEAST_TIMES || start.elapsed() < LEAST_TIME {
        times.push((work.run)(size));
    }
    times.sort();
    times[times.len() / 2].as_nanos() as f64
}

/// The slope of the line of least squares through the points' logarithms.
fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let together: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let alone: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    together / alone
}
