//! The plot, both of its axes logarithmic.

use crate::Series;
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

const COLOURS: [RGBColor; 4] = [
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0xc8, 0x55, 0x3d),
    RGBColor(0x3a, 0x7d, 0x44),
    RGBColor(0x7b, 0x4b, 0x94),
];

/// Draws all series to `file`.
pub(crate) fn draw(file: &Path, series: &[Series]) -> Result<(), Box<dyn Error>> {
    let points = || series.iter().flat_map(|series| &series.points);
    let largest = points().map(|(size, _)| *size).fold(1.0, f64::max);
    let fastest = points().map(|(_, time)| *time).fold(f64::MAX, f64::min);
    let slowest = points().map(|(_, time)| *time).fold(0.0, f64::max);

    let area = SVGBackend::new(file, (800, 500)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Time over size", ("sans-serif", 20))
        .margin(15)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (1.0..largest).log_scale(),
            (fastest..slowest * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("size")
        .y_desc("nanoseconds")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|time| format!("{time:.0}"))
        .draw()?;
    for (series, colour) in series.iter().zip(COLOURS) {
        let line = LineSeries::new(series.points.iter().copied(), colour.stroke_width(2));
        chart
            .draw_series(line.point_size(3))?
            .label(format!("{} (^{:.2})", series.name, series.exponent))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
